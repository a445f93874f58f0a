"""How often and when people are mailed: frequency caps, and hours of the day as they are where the partner is."""

from dataclasses import dataclass
from datetime import time, timedelta
from enum import StrEnum

from engage.domain.windows import format_duration

EVERY_DAY = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class SendWindow:
    """The hours in which mail may go out: on `days` (0 is Monday) from `opens` to before `closes`, local time.

    A window whose `closes` is not after `opens` runs over midnight and belongs to the day on which it opened. Without
    `on_holidays` it does not open on public holidays of the partner's country.
    """

    opens: time
    closes: time
    days: frozenset[int] = EVERY_DAY
    on_holidays: bool = True


@dataclass(frozen=True, slots=True)
class QuietHours:
    """No marketing mail from `begins` to before `ends`, local time; over midnight if `ends` is the earlier."""

    begins: time
    ends: time


class Per(StrEnum):
    """Whose mails a frequency cap counts."""

    PARTNER = "partner"
    COMPANY = "company"
    ADDRESS = "address"  # over all programs
    PROGRAM = "program"


@dataclass(frozen=True, slots=True)
class FrequencyCap:
    """At most so many mails in any stretch of `length`; of one `topic` only, if it names one."""

    at_most: int
    per: Per
    length: timedelta
    topic: str | None = None

    def __str__(self) -> str:
        of = f" of {self.topic}" if self.topic else ""
        return f"at most {self.at_most}{of} per {self.per} in {format_duration(self.length)}"
