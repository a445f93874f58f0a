"""The two forms of a Markdown tree: HTML with its style inline, as mail programs need it, and plain text."""

import re
from collections.abc import Callable

from markdown_it.token import Token
from markupsafe import escape

from engage.content.lifting import Lifted
from engage.content.markdown import Block

_LINK_STYLE = "color:{color};font-weight:600;text-decoration:underline;"
_HEADINGS = {
    1: "margin:0 0 16px;font-size:26px;line-height:1.25;font-weight:700;letter-spacing:-0.3px;",
    2: "margin:32px 0 10px;font-size:19px;line-height:1.3;font-weight:700;",
    3: "margin:24px 0 8px;font-size:16px;line-height:1.4;font-weight:700;",
}
_LOOP_ENDS = (("if loop.first", "if"), ("if loop.last", "if"), ("endif", "endif"))
_QUOTE = "margin:0 0 16px;padding:2px 0 2px 16px;border-left:3px solid #d5dae1;"
_RULE = "margin:28px 0;border:0;border-top:1px solid #e3e7ec;height:0;"


class HtmlForm:
    """Writes blocks as HTML, marks and all."""

    def __init__(self, lifted: Lifted) -> None:
        self.lifted = lifted
        color = lifted.insert("program.color | on_light")
        self.link_style = _LINK_STYLE.format(color=color)

    def blocks(self, blocks: list[Block]) -> str:
        return "\n".join(self.block(block) for block in blocks)

    def within(self, blocks: list[Block]) -> str:
        """Blocks inside another, whose own margin is below them already."""
        return "\n".join(self.block(block, "0" if block is blocks[-1] else "16px") for block in blocks)

    def block(self, block: Block, below: str = "16px") -> str:
        match block.kind:
            case "tag":
                assert block.tag
                return self.lifted.keep(block.tag)
            case "hr":
                return f'<hr class="line" style="{_RULE}">'
            case "heading":
                level = min(block.level, 3)
                return f'<h{level} class="ink" style="{_HEADINGS[level]}">{self.inline(block.inline)}</h{level}>'
            case "paragraph" if block.hidden:
                return self.inline(block.inline)
            case "paragraph":
                return f'<p style="margin:0 0 {below};">{self.inline(block.inline)}</p>'
            case "list_item":
                return f'<li style="margin:0 0 8px;">{self.within(block.children)}</li>'
            case "blockquote":
                return f'<blockquote class="line" style="{_QUOTE}">{self.within(block.children)}</blockquote>'
            case "each":
                return self.each(block)
            case _:
                begin, end = self.list_tags(block)
                return f"{begin}{self.blocks(block.children)}{end}"

    def each(self, block: Block) -> str:
        """One list around a loop, and none where the loop finds nothing."""
        assert block.loop
        keep, (items,) = self.lifted.keep, block.children
        begin, end = self.list_tags(items)
        if_first, if_last, done = (self.lifted.insert(*tag) for tag in _LOOP_ENDS)
        body = self.blocks(items.children)
        return f"{keep(block.loop[0])}{if_first}{begin}{done}{body}{if_last}{end}{done}{keep(block.loop[1])}"

    def list_tags(self, block: Block) -> tuple[str, str]:
        style = 'style="margin:0 0 16px;padding:0 0 0 24px;"'
        if block.kind == "bullet_list":
            return f"<ul {style}>", "</ul>"
        start = f' start="{block.level}"' if block.level != 1 else ""
        return f"<ol {style}{start}>", "</ol>"

    def inline(self, tokens: list[Token]) -> str:
        simple = {"strong_open": "<strong>", "strong_close": "</strong>", "em_open": "<em>", "em_close": "</em>"}
        simple |= {"link_close": "</a>", "softbreak": "\n", "hardbreak": "<br>"}
        parts = []
        for token in tokens:
            if token.type == "link_open":
                target = escape(self.lifted.address(str(token.attrGet("href") or "")))
                parts.append(f'<a class="link" href="{target}" target="_blank" style="{self.link_style}">')
            else:
                parts.append(simple.get(token.type) or str(escape(token.content)))
        return "".join(parts)


class TextForm:
    """Writes blocks as plain text, marks and all: each block ends with an empty line."""

    def __init__(self, lifted: Lifted) -> None:
        self.lifted = lifted

    def blocks(self, blocks: list[Block]) -> str:
        return "".join(self.block(block) for block in blocks)

    def block(self, block: Block) -> str:
        match block.kind:
            case "tag":
                assert block.tag
                mark = self.lifted.keep(block.tag)
                return mark if block.tag.keyword else f"{mark}\n\n"
            case "hr":
                return "* * *\n\n"
            case "heading" if block.level > 1:
                return f"{self.inline(block.inline)}\n{'-' * 40}\n\n"
            case "heading" | "paragraph":
                return self.inline(block.inline) + "\n\n"
            case "blockquote":
                return _prefixed(self.blocks(block.children), "> ", "> ") + "\n\n"
            case "each":
                return self.each(block)
            case _:
                return self.items(block, self.numbers(block)) + "\n"

    def each(self, block: Block) -> str:
        assert block.loop
        keep, (items,) = self.lifted.keep, block.children
        numbered = items.kind == "ordered_list" and len(items.children) == 1
        number = self.lifted.insert("loop.index") + ". " if numbered else "- "
        _, if_last, done = (self.lifted.insert(*tag) for tag in _LOOP_ENDS)
        return f"{keep(block.loop[0])}{self.items(items, lambda: number)}{if_last}\n{done}{keep(block.loop[1])}"

    def numbers(self, block: Block) -> Callable[[], str]:
        """What stands before each item. Which numbers items get among conditions is not known here: dashes then."""
        if block.kind == "bullet_list" or any(child.tag for child in block.children):
            return lambda: "- "
        counter = iter(range(block.level, block.level + len(block.children)))
        return lambda: f"{next(counter)}. "

    def items(self, block: Block, number: Callable[[], str]) -> str:
        parts = []
        for child in block.children:
            if child.tag:
                parts.append(self.lifted.keep(child.tag))
            else:
                parts.append(_prefixed(self.blocks(child.children), number(), "  ") + "\n")
        return "".join(parts)

    def inline(self, tokens: list[Token]) -> str:
        parts: list[str] = []
        links: list[tuple[int, str]] = []
        for token in tokens:
            if token.type == "link_open":
                links.append((len(parts), str(token.attrGet("href") or "")))
            elif token.type == "link_close":
                start, target = links.pop()
                label = "".join(parts[start:])
                shown = self.shown(target)
                if self.lifted.put_back(label) != self.lifted.put_back(shown):
                    parts[start:] = [shown if label == target else f"{label}: {shown}"]
            else:
                parts.append({"softbreak": " ", "hardbreak": "\n"}.get(token.type, token.content))
        return "".join(parts)

    def shown(self, target: str) -> str:
        """An address as a reader of plain text wants it: of mail and telephone what is typed, of the web all of it."""
        scheme, _, rest = target.partition(":")
        return rest.partition("?")[0] if scheme in ("tel", "mailto") else self.lifted.address(target)


def _prefixed(text: str, first: str, others: str) -> str:
    """The text's lines behind a prefix; empty lines only between others."""
    lines = re.sub(r"\n{2,}", "\n", text.strip("\n")).split("\n")
    return "\n".join((others if index else first) + line for index, line in enumerate(lines))
