"""The rules that follow from feedback: each says the same in whatever order the events come, and takes nothing back."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from engage.domain.deliveries import Reported
from engage.domain.feedback import (
    NEAR_DELIVERY,
    REPORTED,
    SEVERAL_LINKS,
    SOFT_BOUNCE_WINDOW,
    Click,
    machine_clicks,
    review_since,
    too_many_complaints,
)

START = datetime(2026, 3, 2, tzinfo=UTC)
SECONDS = st.integers(0, 30).map(lambda n: START + timedelta(seconds=n))
CLICKS = st.lists(st.tuples(SECONDS, st.sampled_from("abc")), max_size=8)
BOUNCES = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 7)), max_size=25)


def clicks_of(made: list[tuple[datetime, str]]) -> list[Click]:
    return [Click(id_, at, url) for id_, (at, url) in enumerate(made)]


@given(CLICKS, st.lists(SECONDS, max_size=2), st.randoms())
def test_a_click_is_a_machines_near_a_delivery_or_with_another_link(made, delivered, chance) -> None:  # type: ignore[no-untyped-def]
    clicks = clicks_of(made)
    expected = {
        one.id
        for one in clicks
        if any(abs(one.at - at) <= NEAR_DELIVERY for at in delivered)
        or any(other.url != one.url and abs(other.at - one.at) <= SEVERAL_LINKS for other in clicks)
    }
    chance.shuffle(clicks)
    assert machine_clicks(clicks, delivered) == expected


@given(CLICKS, st.lists(SECONDS, max_size=2))
def test_a_click_that_was_a_machines_stays_one_when_more_is_known(made, delivered) -> None:  # type: ignore[no-untyped-def]
    clicks = clicks_of(made)
    assert machine_clicks(clicks[1:], delivered[1:]) <= machine_clicks(clicks, delivered)


def days(bounces: list[tuple[int, int]]) -> list[tuple[datetime, object]]:
    return [(START + timedelta(days=day), mail) for day, mail in bounces]


@given(BOUNCES, st.randoms())
def test_an_address_is_looked_at_once_five_mails_bounced_softly_within_the_window(bounces, chance) -> None:  # type: ignore[no-untyped-def]
    told = days(bounces)
    ends = [
        end for end, _ in told if len({mail for at, mail in told if timedelta(0) <= end - at < SOFT_BOUNCE_WINDOW}) >= 5
    ]
    chance.shuffle(told)
    assert review_since(told) == min(ends, default=None)


@given(BOUNCES)
def test_more_bounces_never_make_it_later(bounces) -> None:  # type: ignore[no-untyped-def]
    fewer, more = review_since(days(bounces[1:])), review_since(days(bounces))
    assert fewer is None or (more is not None and more <= fewer)


def test_complaints_pause_above_one_in_a_thousand() -> None:
    assert not too_many_complaints(1, 1000)
    assert too_many_complaints(1, 999)
    assert too_many_complaints(2, 1999)
    assert not too_many_complaints(0, 0)


def test_every_report_has_a_kind_of_event() -> None:
    assert set(REPORTED.values()) == set(Reported)
