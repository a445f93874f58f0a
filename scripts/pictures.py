"""Makes the README's pictures: an email on a phone and on a desktop, and the mailbox. `make pictures` runs it.

What is shown is what engage makes: the shipped emails with sample values, carried by the provider to a real mailbox,
looked at in a headless Chromium. The clock stands still, so the same code makes the same pictures.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from engage.authoring import load_campaigns
from engage.content import Rendered, Templates, load_templates
from engage.domain.campaigns import texts_of
from engage.domain.journeys import path_of
from engage.domain.messages import Mailbox, Message, Outcome
from engage.providers.selection import build_provider
from engage.web.mailbox import MailStore, mailbox_app
from tests.content.samples import (
    PARSE_FACT,
    PROGRAM,
    ROOT,
    TEMPLATES,
    Context,
    context,
    ladder,
    links,
    partner,
    referral,
    reward,
    staff_context,
)
from tests.providers.servers import HttpServer
from tests.support.browser import Browser, find_chromium

CAMPAIGN_OF = {
    text.of_slot("2026-11-01T09:00").template: campaign
    for campaign in load_campaigns(ROOT / "campaigns").campaigns.values()
    for step in path_of(campaign.steps).mails()
    for text in texts_of(step)
}
"""The campaign that sends each shipped email; of editions that of November."""

IMAGES = ROOT / "docs" / "images"
PHONE, DESKTOP, PAGE = 375, 640, 1024
BEGIN = datetime(2026, 11, 2, 14, 2, tzinfo=UTC)

WON = {"referral": referral(lead_company="Bluewater Clinics", ladder=ladder(7))}
INBOX: tuple[tuple[str, str, Context], ...] = (
    ("newsletter/2026-11", "Noor Haddad", {}),
    ("nudges/no_login_30_days", "Tomasz Zielinski", {}),
    ("status_updates/accepted", "Dana Whitfield", {"referral": referral(lead_company="Fennimore & Sons")}),
    ("nudges/many_referrals_no_wins", "Lucia Ferrer", {}),
    ("alerts/buyer_and_ask", "Lucia Ferrer", {}),
    ("tiers/near_next_tier", "Ingrid Solheim", {}),
    ("status_updates/won", "Ama Boateng", WON),
    ("rewards/earned", "Ama Boateng", {**WON, "reward": reward(lead_company="Bluewater Clinics")}),
    ("status_updates/opportunity", "Dana Whitfield", {}),
)
"""The mails in the mailbox, oldest first: which, about whom, and what is different. The last one is the email shown."""


def main() -> int:
    chromium = find_chromium()
    if chromium is None:
        print("no Chromium on the PATH; on Debian: apt-get install chromium", file=sys.stderr)
        return 3
    IMAGES.mkdir(exist_ok=True)
    templates, _ = load_templates(TEMPLATES, PARSE_FACT)
    with Browser(chromium) as browser, tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "email.html"
        page.write_text(render(templates, *INBOX[-1])[1].html)
        browser.screenshot(page, IMAGES / "email-phone.png", PHONE)
        browser.screenshot(page, IMAGES / "email-desktop.png", DESKTOP)
        picture_of_mailbox(browser, templates, Path(folder))
    for picture in sorted(IMAGES.glob("*.png")):
        print(f"{picture.relative_to(ROOT)}  {picture.stat().st_size // 1024} KB")
    return 0


def picture_of_mailbox(browser: Browser, templates: Templates, folder: Path) -> None:
    minutes = count()
    with closing(MailStore(folder / "mailbox")) as store:
        app = mailbox_app(store, lambda: BEGIN + timedelta(minutes=7 * next(minutes)))
        with HttpServer(app) as server:
            provider = build_provider("mailbox", clock=lambda: BEGIN, mailbox_url=server.url)
            with closing(provider):
                for message in messages(templates):
                    (result,) = provider.send([message])
                    assert result.outcome is Outcome.ACCEPTED, result.detail
            browser.screenshot(f"{server.url}/mailbox", IMAGES / "mailbox.png", PAGE)


def messages(templates: Templates) -> Iterator[Message]:
    """The mails of INBOX, addressed and labelled as the pipeline does it."""
    brand = PROGRAM.brand
    for number, (email, name, changes) in enumerate(INBOX):
        to, rendered = render(templates, email, name, changes)
        yield Message(
            id=f"{number:032x}",
            sender=Mailbox(brand.from_email, brand.from_name),
            to=to,
            subject=rendered.subject,
            html=rendered.html,
            text=rendered.text,
            reply_to=brand.reply_to,
            category=CAMPAIGN_OF[email].name,
        )


def render(templates: Templates, email: str, name: str, changes: Context) -> tuple[Mailbox, Rendered]:
    """The email as this partner gets it, or, of an alert, the partner's salesperson; and whom it goes to."""
    first, _, last = name.partition(" ")
    address = f"{first}.{last}@example.com".lower()
    about = partner(first_name=first, greeting_name=first, last_name=last, name=name, email=address)
    template = templates.get(email)
    if email.startswith("alerts/"):
        values = staff_context(partner=about, **changes)
        return Mailbox(values["staff"]["email"], values["staff"]["name"]), template.render(values)
    if PROGRAM.topics[CAMPAIGN_OF[email].topic].transactional:
        changes = {"links": links(unsubscribe=None), **changes}
    return Mailbox(address, name), template.render(context(partner=about, **changes))


if __name__ == "__main__":
    sys.exit(main())
