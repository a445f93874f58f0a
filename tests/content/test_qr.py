"""QR codes: what blocks draw is the code, black on white, and a link that is too long is told."""

import re

import pytest
import segno

from engage.content import RenderError, qr
from engage.content.cards import sheet
from engage.domain.programs import address_for
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


def test_a_sheet_of_cards_shows_names_as_they_are() -> None:
    link = address_for("https://partners.example.com/r/{partner}", "bob & <co>")
    assert link == "https://partners.example.com/r/bob%20%26%20%3Cco%3E"
    cards = sheet(link, "Bob <b>", "Smith & Sons", "Northwind", "#1f4b99", "de_DE")
    assert cards.count("Bob &lt;b&gt;</div>") == 10
    assert cards.count("Smith &amp; Sons") == 10
    assert '<html lang="de-DE">' in cards


def test_an_address_that_names_a_partner_is_nobodys_without_one() -> None:
    assert address_for("https://example.com/{partner}", None) is None
    assert address_for("https://example.com/join", None) == "https://example.com/join"
    assert address_for("", "ann") is None
