"""QR codes: what blocks draw is the code, black on white, and a link that is too long is told."""

import re

import pytest
import segno

from engage.content import RenderError, qr
from tests.content.samples import context, links, one_email

LINK = "https://partners.example.com/r/P-1007"
KIT = "{{ blocks.share_kit(links.share) }}"


def test_rows_are_the_code() -> None:
    rows = qr.rows(LINK)

    drawn = [[run["dark"] for run in row for _ in range(run["cells"])] for row in rows]
    assert drawn == [[bool(cell) for cell in row] for row in segno.make_qr(LINK, error="m", boost_error=False).matrix]


def test_the_share_kit_draws_the_code_and_names_the_link() -> None:
    rendered = one_email(KIT).get("x").render(context())
    table = rendered.html[rendered.html.index('aria-label="QR code') :]
    drawn = [
        [bool(dark) for cells, dark in re.findall(r'<td colspan="(\d+)"[^>]*?( bgcolor="#000000")?></td>', row)
         for _ in range(int(cells))]
        for row in re.findall(r'<tr height="5">(.*?)</tr>', table)
    ]  # fmt: skip
    assert drawn == [[run["dark"] for run in row for _ in range(run["cells"])] for row in qr.rows(LINK)]
    assert f'href="{LINK}"' in table
    assert f"Your own link: {LINK}\nWhoever opens it is your referral." in rendered.text
    assert len(rendered.html) < 60_000
    assert "<img" not in rendered.html


def test_without_a_link_there_is_nothing() -> None:
    rendered = one_email(KIT).get("x").render(context(links=links(share=None)))
    assert "Your own link" not in rendered.html + rendered.text


def test_a_link_that_is_too_long_is_told() -> None:
    with pytest.raises(RenderError, match="1 to 300 characters"):
        qr.rows("https://example.com/" + "x" * 300)


def test_pictures_for_print_are_of_the_same_code() -> None:
    assert qr.png(LINK).startswith(b"\x89PNG")
    assert qr.svg(LINK).startswith("<?xml")
    assert qr.svg(LINK, inline=True).startswith("<svg")
