"""The mailbox's pages as HTML. What a message holds is text to be escaped, or shown in a frame that can run nothing."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from engage.web.mailbox.store import MailStore, Neighbours, Page
from engage.web.mailbox.summary import Summary, part

_HERE = Path(__file__).parent
_PAGES = Environment(loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined)
_HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; img-src data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
# The message's own HTML, also when it is opened outside its frame: no script, no form, no plugin, no other style.
FRAME_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src http: https: data:; font-src data:; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'self'; "
        "sandbox allow-popups allow-popups-to-escape-sandbox"
    ),
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that the pages need."""

    content: bytes
    media_type: str


STATIC = {
    name: Asset((_HERE / "static" / name).read_bytes(), media_type)
    for name, media_type in (("mailbox.css", "text/css"), ("mailbox.js", "text/javascript"))
}


def inbox(store: MailStore, page: Page, campaign: str, to: str, newest: bool) -> str:
    """The list. `newest` says that it is the first page, which follows what comes in."""
    chosen = {key: value for key, value in (("campaign", campaign), ("to", to)) if value}
    return _PAGES.get_template("inbox.html").render(
        messages=page.messages,
        total=len(store),
        campaigns=store.campaigns(),
        campaign=campaign,
        to=to,
        newest=newest,
        version=store.version,
        first_page="/mailbox" + (f"?{urlencode(chosen)}" if chosen else ""),
        older_page=f"/mailbox?{urlencode({**chosen, 'before': page.older})}" if page.older is not None else "",
    )


def message(summary: Summary, body: dict[str, Any], neighbours: Neighbours) -> str:
    """One message at two widths, as text, its headers and the request as it came."""
    return _PAGES.get_template("message.html").render(
        message=summary,
        neighbours=neighbours,
        has_html=bool(part(body, "text/html")),
        text=part(body, "text/plain"),
        request=as_json(body).decode(),
    )


def as_json(body: dict[str, Any]) -> bytes:
    """The request, to be read by a person."""
    return orjson.dumps(body, option=orjson.OPT_INDENT_2)


def missing() -> str:
    """The page for an id that is not there."""
    return _PAGES.get_template("missing.html").render()


def framed(body: dict[str, Any]) -> str:
    """The message's HTML as it was sent; only that its links open in a new tab, for its frame is too small for them."""
    html = part(body, "text/html")
    base = '<base target="_blank">'
    head = _HEAD.search(html)
    return html[: head.end()] + base + html[head.end() :] if head else html + base
