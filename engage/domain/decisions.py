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
    EDITION_MISSING = "edition_missing"
    TOPIC_PAUSED = "topic_paused"
    CLAIMED = "claimed"
    TOO_OLD = "too_old"
    NOT_ACTIVE = "not_active"
    NO_ADDRESS = "no_address"
    NO_OWNER = "no_owner"
    SUPPRESSED = "suppressed"
    UNSUBSCRIBED = "unsubscribed"
    PAUSED_BY_PARTNER = "paused_by_partner"
    SAME_ADDRESS = "same_address"
    ALREADY_ENROLLED = "already_enrolled"
    STILL_INSIDE = "still_inside"
    CONDITION_NO_LONGER_HOLDS = "condition_no_longer_holds"
    STOPPED = "stopped"
    EXPIRED = "expired"
    GOAL_REACHED = "goal_reached"
    OPTED_OUT_OF_UPDATES = "opted_out_of_updates"
    NOT_OPTED_IN = "not_opted_in"
    QUIET_HOURS = "quiet_hours"
    OUTSIDE_SEND_WINDOW = "outside_send_window"
    HOLIDAY = "holiday"
    HELD_OUT = "held_out"
    IN_CONTROL_GROUP = "in_control_group"
    FREQUENCY_CAP = "frequency_cap"
    FOLDED = "folded"
    RESTING = "resting"
    COLLAPSED = "collapsed"
    GATHERED = "gathered"
    UNDONE = "undone"
    NOTHING_TO_CORRECT = "nothing_to_correct"
    REGRESSION_IGNORED = "regression_ignored"
    WORDS_USED_UP = "words_used_up"
    NOT_IN_ROLL_OUT = "not_in_roll_out"
    PROMOTION_OVER = "promotion_over"


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
