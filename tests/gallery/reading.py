"""What a reader sees of an email's HTML: its visible texts, piece by piece, and where its links lead."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_BREAKS = frozenset(
    ("address", "blockquote", "body", "br", "center", "div", "dl", "dt", "dd", "hr", "li", "ol", "p", "ul")
)
_BREAKS |= {"h1", "h2", "h3", "h4", "h5", "h6", "table", "tbody", "td", "th", "tr"}
_UNSEEN = frozenset(("head", "style", "title", "script"))
_VOID = frozenset(("br", "hr", "img", "meta", "link", "input", "col", "wbr"))
_HIDDEN = re.compile(r"display:\s*none")
_WORD = re.compile(r"\w+")


@dataclass(slots=True)
class Read:
    """`texts`: what stands in one paragraph, cell or line; decoration (aria-hidden) is none."""

    texts: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)


def read(html: str) -> Read:
    """What is seen of a page without looking at it."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    reader.end()
    return reader.found


def words(text: str) -> str:
    """A text's words, one blank between, for asking whether one stands in another."""
    return f" {' '.join(_WORD.findall(text.casefold()))} "


def sentences(text: str) -> list[str]:
    return [one for one in re.split(r"(?<=[.!?:;])\s+", text) if _WORD.search(one)]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found = Read()
        self._open: list[tuple[str, bool]] = []
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in _BREAKS:
            self.end()
        if tag == "a" and not self._hidden():
            self.found.links.append(given.get("href", ""))
        if tag not in _VOID:
            unseen = (
                tag in _UNSEEN or bool(_HIDDEN.search(given.get("style", ""))) or given.get("aria-hidden") == "true"
            )
            self._open.append((tag, unseen or self._hidden()))

    def handle_endtag(self, tag: str) -> None:
        if tag in _BREAKS:
            self.end()
        if any(name == tag for name, _ in self._open):
            while self._open.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self._hidden():
            self._text += data

    def end(self) -> None:
        text = " ".join(self._text.split())
        self._text = ""
        if _WORD.search(text):
            self.found.texts.append(text)

    def _hidden(self) -> bool:
        return bool(self._open) and self._open[-1][1]
