"""Where an installation under test has everything: its files, its services, and the two kinds of mail that it sends."""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from engage.bootstrap import Services
from engage.clock import utc_now
from engage.pipeline.judging import judge
from engage.queueing import NoQueue, Queue
from engage.settings import Settings
from engage.workers.broker import RedisQueue, make_broker
from tests.support.command import ROOT
from tests.support.installation import SHARED, WON, email

PROGRAM = "maven-partners"
COMMAND = (sys.executable, "-m", "engage")
LEASE = timedelta(seconds=3)
"""Short, so that what a killed worker held is taken back soon. Two minutes in production."""

NEWSLETTER = """\
campaign: newsletter
why: Partners who hear from us remember us.
state: live
topic: tips
for: partner
when: {cron: "0 9 29 2 *"}
again: each slot
send_within: 3d
steps:
  - send: tips
"""
"""Sent when the harness opens a run of it: a scheduler would hardly ever."""


@dataclass(frozen=True, slots=True)
class Site:
    """Goes to every process of a scenario. `hurried`: what comes each five or ten seconds comes each one or two."""

    folder: Path
    database_url: str
    redis_url: str
    mailbox_url: str
    port: int
    hurried: bool = True
    began: datetime = field(default_factory=utc_now)

    @property
    def data(self) -> Path:
        return self.folder / "var"

    @property
    def mailbox_folder(self) -> Path:
        return self.data / "mailbox"

    @property
    def environment(self) -> dict[str, str]:
        """As the command `engage` reads it."""
        return {
            "ENGAGE_DATA_DIR": str(self.data),
            "ENGAGE_CAMPAIGNS_DIR": str(self.folder / "campaigns"),
            "ENGAGE_TEMPLATES_DIR": str(self.folder / "email_templates"),
            "ENGAGE_SOURCES": str(self.folder / "sources.yaml"),
            "ENGAGE_DATABASE_URL": self.database_url,
            "ENGAGE_REDIS_URL": self.redis_url,
            "ENGAGE_MAILBOX_URL": self.mailbox_url,
            "ENGAGE_PORT": str(self.port),
            "ENGAGE_PUBLIC_URL": f"http://127.0.0.1:{self.port}",
        }

    @property
    def command_environment(self) -> dict[str, str]:
        """Of a process that runs the command: this tree's engage, with this installation's settings and no other."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("ENGAGE_")}
        return own | self.environment | {"PYTHONPATH": str(ROOT)}

    def settings(self) -> Settings:
        fields = {name.removeprefix("ENGAGE_").lower(): value for name, value in self.environment.items()}
        return Settings.load(**fields)

    def services(self, clock: Callable[[], datetime] = utc_now, queue: Queue | None = None) -> Services:
        """The services of one process; `queue`: Valkey, unless another is given."""
        return Services(self.settings(), queue or self.queue(), clock, lease=LEASE)

    def queue(self) -> Queue:
        return RedisQueue(make_broker(self.redis_url)) if self.redis_url else NoQueue()


def lay_out(folder: Path) -> None:
    """Writes the files that an installation's author writes."""
    campaigns, emails = folder / "campaigns", folder / "email_templates"
    for one in (campaigns, emails):
        one.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "data" / "crm" / "program.yaml", campaigns)
    for name in SHARED:
        shutil.copy(ROOT / "email_templates" / name, emails)
    (campaigns / "won.yaml").write_text(WON)
    (campaigns / "newsletter.yaml").write_text(NEWSLETTER)
    (emails / "won.md").write_text(email("{{ referral.lead_company }} signed"))
    (emails / "tips.md").write_text(email("Tips for {{ partner.greeting_name }}"))


def compile_once(folder: Path) -> None:
    """Compiles the emails into this process's memory, for all that are forked from it. Makes and removes `folder`."""
    try:
        lay_out(folder)
        judged = judge(folder / "campaigns", folder / "email_templates", {})
        assert not judged.problems, judged.problems
    finally:
        shutil.rmtree(folder, ignore_errors=True)
