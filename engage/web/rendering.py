"""Renders the application's own pages."""

from pathlib import Path

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)


def page(request: Request, name: str, status: int = 200, **values: object) -> HTMLResponse:
    """The page `name`, with the nonce that lets its own style through the content security policy."""
    html = _PAGES.get_template(name).render(nonce=request.state.nonce, **values)
    return HTMLResponse(html, status)
