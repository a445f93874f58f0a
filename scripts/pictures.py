"""Makes the README's pictures: an email on a phone and a desktop, the mailbox, the gallery. `make pictures` runs it.

What is shown is what engage makes: the shipped emails with sample values, carried by the provider to a real mailbox,
looked at in a headless Chromium. The clock stands still, so the same code makes the same pictures.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from engage.domain.messages import Mailbox, Message, Outcome
from engage.pipeline.sampling import Showcase
from engage.providers.selection import build_provider
from engage.web.mailbox import MailStore, mailbox_app
from scripts.gallery import write as write_gallery
from tests.providers.servers import HttpServer
from tests.support.browser import Browser, find_chromium
from tests.support.command import ROOT

IMAGES = ROOT / "docs" / "images"
PHONE, DESKTOP, PAGE, GALLERY = 375, 640, 1024, 1280
BEGIN = datetime(2026, 11, 2, 14, 2, tzinfo=UTC)

INBOX = (
    ("newsletter/2026-11", "Noor Haddad"),
    ("nudges/no_login_30_days", "Tomasz Zielinski"),
    ("status_updates/accepted", "Dana Whitfield"),
    ("nudges/many_referrals_no_wins", "Lucia Ferrer"),
    ("alerts/buyer_and_ask", "Priya Natarajan"),
    ("tiers/near_next_tier", "Ingrid Solheim"),
    ("status_updates/won", "Ama Boateng"),
    ("rewards/earned", "Ama Boateng"),
    ("status_updates/opportunity", "Dana Whitfield"),
)
"""The mails in the mailbox, oldest first, and to whom. The last one is the email shown."""


def main() -> int:
    chromium = find_chromium()
    if chromium is None:
        print("no Chromium on the PATH; on Debian: apt-get install chromium", file=sys.stderr)
        return 3
    IMAGES.mkdir(exist_ok=True)
    showcase = Showcase.load(ROOT / "campaigns", ROOT / "email_templates")
    with Browser(chromium) as browser, tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "email.html"
        page.write_text(showcase.message(INBOX[-1][0]).html)
        browser.screenshot(page, IMAGES / "email-phone.png", PHONE)
        browser.screenshot(page, IMAGES / "email-desktop.png", DESKTOP)
        picture_of_mailbox(browser, showcase, Path(folder))
        write_gallery(showcase, Path(folder))
        shown = f"{(Path(folder) / 'index.html').as_uri()}#email=status_updates/opportunity&width=375"
        browser.screenshot(shown, IMAGES / "gallery.png", GALLERY, 900)
    for picture in sorted(IMAGES.glob("*.png")):
        print(f"{picture.relative_to(ROOT)}  {picture.stat().st_size // 1024} KB")
    return 0


def picture_of_mailbox(browser: Browser, showcase: Showcase, folder: Path) -> None:
    minutes = count()
    with closing(MailStore(folder / "mailbox")) as store:
        app = mailbox_app(store, lambda: BEGIN + timedelta(minutes=7 * next(minutes)))
        with HttpServer(app) as server:
            provider = build_provider("mailbox", clock=lambda: BEGIN, mailbox_url=server.url)
            with closing(provider):
                for message in messages(showcase):
                    (result,) = provider.send([message])
                    assert result.outcome is Outcome.ACCEPTED, result.detail
            browser.screenshot(f"{server.url}/mailbox", IMAGES / "mailbox.png", PAGE)


def messages(showcase: Showcase) -> Iterator[Message]:
    """The mails of INBOX, as their campaigns would send them."""
    for number, (email, name) in enumerate(INBOX):
        to = Mailbox(f"{name.replace(' ', '.')}@example.com".lower(), name)
        yield replace(showcase.message(email), id=f"{number:032x}", to=to)


if __name__ == "__main__":
    sys.exit(main())
