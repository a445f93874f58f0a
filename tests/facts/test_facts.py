"""Facts and conditions in SQL are what a plain reading of their meanings gives, on both databases."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, replace
from datetime import timedelta
from decimal import Decimal
from itertools import count, product
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Connection

from engage.domain.conditions import AnyOf, Condition, FactRef, Not, Test
from engage.domain.facts import CATALOGUE, COMPARATORS, METRICS, Subject
from engage.domain.programs import Program, TierPeriod
from engage.domain.tiers import period_before
from engage.facts import Node, Scope, audience, done_in, explain, holds, values
from engage.facts.meanings import MEANINGS
from engage.store.database import Database
from tests.facts.brute import Brute, Found, World, refs_in
from tests.facts.conditions import comparison, condition, refs_for
from tests.facts.worlds import OTHER, PROGRAMS, instant, store, tiers, world

MANY = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


class _Undone(Exception):
    """Ends a transaction that is not to be kept."""


@contextmanager
def stored(database: Database, *worlds: World) -> Iterator[tuple[Connection, Scope]]:
    """The worlds in the database as programs 1, 2, …, for the time of the block; the scope is that of the first."""
    ids = count(1_000_000)
    try:
        with database.write() as db:
            for number, one in enumerate(worlds, 1):
                store(db, number, one, ids)
            yield db, Scope(worlds[0].program, 1)
            raise _Undone
    except _Undone:
        pass


def worlds_of(seed: int) -> tuple[Random, World, World]:
    """A program's world and another's beside it, whose rows must change nothing."""
    random, ids = Random(seed), count(1)
    return random, world(random, random.choice(PROGRAMS), ids), world(random, OTHER, ids)


def shown(program: Program, found: Found) -> Found:
    """As `values` promises to show it."""
    if isinstance(found, Decimal):
        return int(found * 10**program.minor_digits)
    return None if found == math.inf else found


def test_every_fact_of_the_catalogue_has_its_sql() -> None:
    assert set(MEANINGS) == set(CATALOGUE)


@pytest.mark.slow
@MANY
@given(seed=st.integers(0, 2**32))
def test_values_are_what_facts_mean_at_any_instant(database: Database, seed: int) -> None:
    random, own, other = worlds_of(seed)
    with stored(database, own, other) as (db, scope):
        for now in (instant(random), instant(random)):
            brute = Brute(own, now)
            for subject in Subject:
                refs = refs_for(subject, own.program)
                expected = {
                    id_: {ref: shown(own.program, brute.value(subject, partner, id_, ref)) for ref in refs}
                    for partner, id_ in brute.subjects(subject)
                }
                everything = range(1, 100)
                assert values(db, scope, subject, refs, now, everything) == expected


TIER_FACTS = [
    FactRef(name)
    for name in (
        *("tier", "next_tier", "to_next_tier", "tier_pace", "previous_tier", "to_keep_tier", "keep_pace"),
        "days_left_in_tier_period",
    )
]


def test_tiers_by_every_metric_in_every_period(database: Database) -> None:
    for metric, period, seed in product(METRICS, TierPeriod, range(3)):
        random, own, other = worlds_of(seed)
        own.program = replace(own.program, tiers=tiers(random, metric, period))
        with stored(database, own, other) as (db, scope):
            now = instant(random)
            brute = Brute(own, now)
            assert values(db, scope, Subject.PARTNER, TIER_FACTS, now, range(1, 100)) == {
                id_: {ref: shown(own.program, brute.of_partner(id_, ref)) for ref in TIER_FACTS}
                for id_ in brute.partners
            }
            before = period_before(period, own.program.zone, now)
            if before is not None:
                done = done_in(db, scope, before, now, brute.partners)
                assert {id_: astuple(one) for id_, one in done.items()} == {
                    id_: brute.done_before(id_) for id_ in brute.partners
                }


@pytest.mark.slow
@MANY
@given(seed=st.integers(0, 2**32))
def test_an_audience_is_all_who_meet_the_condition_and_no_one_else(database: Database, seed: int) -> None:
    random, own, other = worlds_of(seed)
    with stored(database, own, other) as (db, scope):
        for subject in Subject:
            now = instant(random)
            brute = Brute(own, now)
            where = random.choice((None, *[condition(random, refs_for(subject, own.program), own.program)] * 9))
            expected = brute.audience(subject, where)

            members = list(audience(scope, subject, where, now).rows(db))

            assert [(member.partner_id, member.subject_id) for member in members] == expected
            for member in members:
                assert member.values == {
                    str(ref): shown(own.program, brute.value(subject, member.partner_id, member.subject_id, ref))
                    for ref in refs_in(where)
                }
            some = set(random.sample(range(1, 33), 16))
            held = {id_ for _, id_ in expected if id_ in some}
            assert holds(db, scope, subject, where, now, some) == held
            assert {member.subject_id for member in audience(scope, subject, where, now, ids=some).rows(db)} == held


def assert_explained(brute: Brute, subject: Subject, ids: tuple[int | None, int], asked: Condition, node: Node) -> None:
    assert node.truth == brute.meets(subject, *ids, asked), node
    match asked:
        case Test(ref):
            assert node.text == str(asked)
            found = brute.value(subject, *ids, ref)
            assert node.value == (float(found) if isinstance(found, Decimal) else shown(brute.program, found))
            parts: tuple[Condition, ...] = ()
        case Not(part):
            parts = (part,)
        case _:
            parts = asked.parts
    assert len(node.parts) == len(parts)
    for part, child in zip(parts, node.parts, strict=True):
        assert_explained(brute, subject, ids, part, child)


@pytest.mark.parametrize(
    ("subject", "seed"),
    [(Subject.PARTNER, 1), (Subject.REFERRAL, 2), (Subject.REWARD, 3), (Subject.COMPANY, 0), (Subject.STAFF, 1)],
)
def test_every_comparison_of_every_fact_is_explained_as_it_is_meant(
    database: Database, subject: Subject, seed: int
) -> None:
    random = Random(seed)
    own = PROGRAMS[seed]
    made = world(random, own, count(1), size=4)
    now = instant(random) + timedelta(days=30)
    brute = Brute(made, now)
    asked = AnyOf(
        tuple(
            comparison(random, ref, own, comparator)
            for ref in refs_for(subject, own)
            for comparator in sorted(COMPARATORS[own.type_of(ref)])
            if ref.window is None or random.random() < 0.2
        )
    )
    # A test of the status, or of how many partners, keeps the rule "active partners only" out of the tree.
    assert {"status", "partners"} & {ref.fact for ref in refs_in(asked)} or subject is Subject.STAFF
    with stored(database, made) as (db, scope):
        for partner, id_ in random.sample(brute.subjects(subject), min(4, len(brute.subjects(subject)))):
            assert_explained(brute, subject, (partner, id_), asked, explain(db, scope, subject, asked, now, id_))
