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
from engage.domain.tiers import Period, period_before, tier_period
from engage.domain.windows import BEGINNING, Window, WindowKind
from engage.facts.existence import Clause, Column
from engage.facts.sources import Sources
from engage.facts.subjects import memberships, people
from engage.facts.totals import Totals, counted, counted_rewards
from engage.store.tables import partner_versions, partners, rewards
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
_IN_DOUBT = counted.c.in_doubt.is_(sa.true())
_OPEN = sa.and_(sa.not_(_WON), sa.not_(_LOST))

COUNTS: dict[str, tuple[Clause, Column]] = {
    "referrals": (sa.true(), counted.c.submitted_at),
    "qualified": (_QUALIFIED, counted.c.qualified_at),
    "open": (_OPEN, counted.c.submitted_at),
    "wins": (_WON, counted.c.since),
    "losses": (_LOST, counted.c.since),
    "revenue": (_WON, counted.c.since),
    "wins_in_doubt": (sa.and_(_WON, _IN_DOUBT), counted.c.since),
}
"""Which referrals are counted, and which of their instants must lie in the window if there is one."""


def _total(ask: Question, totals: Totals, name: str) -> Column:
    """The number of referrals, or for revenue their amount, by the window and methods that are asked for."""
    return _within(ask, totals, name, ask.ref.window)


def _within(ask: Question, totals: Totals, name: str, window: Window | None) -> Column:
    counts, instant = COUNTS[name]
    methods = ask.ref.methods
    clauses = [counts, *totals.within(instant, window, ask.sources.binds)]
    if methods:
        clauses.append(counted.c.method.in_([sa.literal(method, sa.Text()) for method in methods]))
    return _sum_or_count(totals, (name, window, methods), name, sa.and_(*clauses))


def _sum_or_count(totals: Totals, key: Hashable, name: str, clause: Clause) -> Column:
    return _sum(totals, key, counted.c.amount, clause) if name == "revenue" else _count(totals, key, clause)


def _count(totals: Totals, key: Hashable, clause: Clause) -> Column:
    return sa.func.coalesce(totals.add(key, sa.func.count().filter(clause), clause), _NONE)


def _sum(totals: Totals, key: Hashable, amount: Column, clause: Clause) -> Column:
    # PostgreSQL makes a numeric of the sum of bigints.
    total = sa.cast(sa.func.sum(amount).filter(clause), sa.BigInteger())
    return sa.func.coalesce(totals.add(key, total, clause), _NONE)


def _counted(ask: Question) -> Column:
    return _total(ask, ask.sources.referral_totals(), ask.ref.fact)


def _win_rate(ask: Question) -> Column:
    totals = ask.sources.referral_totals()
    wins = _total(ask, totals, "wins")
    closed = wins + _total(ask, totals, "losses")
    return _divided(wins, sa.func.nullif(closed, 0))


def _rank(ask: Question) -> Column:
    ranks = ask.sources.ranks()
    return ranks.add(_total(ask, ranks.totals, ask.ref.by or ""))


def _growth(ask: Question) -> Column:
    totals, metric, window = ask.sources.referral_totals(), ask.ref.by or "", ask.ref.window
    assert window is not None
    before = _within(ask, totals, metric, Window(WindowKind.PREVIOUS, window.length))
    # Amounts may be negative, and no growth from there is a multiple.
    return sa.case((before > 0, _divided(_within(ask, totals, metric, window), before)))


def _divided(upper: Column, lower: Column) -> Column:
    return sa.cast(upper, sa.Double()) / sa.cast(lower, sa.Double())


def _days_since_referral(ask: Question) -> Column:
    return ask.sources.referral_totals().add("last referral", sa.func.max(counted.c.submitted_at))


def _days_since_win(ask: Question) -> Column:
    return ask.sources.referral_totals().add("last win", sa.func.max(counted.c.since).filter(_WON))


# --- tiers ------------------------------------------------------------------------------------------------------------


_PACE = Window(WindowKind.LAST, timedelta(days=90))
"""What has been gained in this stretch of time is taken to go on."""


def _gained(ask: Question, tiers: Tiers, key: Hashable, clauses: Callable[[Totals, Column], list[Clause]]) -> Column:
    """The metric of the tiers over the referrals whose instant `clauses` hold of.

    A win whose reversal is pending counts for no tier: nobody is promised what may be taken away.
    """
    totals = ask.sources.referral_totals()
    counts, instant = COUNTS[tiers.metric]
    sure = [] if tiers.metric == "referrals" else [sa.not_(_IN_DOUBT)]
    return _sum_or_count(totals, key, tiers.metric, sa.and_(counts, *sure, *clauses(totals, instant)))


def _reached(ask: Question, tiers: Tiers) -> Column:
    """What is counted in the period that contains now."""

    def in_period(_: Totals, instant: Column) -> list[Clause]:
        if tiers.period is TierPeriod.ALWAYS:
            return []
        return [instant >= _tier_start(ask), instant <= ask.sources.binds.now]

    return _gained(ask, tiers, "tier", in_period)


def _reached_before(ask: Question, tiers: Tiers) -> Column:
    """What is counted in the period before, as is known by now: a win taken back since counts no more."""

    def in_period(_: Totals, instant: Column) -> list[Clause]:
        start = ask.sources.binds.derived("tier start before", Instant(), _start_before)
        return [instant >= start, instant < _tier_start(ask)]

    return _gained(ask, tiers, "tier before", in_period)


def _tier_start(ask: Question) -> Column:
    return ask.sources.binds.derived("tier start", Instant(), _period_start)


def _steps(
    ask: Question,
    type_: TypeEngine[Any],
    case_of: Callable[[Tier, Column], tuple[Clause, Column]],
    *,
    from_top: bool,
    before: bool = False,
) -> Column:
    """What `case_of` says of the first tier, from the top or the bottom, for which its clause holds.

    It is asked with what is counted in this period, or in the one `before`.
    """
    tiers = ask.program.tiers
    if tiers is None or not tiers.steps or (before and tiers.period is TierPeriod.ALWAYS):
        return sa.cast(sa.null(), type_)
    reached = _reached_before(ask, tiers) if before else _reached(ask, tiers)
    return sa.case(*(case_of(tier, reached) for tier in (reversed(tiers.steps) if from_top else tiers.steps)))


def _has(tier: Tier, reached: Column) -> tuple[Clause, Column]:
    return reached >= tier.threshold, _key(tier)


def _lacks(tier: Tier, reached: Column) -> tuple[Clause, Column]:
    return reached < tier.threshold, _key(tier)


def _to_next_tier(ask: Question) -> Column:
    def missing(tier: Tier, reached: Column) -> tuple[Clause, Column]:
        return reached < tier.threshold, sa.literal(tier.threshold, sa.BigInteger()) - reached

    return _steps(ask, sa.BigInteger(), missing, from_top=False)


def _to_keep_tier(ask: Question) -> Column:
    def missing(tier: Tier, before: Column) -> tuple[Clause, Column]:
        assert ask.program.tiers is not None
        reached = _reached(ask, ask.program.tiers)
        lacks = sa.literal(tier.threshold, sa.BigInteger()) - reached
        return before >= tier.threshold, sa.case((lacks > 0, lacks), else_=_NONE)

    return _steps(ask, sa.BigInteger(), missing, from_top=True, before=True)


def _pace(ask: Question, missing: Column) -> Column:
    """What is missing, in what the rest of the period brings at the pace of late."""
    if ask.program.tiers is None:
        return sa.cast(sa.null(), sa.Double())

    def of_late(totals: Totals, instant: Column) -> list[Clause]:
        return totals.within(instant, _PACE, ask.sources.binds)

    gained = _gained(ask, ask.program.tiers, "pace", of_late)
    left = ask.sources.binds.derived("tier time left", sa.Double(), _paces_left)
    return sa.case((missing > 0, sa.cast(gained, sa.Double()) * left / sa.cast(missing, sa.Double())))


def _key(tier: Tier) -> Column:
    return sa.literal(tier.key, sa.Text())


def _days_left_in_tier_period(ask: Question) -> Column:
    return ask.sources.binds.derived("tier days left", sa.BigInteger(), _days_left)


def _period(program: Program, now: datetime) -> Period | None:
    return tier_period(program.tiers.period, program.zone, now) if program.tiers else None


def _period_start(program: Program, now: datetime) -> datetime | None:
    period = _period(program, now)
    return period.start if period else None


def _start_before(program: Program, now: datetime) -> datetime | None:
    period = period_before(program.tiers.period, program.zone, now) if program.tiers else None
    return period.start if period else None


def _days_left(program: Program, now: datetime) -> int | None:
    period = _period(program, now)
    return (period.end - now) // timedelta(days=1) if period and period.end else None


def _paces_left(program: Program, now: datetime) -> float | None:
    period = _period(program, now)
    return (period.end - now) / _PACE.length if period and period.end else None


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
    "tier": lambda ask: _steps(ask, sa.Text(), _has, from_top=True),
    "program": lambda ask: ask.sources.binds.derived("key", sa.Text(), lambda program, _: program.key),
    "company": lambda ask: ask.sources.company(),
    "owner": lambda ask: ask.sources.owner(),
    "region": lambda _: partner_versions.c.region,
    "locale": lambda ask: sa.func.coalesce(ask.sources.language(), partner_versions.c.locale),
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
    "wins_in_doubt": _counted,
    "win_rate": _win_rate,
    "rank": _rank,
    "growth": _growth,
    "next_tier": lambda ask: _steps(ask, sa.Text(), _lacks, from_top=False),
    "to_next_tier": _to_next_tier,
    "tier_pace": lambda ask: _pace(ask, _to_next_tier(ask)),
    "previous_tier": lambda ask: _steps(ask, sa.Text(), _has, from_top=True, before=True),
    "to_keep_tier": _to_keep_tier,
    "keep_pace": lambda ask: _pace(ask, _to_keep_tier(ask)),
    "days_left_in_tier_period": _days_left_in_tier_period,
    "rewards": _rewards,
    "rewards_earned": _rewards,
    "reward_stage": lambda _: rewards.c.stage,
    "referral_status": lambda ask: ask.sources.referral().c.status,
    "days_in_status": lambda ask: ask.sources.referral().c.since,
    "days_since_help_wanted": lambda ask: ask.sources.last_help_wanted(),
    "amount": lambda ask: ask.sources.referral().c.amount,
    "method": lambda ask: ask.sources.referral().c.method,
    "product": lambda ask: ask.sources.referral().c.product,
    "salesperson": lambda ask: ask.sources.salesperson(),
    "partners": _partners,
}
