"""An installation with frequency caps: small campaigns, a provider that notes when each mail went out, and windows."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from engage.domain.messages import Message, SendResult
from engage.pipeline.shelf import LOOK_EVERY
from engage.policy.caps import window_end
from engage.providers.protocol import DEADLINE
from engage.store import tables
from tests.support.engage import ROOT, Engage, Noting
from tests.support.installation import SHARED, email
from tests.support.shipped import shipped_program

QUARTER = timedelta(minutes=15)

CAMPAIGN = """\
campaign: {name}
state: live
topic: {topic}
for: partner
when: {{every: "{every}"}}
again: each slot
if_outranked: {outranked}
send_within: {within}
{more}steps:
  - send: {name}
"""


def write_installation(folder: Path, caps: Sequence[str], topics: str = "") -> tuple[Path, Path]:
    """The shipped program with these caps, and no campaigns yet: (campaigns, templates)."""
    campaigns, templates = folder / "campaigns", folder / "email_templates"
    campaigns.mkdir()
    templates.mkdir()
    program = shipped_program()
    program, _, _ = program.partition("    # Which campaign wins")
    if topics:
        program = program.replace("    topics:\n", "    topics:\n" + topics, 1)
    if caps:
        program += "    frequency_caps:\n" + "".join(f"      - {{{cap}}}\n" for cap in caps)
    (campaigns / "program.yaml").write_text(program)
    for name in SHARED:
        shutil.copy(ROOT / "email_templates" / name, templates)
    return campaigns, templates


@dataclass(frozen=True, slots=True)
class Went:
    """A mail that went out."""

    at: datetime
    to: str
    campaign: str


class Timed(Noting):
    """Notes when it was handed each mail."""

    def __init__(self, engage: Engage) -> None:
        super().__init__()
        self.engage = engage
        self.log: list[Went] = []

    def send(self, messages: Sequence[Message], deadline: timedelta = DEADLINE) -> list[SendResult]:
        self.log += [Went(self.engage.now, one.to.email, one.category) for one in messages]
        return super().send(messages, deadline)


class Capped(Engage):
    """engage under frequency caps. `order` names campaigns; each is made with `campaign`."""

    def __init__(
        self, database_url: str, folder: Path, *caps: str, order: Sequence[str] = (), topics: str = ""
    ) -> None:
        super().__init__(database_url, folder, *write_installation(folder, caps, topics))
        self.folder = folder
        self._order = order
        self.timed = self.provider = Timed(self)
        self.services.provider = self.timed

    def campaign(
        self,
        name: str,
        outranked: str = "drop",
        within: str = "3d",
        topic: str = "tips",
        every: str = "monday 09:00",
        more: str = "",
        text: str | None = None,
    ) -> str:
        values = {"name": name, "outranked": outranked, "within": within, "topic": topic, "every": every}
        (self.folder / "email_templates" / f"{name}.md").write_text(text or email(f"The news of {name}"))
        source = CAMPAIGN.format(**values, more=f"{more}\n" if more else "")
        (self.folder / "campaigns" / f"{name}.yaml").write_text(source)
        self._write_order()
        self.now += LOOK_EVERY  # so that the file is seen
        return name

    def _write_order(self) -> None:
        """The order names campaigns that there are."""
        path = self.folder / "campaigns" / "program.yaml"
        written, _, _ = path.read_text().partition("    order:")
        there = [name for name in self._order if (self.folder / "campaigns" / f"{name}.yaml").exists()]
        path.write_text(written + (f"    order: [{', '.join(there)}]\n" if there else ""))

    def enters(self, *campaigns: str) -> None:
        """Each of these runs its current slot; nothing is delivered yet."""
        for name in campaigns:
            self.services.run_now(self.services.library().find(name))

    def passes(self, *, most: int = 100) -> list[Went]:
        """Lets the dispatch window end, and whatever comes of it happen; returns what went out."""
        before = len(self.timed.log)
        self.now = window_end(self.now, QUARTER) + timedelta(seconds=1)
        for _round in range(most):
            self.services.sweep()
            if not self.queue.waiting:
                break
            self.work()
        return self.timed.log[before:]

    def passes_without_sending(self) -> None:
        """Lets the dispatch window end and its contest be decided; what has won waits in the queue."""
        self.now = window_end(self.now, QUARTER) + timedelta(seconds=1)
        self.services.contest()

    def work_all(self) -> list[Went]:
        """Does what is due now, found by the sweeper."""
        before = len(self.timed.log)
        self.queue.waiting.clear()
        self.now += timedelta(seconds=30)
        self.services.sweep()
        self.work()
        return self.timed.log[before:]

    def after(self, length: timedelta) -> list[Went]:
        """Lets so much time pass, and what comes due in each dispatch window happen."""
        before, until = len(self.timed.log), self.now + length
        while self.now < until:
            self.passes()
        return self.timed.log[before:]

    def reasons(self) -> dict[str, str]:
        """What became of each mail, by campaign: its state, or the reason of one that was skipped."""
        d = tables.deliveries.c
        with self.services.database.read() as db:
            rows = db.execute(sa.select(d.campaign, d.state, d.reason).order_by(d.id))
            return {name: reason if state == "skipped" else state for name, state, reason in rows}


TWO_A_WEEK = "at_most: 2, per: partner, in: 7d"
ONE_A_DAY = "at_most: 1, per: partner, in: 1d"
DAY = timedelta(days=1)

Begin = Callable[..., Capped]
"""`capped("at_most: …", order=[…])` starts engage with these caps."""


def campaigns_of(log: Sequence[Went]) -> list[str]:
    return sorted(went.campaign for went in log)
