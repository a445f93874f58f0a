"""What people are used to write elsewhere and what would reach a reader as it stands: merge tags, HTML, pictures, and
links to addresses that lead nowhere from a mail."""

import re
from collections.abc import Iterator

from engage.content.lifting import Lifted
from engage.content.markdown import Block
from engage.domain.errors import Problem

_MERGE_TAG = re.compile(r"\*\|[^|\n]*\|\*")
_PICTURE = re.compile(r"!\[[^\]\n]*\]\(")
_TAGS = (
    "a|abbr|b|blockquote|body|br|button|center|code|div|em|font|footer|h[1-6]|head|header|hr|html|i|iframe|img|input|"
    "li|link|meta|ol|p|pre|s|script|section|small|span|strike|strong|style|sub|sup|table|tbody|td|th|thead|tr|u|ul"
)
_HTML = re.compile(rf"(?<!\\)<({_TAGS})(?:\s[^<>]*)?/?>|<!--", re.IGNORECASE)
_INSTEAD = {
    "b": "write **bold**",
    "strong": "write **bold**",
    "i": "write *italic*",
    "em": "write *italic*",
    "a": "write [text](https://www.example.com)",
    "br": "leave an empty line",
    "p": "leave an empty line",
    "img": "take it out: there are no pictures yet",
    "li": "begin the line with '- '",
    "!--": "write {# … #}",
}
_MARKDOWN = "write Markdown: **bold**, *italic*, # Heading, [text](https://www.example.com)"
_ADDRESS = re.compile(r"(?:https?://|mailto:|tel:).", re.IGNORECASE)
_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+([/?#]\S*)?", re.IGNORECASE)


def habits(lifted: Lifted, file: str, first_line: int = 1, *, markdown: bool = True) -> Iterator[Problem]:
    """The merge tags, HTML and pictures of a text. One that is not `markdown`, such as a subject, is plain."""

    def problem(found: re.Match[str], message: str, hint: str) -> Problem:
        start, text = found.start(), lifted.masked
        line, column = text.count("\n", 0, start) + first_line, start - text.rfind("\n", 0, start)
        return Problem(file, line, column, message, hint)

    for found in _MERGE_TAG.finditer(lifted.masked):
        yield problem(found, f"'{found[0]}' means nothing here", "write {{ partner.greeting_name }}, or another value")
    for found in _HTML.finditer(lifted.masked):
        tag = f"<{found[1]}>" if found[1] else found[0]
        instead = _INSTEAD.get(tag.strip("<>").lower(), _MARKDOWN) if markdown else "take it out"
        yield problem(found, f"'{tag}' is HTML, which readers would see as it stands", instead)
    for found in _PICTURE.finditer(lifted.masked) if markdown else ():
        yield problem(found, "an email can have no pictures yet", "take it out, or link to it: [text](https://…)")


def links(blocks: list[Block], lifted: Lifted, file: str, source: str, first_line: int) -> Iterator[Problem]:
    """Targets of links in a text that no mail program could open. `source` is the text as its author wrote it."""
    offset = 0
    for target in _targets(blocks):
        begin = target[: mark.start()] if (mark := lifted.mark.search(target)) else target
        start = max(source.find("](" + begin, offset), offset)
        offset = start + 2
        if hint := wrong_address(target, lifted):
            line, column = source.count("\n", 0, offset) + first_line, offset - source.rfind("\n", 0, offset)
            yield Problem(file, line, column, f"'{begin}' is no address that a mail can link to", hint)


def wrong_address(target: str, lifted: Lifted) -> str:
    """What to write instead of a link's target; empty if it is fit: a whole address, or one that a value begins."""
    while (mark := lifted.mark.match(target)) and lifted.tag_of(mark).keyword:
        target = target[mark.end() :]
    if mark or _ADDRESS.match(target):
        return ""
    if re.fullmatch(r"[^\s@/:]+@[^\s@/:]+", target):
        return f"write mailto:{target}"
    begin = lifted.mark.sub("…", target)
    if _DOMAIN.fullmatch(begin):
        return f"write https://{begin}"
    return "begin it with https:// or mailto:, or write a link of engage such as {{ links.portal }}"


def _targets(blocks: list[Block]) -> Iterator[str]:
    """Where the links lead, in order; a picture's source is no link."""
    for block in blocks:
        before = ""
        for token in block.inline:
            if token.type == "link_open" and not before.endswith("!"):
                yield str(token.attrGet("href") or "")
            before = token.content
        yield from _targets(block.children)
