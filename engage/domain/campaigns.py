"""What a campaign *is*, once its file has been read."""

from dataclasses import dataclass, field, replace
from datetime import date, time, timedelta
from enum import StrEnum

from engage.domain.conditions import Condition
from engage.domain.facts import Subject
from engage.domain.keys import month_of
from engage.domain.limits import SendWindow
from engage.domain.local_time import FIRST_ZONE


class CampaignState(StrEnum):
    DRAFT = "draft"
    LIVE = "live"
    PAUSED = "paused"
    ENDED = "ended"


class EventKind(StrEnum):
    """What can happen; the `kind` of a row of the event history."""

    STATUS_CHANGED = "referral.status_changed"
    HELP_WANTED = "referral.help_wanted"
    NOTED = "referral.noted"
    LOGGED_IN = "partner.logged_in"
    REGISTERED = "partner.registered"
    REWARD_EARNED = "reward.earned"
    REWARD_PAID = "reward.paid"
    REWARD_REVERSED = "reward.reversed"
    CODE_WANTED = "partner.code_wanted"
    LINK_WANTED = "partner.link_wanted"


@dataclass(frozen=True, slots=True)
class EventTrigger:
    """`to`: statuses of the ladder that a status change must lead to; empty for any and for other events."""

    event: EventKind
    to: tuple[str, ...] = ()


class Clock(StrEnum):
    """Whose clocks a schedule is read on."""

    PROGRAM = "program"
    PARTNER = "partner"


@dataclass(frozen=True, slots=True)
class ScheduleTrigger:
    """`cron` has five fields and is read on `clock`; `written` is what the author wrote."""

    cron: str
    written: str
    clock: Clock = Clock.PROGRAM

    def zone(self, program: str) -> str:
        """The zone in which a slot comes due, given the program's: for partners' clocks, where it comes first."""
        return FIRST_ZONE if self.clock is Clock.PARTNER else program


@dataclass(frozen=True, slots=True)
class GatherTrigger:
    """What a topic's `gather` implies: one mail of the updates of a day, at a local time of each partner.

    Nobody writes it in a campaign: `authoring` makes the campaign that carries it out of the topic.
    """

    topic: str
    at: time


@dataclass(frozen=True, slots=True)
class EditionTrigger:
    """What a step that sends an edition implies: our marketing is told, once, of one that is not there in time.

    Nobody writes it in a campaign either. `campaign` is the one that sends the editions.
    """

    campaign: str


Implied = GatherTrigger | EditionTrigger
"""Of campaigns without a file of their own."""

Trigger = EventTrigger | ScheduleTrigger | Implied


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
class Place:
    """Where a thing stands, for lint. All places are equal: moving a thing does not change it.

    `file` is "" where it is that of the campaign.
    """

    line: int = field(default=1, compare=False)
    column: int = field(default=1, compare=False)
    file: str = field(default="", compare=False)


class Choice(StrEnum):
    """How one of several texts of a step is chosen."""

    ROTATE = "rotate"  # each partner gets each text once, in order, and then no more of the step
    VARIANTS = "variants"  # each partner always gets the same one, by weight


@dataclass(frozen=True, slots=True)
class Text:
    """One of the emails that a step may send. `weight` counts among variants only.

    With `edition` it is another email each month: `template` is the folder of those, until a slot says which.
    """

    template: str
    weight: int = 1
    place: Place = Place()
    edition: bool = False

    def of_slot(self, slot: str | None) -> "Text":
        """The email that goes out by this slot (`domain.keys.slot_key`): of editions that of its month."""
        if not self.edition:
            return self
        assert slot is not None, "only schedules have editions, and they go out before anything is waited for"
        return replace(self, template=f"{self.template}/{month_of(slot)}", edition=False)


@dataclass(frozen=True, slots=True)
class SendStep:
    """Mail one of `texts` to the recipient; `choice` says which, None where there is one only."""

    id: str
    texts: tuple[Text, ...]
    choice: Choice | None = None


ALERTS = "alerts/"
"""Where the emails of alerts are found."""


@dataclass(frozen=True, slots=True)
class AlertStep:
    """Mail an alert (written `say: x`, found at `alerts/x`) to one of programs.ALERTED, or to a desk."""

    id: str
    text: Text
    to: str = "owner"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer that a mail offers: its key in facts, its label on the button."""

    key: str
    label: str


@dataclass(frozen=True, slots=True)
class AskStep:
    """Mail a question with one-click answers, which become the fact `answer` of the partner."""

    id: str
    text: Text
    question: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class WaitStep:
    """Wait. Exactly one of these is set.

    `lasting`: so long after the step before, and after the mail that it sent went out. `until`: the next slot of this
    cron in the partner's zone, strictly later; `written` is what the author wrote.
    """

    id: str
    lasting: timedelta | None = None
    until: str | None = None
    written: str = ""


class Edge(StrEnum):
    START = "start"
    END = "end"


@dataclass(frozen=True, slots=True)
class AtStep:
    """Wait until an instant of the campaign's promotion: `edge` and `offset` after it (before it, if negative).

    With `clock` the offset is of whole days, and it is that time of the day which begins there.
    Who comes later than that goes on at once; steps before an instant that has passed are left out for them.
    """

    id: str
    edge: Edge
    offset: timedelta = timedelta()
    clock: time | None = None


@dataclass(frozen=True, slots=True)
class BranchStep:
    """Go on with `then` if the condition holds when the step is reached, with `otherwise` if not; then with what
    follows.
    """

    id: str
    condition: Condition
    then: tuple["Step", ...]
    otherwise: tuple["Step", ...] = ()


MailStep = SendStep | AlertStep | AskStep
"""Steps that a delivery can come of."""

Step = MailStep | WaitStep | AtStep | BranchStep


def texts_of(step: MailStep) -> tuple[Text, ...]:
    """Every email that the step may send."""
    return step.texts if isinstance(step, SendStep) else (step.text,)


class Conversion(StrEnum):
    """What a partner can do that a campaign is for."""

    LOGIN = "login"
    REFERRAL = "referral"
    WIN = "win"
    REVENUE = "revenue"


@dataclass(frozen=True, slots=True)
class Goal:
    """`goal: win within 30d`: the first such event of the partner after entering reaches it, and ends the journey.

    Of REVENUE any win does, and the amount of the wins is what is compared.
    """

    conversion: Conversion
    within: timedelta


class Outranked(StrEnum):
    """What becomes of a marketing mail for which frequency caps leave no room."""

    DROP = "drop"
    DEFER = "defer"  # it competes again when there can be room, within `send_within`
    FOLD = "fold"  # it becomes a line of the next newsletter


@dataclass(frozen=True, slots=True)
class Only:
    """Restricts a campaign while it is rolled out: to who meets `where`, is in `partners`, and in a `share` (0 to 1).

    `partners` are external ids; None: all. A larger share contains the smaller one.
    """

    where: Condition | None = None
    partners: frozenset[str] | None = None
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Promotion:
    """An offer that stands from the first to the last of these local days of the program, both included.

    `counts` what is counted. To partners: `bonus` (minor units) what each is worth, `paid_when` when, in words; the
    terms that a partner was told first stay theirs. To our staff it is a contest: `prize` what the best gets, in words.
    """

    first: date
    last: date
    counts: Conversion
    bonus: int = 0
    paid_when: str = ""
    prize: str = ""


class CompanyRecipient(StrEnum):
    """Who gets the mail of a campaign `for: company`."""

    CONTACT = "contact"
    MANAGER = "channel manager"


CampaignKey = tuple[str, str]
"""A campaign in the folder: the key of its program, and its name."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign as its file says it.

    `again` is None for event campaigns (each event is its own occasion). `content_hash` is the SHA-256, in hex, of
    what the file says, whatever its comments and layout; it names the version. `path` is the file as problems name it,
    such as `campaigns/nudges/x.yaml`. `starts` and `ends` are local days, both included. `max_audience`: a run of the
    schedule that would enroll more partners is held; None for no limit, as events always have. `catch_up` is of
    schedules only. `holdout` is the share (0 to 1) of partners who are enrolled and never mailed, to compare with.
    `to` is of companies only.
    """

    name: str
    program: str
    why: str
    state: CampaignState
    topic: str
    subject: Subject
    trigger: Trigger
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
    goal: Goal | None = None
    holdout: float = 0.0
    only: Only | None = None
    outranked: Outranked = Outranked.DROP
    send_window: SendWindow | None = None
    promotion: Promotion | None = None
    to: CompanyRecipient = CompanyRecipient.CONTACT

    @property
    def key(self) -> CampaignKey:
        return self.program, self.name

    def has_begun(self, today: date) -> bool:
        """By its `starts`; `today` is the date in the program's zone."""
        return self.starts is None or today >= self.starts

    def is_over(self, today: date) -> bool:
        """By its `ends`, as above."""
        return self.ends is not None and today > self.ends


def goes_to_staff(campaign: Campaign, step: MailStep) -> bool:
    """Whether the step's mail is for our own staff, and so never asks for a partner's consent."""
    to_manager = campaign.subject is Subject.COMPANY and campaign.to is CompanyRecipient.MANAGER
    return to_manager or campaign.subject is Subject.STAFF or isinstance(step, AlertStep)
