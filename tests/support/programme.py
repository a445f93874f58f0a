"""The shipped programme in one process: partners with a past, a calendar to turn, and what arrives in an inbox."""

import html
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from fastapi.testclient import TestClient

from engage.domain.messages import Message
from engage.domain.records import ReferralRecord, RewardRecord
from engage.pipeline.compose import Composed
from engage.pipeline.tracking import Tracker
from engage.web.app import build_app
from tests.support.engage import ROOT, Engage

NEW_YORK = ZoneInfo("America/New_York")
WINDOW = timedelta(minutes=5)  # the dispatch window of campaigns/program.yaml
LOOKS = ((9, 5), (9, 35), (10, 5), (11, 5))  # when slots and waits come due, and the mails of their windows after them
_BUTTON = re.compile(r'class="button".*?<a href="([^"]*)"[^>]*>([^<]*)</a>', re.DOTALL)


class _AsWritten(Tracker):
    """Leaves mails as they are, so that tests read where links lead; `tests/web/test_links.py` is about the rest."""

    def track(self, _database: object, _library: object, composed: Sequence[Composed], _now: object) -> list[Composed]:
        return list(composed)


class Programme(Engage):
    """engage with what it ships. Days are told back from `now`, so that each test has a present of its own."""

    def __init__(
        self,
        database_url: str,
        folder: Path,
        campaigns: Path = ROOT / "campaigns",
        templates: Path = ROOT / "email_templates",
    ) -> None:
        super().__init__(database_url, folder, campaigns, templates)
        self.services.tracker = _AsWritten(self.services.signer, self.services.settings.public_url)

    def is_now(self, local: str) -> None:
        """Turns the clock on to a local time of the program, such as 2026-03-10 10:00; brings signs of life."""
        at = datetime.fromisoformat(local).replace(tzinfo=NEW_YORK).astimezone(self.now.tzinfo)
        assert at >= self.now, f"it is {self.now} already: the clock is never turned back"
        self.now = at
        self.feeds_speak()

    def feeds_speak(self) -> None:
        """Somebody logs in, refers and earns, so that no feed counts as silent."""
        self.partner("zoe")
        self.logs_in("zoe")
        self.refers("zoe", f"zoe-{self.now:%Y%m%d%H%M}", days_ago=0)
        reward = f"zoe-{self.now:%Y%m%d%H%M}"
        self.takes(RewardRecord(reward, "zoe", 100, earned_at=self.now - timedelta(minutes=1)), news=False)

    def joined(self, name: str, days_ago: float, **fields: object) -> str:
        """A partner who joined then and was in the portal today, unless `logs_in` is asked to say otherwise."""
        return self.partner(name, joined_at=self.now - timedelta(days=days_ago), last_name="Fox", **fields)

    def referred(self, partner: str, ago: Sequence[float], status: str = "submitted", **fields: object) -> list[str]:
        """Referrals of so many days ago each, which have had this status since the day after, or `since` days ago."""
        since = fields.pop("since", None)
        names = [f"{partner}-{len(ago)}-{status}-{number}-{self.now:%y%m%d}" for number in range(len(ago))]
        for name, days in zip(names, ago, strict=True):
            self.refers(partner, name, days_ago=days, **fields)
            at = self.now - timedelta(days=float(since) if isinstance(since, int | float) else days - 0.5)
            self.takes(ReferralRecord(name, partner, status=status, status_at=at), news=False)
        return names

    def runs(self, campaign: str) -> list[Message]:
        """As ever, in the first program where further ones have inherited the campaign."""
        return super().runs(f"{self.program}/{campaign}")

    def inbox(self, campaign: str, name: str) -> list[Message]:
        """Carries out the campaign's slot, and what comes of it within the dispatch window: the mails to this one."""
        before = len(self.provider.messages)
        self.runs(campaign)
        self.after(minutes=5)
        return [mail for mail in self.provider.messages[before:] if self.is_to(mail, name)]

    def later(self, name: str, **time: float) -> list[Message]:
        """What this one gets while so much time goes by. Each day is looked at when the programme's mails come due."""
        before = len(self.provider.messages)
        end = self.now + timedelta(**time)
        while self.now < end:
            look = min(self._next_look(), end)
            if look.date() > self.now.date():
                self.now = look
                self.feeds_speak()
            self.now = look
            self.sweeps()
            self.after(minutes=5)
        return [mail for mail in self.provider.messages[before:] if self.is_to(mail, name)]

    def _next_look(self) -> datetime:
        local = self.now.astimezone(NEW_YORK)
        for day in (local, local + timedelta(days=1)):
            for hour, minute in LOOKS:
                if (look := day.replace(hour=hour, minute=minute, second=0)) > local:
                    return look.astimezone(UTC)
        raise AssertionError("there is a tomorrow")

    @staticmethod
    def is_to(mail: Message, name: str) -> bool:
        return mail.to.email == f"{name}@example.com"


def answered(programme: Programme, mail: Message, place: int) -> None:
    """Presses the button of the answer at this place, and the one on the page behind it."""
    link = html.unescape(re.findall(r'href="([^"]+/answer/[^"]+)"', mail.html)[place])
    web = TestClient(build_app(programme.services))
    assert web.post(re.sub(r"^https?://[^/]+", "", link)).status_code == 200


def button(mail: Message) -> tuple[str, str]:
    """(label, address) of the mail's one button."""
    ((address, label),) = _BUTTON.findall(mail.html)
    return label, address
