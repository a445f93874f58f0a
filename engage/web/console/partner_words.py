"""What became of a partner, in words: an entry into a campaign, and a mail. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from engage.domain.campaigns import Campaign
from engage.domain.deliveries import DeliveryState, Reported
from engage.domain.programs import Program
from engage.pipeline.looking_up import values_read
from engage.pipeline.settling import written_id
from engage.store.partners_seen import Mail
from engage.store.so_far import Decided, Entered, Entry, Mailed
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
    return entered_shown(entry.campaign, entry.about, entry.entered, program, campaign)


def entered_shown(name: str, about: str, one: Entered, program: Program, campaign: Campaign | None) -> EntryShown:
    """The same of an entry into the campaign of this name."""
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
    return f"waits at step {one.step} until {when(one.due_at)}" if one.due_at is not None else ""


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
