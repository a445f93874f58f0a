"""What a campaign *is*, once its file has been read."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from engage.domain.conditions import Condition
from engage.domain.facts import Subject


class CampaignState(StrEnum):
    DRAFT = "draft"
    LIVE = "live"
    PAUSED = "paused"
    ENDED = "ended"


class EventKind(StrEnum):
    """What can happen; the `kind` of a row of the event history."""

    STATUS_CHANGED = "referral.status_changed"
    LOGGED_IN = "partner.logged_in"
    REGISTERED = "partner.registered"
    REWARD_EARNED = "reward.earned"
    REWARD_PAID = "reward.paid"
    REWARD_REVERSED = "reward.reversed"


@dataclass(frozen=True, slots=True)
class EventTrigger:
    """`to`: statuses of the ladder that a status change must lead to; empty for any and for other events."""

    event: EventKind
    to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScheduleTrigger:
    """`cron` has five fields and is read in the program's zone; `written` is what the author wrote."""

    cron: str
    written: str


class CatchUp(StrEnum):
    """What becomes of a schedule's slots that came while engage was down."""

    SKIP = "skip"
    LATEST = "latest"
    ALL = "all"


class AgainKind(StrEnum):
    """When the same subject may enter a scheduled campaign again."""

    NEVER = "never"
    EACH_SLOT = "each slot"
    EACH_EPISODE = "each episode"
    EACH_TIER_PERIOD = "each tier period"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Again:
    kind: AgainKind
    after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class SendStep:
    """Mail `template` to the partner. `line` and `column` are its place in the file, for lint."""

    id: str
    template: str
    line: int = field(default=1, compare=False)
    column: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class AlertStep:
    """Mail `template` (written `say: x`, found at `alerts/x`) to the salesperson who owns the partner."""

    id: str
    template: str
    to: str = "owner"
    line: int = field(default=1, compare=False)
    column: int = field(default=1, compare=False)


Step = SendStep | AlertStep


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign as its file says it.

    `again` is None for event campaigns (each event is its own occasion). `content_hash` is the SHA-256, in hex, of
    what the file says, whatever its comments and layout; it names the version. `path` is the file as problems name it,
    such as `campaigns/nudges/x.yaml`. `starts` and `ends` are local days, both included. `max_audience`: a run of the
    schedule that would enroll more partners is held; None for no limit, as events always have. `catch_up` is of
    schedules only.
    """

    name: str
    program: str
    why: str
    state: CampaignState
    topic: str
    subject: Subject
    trigger: EventTrigger | ScheduleTrigger
    where: Condition | None
    again: Again | None
    stop_when: Condition | None
    send_within: timedelta
    steps: tuple[Step, ...]
    starts: date | None
    ends: date | None
    path: str
    source: str
    content_hash: str
    max_audience: int | None = None
    catch_up: CatchUp = CatchUp.LATEST
