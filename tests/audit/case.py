"""What is audited: a program's rules, its world, the log of what it sent; and what is asked of them time and again."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.audit.log import Log, Mail
from tests.audit.words import Rules
from tests.audit.world import World


@dataclass(slots=True)
class Case:
    """`program` is the one program of program.yaml under `key`; `campaigns` are the files by their campaign's name;
    `german` has the German subject of each that is written in German too.
    """

    key: str
    program: Rules
    campaigns: dict[str, Rules]
    world: World
    log: Log
    german: dict[str, str]
    _holidays: dict[str, Any] = field(default_factory=dict, init=False)
    _marketing: list[Mail] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._marketing = [mail for mail in self.log.mails if mail.to_partner and self.is_marketing(mail)]

    def topic(self, campaign: str) -> Rules:
        if campaign not in self.campaigns:  # the daily mail of a topic
            return self.program["topics"][campaign.removesuffix("-daily")]  # type: ignore[no-any-return]
        return self.program["topics"][self.campaigns[campaign]["topic"]]  # type: ignore[no-any-return]

    def topic_key(self, campaign: str) -> str:
        return str(self.campaigns[campaign]["topic"]) if campaign in self.campaigns else campaign.removesuffix("-daily")

    def is_marketing(self, mail: Mail) -> bool:
        return bool(self.topic(mail.campaign)["kind"] == "marketing") and not mail.step.startswith("alert-")

    def marketing(self) -> list[Mail]:
        """Marketing mail to partners."""
        return self._marketing

    def counts(self, mail: Mail) -> bool:
        """Whether it uses up caps."""
        topic = self.topic(mail.campaign)
        return mail.to_partner and bool(topic.get("counts", topic["kind"] == "marketing"))

    def local(self, mail: Mail) -> datetime:
        return mail.at.astimezone(ZoneInfo(self.world.zones[mail.partner]))

    def chance(self, *parts: str) -> float:
        """As docs/experiments.md says: the first 53 bits of a SHA-256 of the program's key and the parts."""
        digest = hashlib.sha256("\x1f".join((self.key, *parts)).encode()).digest()
        return (int.from_bytes(digest[:8], "big") >> 11) / 2**53
