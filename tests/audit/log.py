"""What a replay wrote down: mails that went out, and decisions that one is not to, or not yet."""

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mail:
    """One line of mails.csv."""

    campaign: str
    step: str
    partner: str  # "" for mail to staff
    recipient: str
    occasion: str
    at: datetime
    subject: str
    locale: str
    file: Path

    @property
    def to_partner(self) -> bool:
        return self.recipient.startswith("partner:")

    def text(self) -> str:
        return self._body("plain")

    def links(self) -> list[str]:
        return [html.unescape(link) for link in re.findall(r'href="([^"]*)"', self._body("html"))]

    def _body(self, kind: str) -> str:
        body = message_from_bytes(self.file.read_bytes(), policy=policy.SMTP).get_body((kind,))
        assert body is not None
        return str(body.get_content())

    def __str__(self) -> str:
        return f"{self.campaign} to {self.recipient} at {self.at:%Y-%m-%d %H:%M}Z ({self.occasion})"


@dataclass(frozen=True, slots=True)
class NotSent:
    """One line of not_sent.csv."""

    campaign: str
    step: str
    whom: str
    occasion: str
    phase: str
    decision: str
    reason: str
    at: datetime

    def __str__(self) -> str:
        return f"{self.campaign} to {self.whom} at {self.at:%Y-%m-%d %H:%M}Z ({self.occasion}): {self.reason}"


@dataclass(frozen=True, slots=True)
class Log:
    mails: list[Mail]
    not_sent: list[NotSent]

    def of(self, *campaigns: str) -> list[Mail]:
        return [mail for mail in self.mails if mail.campaign in campaigns]


def read_mails(rows: Iterable[dict[str, str]], folder: Path) -> list[Mail]:
    names = ("campaign", "step", "partner", "recipient", "occasion", "subject", "locale")
    return [
        Mail(**{name: row[name] for name in names}, at=datetime.fromisoformat(row["at"]), file=folder / row["file"])
        for row in rows
    ]


def read_not_sent(rows: Iterable[dict[str, str]]) -> list[NotSent]:
    names = ("campaign", "step", "whom", "occasion", "phase", "decision", "reason")
    return [NotSent(**{name: row[name] for name in names}, at=datetime.fromisoformat(row["at"])) for row in rows]
