"""QR codes of links: as rows for blocks, which draw them with tables, and as pictures for print.

Error correction M: a card that is scratched, or a screen with a thumb on it, is read all the same.
"""

from functools import lru_cache
from io import BytesIO
from itertools import groupby

import segno

from engage.content.limits import RenderError

MOST = 300
"""Characters of a link: beyond, the code is too fine for a phone that looks at a screen."""
QUIET = 4
"""Modules of white that a code needs around it (ISO/IEC 18004)."""

Rows = tuple[tuple[dict[str, bool | int], ...], ...]
"""Rows of runs: `{"dark": True, "cells": 7}`. All rows have as many cells."""


@lru_cache(maxsize=1024)
def rows(link: str) -> Rows:
    """The code, row by row, without the white around it. Raises RenderError for a link that is too long."""
    return tuple(
        tuple({"dark": bool(dark), "cells": len(list(run))} for dark, run in groupby(row)) for row in _code(link).matrix
    )


def svg(link: str, *, inline: bool = False) -> str:
    """The code as a picture that can be printed at any size; `inline`, as it stands in HTML."""
    code = _code(link)
    if inline:
        return code.svg_inline(border=QUIET, dark="#000", light="#fff", omitsize=True)
    target = BytesIO()
    code.save(target, kind="svg", border=QUIET, dark="#000", light="#fff", scale=8)
    return target.getvalue().decode()


def png(link: str) -> bytes:
    """The code as a picture of some 600 pixels."""
    code = _code(link)
    target = BytesIO()
    scale = max(600 // code.symbol_size(border=QUIET)[0], 1)
    code.save(target, kind="png", border=QUIET, dark="#000", light="#fff", scale=scale)
    return target.getvalue()


def _code(link: str) -> segno.QRCode:
    if not link or len(link) > MOST:
        raise RenderError(f"a QR code holds a link of 1 to {MOST} characters", "write {% if links.share %} around it")
    return segno.make_qr(link, error="m", boost_error=False)
