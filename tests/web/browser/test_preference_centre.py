"""The email settings, and what is said when something goes wrong, as partners use them."""

from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest
from fastapi import HTTPException
from playwright.sync_api import Browser

from engage.web.app import build_app
from tests.providers.servers import HttpServer
from tests.support.command import ROOT
from tests.support.engage import Engage
from tests.support.npm import npm_package
from tests.support.pages import Pages, Visitor, kept_pictures
from tests.support.preferring import Centre, link_of

pytestmark = [pytest.mark.chromium, pytest.mark.slow]


@pytest.fixture
def engage(sqlite_url: str, tmp_path: Path) -> Iterator[Engage]:
    """The programme as it is shipped."""
    campaigns, templates = (copytree(ROOT / name, tmp_path / name) for name in ("campaigns", "email_templates"))
    running = Engage(sqlite_url, tmp_path, campaigns, templates)
    yield running
    running.services.close()


def noted(visitor: Visitor) -> str:
    """What is said of what was just done."""
    return visitor.page.inner_text("[role=status]").strip()


def test_one_chooses_what_comes_by_keyboard(engage: Engage, ann: Visitor) -> None:
    engage.partner("ann")
    ann.opens(link_of(engage, "ann"))
    ann.finds_it_fine("preferences")
    ann.tabs_to("As it happens")
    ann.presses("ArrowDown")
    ann.tabs_to("Tips for referring", "checkbox")
    ann.presses("Space")
    ann.submits("Save")
    assert noted(ann) == "Your settings are saved."
    shown = Centre(engage).look()
    assert (shown.chosen["often.referral-status"], "tips" in shown.on, "newsletter" in shown.on) == (
        "daily",
        False,
        True,
    )
    ann.finds_it_fine("preferences-saved")
    ann.finds_it_fine("preferences-saved", width=1200)
    ann.tabs_to("English", "radio")
    ann.presses("ArrowDown")
    ann.submits("Save")
    assert noted(ann) == "Ihre Einstellungen sind gespeichert."
    assert ann.page.get_attribute("html", "lang") == "de"
    ann.tabs_to("Einmal am Tag", "radio")
    ann.finds_it_fine("preferences-saved-de")


def test_one_takes_a_break_and_ends_it_and_stops_all_and_takes_it_back(engage: Engage, ann: Visitor) -> None:
    engage.partner("ann")
    ann.opens(link_of(engage, "ann"))
    ann.submits("60 days")
    assert noted(ann).startswith("Enjoy the break.")
    ann.finds_it_fine("preferences-paused")
    ann.submits("End the break now")
    assert noted(ann) == "Your break is over."
    ann.submits("Stop all email")
    assert noted(ann).startswith("You get no email from us any more")
    ann.finds_it_fine("preferences-stopped")
    ann.submits("Write to me again")
    assert noted(ann) == "Good to have you back. You get what is chosen below."
    ann.finds_it_fine("preferences-back")


def test_the_same_in_german(engage: Engage, pages: Pages) -> None:
    engage.partner("ute", locale="de")
    ute = pages.visitor("de-DE").opens(link_of(engage, "ute"))
    ute.finds_it_fine("preferences-de")
    ute.submits("90 Tage")
    ute.finds_it_fine("preferences-paused-de", width=320)
    ute.submits("Alle E-Mails stoppen")
    ute.finds_it_fine("preferences-stopped-de")
    ute.submits("Schreiben Sie mir wieder")
    assert "Pause" in ute.reads, "the break goes on"


def test_what_goes_wrong_is_said_in_peace(engage: Engage, chromium_of_pages: Browser) -> None:
    app = build_app(engage.services)

    @app.post("/405")
    def posted() -> None: ...

    @app.get("/429")
    def often() -> None:
        raise HTTPException(429)

    @app.get("/500")
    def broken() -> None:
        raise KeyError

    said = {405: "That was not understood", 429: "Too many at once", 500: "Something went wrong here"}
    with HttpServer(app) as server:
        pages = Pages(chromium_of_pages, server.url, npm_package("axe-core"), kept_pictures())
        visitor = pages.visitor()
        for status, heading in said.items():
            visitor.opens(f"/{status}")
            assert heading in visitor.reads
            visitor.finds_it_fine(f"error-{status}")
        pages.close()
