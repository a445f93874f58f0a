"""Every email, in every locale, with every sample, in a real browser: on phone and desktop, by day and by night."""

from pathlib import Path

import pytest

from tests.gallery.looking import look
from tests.gallery.shown import FAMILIES, family, said
from tests.support.browser import Browser

pytestmark = [pytest.mark.chromium, pytest.mark.slow]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", FAMILIES)
def test_it_can_be_read_at_both_widths_and_loads_nothing(
    browser: Browser, tmp_path: Path, name: str, dark: bool
) -> None:
    shown = {str(one): one for one in family(name)[0]}
    found = look(browser, tmp_path, {key: one.message.html for key, one in shown.items()}, dark=dark)
    lines = said([(shown[key], finding) for key, findings in found.items() for finding in findings])
    assert not lines, f"{'dark' if dark else 'light'}:\n{lines}"


BAD = """<!doctype html><body style="margin:0;background:#fff"><table style="width:100%"><tr><td>"""
"""The top of a page with a fault."""


@pytest.mark.parametrize(
    ("fault", "finding"),
    [
        ('<div style="width:900px">wide</div>', "pixels wide at 375"),
        ('<p style="color:#8a8a8a">faint</p>', "“faint” has a contrast of 3"),
        ('<p style="color:rgba(0,0,0,0.4)">glass</p>', "“glass” has a contrast of 2"),
        ('<div style="width:60px;overflow:hidden;white-space:nowrap">much too long for it</div>', "is cut off"),
        ('<div style="width:40px;overflow-wrap:anywhere">advertisement</div>', "“advertisement” is broken in two"),
        ('<p style="font-size:9px">tiny</p>', "“tiny” is smaller"),
        ('<img src="https://example.com/pixel.png" alt="">', "loads https://example.com/pixel.png"),
        ('<style>@import "https://example.com/a.css";</style>', "loads https://example.com/a.css"),
        ('<div style="background:url(https://example.com/b.png)">x</div>', "loads https://example.com/b.png"),
    ],
)
def test_the_look_notices_what_a_reader_would(browser: Browser, tmp_path: Path, fault: str, finding: str) -> None:
    found = look(browser, tmp_path, {"bad": BAD + fault}, dark=False)
    assert any(finding in one for one in found["bad"]), found


def test_the_look_lets_a_plain_page_pass(browser: Browser, tmp_path: Path) -> None:
    assert (
        look(browser, tmp_path, {"good": BAD + '<p>Good.</p><p style="display:none;color:#eee">unseen'}, dark=False)
        == {}
    )
