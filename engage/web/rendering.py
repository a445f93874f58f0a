"""Renders the application's own pages."""

from pathlib import Path

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy.engine import Connection

from engage.content import Templates
from engage.content.colors import on_dark, on_light, text_on
from engage.content.words import PLAIN, Words
from engage.domain.programs import Program
from engage.pipeline.contexts import partner_contexts
from engage.pipeline.previewing import DEAD_TOKEN

_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)


_DEFAULT_COLOR = "#1f4b99"
"""Of pages that no program is known for."""


def page(
    request: Request, name: str, status: int = 200, color: str = _DEFAULT_COLOR, words: Words = PLAIN, **values: object
) -> HTMLResponse:
    """The page `name` in these words, with the nonce that lets its own style through the content security policy.

    `color` is a program's, made readable as it is in mails.
    """
    light, dark = on_light(color), on_dark(color)
    colors = {"act": light, "on_act": text_on(light), "act_dark": dark, "on_act_dark": text_on(dark)}
    said = {"t": words, "lang": words.language}
    html = _PAGES.get_template(name).render(nonce=request.state.nonce, **said, **colors, **values)
    return HTMLResponse(html, status)


def words_for(db: Connection, templates: Templates, program: Program, partner_id: int) -> Words:
    """How pages speak to this partner: in their locale as far as there are words in it."""
    partner = partner_contexts(db, [partner_id]).get(partner_id)
    return templates.words((partner and partner["locale"]) or program.locale, program)


def page_of_no_link(request: Request, name: str, token: str) -> HTMLResponse:
    """What is said of a token that stands for nothing: the page `name`, or that it is a preview's."""
    return page(request, "preview_link.html" if token == DEAD_TOKEN else name, 404)
