"""The fold of status changes into versions, by example and against a brute force over instants."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from engage.domain.histories import Change, History, Version, fold
from engage.domain.programs import QUALIFIED_KINDS, StatusKind
from engage.domain.windows import BEGINNING
from tests.support.intake import crm_program

PROGRAM = crm_program()
SEEN = datetime(2017, 6, 1, tzinfo=UTC)
KINDS = {status.key: status.kind for status in PROGRAM.ladder}


def day(number: int) -> datetime:
    return datetime(2017, 1, 1, tzinfo=UTC) + timedelta(days=number)


def history(*changes: tuple[str, int], **more: object) -> History:
    told = tuple(Change(status, day(number), place, SEEN) for place, (status, number) in enumerate(changes, start=1))
    return History(changes=told, **more)  # type: ignore[arg-type]


def shape(versions: Sequence[Version]) -> list[tuple[str, datetime, datetime | None]]:
    return [(version.status, version.valid_from, version.since) for version in versions]


def test_each_change_opens_a_version_and_closes_the_one_before() -> None:
    submitted, won = fold(history(("submitted", 1), ("won", 9)), PROGRAM)
    assert (submitted.valid_from, submitted.valid_to) == (day(1), day(9))
    assert (won.valid_from, won.valid_to, won.since) == (day(9), None, day(9))
    assert (submitted.qualified_at, submitted.qualified) == (None, False)
    assert (won.qualified_at, won.qualified) == (day(9), True)


def test_a_change_that_arrives_late_takes_its_place_in_time() -> None:
    versions = fold(history(("submitted", 1), ("won", 9), ("opportunity", 5)), PROGRAM)
    assert [version.status for version in versions] == ["submitted", "opportunity", "won"]
    assert versions[-1].qualified_at == day(5)


def test_two_changes_at_one_instant_leave_the_one_that_arrived_last_and_a_submission_comes_first() -> None:
    assert shape(fold(history(("opportunity", 3), ("won", 3), ("submitted", 3)), PROGRAM)) == [("won", day(3), day(3))]


def test_the_same_status_with_another_date_corrects_the_date() -> None:
    assert fold(history(("submitted", 1), ("won", 9), ("won", 12)), PROGRAM)[-1].since == day(12)
    assert fold(history(("submitted", 1), ("won", 9), ("won", 7)), PROGRAM)[-1].since == day(7)


def test_lost_again_after_it_was_reopened_is_no_correction() -> None:
    versions = fold(history(("lost", 1), ("opportunity", 5), ("lost", 9)), PROGRAM)
    assert shape(versions) == [
        ("lost", day(1), day(1)),
        ("opportunity", day(5), day(5)),
        ("lost", day(9), day(9)),
    ]


def test_an_undated_status_has_always_held() -> None:
    (version,) = fold(History(undated_status="opportunity"), PROGRAM)
    assert (version.valid_from, version.since, version.qualified, version.qualified_at) == (
        BEGINNING,
        None,
        True,
        None,
    )


def test_an_undated_status_of_a_dated_submission_holds_from_the_submission() -> None:
    versions = fold(history(("submitted", 4), submitted_at=day(4), undated_status="lost"), PROGRAM)
    assert shape(versions) == [("lost", day(4), None)]


def test_an_undated_status_that_was_seen_later_holds_since_then() -> None:
    versions = fold(history(("opportunity", 4), undated_status="lost", undated_since=SEEN), PROGRAM)
    assert shape(versions) == [("opportunity", day(4), day(4)), ("lost", SEEN, None)]


def test_what_held_before_an_undated_status_was_seen_is_its_submission() -> None:
    versions = fold(History(undated_status="lost", undated_since=SEEN), PROGRAM)
    assert shape(versions) == [("submitted", BEGINNING, None), ("lost", SEEN, None)]


def test_a_date_that_is_told_afterwards_dates_the_undated_status() -> None:
    told = history(("opportunity", 4), ("lost", 8), undated_status="lost", undated_since=SEEN)
    assert shape(fold(told, PROGRAM)) == [("opportunity", day(4), day(4)), ("lost", day(8), day(8))]


def test_a_change_observed_after_the_undated_status_outdates_it_even_when_it_happened_before() -> None:
    corrected = Change("won", day(8), 2, SEEN + timedelta(days=1))
    told = history(("opportunity", 4), undated_status="lost", undated_since=SEEN)
    versions = fold(History((*told.changes, corrected), None, "lost", SEEN), PROGRAM)
    assert versions[-1].status == "won"


def test_nothing_known_is_the_opening_status_of_always() -> None:
    assert shape(fold(History(), PROGRAM)) == [("submitted", BEGINNING, None)]
    assert shape(fold(History(submitted_at=day(3)), PROGRAM)) == [("submitted", day(3), None)]


_changes = st.lists(st.tuples(st.sampled_from(sorted(KINDS)), st.integers(0, 12)), unique=True, max_size=8)


@given(_changes, st.one_of(st.none(), st.sampled_from(sorted(KINDS))), st.one_of(st.none(), st.integers(0, 12)))
def test_at_every_instant_the_version_in_force_is_what_a_walk_through_the_changes_finds(
    changes: list[tuple[str, int]], undated: str | None, submitted: int | None
) -> None:
    submitted_at = None if submitted is None else day(submitted)
    told = history(*changes, undated_status=undated, submitted_at=submitted_at)
    versions = fold(told, PROGRAM)

    assert all(one.valid_to == other.valid_from for one, other in pairwise(versions))
    assert versions[-1].valid_to is None
    for half_days in range(-2, 28):
        now = day(0) + timedelta(hours=12 * half_days)
        found = [v for v in versions if v.valid_from <= now and (v.valid_to is None or now < v.valid_to)]
        expected = _walk(told, now)
        if expected is None:
            assert not found
        else:
            (version,) = found
            assert (version.status, version.since, version.qualified, version.qualified_at) == expected


def _walk(told: History, now: datetime) -> tuple[str, datetime | None, bool, datetime | None] | None:
    """The same, the slow way: who would say what the referral is, standing at `now`?"""
    ordered = sorted(told.changes, key=lambda c: (c.at, c.status != "submitted", c.sequence))
    true = [
        c
        for place, c in enumerate(ordered)
        if not any(
            other.status == c.status
            and other.sequence > c.sequence
            and {x.status for x in ordered[min(place, at) : max(place, at) + 1]} == {c.status}
            for at, other in enumerate(ordered)
        )
    ]
    start = BEGINNING if told.submitted_at is None else min([told.submitted_at, *(c.at for c in true)])
    line: list[tuple[str, datetime, datetime | None]] = [(c.status, c.at, c.at) for c in true]
    if told.undated_status is not None:
        place = sum(1 for c in true if c.at < start or (c.at == start and c.status == "submitted"))
        beside = [c.status for c in (*true[max(place - 1, 0) : place], *true[place : place + 1])]
        if told.undated_status not in beside:
            line.insert(place, (told.undated_status, start, None))
    if not line:
        line = [("submitted", start, None)]
    elif told.submitted_at is not None and told.submitted_at < line[0][1]:
        line[0] = (line[0][0], told.submitted_at, line[0][2])
    past = [entry for entry in line if entry[1] <= now]
    if not past:
        return None
    reached = [since for status, _, since in past if KINDS[status] in QUALIFIED_KINDS]
    dated = [since for since in reached if since is not None]
    return past[-1][0], past[-1][2], bool(reached), dated[0] if dated else None


def test_a_status_that_has_left_the_ladder_counts_as_open() -> None:
    (version,) = fold(history(("archived", 1)), PROGRAM)
    assert version.kind is StatusKind.ACCEPTED
