"""A small installation for tests of the command and its processes: a programme, two campaigns and emails, an export."""

import json
import shutil
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engage.workers.tether import Tethered
from tests.support.command import ROOT, EngageCommand, Ran
from tests.support.waiting import wait_for

SHARED = ("_layout.mjml", "_layout.txt", "_blocks.html", "_blocks.txt")

WON = """\
campaign: referral-won
why: A win is the moment to thank a partner.
state: live
topic: referral-status
for: referral
when: {event: referral.status_changed, to: won}
steps:
  - send: won
"""
MONTHLY = """\
campaign: monthly
why: Partners who hear from us remember us.
state: live
topic: tips
for: partner
when: {every: "1st 09:00"}
again: each slot
steps:
  - send: tips
"""
EMAIL = """\
---
subject: "SUBJECT"
preview: "What it means for you"
from: program
button: {label: "Open your portal", url: "{{ links.portal }}"}
---
Hello {{ partner.greeting_name }},

SENTENCE

{{ button }}
"""
MAPPING = """\
timezone: UTC
files:
  - file: partners.csv
    partner: {external_id: id, email: mail, first_name: name}
  - file: deals.csv
    referral:
      external_id: id
      partner: partner
      lead_company: company
      submitted_at: created
      status: {column: stage, map: {New: submitted, Won: won}}
      status_at: closed
"""


def email(subject: str, sentence: str = "There is news.") -> str:
    return EMAIL.replace("SUBJECT", subject).replace("SENTENCE", sentence)


class Installation:
    """Files in a folder of their own, and the command run there."""

    def __init__(self, command: EngageCommand, database_url: str = "", **settings: str) -> None:
        self.folder = command.folder
        self.campaigns = self.folder / "campaigns"
        self.emails = self.folder / "email_templates"
        self.export = self.folder / "export"
        self.env = {
            "ENGAGE_CAMPAIGNS_DIR": str(self.campaigns),
            "ENGAGE_TEMPLATES_DIR": str(self.emails),
            "ENGAGE_DATABASE_URL": database_url,
            **{f"ENGAGE_{name.upper()}": value for name, value in settings.items()},
        }
        self._command = command
        self._lay_out()

    def _lay_out(self) -> None:
        for folder in (self.campaigns, self.emails, self.export):
            folder.mkdir()
        shutil.copy(ROOT / "tests" / "data" / "crm" / "program.yaml", self.campaigns)
        for name in SHARED:
            shutil.copy(ROOT / "email_templates" / name, self.emails)
        (self.campaigns / "won.yaml").write_text(WON)
        (self.campaigns / "monthly.yaml").write_text(MONTHLY)
        (self.emails / "won.md").write_text(email("{{ referral.lead_company }} signed"))
        (self.emails / "tips.md").write_text(email("Tips for {{ partner.greeting_name }}"))
        (self.folder / "mapping.yaml").write_text(MAPPING)
        self.partners("ann", "bob")
        self.deals()

    # --- what the CRM says ------------------------------------------------------------------------------------------

    def partners(self, *names: str) -> None:
        """The export's partners, each with an address of its own."""
        rows = [f"{name},{name}@example.com,{name.title()}" for name in names]
        (self.export / "partners.csv").write_text("\n".join(("id,mail,name", *rows)) + "\n")

    def deals(self, *won: str, partner: str = "ann") -> None:
        """The export's referrals: those named have been won just now, by one partner."""
        now = datetime.now(UTC).isoformat()
        rows = [f"{name},{partner},{name.title()} Ltd,2026-01-05,{now},Won" for name in won]
        (self.export / "deals.csv").write_text("\n".join(("id,partner,company,created,closed,stage", *rows)) + "\n")

    # --- the command ------------------------------------------------------------------------------------------------

    def run(self, *arguments: str | Path, env: Mapping[str, str] | None = None, timeout: float = 120.0) -> Ran:
        return self._command.run(*arguments, env={**self.env, **(env or {})}, timeout=timeout)

    def wins(self, *deals: str) -> None:
        """These have been won just now, and are news."""
        self.deals(*deals)
        done = self.imports("--live")
        assert done.code == 0, done.err

    def imports(self, *options: str | Path, env: Mapping[str, str] | None = None) -> Ran:
        return self.run("import", self.export, "--mapping", self.folder / "mapping.yaml", *options, env=env)

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> Tethered:
        """Starts a process that goes on; what it says is in `log(its first argument)`."""
        return self._command.start(*arguments, env={**self.env, **(env or {})}, log=self._log(arguments[0]))

    def log(self, command: str) -> str:
        return self._log(command).read_text()

    def _log(self, command: str) -> Path:
        return self.folder / f"{command}.log"


class Web:
    """What a person sees at the address of a running installation."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=10):
                return True
        except OSError:
            return False

    def mails(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.url}/mailbox/messages.json", timeout=30) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found

    def subjects(self) -> list[str]:
        return sorted(mail["subject"] for mail in self.mails())

    def wait_until_up(self, process: Tethered, log: Path | None = None) -> None:
        wait_for(lambda: not process.running() or self.answers(), "the web process")
        assert process.running(), log.read_text() if log and log.exists() else ""

    def wait_for_mails(self, subjects: Sequence[str], seconds: float = 120.0) -> None:
        """Waits until exactly these mails lie in the mailbox, in any order."""
        wait_for(lambda: len(self.mails()) >= len(subjects), f"{len(subjects)} mails, {subjects}", seconds)
        assert self.subjects() == sorted(subjects)
