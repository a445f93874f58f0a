"""Markdown, with its Jinja tags lifted out, becomes a small tree of blocks from which both parts are made.

Understood are headings, paragraphs, lists, quotes, rules, emphasis and links; no HTML, no pictures. A tag alone on a
line stands between blocks; one inside a line belongs to its paragraph. Tags between the items of a list stay in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token

from engage.content.lifting import CLOSERS, MIDDLES, OPENERS, Lifted, Tag, unbalanced
from engage.domain.errors import Problem

LISTS = ("bullet_list", "ordered_list")
_RULES = ["hr", "blockquote", "heading", "list", "paragraph", "newline", "escape", "emphasis", "link", "entity"]


@dataclass(slots=True)
class Block:
    """A node of the tree.

    `kind` is paragraph, heading, bullet_list, ordered_list, list_item, blockquote, hr, tag (whose `tag` it holds) or
    each (a list whose items all come from one loop: its `loop` holds both ends). `inline` is the text of paragraphs
    and headings, `level` that of a heading or the first number of a list.
    """

    kind: str
    children: list["Block"] = field(default_factory=list)
    inline: list[Token] = field(default_factory=list)
    level: int = 0
    hidden: bool = False
    tag: Tag | None = None
    loop: tuple[Tag, Tag] | None = None


def parse_markdown(lifted: Lifted, file: str) -> tuple[list[Block], tuple[Problem, ...]]:
    """The blocks of a text, and the tags that cross them."""
    tokens = _parser(lifted).parse(lifted.text)
    blocks = _tree(iter(tokens), lifted)
    problems = _crossings(blocks, lifted, file)
    return (blocks, tuple(problems)) if problems else (_tidied(blocks, lifted), ())


def _parser(lifted: Lifted) -> MarkdownIt:
    parser = MarkdownIt("zero", {"html": False}).enable(_RULES)

    def tags_alone(state: StateBlock, line: int, _end: int, silent: bool) -> bool:
        text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]].strip()
        if not text or lifted.mark.sub("", text).strip():
            return False
        if not all(tag.makes_block for tag in lifted.marks_in(text)):
            return False
        if not silent:
            token = state.push("tags", "", 0)
            token.content = text
            state.line = line + 1
        return True

    parser.block.ruler.before("hr", "tags", tags_alone, {"alt": ["paragraph", "blockquote", "list"]})
    # Targets may hold marks and are checked when the tags return; markdown-it's own checks would spoil them.
    parser.normalizeLink = str  # type: ignore[method-assign, assignment]
    parser.validateLink = bool  # type: ignore[method-assign, assignment]
    return parser


def _tree(tokens: Iterator[Token], lifted: Lifted) -> list[Block]:
    blocks: list[Block] = []
    for token in tokens:
        if token.nesting < 0:
            return blocks
        if token.type == "tags":
            blocks += [Block("tag", tag=tag) for tag in lifted.marks_in(token.content)]
        elif token.type == "hr":
            blocks.append(Block("hr"))
        elif token.nesting > 0:
            block = Block(token.type.removesuffix("_open"), hidden=token.hidden, level=_level(token))
            if block.kind in ("paragraph", "heading"):
                block.inline = next(tokens).children or []
                next(tokens)
            else:
                block.children = _tree(tokens, lifted)
            blocks.append(block)
    return blocks


def _level(token: Token) -> int:
    return int(token.tag[1]) if token.type == "heading_open" else int(token.attrGet("start") or 1)


def _crossings(blocks: list[Block], lifted: Lifted, file: str) -> list[Problem]:
    problems = unbalanced([block.tag for block in blocks if block.tag], file, "list item, quote or text")
    for block in blocks:
        problems += _crossings(block.children, lifted, file)
        problems += _inline_crossings(block.inline, lifted, file)
    return problems


def _inline_crossings(inline: list[Token], lifted: Lifted, file: str) -> list[Problem]:
    problems: list[Problem] = []
    levels: list[list[Tag]] = [[]]
    for token in inline:
        if token.nesting > 0:
            levels.append([])
            levels[-1] += lifted.marks_in(str(token.attrGet("href") or ""))
        elif token.nesting < 0:
            problems += unbalanced(levels.pop(), file, "emphasis or link")
        else:
            levels[-1] += lifted.marks_in(token.content)
    problems += unbalanced(levels[0], file, "paragraph")
    for token in inline:
        for tag in lifted.marks_in(token.content):
            if not tag.keyword and tag.makes_block:
                message = f"'{tag.inside.split('(')[0]}' stands inside a line"
                problems.append(Problem(file, tag.line, tag.column, message, "put it on a line of its own"))
    return problems


def _tidied(blocks: list[Block], lifted: Lifted) -> list[Block]:
    # An item before its paragraph: a condition that fills an item must go around the item, bullet and all.
    parts = [part for block in blocks for part in _hoisted(block, lifted)]
    for part in parts:
        part.children = _tidied(part.children, lifted)
    return _loops(_merged(parts))


def _hoisted(block: Block, lifted: Lifted) -> list[Block]:
    """A paragraph or item that stands wholly inside one condition: the condition goes around it, so that none is left
    empty where it does not hold."""
    holder = block
    if block.kind == "list_item" and len(block.children) == 1:
        holder = block.children[0]
    if holder.kind != "paragraph" or not holder.inline:
        return [block]
    first, last = holder.inline[0], holder.inline[-1]
    begin = lifted.mark.match(first.content) if first.type == "text" else None
    ends = list(lifted.mark.finditer(last.content)) if last.type == "text" else []
    tags = [tag for token in holder.inline for tag in lifted.marks_in(token.content) if tag.keyword]
    if not begin or not ends or ends[-1].end() != len(last.content) or not _one_condition(tags):
        return [block]
    if tags[0] is not lifted.tag_of(begin) or tags[-1] is not lifted.tag_of(ends[-1]):
        return [block]
    last.content = last.content[: ends[-1].start()]
    first.content = first.content[begin.end() :]
    return [Block("tag", tag=tags[0]), block, Block("tag", tag=tags[-1])]


def _one_condition(tags: list[Tag]) -> bool:
    depth = 0
    for index, tag in enumerate(tags):
        depth += (tag.keyword in OPENERS) - (tag.keyword in CLOSERS)
        if (depth == 1 and tag.keyword in MIDDLES) or (depth == 0 and index < len(tags) - 1):
            return False
    return bool(tags) and tags[0].keyword in OPENERS


def _merged(blocks: list[Block]) -> list[Block]:
    """Lists with nothing but statements between them become one, as long as it cannot come out empty."""
    result: list[Block] = []
    index = 0
    while index < len(blocks):
        end = _run(blocks, index)
        run = blocks[index:end]
        if end:
            first = next(block for block in run if block.kind in LISTS)
            first.children = [part for block in run for part in (block.children if block.kind in LISTS else [block])]
            result.append(first)
        else:
            result.append(blocks[index])
        index = end or index + 1
    return result


def _run(blocks: list[Block], start: int) -> int:
    """Where the longest mergeable run from `start` ends; 0 if there is none."""
    depth = end = lists = 0
    kind, sure = "", False
    for index in range(start, len(blocks)):
        block = blocks[index]
        if block.kind in LISTS and kind in ("", block.kind):
            kind, lists, sure = block.kind, lists + 1, sure or depth == 0
        elif block.tag and block.tag.keyword:
            depth += (block.tag.keyword in OPENERS) - (block.tag.keyword in CLOSERS)
        else:
            break
        if depth < 0:
            break
        if depth == 0 and sure and lists > 1:
            end = index + 1
    return end


def _loops(blocks: list[Block]) -> list[Block]:
    """A loop around one list becomes one list whose items are looped over."""
    result: list[Block] = []
    for block in blocks:
        result.append(block)
        if len(result) >= 3:
            begin, body, end = result[-3:]
            if _keyword(begin) == "for" and body.kind in LISTS and _keyword(end) == "endfor":
                assert begin.tag is not None
                assert end.tag is not None
                result[-3:] = [Block("each", [body], loop=(begin.tag, end.tag))]
    return result


def _keyword(block: Block) -> str:
    return block.tag.keyword if block.tag else ""
