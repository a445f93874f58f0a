"""A partner as our own people look them up: facts as of any instant, what stands against mail, why they (did not) get
what. Reads, and changes nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy.engine import Connection

from engage.domain.campaigns import Campaign, CampaignState
from engage.domain.conditions import FactRef, tests_of
from engage.domain.facts import CATALOGUE, Subject
from engage.domain.local_time import instant_of
from engage.domain.programs import Program, Rhythm, Topic
from engage.domain.windows import Window, WindowKind
from engage.facts import Scope, Value, values
from engage.pipeline.coach import evidence_label, evidence_value
from engage.pipeline.consent_shown import Shown
from engage.pipeline.library import Library

_LAST = Window(WindowKind.LAST, timedelta(days=90))
_STANDING = ("status", "owner", "company", "region", "locale")
_TIERS = ("tier", "next_tier", "to_next_tier", "previous_tier", "to_keep_tier", "days_left_in_tier_period")
_ACTIVITY = ("days_since_login", "days_since_joining", "days_since_referral", "days_since_win")
_COUNTED = ("referrals", "qualified", "open", "wins", "losses", "revenue", "win_rate")
_REWARDS = ("rewards", "rewards_earned")
_COMPARED_WITH_ALL = "rank"
"""Costs as much as all partners' referrals: what it is, the explanation of a campaign that asks it says."""


@dataclass(frozen=True, slots=True)
class ShownFact:
    """A fact as people read it. `then`: as of the other instant, if one was asked for."""

    label: str
    now: str
    then: str

    @property
    def differs(self) -> bool:
        return bool(self.then) and self.then != self.now


@dataclass(frozen=True, slots=True)
class FactGroup:
    heading: str
    facts: tuple[ShownFact, ...]


def partner_facts(
    db: Connection, library: Library, scope: Scope, partner_id: int, now: datetime, then: datetime | None
) -> list[FactGroup]:
    """What facts say of a partner now and, if asked for, as of another instant; with what campaigns ask of partners.

    One statement an instant.
    """
    groups = [(heading, tuple(refs)) for heading, refs in _groups(library, scope.program)]
    refs = [ref for _, group in groups for ref in group]
    of_now = values(db, scope, Subject.PARTNER, refs, now, [partner_id]).get(partner_id)
    of_then = values(db, scope, Subject.PARTNER, refs, then, [partner_id]).get(partner_id) if then else None

    def shown(ref: FactRef) -> ShownFact:
        before = _text(scope.program, ref, of_then) if then else ""
        asked = f" to {ref.question}" if ref.question else ""
        return ShownFact(evidence_label(ref) + asked, _text(scope.program, ref, of_now), before)

    return [FactGroup(heading, tuple(map(shown, group))) for heading, group in groups if group]


def _text(program: Program, ref: FactRef, found: Mapping[FactRef, Value] | None) -> str:
    return evidence_value(program, ref, found[ref]) if found is not None else "not known to engage"


def _groups(library: Library, program: Program) -> Iterator[tuple[str, Iterable[FactRef]]]:
    listed: dict[str, list[FactRef]] = {
        "Who": [FactRef(name) for name in _STANDING],
        "Lately": [FactRef(name) for name in _ACTIVITY],
        "Referrals": [FactRef(name) for name in _COUNTED],
        "Referrals, last 90 days": [FactRef(name, _LAST) for name in _COUNTED],
        "Rewards": [FactRef(name) for name in _REWARDS],
        "Tier": [FactRef(name) for name in _TIERS] if program.tiers else [],
        "Attributes": [FactRef("attribute", name=name) for name in sorted(program.attributes)],
    }
    known = {ref for refs in listed.values() for ref in refs}
    asked = {ref for campaign in library.campaigns.values() for ref in _asked(campaign, program)} - known
    yield from listed.items()
    yield "Else asked by campaigns", sorted(asked, key=str)


def _asked(campaign: Campaign, program: Program) -> Iterator[FactRef]:
    """What a campaign of the program asks of partners."""
    if campaign.program == program.key and campaign.state is not CampaignState.DRAFT:
        for condition in (campaign.where, campaign.stop_when):
            for test in tests_of(condition):
                fact = CATALOGUE[test.ref.fact]
                if fact.subject is Subject.PARTNER and fact.name != _COMPARED_WITH_ALL and campaign.subject in _THEIRS:
                    yield test.ref


_THEIRS = frozenset(subject for subject in Subject if subject.leads_to_partner)


def instant_on(day: str, program: Program, now: datetime) -> datetime:
    """The last instant of a day (2026-10-01) where the program is, or the instant that is written; raises ValueError.

    Facts of a day are those at its end: what happened on it counts.
    """
    if len(day) > len("2026-10-01"):
        at = datetime.fromisoformat(day)
        at = at if at.tzinfo else instant_of(at, program.zone)
    else:
        next_day = datetime.combine(date.fromisoformat(day), time()) + timedelta(days=1)
        at = instant_of(next_day, program.zone) - timedelta(microseconds=1)
    if not now - _FAR <= at <= now + _FAR:
        raise ValueError(f"{day} is too far away")
    return at


_FAR = timedelta(days=20 * 366)


def explained_campaigns(library: Library, program: Program) -> list[Campaign]:
    """The campaigns of a program that concern partners or their companies, by name."""
    found = (one for (key, _), one in library.campaigns.items() if key == program.key)
    return sorted((one for one in found if one.subject is not Subject.STAFF), key=lambda one: one.name)


@dataclass(frozen=True, slots=True)
class TopicStanding:
    """Whether mail of a topic may go to the partner: `may`, in words why, since when if somebody said so."""

    topic: Topic
    may: bool
    said: str
    since: datetime | None
    rhythm: str


_RHYTHMS = {Rhythm.INSTANT: "at once", Rhythm.DAILY: "once a day", Rhythm.OFF: "never"}


def topic_standings(program: Program, shown: Shown, external_id: str) -> list[TopicStanding]:
    """Each topic of the program, as it stands for this partner; suppressions go before all of it."""
    refused, agreed = shown.refused.get(external_id, {}), shown.agreed.get(external_id, {})
    wishes = {wish.topic: wish.rhythm for wish in shown.rhythms.get(external_id, ())}
    found = []
    for topic in program.topics.values():
        may, said, since = True, "yes, unless they say no", None
        if topic.transactional:
            said = "yes: it is about their own referrals and rewards, and cannot be refused"
        elif topic.key in refused:
            may, said, since = False, "no: refused", refused[topic.key]
        elif topic.key in agreed:
            said, since = "yes: agreed to", agreed[topic.key]
        elif topic.opt_in:
            may, said = False, "no: it takes a yes, which they have not said"
        rhythm = wishes.get(topic.key)
        may = may and rhythm is not Rhythm.OFF
        found.append(TopicStanding(topic, may, said, since, _RHYTHMS[rhythm] if rhythm else ""))
    return found


def standing_against(shown: Shown, external_id: str, status: str, email: str) -> list[str]:
    """What keeps all mail, or all marketing mail, from a partner; empty: nothing does."""
    found = []
    if not email:
        found.append("No mail at all: there is no email address.")
    for reason, since in shown.suppressions.items():
        found.append(f"No mail at all: the address is suppressed ({reason.replace('_', ' ')}) since {since:%Y-%m-%d}.")
    if status != "active":
        found.append(f"The partner is {status}: only campaigns that ask for such partners reach them.")
    pause = shown.pauses.get(external_id)
    if pause is not None and pause.until is not None:
        found.append(f"No marketing mail: they take a break until {pause.until:%Y-%m-%d}.")
    return found


def values_read(program: Program, campaign: Campaign | None, kept: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """The values that a decision has kept, as people read them: (what, value). Those that the campaign's conditions ask
    are in their own units.
    """
    conditions = (campaign.where, campaign.stop_when) if campaign else ()
    refs = {str(test.ref): test.ref for condition in conditions for test in tests_of(condition)}

    def read(name: str, value: Any) -> tuple[str, str]:
        ref = refs.get(name)
        if ref is not None and not isinstance(value, list | dict):
            return evidence_label(ref), evidence_value(program, ref, value)
        text = ", ".join(map(str, value)) if isinstance(value, list) else "unknown" if value is None else str(value)
        return name.replace("_", " ").capitalize(), text

    return [read(name, value) for name, value in kept.items()]
