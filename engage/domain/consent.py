"""What stands against mailing somebody: a suppression of an address, or the refusal of one topic."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SuppressionReason(StrEnum):
    """Why an address gets nothing, from any program and of any topic."""

    STOP_ALL = "stop_all"  # the person wants no mail at all
    COMPLAINT = "complaint"  # the person reported a mail as spam
    BOUNCE = "bounce"  # the address refused a mail for good
    INVALID = "invalid"  # there can be no such address
    REVIEW = "review"  # it bounced softly too often: an operator looks at it
    FORGOTTEN = "forgotten"  # whoever had it was erased, and came in again by an import


FOLLOWS_THE_PERSON = frozenset({SuppressionReason.STOP_ALL, SuppressionReason.COMPLAINT, SuppressionReason.FORGOTTEN})
"""Said by a person, and so said of their next address too. The others are said of the address itself."""

SAID_TO_PARTNERS_MAIL = frozenset({SuppressionReason.STOP_ALL})
"""Said by somebody as a partner: it does not stop the work mail of a member of staff who has the address."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One no that was said elsewhere: to everything for a `reason`, or to one `topic`; exactly one of them is given.

    `email` is normalised and in lower case. `at` is when it was said, None if that is not known; `source` where it is
    from, in words.
    """

    email: str
    reason: SuppressionReason | None = None
    topic: str | None = None
    at: datetime | None = None
    source: str = ""

    @property
    def what(self) -> str:
        """As the record of changes names it."""
        return self.reason or "unsubscribe"
