"""Makes the pictures of the consoles in docs/consoles.md: `make screenshots` runs it.

What is shown is what engage makes of a sample programme, with a few mails that the provider refused or lost, in a
headless Chromium. The clock stands still.
"""

import sys
import tempfile
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa
from playwright.sync_api import expect

from engage.cli.importing import import_into
from engage.domain.accounts import Role
from engage.domain.campaigns import CampaignState
from engage.domain.messages import Outcome, SendResult
from engage.sources.sample import sample_programme
from engage.store.tables import users
from engage.web.app import build_app
from engage.web.console.doors import cookie_name
from tests.providers.servers import HttpServer
from tests.support.browser import find_chromium
from tests.support.command import ROOT
from tests.support.consoles import add_user, begin_session
from tests.support.engage import Engage
from tests.support.pages import running_chromium

IMAGES = ROOT / "docs" / "images"
DESK, TALL, PHONE = (1200, 800), (1200, 1500), (375, 800)
_OURS = "northwind-partners"
PAGES = {
    "console-overview": (Role.OPS, "/console", DESK, "light"),
    "console-overview-phone": (Role.OPS, "/console", PHONE, "dark"),
    "console-deliveries": (Role.OPS, "/console/deliveries", DESK, "light"),
    "console-campaign": (Role.MARKETING, f"/console/campaigns/{_OURS}/many-referrals-no-wins", TALL, "light"),
    "console-calendar": (Role.MARKETING, "/console/calendar", DESK, "light"),
    "console-partner": (Role.MARKETING, f"/console/partners/{_OURS}/ann?campaign=near-next-tier", DESK, "light"),
    "console-coaching-phone": (Role.SALES, "/console/coaching?whose=all", PHONE, "light"),
    "console-alert-phone": (Role.SALES, "/console/coaching/1", PHONE, "dark"),
}
"""Each picture: who looks, at which page, how large the window is, and in which scheme."""

_REFUSED = SendResult(Outcome.DEAD, status=400, detail="400 content: the message is too large")
_LOST = SendResult(Outcome.UNKNOWN, detail="no answer within the deadline")


def main() -> int:
    chromium = find_chromium()
    if chromium is None:
        print("no Chromium on the PATH; on Debian: apt-get install chromium", file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory() as folder:
        engage = lively(Path(folder))
        with closing(engage.services), HttpServer(build_app(engage.services)) as server:
            cookies = {role: _cookie(engage, role, server.url) for role in (Role.OPS, Role.MARKETING, Role.SALES)}
            with running_chromium(chromium) as browser:
                for name, (role, path, (width, height), scheme) in PAGES.items():
                    with closing(
                        browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
                    ) as context:
                        context.add_cookies([cookies[role]])  # type: ignore[list-item]
                        page = context.new_page()
                        page.goto(server.url + path, wait_until="load")
                        expect(page.locator(".htmx-request")).to_have_count(0)
                        page.screenshot(path=IMAGES / f"{name}.png")
    for name in PAGES:
        picture = IMAGES / f"{name}.png"
        print(f"{picture.relative_to(ROOT)}  {picture.stat().st_size // 1024} KB")
    return 0


def _cookie(engage: Engage, role: Role, url: str) -> dict[str, str]:
    user = add_user(engage.services, role)
    with engage.services.database.write() as db:
        db.execute(sa.update(users).where(users.c.id == user.id).values(name=role.value.title()))
    return {"name": cookie_name(engage.services), "value": begin_session(engage.services, user), "url": url}


def lively(folder: Path) -> Engage:
    """A year of a sample programme, its schedules run once, and some mails that did not get through."""
    engage = Engage(f"sqlite:///{folder / 'engage.db'}", folder, ROOT / "campaigns", ROOT / "email_templates")
    services, sample = engage.services, folder / "sample"
    sample_programme(engage.now, sample)
    import_into(services, sample, sample / "mapping.yaml", rejects=sample, live=False)
    for name, answer in (("ann", _REFUSED), ("bob", _REFUSED), ("cyd", _LOST)):
        engage.provider.answers[f"{name}@example.com"] = answer
        engage.refers(engage.partner(name), f"{name}-deal")
        engage.becomes(name, f"{name}-deal", "won")
    for campaign in services.library().on_schedules():
        if campaign.state is CampaignState.LIVE and campaign.program == engage.program:
            services.run_now(campaign)
    engage.work()
    engage.after(hours=3)
    for _ in range(30):
        services.count_deliveries()
    services.figures_due()
    engage.work()
    for role in ("worker", "scheduler"):
        services.beat(f"{role}@engage-1:7", role)
    return engage


if __name__ == "__main__":
    sys.exit(main())
