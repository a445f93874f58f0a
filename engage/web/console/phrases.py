"""Campaigns in the words of those who plan them, instead of the words of their files. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from engage.domain.campaigns import (
    Again,
    AgainKind,
    AlertStep,
    AskStep,
    AtStep,
    BranchStep,
    Campaign,
    Clock,
    Edge,
    EventKind,
    EventTrigger,
    GatherTrigger,
    Goal,
    MailStep,
    ScheduleTrigger,
    Step,
    WaitStep,
    texts_of,
)
from engage.domain.conditions import All, AnyOf, Comparator, Condition, FactRef, Not, Test, tests_of
from engage.domain.limits import FrequencyCap, SendWindow
from engage.domain.programs import Program
from engage.domain.promotions import at_of
from engage.domain.windows import WindowKind
from engage.facts import Node
from engage.pipeline.clocks import on_their_clocks
from engage.reporting.figures import Compared
from engage.reporting.lift import Verdict
from engage.slots import Slot

_DAY = timedelta(days=1)
_SHOWN = "%a %-d %b %Y, %H:%M"
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_EVENTS: Mapping[EventKind, str] = {
    EventKind.STATUS_CHANGED: "when the status of a referral changes",
    EventKind.HELP_WANTED: "when somebody of ours asks for help with a referral",
    EventKind.NOTED: "when a referral comes by the form",
    EventKind.LOGGED_IN: "when a partner logs in",
    EventKind.REGISTERED: "when a partner registers",
    EventKind.REWARD_EARNED: "when a reward is earned",
    EventKind.REWARD_PAID: "when a reward is paid",
    EventKind.REWARD_REVERSED: "when a reward is taken back",
    EventKind.CODE_WANTED: "when a partner asks for a code on their page",
    EventKind.LINK_WANTED: "when a partner asks for a fresh link to their page",
}

_COMPARED: Mapping[Comparator, str] = {
    Comparator.AT_LEAST: "at least {}",
    Comparator.AT_MOST: "at most {}",
    Comparator.MORE_THAN: "more than {}",
    Comparator.LESS_THAN: "less than {}",
    Comparator.IS: "{}",
    Comparator.IS_NOT: "not {}",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a condition, with those below it. `holds` and `found` where one partner was looked at."""

    text: str
    parts: tuple["Line", ...] = ()
    holds: bool | None = None
    found: str = ""


def condition_lines(condition: Condition | None) -> tuple[Line, ...]:
    """The condition as a list of what has to hold; none without one."""
    match condition:
        case None:
            return ()
        case All(parts):
            return tuple(_line(part) for part in parts)
        case _:
            return (_line(condition),)


def _line(condition: Condition) -> Line:
    match condition:
        case Test():
            return Line(test_said(condition))
        case All(parts):
            return Line("all of these", tuple(map(_line, parts)))
        case AnyOf(parts):
            return Line("one of these", tuple(map(_line, parts)))
        case Not(All(parts)):
            return Line(_NEGATED["all of"], tuple(map(_line, parts)))
        case Not(AnyOf(parts)):
            return Line(_NEGATED["any of"], tuple(map(_line, parts)))
        case Not(part):
            return Line("not", (_line(part),))


def condition_said(condition: Condition) -> str:
    """The same in one line, for a drawing."""
    match condition:
        case Test():
            return test_said(condition)
        case All(parts):
            return " and ".join(map(condition_said, parts))
        case AnyOf(parts):
            return " or ".join(map(condition_said, parts))
        case Not(part):
            return f"not ({condition_said(part)})"


def explained_lines(node: Node, condition: Condition | None) -> tuple[Line, ...]:
    """What a condition came to for one subject, in the words and the shape of `condition_lines`.

    What every campaign asks (that a partner is active) is a line like those that were written.
    """
    known = {str(test): test_said(test) for test in tests_of(condition)}
    return tuple(_explained(part, known) for part in _all_of(node))


def _all_of(node: Node) -> tuple[Node, ...]:
    """What has to hold together: lists in lists of such are one list."""
    return tuple(one for part in node.parts for one in _all_of(part)) if node.text == "all of" else (node,)


_GROUPS = {"all of": "all of these", "any of": "one of these", "not": "not"}
_NEGATED = {"all of": "not all of these together", "any of": "none of these"}


def _explained(node: Node, known: Mapping[str, str]) -> Line:
    parts = node.parts
    text = known.get(node.text) or _GROUPS.get(node.text, node.text)
    if node.text == "not" and parts[0].text in _NEGATED:
        text, parts = _NEGATED[parts[0].text], parts[0].parts
    return Line(text, tuple(_explained(part, known) for part in parts), node.truth, node.found)


def test_said(test: Test) -> str:
    """One comparison: `referrals in the last 90 days: at least 10`."""
    fact = fact_said(test.ref)
    match test.comparator, test.value:
        case Comparator.EXISTS, exists:
            return f"{fact}: {'known' if exists else 'not known'}"
        case Comparator.BETWEEN, (low, high):
            return f"{fact}: {low} to {high}"
        case Comparator.IN, tuple(choices):
            return f"{fact}: {_or([_value(one) for one in choices])}"
        case Comparator.IS, 0 if not isinstance(test.value, bool):
            return f"{fact}: none"
        case comparator, value:
            return f"{fact}: {_COMPARED[comparator].format(_value(value))}"


def fact_said(ref: FactRef) -> str:
    """`wins in the last 90 days`, `answer to what-holds-you-up`."""
    said = _plain(ref.fact)
    if ref.name:
        said = _plain(ref.name)
    if ref.question:
        said = f"answer to “{_plain(ref.question)}”"
    if ref.by:
        said += f" by {_plain(ref.by)}"
    if ref.methods:
        said += f" by {_or([_plain(one) for one in ref.methods])}"
    if ref.window:
        length = length_said(ref.window.length)
        said += {
            WindowKind.LAST: f" in the last {length}",
            WindowKind.PREVIOUS: f" in the {length} before the last {length}",
            WindowKind.FIRST: f" in the first {length}",
        }[ref.window.kind]
    return said


def length_said(length: timedelta) -> str:
    """`90 days`, `1 hour`."""
    for unit, name in ((_DAY, "day"), (timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute")):
        if length % unit == timedelta(0):
            many = length // unit
            return f"{many} {name}{'' if many == 1 else 's'}"
    return str(length)


def trigger_said(campaign: Campaign, program: Program) -> str:
    """What starts a campaign."""
    match campaign.trigger:
        case ScheduleTrigger(written=written, clock=clock) as trigger:
            every = "on set dates" if written == trigger.cron else f"every {written}"
            whose = "where the partner is" if clock is Clock.PARTNER else program.zone
            return f"{every}, {whose}"
        case EventTrigger(EventKind.STATUS_CHANGED, to) if to:
            names = _or([program.status(one).label for one in to])
            return f"when the status of a referral becomes {names}"
        case EventTrigger(event):
            return _EVENTS[event]
        case GatherTrigger(at=at):
            return f"at {at:%H:%M} where the partner is, of the day’s updates, for who wants them once a day"
        case _:
            return "when the edition of a newsletter is not there three days before it goes out"


def cap_said(cap: FrequencyCap) -> str:
    """`at most 2 mails per partner in 7 days`."""
    of = f" of {cap.topic}" if cap.topic else ""
    return f"at most {cap.at_most} mails{of} per {cap.per} in {length_said(cap.length)}"


def again_said(again: Again | None) -> str:
    """When the same partner may get it another time."""
    if again is None:
        return "each time it happens"
    match again.kind:
        case AgainKind.NEVER:
            return "once only"
        case AgainKind.EACH_SLOT:
            return "on each run"
        case AgainKind.EACH_EPISODE:
            return "again only after it had stopped being true"
        case AgainKind.EACH_TIER_PERIOD:
            return "once for each tier and period"
        case AgainKind.AFTER:
            return f"again after {length_said(again.after or timedelta())}"


def goal_said(goal: Goal) -> str:
    return f"{goal.conversion} within {length_said(goal.within)}"


def window_said(window: SendWindow) -> str:
    """`Mon–Fri 08:00–18:00`."""
    days = sorted(window.days)
    run = days == list(range(days[0], days[-1] + 1)) and len(days) > 2
    if len(days) == 7:
        named = "every day"
    elif run:
        named = f"{_WEEKDAYS[days[0]]}–{_WEEKDAYS[days[-1]]}"
    else:
        named = ", ".join(_WEEKDAYS[day] for day in days)
    holidays = "" if window.on_holidays else ", not on holidays"
    return f"{named} {window.opens:%H:%M}–{window.closes:%H:%M}{holidays}"


@dataclass(frozen=True, slots=True)
class Said:
    """A step in words: what kind it is (a class of the drawing), its title, and more of it."""

    kind: str
    title: str
    more: str = ""
    emails: tuple[str, ...] = ()


def step_said(step: Step, campaign: Campaign, program: Program) -> Said:
    """What a step does."""
    match step:
        case WaitStep():
            return Said("wait", _wait_said(step))
        case AtStep():
            return Said("wait", _at_said(step, campaign, program))
        case BranchStep():
            return Said("branch", "If", condition_said(step.condition))
    emails = tuple(text.template for text in texts_of(step))
    more = " or ".join(dict.fromkeys(email_said(one) for one in emails))
    return Said(*_mail_said(step), more, emails)


def _mail_said(step: MailStep) -> tuple[str, str]:
    match step:
        case AlertStep():
            to = step.to if step.to in ("owner", "manager") else f"desk “{_plain(step.to)}”"
            return "alert", f"Alert to the {to}"
        case AskStep():
            return "mail", f"Email with a question, {len(step.answers)} answers"
        case _:
            return "mail", "Email" if len(texts_of(step)) == 1 else f"Email, one of {len(texts_of(step))}"


def _wait_said(step: WaitStep) -> str:
    if step.lasting is not None:
        return f"Wait {length_said(step.lasting)}"
    return f"Wait until {step.written if step.written.startswith('next') else 'the next set date'}"


def _at_said(step: AtStep, campaign: Campaign, program: Program) -> str:
    if campaign.promotion is None:
        return f"Wait for the {'start' if step.edge is Edge.START else 'end'} of the promotion"
    return f"Wait until {local(at_of(step, campaign.promotion, program.zone), program.zone)}"


def email_said(template: str) -> str:
    """An email by the last part of its name: `nudges/no_login_again` is “no login again”."""
    return _plain(template.rpartition("/")[2])


def local(at: datetime, zone: str) -> str:
    """An instant on the clocks of a zone: `Mon 30 Nov 2026, 09:00`."""
    return f"{at.astimezone(ZoneInfo(zone)):{_SHOWN}}"


def slot_said(slot: Slot, campaign: Campaign, program: Program) -> str:
    """When a run is: on the clocks of the program or of each partner."""
    if on_their_clocks(campaign):
        return f"{slot.local:{_SHOWN}}, where each partner is"
    return local(slot.at, program.zone)


def _plain(name: str) -> str:
    return name.replace("_", " ").replace("-", " ")


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).replace("_", " ") if isinstance(value, str) else str(value)


def _or(words: list[str]) -> str:
    return " or ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else "".join(words)


def lift_said(one: Compared, program: Program, *, is_money: bool) -> str:
    """What a comparison says: `4.2 points more (1.1 to 7.3)`; too small to tell is said as such."""
    if one.difference is None or one.low is None or one.high is None or not one.enough:
        return "too few to tell"

    def amount(value: float) -> str:
        return f"{value / 10**program.minor_digits:,.2f}" if is_money else f"{100 * value:.1f}"

    unit = program.currency if is_money else "points"
    between = f"{amount(one.low)} to {amount(one.high)}"
    if one.verdict == Verdict.TOO_SMALL:
        return f"too small to tell ({between} {unit})"
    return f"{amount(abs(one.difference))} {unit} {one.verdict} ({between})"
