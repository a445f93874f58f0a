"""Makes two rows that stand for one thing one: all that names the merged row names the survivor instead.

Set-based, in the caller's transaction. No event is lost. What was decided keeps its keys: a mail of the merged one that
has gone out is not sent again for the survivor. What facts read (versions) is brought up to date by the caller.
"""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.campaigns import EventKind
from engage.domain.deliveries import DUE, DeliveryState
from engage.domain.facts import Subject
from engage.domain.journeys import JourneyState
from engage.domain.keys import login_prefix, registered_key
from engage.store.journeys import look_again_at
from engage.store.languages import move_languages
from engage.store.merging_entries import (
    GONE,
    Pair,
    cancel,
    end_journeys,
    inside_too,
    move_entries,
    move_episodes,
    release_claimed,
)
from engage.store.occasions_of import move_links
from engage.store.pauses import move_pauses
from engage.store.reentry import lock_entries
from engage.store.rhythms import move_rhythms
from engage.store.tables import (
    aliases,
    answers,
    coaching_alerts,
    companies,
    confirmations,
    consent_changes,
    deliveries,
    enrollments,
    events,
    help_requests,
    occasions,
    partner_versions,
    partners,
    promotion_terms,
    referral_versions,
    referrals,
    rewards,
    staff,
    subscriptions,
)

Id = sa.Column[int]
Clause = sa.ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Merged:
    """A duplicate and the row that it was merged into, by their own external ids, and what was moved: how many of each.

    `cancelled` are messages that were due and that the survivor gets or got anyway.
    """

    kind: str
    merged: str
    survivor: str
    events: int = 0
    referrals: int = 0
    rewards: int = 0
    partners: int = 0
    cancelled: int = 0


def move_partner(db: Connection, pair: Pair, names: tuple[str, str]) -> dict[str, int]:
    """Moves all that a partner has and did; `names` are the external ids of the merged one and the survivor.

    The rows of both are locked by the caller. Returns the counts for Merged.
    """
    _calm_partner_events(db, pair)
    _rename_keys(db, pair, names)
    # Events first: whoever matches one of them holds its row, and has then enrolled whom this moves next.
    moved = {"events": _repoint(db, events.c.partner_id, pair)}
    moved["referrals"] = _repoint(db, referrals.c.partner_id, pair)
    _let_nobody_in(db, pair)  # before anything else that a worker touches who has the events in hand and lets them in
    _repoint(db, referral_versions.c.partner_id, pair)
    moved["rewards"] = _repoint(db, rewards.c.partner_id, pair)
    moved["partners"] = _repoint(db, partners.c.recruited_by_id, pair, partners.c.id != pair.survivor)
    _repoint(db, partners.c.merged_into_id, pair)
    _repoint(db, companies.c.contact_id, pair)
    _move_consent(db, pair)
    _move_answers(db, pair)
    move_rhythms(db, pair.merged, pair.survivor)
    move_pauses(db, pair.merged, pair.survivor)
    move_languages(db, pair.merged, pair.survivor)
    _repoint(db, confirmations.c.partner_id, pair)
    _repoint(db, coaching_alerts.c.partner_id, pair)
    _move_terms(db, pair)
    release_claimed(db, deliveries.c.partner_id.in_((pair.merged, pair.survivor)))
    move_links(db, pair.merged, pair.survivor)
    moved["cancelled"] = _cancel_twins(db, pair)
    _repoint(db, deliveries.c.partner_id, pair)
    _move_enrollments(db, pair)
    move_episodes(db, pair, Subject.PARTNER)
    return moved


def move_referral(db: Connection, pair: Pair, names: tuple[str, str], after: int) -> dict[str, int]:
    """Moves a referral's events, counted on after the survivor's last sequence, its rewards and its enrollments.

    The rows of the partners of both are locked by the caller.
    """
    e = events.c
    twin = events.alias("twin")
    known = sa.exists().where(
        twin.c.referral_id == pair.survivor, twin.c.to_status == e.to_status, twin.c.occurred_at == e.occurred_at
    )
    _calm(db, e.referral_id == pair.merged, known)
    release_claimed(db, sa.or_(_about_referral(pair.merged), _about_referral(pair.survivor)))
    cancelled = _cancel_told_twice(db, pair)
    moved = sa.update(events).where(e.referral_id == pair.merged)
    counts = {"events": db.execute(moved.values(referral_id=pair.survivor, sequence=e.sequence + after)).rowcount}
    counts["rewards"] = _repoint(db, rewards.c.referral_id, pair)
    _move_help(db, pair)
    _repoint(db, coaching_alerts.c.referral_id, pair)
    _end_journeys_told_twice(db, pair)
    cancelled += move_entries(db, pair, Subject.REFERRAL, names)
    _repoint(db, referrals.c.merged_into_id, pair)
    db.execute(sa.delete(referral_versions).where(referral_versions.c.referral_id == pair.merged))
    db.execute(sa.update(referrals).where(referrals.c.id == pair.merged).values(merged_into_id=pair.survivor))
    return {**counts, "cancelled": cancelled}


def move_company(db: Connection, pair: Pair, names: tuple[str, str]) -> dict[str, int]:
    """Gives the survivor the people and the companies of the merged one, whose row goes."""
    moved = {"partners": _repoint(db, partners.c.company_id, pair)}
    moved["cancelled"] = move_entries(db, pair, Subject.COMPANY, names)
    _repoint(db, partner_versions.c.company_id, pair)
    _repoint(db, deliveries.c.company_id, pair)
    _repoint(db, coaching_alerts.c.company_id, pair)
    _repoint(db, companies.c.parent_id, pair, companies.c.id != pair.survivor)
    db.execute(sa.delete(companies).where(companies.c.id == pair.merged))
    return moved


def move_staff(db: Connection, pair: Pair, names: tuple[str, str]) -> dict[str, int]:
    """Gives the survivor the partners, referrals and alerts of the merged one, whose row goes."""
    moved = {"partners": _repoint(db, partners.c.owner_id, pair)}
    _repoint(db, partner_versions.c.owner_id, pair)
    moved["referrals"] = _repoint(db, referrals.c.salesperson_id, pair)
    _repoint(db, referral_versions.c.salesperson_id, pair)
    _repoint(db, staff.c.manager_id, pair, staff.c.id != pair.survivor)
    _repoint(db, companies.c.manager_id, pair)
    moved["cancelled"] = move_entries(db, pair, Subject.STAFF, names)
    _repoint(db, help_requests.c.staff_id, pair)
    release_claimed(db, deliveries.c.staff_id == pair.merged)
    _repoint(db, deliveries.c.staff_id, pair)
    _repoint(db, coaching_alerts.c.staff_id, pair)
    db.execute(sa.delete(staff).where(staff.c.id == pair.merged))
    return moved


def move_aliases(db: Connection, kind: str, pair: Pair) -> None:
    """Aliases of the merged row lead to the survivor: an alias never leads to another."""
    c = aliases.c
    statement = sa.update(aliases).where(c.kind == kind, c.target_id == pair.merged)
    db.execute(statement.values(target_id=pair.survivor))


def _repoint(db: Connection, column: Id, pair: Pair, *also: Clause) -> int:
    table = column.table
    assert isinstance(table, sa.Table)
    where = sa.and_(column == pair.merged, *also)
    if table is partners:  # in the order in which senders lock them
        db.execute(sa.select(partners.c.id).where(where).order_by(partners.c.id).with_for_update(key_share=True)).all()
    return db.execute(sa.update(table).where(where).values({column.name: pair.survivor})).rowcount


def _let_nobody_in(db: Connection, pair: Pair) -> None:
    """Until the transaction ends nobody lets the survivor into what the merged one is inside: they are to walk once."""
    c = enrollments.c
    inside = sa.select(c.program_id, c.campaign).where(c.partner_id == pair.merged, c.state == JourneyState.ACTIVE)
    campaigns: dict[int, set[str]] = {}
    for program_id, campaign in db.execute(inside.distinct()):
        campaigns.setdefault(program_id, set()).add(campaign)
    for program_id, names in sorted(campaigns.items()):
        lock_entries(db, program_id, names)


def _calm_partner_events(db: Connection, pair: Pair) -> None:
    """What the survivor is known to have done too is no news: a login at the same instant, or having registered."""
    e, twin = events.c, events.alias("twin")
    same = sa.or_(
        sa.and_(e.kind == EventKind.LOGGED_IN, twin.c.occurred_at == e.occurred_at), e.kind == EventKind.REGISTERED
    )
    known = sa.exists().where(twin.c.partner_id == pair.survivor, twin.c.kind == e.kind, same)
    _calm(db, e.partner_id == pair.merged, known)


def _calm(db: Connection, of_merged: Clause, known: Clause) -> None:
    """Makes events of the merged one no news, neither now nor when a burst is released."""
    e = events.c
    news = sa.or_(e.unmatched, e.held_id.is_not(None))
    db.execute(sa.update(events).where(of_merged, news, known).values(unmatched=None, held_id=None))


def _rename_keys(db: Connection, pair: Pair, names: tuple[str, str]) -> None:
    """Gives observations of the merged partner the keys under which they will be told of the survivor.

    One that was told of both keeps its key: it is there once under the survivor's, and no event is lost.
    """
    e, twin = events.c, events.alias("twin")
    old, new = (login_prefix(name) for name in names)
    login = sa.literal(new, sa.Text()) + sa.func.substr(e.key, len(old) + 1)
    registered_old, registered_new = (registered_key(name) for name in names)
    for of_merged, renamed in (
        (sa.and_(e.kind == EventKind.LOGGED_IN, sa.func.substr(e.key, 1, len(old)) == old), login),
        (sa.and_(e.kind == EventKind.REGISTERED, e.key == registered_old), sa.literal(registered_new, sa.Text())),
    ):
        told = sa.exists().where(twin.c.program_id == e.program_id, twin.c.key == renamed)
        db.execute(sa.update(events).where(e.partner_id == pair.merged, of_merged, ~told).values(key=renamed))


def _move_consent(db: Connection, pair: Pair) -> None:
    """The survivor has said what either said; where they differ about an address and topic, the no stands."""
    c, own = subscriptions.c, subscriptions.alias("own")
    s = own.c
    same = sa.and_(s.partner_id == pair.survivor, s.address_id == c.address_id, s.topic == c.topic)
    for_the_worse = sa.exists().where(same, s.subscribed, sa.not_(c.subscribed))
    noes = sa.select(c.address_id, c.topic).where(c.partner_id == pair.merged, for_the_worse)
    for address_id, topic in db.execute(noes).all():
        yes = (c.partner_id == pair.survivor, c.address_id == address_id, c.topic == topic)
        db.execute(sa.delete(subscriptions).where(*yes))
    db.execute(sa.delete(subscriptions).where(c.partner_id == pair.merged, sa.exists().where(same)))
    _repoint(db, c.partner_id, pair)
    _repoint(db, consent_changes.c.partner_id, pair)


def _move_answers(db: Connection, pair: Pair) -> None:
    """The survivor has answered what either has: the latest counts."""
    c, own = answers.c, answers.alias("own")
    same = sa.and_(own.c.question == c.question, own.c.answered_at == c.answered_at)
    _repoint(db, c.partner_id, pair, ~sa.exists().where(own.c.partner_id == pair.survivor, same))


def _move_terms(db: Connection, pair: Pair) -> None:
    """What was promised to the merged one is promised to the survivor, unless they were told of it themselves."""
    c, own = promotion_terms.c, promotion_terms.alias("own")
    same = sa.and_(own.c.program_id == c.program_id, own.c.campaign == c.campaign)
    _repoint(db, c.partner_id, pair, ~sa.exists().where(own.c.partner_id == pair.survivor, same))


def _move_help(db: Connection, pair: Pair) -> None:
    """What was asked about the merged referral was asked about the survivor; at one instant, once."""
    h, own = help_requests.c, help_requests.alias("own")
    told = sa.exists().where(own.c.referral_id == pair.survivor, own.c.asked_at == h.asked_at)
    _repoint(db, h.referral_id, pair, ~told)


def _about_referral(referral_id: int) -> Clause:
    return deliveries.c.enrollment_id.in_(sa.select(enrollments.c.id).where(enrollments.c.referral_id == referral_id))


def _cancel_twins(db: Connection, pair: Pair) -> int:
    """Cancels what is due to the merged partner that the survivor gets, got or is not to get: same step and entry.

    And what is due to the survivor that the merged one got.
    """
    d, other = deliveries.c, deliveries.alias("other")
    mine, theirs = enrollments.alias("mine"), enrollments.alias("theirs")
    twin = (
        sa.exists()
        .where(mine.c.id == d.enrollment_id, theirs.c.id == other.c.enrollment_id, theirs.c.key == mine.c.key)
        .where(other.c.campaign == d.campaign, other.c.step == d.step)
    )
    of_merged = sa.and_(d.partner_id == pair.merged, twin.where(other.c.partner_id == pair.survivor))
    got = twin.where(other.c.partner_id == pair.merged, other.c.state.in_(GONE))
    return cancel(db, of_merged, pair) + cancel(db, sa.and_(d.partner_id == pair.survivor, got), pair)


def _cancel_told_twice(db: Connection, pair: Pair) -> int:
    """Cancels what is due about a change of the merged referral that the survivor's campaign has been told of too."""
    d, other = deliveries.c, deliveries.alias("other")
    entry, event, occasion = enrollments.alias("entry"), events.alias("event"), occasions.alias("occasion")
    same, told, entered = events.alias("same"), occasions.alias("told"), enrollments.alias("entered")
    twin = (
        sa.exists()
        .where(entry.c.id == d.enrollment_id, occasion.c.id == entry.c.occasion_id, event.c.id == occasion.c.event_id)
        .where(same.c.to_status == event.c.to_status, same.c.occurred_at == event.c.occurred_at)
        .where(told.c.event_id == same.c.id, told.c.campaign == occasion.c.campaign)
    )
    of_merged = twin.where(event.c.referral_id == pair.merged, same.c.referral_id == pair.survivor)
    got = (
        twin.where(event.c.referral_id == pair.survivor, same.c.referral_id == pair.merged)
        .where(entered.c.occasion_id == told.c.id, other.c.enrollment_id == entered.c.id)
        .where(other.c.step == d.step, other.c.recipient == d.recipient, other.c.state.in_(GONE))
    )
    cancelled = cancel(db, sa.and_(_about_referral(pair.merged), of_merged), pair)
    return cancelled + cancel(db, sa.and_(_about_referral(pair.survivor), got), pair)


def _end_journeys_told_twice(db: Connection, pair: Pair) -> None:
    """Ends journeys of the merged referral that the survivor was on for the same change; `move_entries` ends those that
    both are on.
    """
    c, own = enrollments.c, enrollments.alias("own")
    told, own_told = occasions.alias("told"), occasions.alias("own_told")
    event, own_event = events.alias("event"), events.alias("own_event")
    same_change = (
        sa.exists()
        .where(own.c.referral_id == pair.survivor, own.c.campaign == c.campaign)
        .where(told.c.id == c.occasion_id, event.c.id == told.c.event_id)
        .where(own_told.c.id == own.c.occasion_id, own_event.c.id == own_told.c.event_id)
        .where(own_event.c.to_status == event.c.to_status, own_event.c.occurred_at == event.c.occurred_at)
    )
    end_journeys(db, pair, c.referral_id == pair.merged, same_change)


def _move_enrollments(db: Connection, pair: Pair) -> None:
    """Whatever either has entered the survivor has entered; what both have entered stays with each."""
    c, own = enrollments.c, enrollments.alias("own")
    both = sa.exists().where(own.c.partner_id == pair.survivor, own.c.campaign == c.campaign, own.c.key == c.key)
    alone = sa.and_(c.referral_id.is_(None), c.reward_id.is_(None))
    inside = inside_too(own, own.c.partner_id == pair.survivor)
    end_journeys(db, pair, c.partner_id == pair.merged, sa.or_(both, sa.and_(alone, inside)))
    # the survivor's own arm counts from here on, for mails that have yet to go out too: it is drawn by their name
    to_come = sa.exists().where(deliveries.c.enrollment_id == c.id, deliveries.c.state.in_((*DUE, DeliveryState.HELD)))
    moving = sa.update(enrollments).where(c.partner_id == pair.merged, sa.or_(c.state == JourneyState.ACTIVE, to_come))
    db.execute(moving.values(arm=None))
    _repoint(db, c.partner_id, pair, ~both)
    look_again_at(db, [pair.survivor], pair.now)  # the zones of the two may differ
