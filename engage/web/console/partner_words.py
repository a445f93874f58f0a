"""What became of a partner, in words: an entry into a campaign, a mail, an answer to why. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from engage.domain.campaigns import Campaign, CampaignState, EventTrigger
from engage.domain.decisions import Decision, Defer, Skip
from engage.domain.deliveries import DeliveryState, Reported
from engage.domain.programs import Program
from engage.pipeline.consent_shown import Shown
from engage.pipeline.explaining import Explanation, Trees
from engage.pipeline.looking_up import values_read
from engage.pipeline.settling import written_id
from engage.store import runs
from engage.store.partners_seen import Mail
from engage.store.runs import Run
from engage.store.so_far import Decided, Entered, Entry, Mailed
from engage.web.console.phrases import Line, explained_lines, trigger_said
from engage.web.console.reasons import asked as asked_by
from engage.web.console.reasons import said
from engage.web.console.shell import when

_S = DeliveryState
_WAITING = frozenset({_S.PENDING, _S.CLAIMED, _S.RETRY})
_STATES: dict[str, tuple[str, str]] = {
    _S.PENDING: ("due", ""),
    _S.CLAIMED: ("due", ""),
    _S.RETRY: ("tried again", "warn"),
    _S.SENDING: ("being sent", ""),
    _S.ACCEPTED: ("sent", "good"),
    _S.UNKNOWN: ("sent or not: unknown", "warn"),
    _S.DEAD: ("failed", "bad"),
    _S.SUPPRESSED: ("not sent", "warn"),
    _S.SKIPPED: ("not sent", "warn"),
    _S.CANCELLED: ("cancelled", "warn"),
    _S.EXPIRED: ("too late to send", "warn"),
    _S.HELD: ("kept, not sent", "warn"),
}
_REPORTED: dict[str, tuple[str, str]] = {
    Reported.DEFERRED: ("their server asks to wait", "warn"),
    Reported.DROPPED: ("dropped by the provider", "bad"),
    Reported.DELIVERED: ("delivered", "good"),
    Reported.BOUNCED: ("bounced", "bad"),
    Reported.COMPLAINED: ("reported as spam", "bad"),
}
_KEPT = "engage is not set to send to this address yet"
_PHASES = {"enroll": "on entering", "send": "when about to send", "journey": "on the way", "contest": "among others"}


@dataclass(frozen=True, slots=True)
class Badge:
    """A word with a class of the style sheet: good, warn, bad, or none."""

    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class DecidedShown:
    """A decision: when, at which step and in which phase, what and why, with the values behind it as they read."""

    at: datetime
    where: str
    badge: Badge
    why: str
    values: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class EntryShown:
    """An entry with what came of it. `campaign` is its name; `about` whose referral, if of one."""

    campaign: str
    about: str
    at: datetime
    badge: Badge
    why: str
    occasion: str
    mails: tuple[tuple[Mailed, Badge, str], ...]
    decided: tuple[DecidedShown, ...]


def entry_shown(entry: Entry, program: Program, campaign: Campaign | None) -> EntryShown:
    """`campaign`: as it is now, in whose units its values are read; None if it is gone."""
    return _entered(entry.campaign, entry.about, entry.entered, program, campaign)


def _entered(name: str, about: str, one: Entered, program: Program, campaign: Campaign | None) -> EntryShown:
    badge, why = _outcome(one)
    mails = tuple((mail, *_state(mail.state, mail.reason, mail.due_at, mail.settled_at)) for mail in one.mails)
    decided = tuple(_decided(each, program, campaign) for each in one.decided)
    return EntryShown(name, about, one.at, badge, why, one.key, mails, decided)


def _outcome(one: Entered) -> tuple[Badge, str]:
    """What came of an entry in a word, and why."""
    states = {mail.state for mail in one.mails}
    if _S.ACCEPTED in states:
        many = sum(mail.state == _S.ACCEPTED for mail in one.mails)
        return Badge("sent" if many == 1 else f"{many} sent", "good"), _waits(one)
    if one.mails:
        last = one.mails[-1]
        return _state(last.state, last.reason, last.due_at, last.settled_at)
    if _waits(one):
        return Badge("on the way"), _waits(one)
    refused = [each for each in one.decided if each.decision in ("skip", "stop")]
    if refused:
        return Badge("not sent", "warn"), said(refused[-1].reason)
    return Badge("ended" if one.why else "entered"), said(one.why)


def _waits(one: Entered) -> str:
    return f"waits at {one.step} until {when(one.due_at)}" if one.due_at is not None else ""


def _state(state: str, reason: str | None, due_at: datetime | None, settled_at: datetime | None) -> tuple[Badge, str]:
    """A mail's state as a word, and what is to be said of it: why, and when."""
    why = said(reason) or (_KEPT if state == _S.HELD else "")
    at = f"due {when(due_at)}" if state in _WAITING and due_at else when(settled_at)
    return Badge(*_STATES.get(state, (state, ""))), ", ".join(filter(None, (why, at)))


def _decided(one: Decided, program: Program, campaign: Campaign | None) -> DecidedShown:
    kinds = {"send": ("send", "good"), "skip": ("not sent", "warn"), "defer": ("not yet", "")}
    until = f"looked at again {when(one.until)}" if one.until else ""
    why = ", ".join(filter(None, (said(one.reason), until)))
    where = " · ".join(filter(None, (one.step, _PHASES.get(one.phase, one.phase))))
    badge = Badge(*kinds.get(one.decision, (one.decision, "")))
    return DecidedShown(one.at, where, badge, why, values_read(program, campaign, one.values))


@dataclass(frozen=True, slots=True)
class MailShown:
    """A mail in the list. `id` as its page has it; `to` says to whom of our staff, "" where it went to the partner."""

    mail: Mail
    id: str
    to: str
    topic: str
    badge: Badge
    why: str
    reported: Badge | None
    used: str


def mail_shown(mail: Mail, program: Program) -> MailShown:
    badge, why = _state(mail.state, mail.reason, mail.due_at, mail.settled_at)
    kind, _, key = mail.recipient.partition(":")
    topic = program.topics.get(mail.topic)
    reported = Badge(*_REPORTED[mail.reported]) if mail.reported in _REPORTED else None
    used = "clicked" if mail.clicked else "opened" if mail.opened else "clicked by a machine" if mail.by_machine else ""
    return MailShown(
        mail=mail,
        id=written_id(mail.id),
        to=key if kind == "staff" else "",
        topic=topic.label if topic else mail.topic,
        badge=badge,
        why=why,
        reported=reported,
        used=used,
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked on the page. `at`: the end of the day `on`; None: now. `problem`: why `on` is no day."""

    campaign: str
    on: str
    at: datetime | None
    problem: str


@dataclass(frozen=True, slots=True)
class StepShown:
    """What the guards say of one mail. `against`: those that object, in words; `guards`: each, and if it passes."""

    step: str
    to: str
    against: tuple[str, ...]
    guards: tuple[tuple[str, bool, str], ...]
    caps: tuple[tuple[str, int, bool], ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """A condition of one subject: whether it is `wanted` that it holds, and whether it does, with the values found."""

    heading: str
    wanted: bool
    holds: bool
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Why, or why not. `badge` and `headline` say it at once; `trees` are the conditions of each subject."""

    campaign: Campaign
    whom: str
    as_of: datetime
    starts: str
    badge: Badge
    headline: str
    notes: tuple[str, ...]
    trees: tuple[Tree, ...]
    steps: tuple[StepShown, ...]
    entries: tuple[EntryShown, ...]


def answer(
    campaign: Campaign,
    program: Program,
    as_of: datetime,
    found: Explanation | None,
    entries: Sequence[Entered],
    problem: str,
    run: Run | None = None,
) -> Answer:
    """What an explanation says; without one, the problem. `run`: the last of a schedule by then."""
    shown = tuple(_entered(campaign.name, "", one, program, campaign) for one in entries)
    starts = trigger_said(campaign, program)
    if found is None:
        return Answer(campaign, "", as_of, starts, Badge("no", "warn"), problem, (), (), (), shown)
    badge, headline = _conclusion(campaign, starts, found)
    notes = [_of_run(run)] if run else []
    if campaign.state is not CampaignState.LIVE:
        notes.append(f"The campaign is {campaign.state} and sends nothing; below is what it would do if it were live.")
    if not found.conditions:
        notes.append(f"They have no {campaign.subject}, and the campaign is for one.")
    trees = (*_trees(True, campaign, found.conditions), *_trees(False, campaign, found.stops))
    steps = tuple(
        StepShown(
            step=one.step,
            to=one.to,
            against=tuple(_objection(v.decision) for v in one.verdicts if v.decision is not None),
            guards=tuple(
                (asked_by(v.guard), v.decision is None, _objection(v.decision) if v.decision else "")
                for v in one.verdicts
            ),
            caps=tuple((str(taken.cap), taken.used, taken.used < taken.cap.at_most) for taken in one.caps),
        )
        for one in found.steps
    )
    return Answer(campaign, found.whom, as_of, starts, badge, headline, tuple(notes), trees, steps, shown)


def _trees(wanted: bool, campaign: Campaign, trees: Trees) -> list[Tree]:
    word, condition = ("Condition", campaign.where) if wanted else ("Stops when", campaign.stop_when)
    of = f" ({campaign.subject} {{}})" if len(trees) > 1 else ""
    return [Tree(word + of.format(name), wanted, node.truth, explained_lines(node, condition)) for name, node in trees]


def _conclusion(campaign: Campaign, starts: str, found: Explanation) -> tuple[Badge, str]:
    match found.decision:
        case Skip(reason):
            return Badge("no", "warn"), f"They would not get it: {said(reason)}."
        case Defer(until, reason):
            return Badge("not yet"), f"Not yet: {said(reason)}. It is looked at again {when(until)}."
        case _ if isinstance(campaign.trigger, EventTrigger):
            return Badge("yes", "good"), f"They would get it {starts}: nothing stands against it."
        case _:
            return Badge("yes", "good"), "They would get it: nothing stands against it."


def _of_run(run: Run) -> str:
    """What became of a schedule's last slot: one that was held or dropped let nobody in."""
    slot = run.slot.replace("T", " ")
    many = f"{run.matched:,} met its condition" if run.matched is not None else ""
    match run.state:
        case runs.DONE:
            return f"Its last run was {slot}" + (f": {many}." if many else ".")
        case runs.HELD | runs.DROPPED:
            return f"Its last run, {slot}, was {run.state} and let nobody in: {said(run.reason)}."
        case _:
            return f"Its run of {slot} has begun and is not done yet."


def _objection(decision: Decision) -> str:
    match decision:
        case Skip(reason):
            return said(reason)
        case Defer(until, reason):
            return f"{said(reason)}; looked at again {when(until)}"
        case _:
            return ""


@dataclass(frozen=True, slots=True)
class ChangeShown:
    """Something that was said of being mailed: what, by whom it came, and where from."""

    at: datetime
    what: str
    how: str
    source: str


def changes_shown(shown: Shown, external_id: str) -> list[ChangeShown]:
    """All that was said by the partner, for them or at their address, the latest first."""
    found = []
    for one in shown.changes:
        whose = "" if one.partner in (None, external_id) else ", by somebody else at the address"
        what = f"{'yes' if one.subscribed else 'no'} to {one.topic or 'everything'}{whose}"
        found.append(ChangeShown(one.at, what, one.how, one.source))
    for setting in shown.settings:
        if setting.partner != external_id:
            continue
        to = f"{setting.to:%Y-%m-%d}" if isinstance(setting.to, datetime) else setting.to
        what = {
            "rhythm": f"{setting.topic}: {to}",
            "language": f"reads in {to}",
            "pause": f"a break until {to}" if to else "no break any more",
        }[setting.what]
        found.append(ChangeShown(setting.at, what, setting.how, setting.source))
    return sorted(found, key=lambda one: one.at, reverse=True)
