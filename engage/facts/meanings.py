"""What each fact of the catalogue means, in SQL: its name, and the column that is its value for a subject.

A value is NULL where it is unknown. Facts of days are given as the instant they count from (BEGINNING: endless).
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from engage.domain.conditions import FactRef
from engage.domain.facts import FactType, Subject
from engage.domain.programs import Program, StatusKind, Tier, TierPeriod, Tiers
from engage.domain.tiers import Period, tier_period
from engage.domain.windows import BEGINNING
from engage.facts.existence import Clause, Column
from engage.facts.sources import Sources
from engage.facts.subjects import memberships, people
from engage.facts.totals import Totals, counted, counted_rewards
from engage.store.tables import partner_versions, partners
from engage.store.types import Instant


@dataclass(frozen=True, slots=True)
class Question:
    """A fact that is asked of every subject of a statement: what it reads is joined to `sources`."""

    sources: Sources
    program: Program
    ref: FactRef


def column_of(sources: Sources, program: Program, ref: FactRef) -> Column:
    """The value of a fact for each subject of the statement."""
    return MEANINGS[ref.fact](Question(sources, program, ref))


# --- referrals, counted -----------------------------------------------------------------------------------------------


def _is(kind: StatusKind) -> Clause:
    # Written into the statement, not bound: so PostgreSQL knows how many rows to expect.
    return counted.c.kind == sa.literal_column(f"'{kind}'", sa.Text())


_NONE = sa.literal_column("0", sa.BigInteger())
_WON, _LOST = _is(StatusKind.WON), _is(StatusKind.LOST)
_QUALIFIED = sa.and_(counted.c.qualified.is_(sa.true()), sa.not_(_LOST))
_OPEN = sa.and_(sa.not_(_WON), sa.not_(_LOST))

_COUNTS: dict[str, tuple[Clause, Column]] = {
    "referrals": (sa.true(), counted.c.submitted_at),
    "qualified": (_QUALIFIED, counted.c.qualified_at),
    "open": (_OPEN, counted.c.submitted_at),
    "wins": (_WON, counted.c.since),
    "losses": (_LOST, counted.c.since),
    "revenue": (_WON, counted.c.since),
}
"""Which referrals are counted, and which of their instants must lie in the window if there is one."""


def _total(ask: Question, totals: Totals, name: str) -> Column:
    """The number of referrals, or for revenue their amount, by the window and methods that are asked for."""
    counts, instant = _COUNTS[name]
    window, methods = ask.ref.window, ask.ref.methods
    clauses = [counts, *totals.within(instant, window, ask.sources.binds)]
    if methods:
        clauses.append(counted.c.method.in_([sa.literal(method, sa.Text()) for method in methods]))
    return _sum_or_count(totals, (name, window, methods), name, sa.and_(*clauses))


def _sum_or_count(totals: Totals, key: Hashable, name: str, clause: Clause) -> Column:
    return _sum(totals, key, counted.c.amount, clause) if name == "revenue" else _count(totals, key, clause)


def _count(totals: Totals, key: Hashable, clause: Clause) -> Column:
    return sa.func.coalesce(totals.add(key, sa.func.count().filter(clause)), _NONE)


def _sum(totals: Totals, key: Hashable, amount: Column, clause: Clause) -> Column:
    # PostgreSQL makes a numeric of the sum of bigints.
    total = sa.cast(sa.func.sum(amount).filter(clause), sa.BigInteger())
    return sa.func.coalesce(totals.add(key, total), _NONE)


def _counted(ask: Question) -> Column:
    return _total(ask, ask.sources.referral_totals(), ask.ref.fact)


def _win_rate(ask: Question) -> Column:
    totals = ask.sources.referral_totals()
    wins = _total(ask, totals, "wins")
    closed = wins + _total(ask, totals, "losses")
    return sa.cast(wins, sa.Double()) / sa.cast(sa.func.nullif(closed, 0), sa.Double())


def _rank(ask: Question) -> Column:
    ranks = ask.sources.ranks()
    return ranks.add(_total(ask, ranks.totals, ask.ref.by or ""))


def _days_since_referral(ask: Question) -> Column:
    return ask.sources.referral_totals().add("last referral", sa.func.max(counted.c.submitted_at))


def _days_since_win(ask: Question) -> Column:
    return ask.sources.referral_totals().add("last win", sa.func.max(counted.c.since).filter(_WON))


# --- tiers ------------------------------------------------------------------------------------------------------------


def _reached(ask: Question, tiers: Tiers) -> Column:
    """The metric of the tiers, counted in the period that contains now."""
    counts, instant = _COUNTS[tiers.metric]
    if tiers.period is not TierPeriod.ALWAYS:
        start = ask.sources.binds.derived("tier start", Instant(), _period_start)
        counts = sa.and_(counts, instant >= start, instant <= ask.sources.binds.now)
    return _sum_or_count(ask.sources.referral_totals(), "tier", tiers.metric, counts)


def _steps(
    ask: Question, type_: TypeEngine[Any], case_of: Callable[[Tier, Column], tuple[Clause, Column]], *, from_top: bool
) -> Column:
    """What `case_of` says of the first tier, from the top or the bottom, for which its clause holds."""
    tiers = ask.program.tiers
    if tiers is None or not tiers.steps:
        return sa.cast(sa.null(), type_)
    reached = _reached(ask, tiers)
    return sa.case(*(case_of(tier, reached) for tier in (reversed(tiers.steps) if from_top else tiers.steps)))


def _tier(ask: Question) -> Column:
    return _steps(ask, sa.Text(), lambda tier, reached: (reached >= tier.threshold, _key(tier)), from_top=True)


def _next_tier(ask: Question) -> Column:
    return _steps(ask, sa.Text(), lambda tier, reached: (reached < tier.threshold, _key(tier)), from_top=False)


def _to_next_tier(ask: Question) -> Column:
    def missing(tier: Tier, reached: Column) -> tuple[Clause, Column]:
        return reached < tier.threshold, sa.literal(tier.threshold, sa.BigInteger()) - reached

    return _steps(ask, sa.BigInteger(), missing, from_top=False)


def _key(tier: Tier) -> Column:
    return sa.literal(tier.key, sa.Text())


def _days_left_in_tier_period(ask: Question) -> Column:
    return ask.sources.binds.derived("tier days left", sa.BigInteger(), _days_left)


def _period(program: Program, now: datetime) -> Period | None:
    return tier_period(program.tiers.period, program.zone, now) if program.tiers else None


def _period_start(program: Program, now: datetime) -> datetime | None:
    period = _period(program, now)
    return period.start if period else None


def _days_left(program: Program, now: datetime) -> int | None:
    period = _period(program, now)
    return (period.end - now) // timedelta(days=1) if period and period.end else None


# --- rewards ----------------------------------------------------------------------------------------------------------


def _rewards(ask: Question) -> Column:
    totals = ask.sources.reward_totals()
    clause = sa.and_(sa.true(), *totals.within(counted_rewards.c.earned_at, ask.ref.window, ask.sources.binds))
    key = (ask.ref.fact, ask.ref.window)
    return (
        _sum(totals, key, counted_rewards.c.amount, clause)
        if ask.ref.fact == "rewards_earned"
        else _count(totals, key, clause)
    )


# --- the partner ------------------------------------------------------------------------------------------------------


def _attribute(ask: Question) -> Column:
    rows = ask.sources.attribute(ask.ref.name or "")
    return rows.c.number if ask.program.type_of(ask.ref) is FactType.NUMBER else rows.c.text


def _answer(ask: Question) -> Column:
    return ask.sources.answer(ask.ref.question or "")


def _days_since_login(ask: Question) -> Column:
    sources = ask.sources
    if sources.subject is Subject.COMPANY:
        each = sa.func.coalesce(sources.last_login(people), people.c.joined_at, _BEGINNING)
        return sources.people_totals().add("last login", sa.func.max(each))
    return sa.func.coalesce(sources.last_login(), partners.c.joined_at, _BEGINNING)


def _partners(ask: Question) -> Column:
    active = memberships.c.status == sa.literal_column("'active'", sa.Text())
    return _count(ask.sources.people_totals(), "active", active)


_BEGINNING = sa.literal(BEGINNING, Instant())

MEANINGS: dict[str, Callable[[Question], Column]] = {
    "status": lambda _: partner_versions.c.status,
    "tier": _tier,
    "program": lambda ask: ask.sources.binds.derived("key", sa.Text(), lambda program, _: program.key),
    "company": lambda ask: ask.sources.company(),
    "owner": lambda ask: ask.sources.owner(),
    "region": lambda _: partner_versions.c.region,
    "locale": lambda _: partner_versions.c.locale,
    "attribute": _attribute,
    "answer": _answer,
    "days_since_login": _days_since_login,
    "days_since_joining": lambda _: sa.func.coalesce(partners.c.joined_at, _BEGINNING),
    "days_since_referral": _days_since_referral,
    "days_since_win": _days_since_win,
    "referrals": _counted,
    "qualified": _counted,
    "open": _counted,
    "wins": _counted,
    "losses": _counted,
    "revenue": _counted,
    "win_rate": _win_rate,
    "rank": _rank,
    "next_tier": _next_tier,
    "to_next_tier": _to_next_tier,
    "days_left_in_tier_period": _days_left_in_tier_period,
    "rewards": _rewards,
    "rewards_earned": _rewards,
    "referral_status": lambda ask: ask.sources.referral().c.status,
    "days_in_status": lambda ask: ask.sources.referral().c.since,
    "amount": lambda ask: ask.sources.referral().c.amount,
    "method": lambda ask: ask.sources.referral().c.method,
    "product": lambda ask: ask.sources.referral().c.product,
    "salesperson": lambda ask: ask.sources.salesperson(),
    "partners": _partners,
}
