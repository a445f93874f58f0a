"""A program's colours as custom properties: `/brand/{program key}.css`, made readable as they are in mails."""

from fastapi import APIRouter, HTTPException, Request, Response

from engage.bootstrap import Services
from engage.content.colors import on_dark, on_light, text_on
from engage.domain.programs import Brand, Program

router = APIRouter()


@router.api_route("/brand/{key}.css", methods=["GET", "HEAD"], include_in_schema=False)
def colors(request: Request, key: str) -> Response:
    services: Services = request.app.state.services
    program = services.library().programs.get(key)
    if program is None:
        raise HTTPException(404)
    headers = {"Cache-Control": "public, max-age=86400"}  # brand_path changes with the colours
    return Response(_css(program.brand), media_type="text/css", headers=headers)


def brand_path(program: Program) -> str:
    """Where the colours of a program are."""
    version = f"{program.brand.color}{program.brand.accent}".replace("#", "")
    return f"/brand/{program.key}.css?v={version}"


def _css(brand: Brand) -> str:
    light = _properties(on_light(brand.color), on_light(brand.accent))
    dark = _properties(on_dark(brand.color), on_dark(brand.accent))
    return f":root{{{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"


def _properties(act: str, accent: str) -> str:
    return f"--act:{act};--on-act:{text_on(act)};--accent:{accent};--on-accent:{text_on(accent)}"
