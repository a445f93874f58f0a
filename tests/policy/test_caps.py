"""Who wins under frequency caps: pure rules, and what holds whatever the order and whatever has gone out before."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.campaigns import Outranked
from engage.domain.decisions import Defer, Reason, Skip
from engage.domain.limits import FrequencyCap, Per
from engage.policy.caps import Candidate, Ledger, Refusal, Use, Whose, after_losing, concerning, contest, window_end

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
QUARTER = timedelta(minutes=15)

ONE_A_DAY = FrequencyCap(1, Per.PARTNER, DAY)
TWO_A_WEEK = FrequencyCap(2, Per.PARTNER, 7 * DAY)


def candidate(id_: int, rank: int, caps: Sequence[FrequencyCap] = (ONE_A_DAY,), **fields: object) -> Candidate:
    values = {"whose": Whose(1, 10, 100, 1000), "topic": "tips", "campaign": f"c{rank}", "ghost": False, **fields}
    return Candidate(id_, (rank, f"c{rank}", "p", "partner:ann", "slot", "send"), caps=tuple(caps), **values)  # type: ignore[arg-type]


def nothing(*caps: FrequencyCap) -> Ledger:
    return Ledger(caps, {})


# --- windows ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "length", "end"),
    [
        ("15:00:00", "0:15:00", "15:00:00"),
        ("15:00:01", "0:15:00", "15:15:00"),
        ("15:14:59.999999", "0:15:00", "15:15:00"),
        ("15:07:00", "1:00:00", "16:00:00"),
    ],
)
def test_an_instant_belongs_to_the_window_that_ends_at_or_after_it(at: str, length: str, end: str) -> None:
    hours, minutes, seconds = length.split(":")
    lasting = timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds))
    day = "2026-03-02T"
    found = window_end(datetime.fromisoformat(day + at).replace(tzinfo=UTC), lasting)
    assert found == datetime.fromisoformat(day + end).replace(tzinfo=UTC)


@given(st.datetimes(timezones=st.just(UTC)), st.integers(1, 1440))
def test_windows_neither_overlap_nor_leave_gaps(at: datetime, minutes: int) -> None:
    length = timedelta(minutes=minutes)
    if at > datetime(9990, 1, 1, tzinfo=UTC):
        return
    end = window_end(at, length)
    assert at <= end < at + length
    assert window_end(end, length) == end
    assert window_end(end + timedelta(microseconds=1), length) == end + length


# --- room -------------------------------------------------------------------------------------------------------------


def test_the_highest_in_rank_wins_and_the_rest_lose() -> None:
    decided = contest([candidate(1, 3), candidate(2, 1), candidate(3, 2)], nothing(ONE_A_DAY), NOW)
    assert [id_ for id_, refusal in decided.items() if refusal is None] == [2]
    refusal = decided[1]
    assert refusal is not None
    assert (refusal.cap, refusal.taken_by) == (ONE_A_DAY, ("c1",))


def test_a_mail_leaves_a_stretch_exactly_when_it_is_that_long_ago() -> None:
    ledger = Ledger([ONE_A_DAY], {(ONE_A_DAY, 1): [Use(NOW, "c")]})
    assert ledger.refusal(candidate(1, 1), NOW + DAY - timedelta(microseconds=1)) is not None
    assert ledger.refusal(candidate(1, 1), NOW + DAY) is None


def test_every_cap_must_have_room_and_the_slot_is_free_when_the_last_of_them_has() -> None:
    caps = (ONE_A_DAY, TWO_A_WEEK)
    uses = {
        (ONE_A_DAY, 1): [Use(NOW - HOUR, "b")],
        (TWO_A_WEEK, 1): [Use(NOW - 6 * DAY, "a"), Use(NOW - HOUR, "b")],
    }
    refusal = Ledger(caps, uses).refusal(candidate(1, 1, caps), NOW)
    assert refusal is not None
    assert (refusal.cap, refusal.free_at, refusal.taken_by) == (TWO_A_WEEK, NOW + DAY, ("a", "b"))


def test_what_holds_a_slot_leaves_it_no_sooner_than_if_it_went_out_now() -> None:
    refusal = Ledger([ONE_A_DAY], {(ONE_A_DAY, 1): [Use(None, "b")]}).refusal(candidate(1, 1), NOW)
    assert refusal is not None
    assert refusal.free_at == NOW + DAY


def test_a_cap_of_a_topic_concerns_that_topic_only() -> None:
    of_tips = FrequencyCap(1, Per.PARTNER, DAY, topic="tips")
    uses = {(of_tips, 1): [Use(NOW, "c")]}
    assert Ledger([of_tips], uses).refusal(candidate(1, 1, [of_tips]), NOW) is not None
    assert Ledger([of_tips], uses).refusal(candidate(1, 1, [of_tips], topic="newsletter"), NOW) is None


def test_a_cap_per_company_counts_all_its_partners_and_nobody_elses() -> None:
    per_company = FrequencyCap(1, Per.COMPANY, DAY)
    ledger = nothing(per_company)
    ledger.take(candidate(1, 1, [per_company]))
    colleague, stranger = Whose(2, 10, 101, 1000), Whose(3, None, 102, 1000)
    assert ledger.refusal(candidate(2, 2, [per_company], whose=colleague), NOW) is not None
    assert ledger.refusal(candidate(3, 3, [per_company], whose=stranger), NOW) is None


def test_an_addresss_mails_count_whatever_their_program() -> None:
    per_address = FrequencyCap(1, Per.ADDRESS, DAY)
    ledger = nothing(per_address)
    ledger.take(candidate(1, 1, [], whose=Whose(7, None, 100, 2000)))
    assert ledger.refusal(candidate(2, 2, [per_address]), NOW) is not None


def test_who_is_held_out_takes_the_slot_that_they_would_have_had() -> None:
    decided = contest([candidate(1, 1, ghost=True), candidate(2, 2)], nothing(ONE_A_DAY), NOW)
    assert decided[1] is None
    assert decided[2] is not None


# --- properties -------------------------------------------------------------------------------------------------------

lengths = st.sampled_from([HOUR, DAY, 7 * DAY])
topics = st.sampled_from([None, "tips", "news"])
some_caps = st.lists(
    st.builds(FrequencyCap, st.integers(1, 4), st.sampled_from(Per), lengths, topics),
    min_size=1,
    max_size=4,
    unique=True,
)
whose = st.builds(Whose, st.integers(1, 3), st.sampled_from([None, 10, 11]), st.integers(100, 102), st.just(1000))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[FrequencyCap], list[Candidate], list[tuple[Candidate, datetime]]]:
    """Caps, candidates, and mails that went out before."""
    caps = draw(some_caps)
    kinds = st.tuples(whose, st.sampled_from(["tips", "news"]), st.integers(0, 9), st.booleans())
    wanted = draw(st.lists(kinds, min_size=1, max_size=12))
    found = [
        replace(
            candidate(n, rank, caps, topic=topic, whose=who, ghost=ghost),
            rank=(rank, f"c{rank}", "p", str(who), str(n), "s"),
        )
        for n, (who, topic, rank, ghost) in enumerate(wanted)
    ]
    gone = draw(st.lists(st.tuples(kinds, st.integers(0, 8 * 24)), max_size=8))
    before = [
        (candidate(100 + n, rank, caps, topic=topic, whose=who), NOW - timedelta(hours=hours))
        for n, ((who, topic, rank, _), hours) in enumerate(gone)
    ]
    return caps, found, before


def ledger_of(caps: Sequence[FrequencyCap], before: Sequence[tuple[Candidate, datetime]]) -> Ledger:
    uses: dict[tuple[FrequencyCap, int], list[Use]] = {}
    for one, at in before:
        for key in concerning(caps, one):
            uses.setdefault(key, []).append(Use(at, one.campaign))
    return Ledger(caps, uses)


@given(worlds(), st.randoms(use_true_random=False))
def test_any_order_gives_the_same_winners(world: tuple, random: object) -> None:  # type: ignore[type-arg]
    caps, candidates, before = world
    expected = contest(candidates, ledger_of(caps, before), NOW)
    shuffled = list(candidates)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert contest(shuffled, ledger_of(caps, before), NOW) == expected


@given(worlds(), st.integers(1, 5))
def test_deciding_them_a_few_at_a_time_in_order_of_rank_gives_the_same_winners(world: tuple, size: int) -> None:  # type: ignore[type-arg]
    caps, candidates, before = world
    expected = contest(candidates, ledger_of(caps, before), NOW)
    ledger, decided = ledger_of(caps, before), {}
    ranked = sorted(candidates, key=lambda one: one.rank)
    for start in range(0, len(ranked), size):
        decided |= contest(ranked[start : start + size], ledger, NOW)
    assert decided == expected


@given(worlds())
def test_no_cap_is_broken_and_none_is_refused_that_all_caps_have_room_for(world: tuple) -> None:  # type: ignore[type-arg]
    caps, candidates, before = world
    decided = contest(candidates, ledger_of(caps, before), NOW)
    gone = [(one.whose, one.topic, at) for one, at in before]
    for one in sorted(candidates, key=lambda one: one.rank):
        counts = []
        for cap in caps:
            if cap.topic not in (None, one.topic) or one.whose.by(cap.per) is None:
                continue
            others = [
                at for who, topic, at in gone if cap.topic in (None, topic) and who.by(cap.per) == one.whose.by(cap.per)
            ]
            counts.append((sum(NOW - cap.length < at for at in others), cap.at_most))
        fits = all(count < most for count, most in counts)
        assert (decided[one.id] is None) == fits
        if fits:
            gone.append((one.whose, one.topic, NOW))


@given(worlds())
def test_a_slot_is_free_when_it_is_said_to_be_and_not_before(world: tuple) -> None:  # type: ignore[type-arg]
    caps, candidates, before = world
    ledger = ledger_of(caps, before)
    for one in candidates:
        refusal = ledger.refusal(one, NOW)
        if refusal is not None:
            assert ledger.refusal(one, refusal.free_at) is None
            assert ledger.refusal(one, refusal.free_at - timedelta(microseconds=1)) is not None


# --- who loses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outranked", "ghost", "expires", "expected"),
    [
        (Outranked.DROP, False, 9 * DAY, Skip(Reason.FREQUENCY_CAP)),
        (Outranked.FOLD, False, 9 * DAY, Skip(Reason.FOLDED)),
        (Outranked.FOLD, True, 9 * DAY, Skip(Reason.FREQUENCY_CAP)),
        (Outranked.DEFER, False, 9 * DAY, Defer(NOW + DAY + QUARTER, Reason.FREQUENCY_CAP)),
        (Outranked.DEFER, False, DAY + QUARTER, Skip(Reason.FREQUENCY_CAP)),
    ],
)
def test_its_campaign_says_what_becomes_of_a_mail_without_room(
    outranked: Outranked, ghost: bool, expires: timedelta, expected: Defer | Skip
) -> None:
    refusal = Refusal(ONE_A_DAY, ("c",), NOW + DAY + timedelta(seconds=3))
    assert after_losing(outranked, refusal, QUARTER, NOW + expires, ghost=ghost) == expected
