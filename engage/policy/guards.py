"""The guards, in the one order in which they are asked. A new reason not to send is one more function in GUARDS."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from engage.domain.campaigns import CampaignState
from engage.domain.decisions import Decision, Defer, Reason, Send, Skip
from engage.slots import Hours, opening

LOOK_AGAIN = timedelta(minutes=15)
"""How long a message waits before it is looked at again when something outside it must change first."""


@dataclass(frozen=True, slots=True)
class Case:
    """All that a decision about one message to one recipient depends on.

    `today` is the date in the program's zone at `now`; `event_age` how old the event was when it was observed (None
    for a schedule). `asks_status` says that the campaign itself asks for partners of other statuses. `recipient` is
    None where nobody is there to be mailed. `condition_holds` and `stopped` are None when not looked at (yet).
    `on_break` is of the partner, and so is `claimed`: a salesperson works with them. `not_opted_in`, `opted_out` and
    `resting` are of the partner and the topic; `untold` is why an update is not told by this mail, or no more;
    `not_before` when a daily mail is due. `hours`: those of the program, the topic and the campaign, where the
    recipient is; None if nothing restricts them.
    """

    now: datetime
    today: date
    state: CampaignState | None  # None: the campaign is no longer there
    starts: date | None
    ends: date | None
    transactional: bool
    to_staff: bool
    event_age: timedelta | None
    ignore_older_than: timedelta
    expires_at: datetime
    partner_active: bool
    asks_status: bool
    address: str | None
    suppressed: bool = False
    unsubscribed: bool = False
    on_break: bool = False
    not_opted_in: bool = False
    opted_out: bool = False
    resting: bool = False
    untold: Reason | None = None
    not_before: datetime | None = None
    same_address: bool = False
    topic_paused: bool = False
    feed_missing: bool = False
    feed_stale: bool = False
    condition_holds: bool | None = None
    stopped: bool | None = None
    goal_reached: bool = False
    claimed: bool = False
    hours: Hours | None = None


Guard = Callable[[Case], Decision | None]


def campaign_is_live(case: Case) -> Decision | None:
    """A paused campaign waits; one that is a draft, has ended or is gone sends nothing."""
    if case.state is CampaignState.PAUSED:
        return Defer(case.now + LOOK_AGAIN, Reason.CAMPAIGN_NOT_LIVE)
    return None if case.state is CampaignState.LIVE else Skip(Reason.CAMPAIGN_NOT_LIVE)


def within_dates(case: Case) -> Decision | None:
    """`starts` and `ends` are days in the program's zone, both included."""
    early = case.starts is not None and case.today < case.starts
    late = case.ends is not None and case.today > case.ends
    return Skip(Reason.OUTSIDE_DATES) if early or late else None


def news_not_history(case: Case) -> Decision | None:
    """An event that was old when it was observed is history."""
    old = case.event_age is not None and case.event_age > case.ignore_older_than
    return Skip(Reason.TOO_OLD) if old else None


def not_expired(case: Case) -> Decision | None:
    return Skip(Reason.EXPIRED) if case.now >= case.expires_at else None


def partner_is_active(case: Case) -> Decision | None:
    return None if case.partner_active or case.asks_status else Skip(Reason.NOT_ACTIVE)


def has_recipient(case: Case) -> Decision | None:
    if case.address:
        return None
    return Skip(Reason.NO_OWNER if case.to_staff else Reason.NO_ADDRESS)


def not_suppressed(case: Case) -> Decision | None:
    """Suppression is global and stops every kind of mail."""
    return Skip(Reason.SUPPRESSED) if case.suppressed else None


def has_consent(case: Case) -> Decision | None:
    """Status and reward mail ignores a topic's opt-out; alerts to staff are no mail to the partner."""
    return Skip(Reason.UNSUBSCRIBED) if case.unsubscribed and not case.transactional and not case.to_staff else None


def not_on_break(case: Case) -> Decision | None:
    """Who takes a break from marketing mail gets none of it until it is over; status and reward mail still comes."""
    return Skip(Reason.PAUSED_BY_PARTNER) if case.on_break and not case.transactional and not case.to_staff else None


def has_opted_in(case: Case) -> Decision | None:
    """A topic with `opt_in` is for partners who said yes to it."""
    return Skip(Reason.NOT_OPTED_IN) if case.not_opted_in and not case.to_staff else None


def wants_updates(case: Case) -> Decision | None:
    """Who set a topic's rhythm to off gets none of its mail, not even transactional."""
    return Skip(Reason.OPTED_OUT_OF_UPDATES) if case.opted_out and not case.to_staff else None


def not_resting(case: Case) -> Decision | None:
    """Who has given no sign of life for long is left in peace; status and reward mail still comes."""
    return Skip(Reason.RESTING) if case.resting and not case.transactional and not case.to_staff else None


def still_to_be_told(case: Case) -> Decision | None:
    """An update goes out unless a daily mail tells of it, or it was taken back, or takes back what nobody was told."""
    return Skip(case.untold) if case.untold is not None and not case.to_staff else None


def one_mail_per_address(case: Case) -> Decision | None:
    """Two partners with one address get one mail of a kind."""
    return Skip(Reason.SAME_ADDRESS) if case.same_address else None


def condition_still_holds(case: Case) -> Decision | None:
    return Skip(Reason.CONDITION_NO_LONGER_HOLDS) if case.condition_holds is False else None


def not_stopped(case: Case) -> Decision | None:
    return Skip(Reason.STOPPED) if case.stopped else None


def goal_not_reached(case: Case) -> Decision | None:
    """Who has done what the campaign is for is through with it."""
    return Skip(Reason.GOAL_REACHED) if case.goal_reached else None


def topic_goes_out(case: Case) -> Decision | None:
    """An operator, or too many complaints, pause a topic until it is resumed; alerts to staff are none of its mail."""
    paused = case.topic_paused and not case.to_staff
    return Defer(case.now + LOOK_AGAIN, Reason.TOPIC_PAUSED) if paused else None


def feeds_are_heard(case: Case) -> Decision | None:
    """Silence of a feed is not silence of a partner: the campaign is held until the feed is back."""
    if case.feed_missing:
        return Defer(case.now + LOOK_AGAIN, Reason.FEED_NEVER_CONNECTED)
    return Defer(case.now + LOOK_AGAIN, Reason.FEED_STALE) if case.feed_stale else None


def left_to_sales(case: Case) -> Decision | None:
    """Who is called by a person gets no advice from a machine meanwhile; status and reward mail still comes."""
    waits = case.claimed and not case.transactional and not case.to_staff
    return Defer(case.now + LOOK_AGAIN, Reason.CLAIMED) if waits else None


def time_has_come(case: Case) -> Decision | None:
    """The mail of a day's updates, or of a schedule on partners' clocks, waits for its time where the partner is."""
    early = case.not_before is not None and case.now < case.not_before
    return Defer(case.not_before, Reason.OUTSIDE_SEND_WINDOW) if early and case.not_before else None


def hours_allow(case: Case) -> Decision | None:
    """Marketing mail waits for the first instant that all rules allow; it is not sent if that comes too late."""
    if case.hours is None or case.transactional or case.to_staff:
        return None
    found = opening(case.now, case.hours)
    if found.closed_by is None:
        return None
    if found.at is None or found.at >= case.expires_at:
        return Skip(found.closed_by)
    return Defer(found.at, found.closed_by)


GUARDS: tuple[Guard, ...] = (
    not_expired,
    news_not_history,
    campaign_is_live,
    within_dates,
    partner_is_active,
    has_recipient,
    not_suppressed,
    has_consent,
    not_on_break,
    has_opted_in,
    wants_updates,
    not_resting,
    one_mail_per_address,
    still_to_be_told,
    topic_goes_out,
    feeds_are_heard,
    condition_still_holds,
    not_stopped,
    goal_not_reached,
    left_to_sales,
    time_has_come,
    hours_allow,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one guard says; `decision` None lets the message pass."""

    guard: str
    decision: Decision | None


def decide(case: Case) -> Decision:
    """The first guard that objects decides; if none does, the message is sent."""
    for guard in GUARDS:
        decision = guard(case)
        if decision is not None:
            return decision
    return Send()


def examine(case: Case) -> tuple[Verdict, ...]:
    """What every guard says, for `engage explain`."""
    return tuple(Verdict(guard.__name__, guard(case)) for guard in GUARDS)
