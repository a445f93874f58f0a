"""Makes the pictures of README and docs: an email on a phone and a desktop, the mailbox, the gallery, and the pages
that partners open from their mails. `make pictures` runs it.

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
from engage.pipeline.page_links import page_url
from engage.pipeline.preferences import preferences_url
from engage.pipeline.refer_links import PARTNER, refer_url
from engage.pipeline.sampling import Showcase
from engage.providers.selection import build_provider
from engage.store import tables
from engage.web.app import build_app
from engage.web.mailbox import MailStore, mailbox_app
from scripts.gallery import write as write_gallery
from tests.providers.servers import HttpServer
from tests.support.browser import Browser, find_chromium
from tests.support.command import ROOT
from tests.support.engage import Engage

IMAGES = ROOT / "docs" / "images"
PHONE, DESKTOP, PAGE, GALLERY = 375, 640, 1024, 1280
SCREENS = 1100
"""How far down a phone's pages are shown."""
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
        pictures_of_pages(browser, Path(folder))
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


REFERRED = (
    ("Harborline Logistics", 9, "proposal"),
    ("Quayside Foods & Sons", 21, "opportunity"),
    ("Copperhill Mining", 60, "won"),
)
"""The referrals of the partner whose pages are shown: the company, how many days ago, and where each stands."""


def pictures_of_pages(browser: Browser, folder: Path) -> None:
    """What one partner sees behind the links of their mails, on a phone."""
    engage = Engage(f"sqlite:///{folder / 'engage.db'}", folder, ROOT / "campaigns", ROOT / "email_templates")
    services = engage.services
    with closing(services):
        partner = engage.partner("dana", first_name="Dana", last_name="Whitfield")
        for number, (company, days, status) in enumerate(REFERRED):
            engage.refers(partner, f"r{number}", days, lead_company=company, lead_name="Marcus Oyelaran")
            engage.becomes(partner, f"r{number}", "accepted", days - 2)
            engage.becomes(partner, f"r{number}", status, 5 + number)
        engage.work()
        with services.database.read() as db:
            row = db.execute(tables.partners.select()).one()
        whose = (services.signer, "", row.program_id, row.id)
        pages = {
            "partner-page": page_url(*whose, row.address_id, engage.now),
            "preferences": preferences_url(*whose, row.address_id),
            "refer-form": refer_url(services.signer, "", PARTNER, row.program_id, row.id, engage.now),
        }
        with HttpServer(build_app(services)) as server:
            for name, path in pages.items():
                browser.screenshot(server.url + path, IMAGES / f"{name}.png", PHONE, SCREENS)


def messages(showcase: Showcase) -> Iterator[Message]:
    """The mails of INBOX, as their campaigns would send them."""
    for number, (email, name) in enumerate(INBOX):
        to = Mailbox(f"{name.replace(' ', '.')}@example.com".lower(), name)
        yield replace(showcase.message(email), id=f"{number:032x}", to=to)


if __name__ == "__main__":
    sys.exit(main())
