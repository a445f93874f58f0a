"""Renders the application's own pages: no inline style or script, so that the policy of headers.py lets none run."""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy.engine import Connection

from engage.bootstrap import Services
from engage.content import Templates
from engage.content.words import PLAIN, Words
from engage.domain.programs import Program
from engage.pipeline.contexts import partner_contexts
from engage.pipeline.previewing import DEAD_TOKEN
from engage.web.brands import brand_path

STATIC = Path(__file__).parent / "static"
_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(
    request: Request,
    name: str,
    status: int = 200,
    program: Program | None = None,
    words: Words = PLAIN,
    **values: object,
) -> HTMLResponse:
    """The page `name` in the brand of the program and in these words; without a program, in no brand.

    A template knows `values` and: `t` (says a text in the words), `lang`, `program` (the brand's name, or ""), `brand`
    (domain.programs.Brand, or none), `static("name.css")` (where a file of engage/web/static is), `root` (what comes
    before "/p/…" in addresses on this host: usually nothing).
    """
    root = root_of(request)
    known: dict[str, object] = {
        "t": words,
        "lang": words.language,
        "root": root,
        "static": _static_under(root),
        "program": program.brand.name if program else "",
        "brand": program.brand if program else None,
        "brand_css": root + brand_path(program) if program else "",
    }
    return HTMLResponse(_PAGES.get_template(name).render(known | values), status)


def root_of(request: Request) -> str:
    """The path of the address under which partners reach engage: "" unless a proxy serves it below one."""
    services: Services = request.app.state.services
    return urlsplit(services.settings.public_url).path


def words_for(db: Connection, templates: Templates, program: Program, partner_id: int) -> Words:
    """How pages speak to this partner: in their locale as far as there are words in it."""
    partner = partner_contexts(db, [partner_id]).get(partner_id)
    return templates.words((partner and partner["locale"]) or program.locale, program)


def page_of_no_link(request: Request, name: str, token: str) -> HTMLResponse:
    """What is said of a token that stands for nothing: the page `name`, or that it is a preview's."""
    return page(request, "preview_link.html" if token == DEAD_TOKEN else name, 404)


@lru_cache(maxsize=4)
def _static_under(root: str) -> Callable[[str], str]:
    return lambda name: f"{root}/static/{name}?v={_version(name)}"


@lru_cache(maxsize=64)
def _version(name: str) -> str:
    """Changes with the file, so that browsers may keep it for ever."""
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]
