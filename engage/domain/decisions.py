"""Decisions: whether a message may go out now, and the closed list of reasons why not."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Reason(StrEnum):
    """Why a message is deferred or skipped: a closed list, explained to authors in docs/reasons.md."""

    CAMPAIGN_NOT_LIVE = "campaign_not_live"
    OUTSIDE_DATES = "outside_dates"
    FEED_NEVER_CONNECTED = "feed_never_connected"
    FEED_STALE = "feed_stale"
    TOPIC_PAUSED = "topic_paused"
    TOO_OLD = "too_old"
    NOT_ACTIVE = "not_active"
    NO_ADDRESS = "no_address"
    NO_OWNER = "no_owner"
    SUPPRESSED = "suppressed"
    UNSUBSCRIBED = "unsubscribed"
    SAME_ADDRESS = "same_address"
    ALREADY_ENROLLED = "already_enrolled"
    CONDITION_NO_LONGER_HOLDS = "condition_no_longer_holds"
    STOPPED = "stopped"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Send:
    kind = "send"


@dataclass(frozen=True, slots=True)
class Defer:
    until: datetime
    reason: Reason
    kind = "defer"


@dataclass(frozen=True, slots=True)
class Skip:
    reason: Reason
    kind = "skip"


Decision = Send | Defer | Skip
