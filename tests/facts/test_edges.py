"""What random worlds seldom meet: the first microseconds, very long lists, very many ids, large audiences."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest

from engage.domain.conditions import AnyOf, Comparator, FactRef, Not, Scalar, Test
from engage.domain.facts import Subject
from engage.domain.programs import Tier, TierPeriod, Tiers
from engage.domain.windows import BEGINNING, Window, WindowKind
from engage.facts import Node, Scope, audience, explain, holds, values
from engage.store.database import Database
from tests.facts.brute import AttributeVersion, Partner, PartnerVersion, Referral, ReferralVersion, Reward, World
from tests.facts.worlds import PROGRAMS, store

NOW = datetime(2026, 3, 2, 9, 30, 15, 123456, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)
SCOPE = Scope(PROGRAMS[2], 1)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


def a_partner(id_: int, joined_at: datetime | None = None, status: str = "active") -> Partner:
    return Partner(id_, joined_at, [PartnerVersion(BEGINNING, None, status)])


def a_referral(id_: int, partner: int, submitted_at: datetime | None, amount: int = 0) -> Referral:
    won = ReferralVersion(
        submitted_at or BEGINNING,
        None,
        "won-1",
        "won",
        submitted_at,
        True,
        submitted_at,
        submitted_at,
        amount,
        *[None] * 3,
    )
    return Referral(id_, partner, [won])


def keep(
    database: Database, partners: list[Partner], referrals: Sequence[Referral] = (), rewards: Sequence[Reward] = ()
) -> None:
    with database.write() as db:
        store(db, 1, World(SCOPE.program, partners, [*referrals], [*rewards]), count(1_000_000))


def meets(database: Database, fact: str | FactRef, comparator: Comparator, value: Scalar | tuple[Scalar, ...]) -> bool:
    """Whether partner 1 does, and the opposite does not."""
    test = Test(FactRef(fact) if isinstance(fact, str) else fact, comparator, value)
    with database.read() as db:
        met = holds(db, SCOPE, Subject.PARTNER, test, NOW, [1])
        assert holds(db, SCOPE, Subject.PARTNER, Not(test), NOW, [1]) == {1} - met
    return met == {1}


@pytest.mark.parametrize(
    ("kind", "length", "first", "last"),
    [
        (WindowKind.LAST, 90 * DAY, NOW - 90 * DAY + MICROSECOND, NOW),
        (WindowKind.PREVIOUS, 90 * DAY, NOW - 180 * DAY + MICROSECOND, NOW - 90 * DAY),
        (WindowKind.FIRST, 60 * DAY, NOW - 300 * DAY, NOW - 240 * DAY - MICROSECOND),
        (
            WindowKind.FIRST,
            timedelta(minutes=90),
            NOW - 300 * DAY,
            NOW - 300 * DAY + timedelta(minutes=90) - MICROSECOND,
        ),
    ],
)
def test_windows_begin_and_end_to_the_microsecond(
    database: Database, kind: WindowKind, length: timedelta, first: datetime, last: datetime
) -> None:
    around = [first - MICROSECOND, first, last, last + MICROSECOND]
    keep(
        database,
        [a_partner(1, NOW - 300 * DAY)],
        [a_referral(n, 1, at, amount=10**n) for n, at in enumerate(around, 2)],
    )
    revenue = FactRef("revenue", Window(kind, length))

    with database.read() as db:
        assert values(db, SCOPE, Subject.PARTNER, [revenue], NOW, [1]) == {1: {revenue: 10**3 + 10**4}}


def test_who_has_always_been_there_joined_endlessly_long_ago(database: Database) -> None:
    keep(database, [a_partner(1)])

    for fact in ("days_since_joining", "days_since_login"):
        assert meets(database, fact, Comparator.AT_LEAST, 10**12)
        assert meets(database, fact, Comparator.MORE_THAN, 700_000)
        assert meets(database, fact, Comparator.IS_NOT, 700_000)
        assert meets(database, fact, Comparator.EXISTS, True)
        assert not meets(database, fact, Comparator.AT_MOST, 10**12)
        assert not meets(database, fact, Comparator.BETWEEN, (0, 10**12))
    assert not meets(database, "days_since_win", Comparator.AT_LEAST, 0)
    assert not meets(database, "days_since_win", Comparator.IS_NOT, 0)
    assert not meets(database, "days_since_win", Comparator.EXISTS, True)


def test_a_day_has_passed_when_24_hours_have(database: Database) -> None:
    keep(database, [a_partner(1, NOW - DAY), a_partner(2, NOW - DAY + MICROSECOND)])
    ref = FactRef("days_since_joining")

    assert meets(database, ref, Comparator.IS, 1)
    with database.read() as db:
        assert values(db, SCOPE, Subject.PARTNER, [ref], NOW, [1, 2]) == {1: {ref: 1}, 2: {ref: 0}}


def test_amounts_between_two_cents_are_compared_as_written(database: Database) -> None:
    keep(database, [a_partner(1)], [a_referral(2, 1, NOW, 250)])

    assert meets(database, "revenue", Comparator.AT_LEAST, Decimal("2.499"))
    assert not meets(database, "revenue", Comparator.AT_LEAST, Decimal("2.501"))
    assert meets(database, "revenue", Comparator.LESS_THAN, Decimal("2.501"))
    assert not meets(database, "revenue", Comparator.MORE_THAN, Decimal("2.501"))
    assert not meets(database, "revenue", Comparator.BETWEEN, (Decimal("2.501"), Decimal("2.509")))


def test_partners_with_as_much_share_a_place_and_the_next_place_is_left_out(database: Database) -> None:
    keep(
        database,
        [*(a_partner(n) for n in (1, 2, 3, 4)), a_partner(5, status="inactive")],
        [a_referral(10 + n, partner, NOW) for n, partner in enumerate((1, 2, 3, 1, 2, 5, 5, 5))],
    )
    rank = FactRef("rank", by="wins")

    with database.read() as db:
        places = values(db, SCOPE, Subject.PARTNER, [rank], NOW, range(1, 6))
    assert [places[n][rank] for n in range(1, 6)] == [1, 1, 3, None, None]


def test_who_has_nothing_stands_before_whoever_has_less(database: Database) -> None:
    rank = FactRef("rank", by="revenue")
    amounts = [(1, 500), (2, -100), (3, 0), (5, -200), (6, -100)]
    people = [a_partner(n) for n in range(1, 7)] + [a_partner(7, status="inactive")]
    keep(database, people, [a_referral(n, who, NOW - DAY, amount) for n, (who, amount) in enumerate(amounts, 1)])
    with database.read() as db:
        places = values(db, SCOPE, Subject.PARTNER, [rank], NOW, range(1, 7))
    assert [places[n][rank] for n in range(1, 7)] == [1, 4, None, None, 6, 4]


def test_a_reward_is_none_from_the_moment_of_its_reversal(database: Database) -> None:
    ref = FactRef("rewards_earned")
    rewards = [Reward(n, 1, None, 10**n, NOW - DAY, at) for n, at in enumerate((NOW, NOW + MICROSECOND, None), 1)]
    keep(database, [a_partner(1)], rewards=rewards)

    with database.read() as db:
        assert values(db, SCOPE, Subject.PARTNER, [ref], NOW, [1]) == {1: {ref: 1100}}


def test_a_win_at_the_first_moment_of_the_period_counts_for_its_tier(database: Database) -> None:
    steps = tuple(Tier(str(n), "", n, "") for n in (1, 2, 3))
    yearly = replace(SCOPE.program, zone="Asia/Kathmandu", tiers=Tiers("wins", TierPeriod.YEAR, steps))
    new_year = datetime(2025, 12, 31, 18, 15, tzinfo=UTC)
    keep(database, [a_partner(1)], [a_referral(2, 1, new_year), a_referral(3, 1, new_year - MICROSECOND)])
    refs = [FactRef("tier"), FactRef("to_next_tier"), FactRef("days_left_in_tier_period")]

    with database.read() as db:
        found = values(db, Scope(yearly, 1), Subject.PARTNER, refs, new_year + 364 * DAY, [1])
    assert found == {1: dict(zip(refs, ("1", 1, 1), strict=True))}


YEARLY = replace(
    SCOPE.program,
    zone="UTC",
    tiers=Tiers("wins", TierPeriod.YEAR, tuple(Tier(name, name, n, "") for n, name in ((1, "one"), (3, "three")))),
)


def of_partner_1(database: Database, now: datetime, *facts: str) -> list[object]:
    refs = [FactRef(name) for name in facts]
    with database.read() as db:
        return list(values(db, Scope(YEARLY, 1), Subject.PARTNER, refs, now, [1])[1].values())


def test_a_win_whose_reversal_is_pending_brings_no_tier_near(database: Database) -> None:
    sure, doubted = a_referral(2, 1, NOW - DAY), a_referral(3, 1, NOW - 2 * DAY)
    (won,) = doubted.versions
    doubted.versions = [replace(won, end=NOW), replace(won, start=NOW, in_doubt=True)]
    keep(database, [a_partner(1)], [sure, doubted])
    left = (datetime(2027, 1, 1, tzinfo=UTC) - NOW) / (90 * DAY)

    for now, doubts, missing, late in ((NOW - MICROSECOND, 0, 1, 2), (NOW, 1, 2, 1)):
        found = of_partner_1(database, now, "wins", "wins_in_doubt", "tier", "to_next_tier", "tier_pace")
        assert found == [2, doubts, "one", missing, pytest.approx(late * left / missing)]


def test_the_pace_reaches_a_tier_up_to_the_moment_at_which_it_no_longer_does(database: Database) -> None:
    ends = datetime(2027, 1, 1, tzinfo=UTC)
    keep(database, [a_partner(1)], [a_referral(n, 1, ends - 60 * DAY) for n in (2, 3)])

    # Two wins in 90 days are one in 45.
    assert of_partner_1(database, ends - 45 * DAY, "tier_pace") == [1]
    assert meets_at(database, ends - 45 * DAY)
    assert not meets_at(database, ends - 45 * DAY + MICROSECOND)


def meets_at(database: Database, now: datetime) -> bool:
    reached = Test(FactRef("tier_pace"), Comparator.AT_LEAST, 1)
    with database.read() as db:
        return bool(holds(db, Scope(YEARLY, 1), Subject.PARTNER, reached, now, [1]))


def test_the_tier_of_last_year_is_kept_by_as_many_wins_in_this_one(database: Database) -> None:
    last_year, this_year = datetime(2025, 5, 5, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    wins = [a_referral(n, 1, last_year) for n in (2, 3, 4)] + [a_referral(5, 1, this_year)]
    keep(database, [a_partner(1)], wins)
    asked = ("previous_tier", "to_keep_tier", "tier")

    assert of_partner_1(database, datetime(2025, 12, 31, tzinfo=UTC), *asked) == [None, None, "three"]
    assert of_partner_1(database, datetime(2026, 1, 1, tzinfo=UTC), *asked) == ["three", 3, None]
    assert of_partner_1(database, NOW, *asked) == ["three", 2, "one"]
    left = (datetime(2027, 1, 1, tzinfo=UTC) - NOW) / (90 * DAY)
    assert of_partner_1(database, NOW, "keep_pace") == [pytest.approx(left / 2)]
    assert of_partner_1(database, datetime(2027, 1, 1, tzinfo=UTC), *asked, "keep_pace") == ["one", 1, None, 0]


def test_a_tier_that_has_been_kept_is_at_no_pace(database: Database) -> None:
    keep(database, [a_partner(1)], [a_referral(n, 1, datetime(2024 + n, 1, 2, tzinfo=UTC)) for n in (1, 2)])

    assert of_partner_1(database, NOW, "to_keep_tier", "keep_pace") == [0, None]


def test_without_tiers_nothing_is_known_of_them(database: Database) -> None:
    keep(database, [a_partner(1)], [a_referral(2, 1, NOW)])
    without = Scope(replace(SCOPE.program, tiers=None), 1)
    tests = (
        Test(FactRef("tier"), Comparator.IS, "gold"),
        Test(FactRef("next_tier"), Comparator.IN, ("gold", "silver")),
        Test(FactRef("to_next_tier"), Comparator.AT_LEAST, 0),
        Test(FactRef("days_left_in_tier_period"), Comparator.AT_MOST, 1000),
        Test(FactRef("tier_pace"), Comparator.AT_LEAST, 0),
        Test(FactRef("keep_pace"), Comparator.AT_LEAST, 0),
        Test(FactRef("to_keep_tier"), Comparator.AT_LEAST, 0),
        Test(FactRef("previous_tier"), Comparator.EXISTS, True),
    )

    with database.read() as db:
        assert holds(db, without, Subject.PARTNER, AnyOf(tests), NOW, [1]) == set()
        assert holds(db, without, Subject.PARTNER, Not(AnyOf(tests)), NOW, [1]) == {1}


def test_no_cent_is_lost_in_large_amounts(database: Database) -> None:
    keep(database, [a_partner(1)], [a_referral(2, 1, NOW, 2**53), a_referral(3, 1, NOW, 1)])

    assert meets(database, "revenue", Comparator.IS, Decimal("90071992547409.93"))
    assert not meets(database, "revenue", Comparator.AT_LEAST, Decimal("90071992547409.94"))
    assert not meets(database, "revenue", Comparator.IS, Decimal("90071992547409.925"))
    assert not meets(database, "revenue", Comparator.MORE_THAN, Decimal(10) ** 40)


def test_a_decimal_of_an_attribute_is_found_again(database: Database) -> None:
    partner = a_partner(1)
    partner.attributes = [AttributeVersion("size", BEGINNING, None, 0.1)]
    keep(database, [partner])

    assert meets(database, FactRef("attribute", name="size"), Comparator.IS, Decimal("0.1"))
    assert meets(database, FactRef("attribute", name="size"), Comparator.IN, (5, Decimal("0.10")))


def test_lists_may_be_long(database: Database) -> None:
    keep(database, [a_partner(1)], [a_referral(2, 1, NOW)])

    assert meets(database, "wins", Comparator.IN, tuple(range(5_000)))
    assert not meets(database, "company", Comparator.IN, tuple(f"company-{n}" for n in range(5_000)))


def test_very_many_ids_are_one_question(database: Database) -> None:
    keep(database, [a_partner(1), a_partner(2, status="inactive")])

    with database.read() as db:
        assert holds(db, SCOPE, Subject.PARTNER, None, NOW, range(200_000)) == {1}
        assert holds(db, SCOPE, Subject.PARTNER, None, NOW, []) == set()


def test_a_large_audience_comes_in_order_and_its_statement_can_be_used_as_it_is(database: Database) -> None:
    keep(database, [a_partner(n) for n in range(1, 1_202)])
    everyone = audience(SCOPE, Subject.PARTNER, None, NOW)

    with database.read() as db:
        assert [member.partner_id for member in everyone.rows(db)] == list(range(1, 1_202))
        assert [row.subject_id for row in db.execute(everyone.statement.limit(3))] == [1, 2, 3]


def test_explanations_say_that_only_active_partners_are_seen(database: Database) -> None:
    keep(database, [a_partner(1, status="invited"), a_partner(2, NOW + DAY)])
    no_wins = Test(FactRef("wins"), Comparator.IS, 0)
    asks_status = AnyOf((Test(FactRef("status"), Comparator.IS, "invited"), no_wins))

    with database.read() as db:
        assert explain(db, SCOPE, Subject.PARTNER, no_wins, NOW, 1) == Node(
            "all of",
            False,
            parts=(Node("status is active", False, "invited", "invited"), Node("wins is 0", True, 0, "0")),
        )
        assert explain(db, SCOPE, Subject.PARTNER, None, NOW, 1) == Node(
            "status is active", False, "invited", "invited"
        )
        assert explain(db, SCOPE, Subject.PARTNER, asks_status, NOW, 1).truth
        assert explain(db, SCOPE, Subject.PARTNER, no_wins, NOW, 2) == Node("the partner is there", False)
