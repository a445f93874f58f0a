"""The gate before a provider: what opens the breaker, what shuts it again, and how many the bucket lets out."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.gates import (
    FAILURES_IN_A_ROW,
    FIRST_BREAK,
    LONGEST_BREAK,
    UNSAID_WAIT,
    Gate,
    Open,
    Probe,
    Shut,
    after,
    passage,
    paused,
    resumed,
    take,
)
from engage.domain.messages import Outcome, SendResult

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)

TAKEN = SendResult(Outcome.ACCEPTED, "x-1", 202)
REFUSED_CONNECTION = SendResult(Outcome.RETRY, detail="connection refused")
OUT_OF_SERVICE = SendResult(Outcome.RETRY, status=503, detail="503 overloaded")
NO_ANSWER = SendResult(Outcome.UNKNOWN, detail="no answer")
BAD_GATEWAY = SendResult(Outcome.UNKNOWN, status=502)
TOO_MANY = SendResult(Outcome.RETRY, status=429)
LAST_ONE = SendResult(Outcome.ACCEPTED, status=202, retry_at=NOW + 7 * SECOND)
BAD_KEY = SendResult(Outcome.RETRY, status=401, detail="401 authorization required", auth_failed=True)
BAD_MESSAGE = SendResult(Outcome.DEAD, status=400)
UNWRITABLE = SendResult(Outcome.DEAD, detail="the message has no form in JSON")
GREYLISTED = SendResult(Outcome.RETRY, status=450)

FAILURES = (REFUSED_CONNECTION, OUT_OF_SERVICE, NO_ANSWER, BAD_GATEWAY)
ALL = (*FAILURES, TAKEN, TOO_MANY, LAST_ONE, BAD_KEY, BAD_MESSAGE, UNWRITABLE, GREYLISTED)

results = st.lists(st.sampled_from(ALL), max_size=12)
seconds = st.integers(0, 90).map(lambda n: n * SECOND)


def gate_after(*outcomes: SendResult) -> Gate:
    return after(Gate(), outcomes, NOW)


BROKEN = gate_after(*[OUT_OF_SERVICE] * FAILURES_IN_A_ROW)


@st.composite
def gates(draw: st.DrawFn) -> tuple[Gate, datetime]:
    """A gate that has seen something, and the instant at which it has."""
    gate, now = Gate(), NOW
    for batch in draw(st.lists(results, max_size=6)):
        now += draw(seconds)
        gate = after(gate, batch, now)
    return gate, now


# -- the breaker -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", FAILURES)
def test_five_failures_in_a_row_open_the_breaker_for_two_seconds(failure: SendResult) -> None:
    assert isinstance(passage(gate_after(*[failure] * 4), NOW), Open)
    shut = passage(gate_after(*[failure] * 5), NOW)
    assert isinstance(shut, Shut)
    assert shut.until == NOW + FIRST_BREAK
    assert "5 attempts in a row failed" in shut.reason


@pytest.mark.parametrize("between", [TAKEN, BAD_MESSAGE, TOO_MANY])
def test_an_answer_to_a_message_is_a_sign_of_life(between: SendResult) -> None:
    assert gate_after(*[NO_ANSWER] * 4, between, *[NO_ANSWER] * 4).opened == 0


@pytest.mark.parametrize("neutral", [UNWRITABLE, GREYLISTED])
def test_what_concerns_one_message_neither_fails_nor_heals(neutral: SendResult) -> None:
    assert isinstance(passage(gate_after(*[neutral] * 20), NOW), Open)
    assert after(BROKEN, [neutral], NOW) is BROKEN


def test_each_failed_probe_doubles_the_break_up_to_a_minute() -> None:
    gate, now, breaks = Gate(), NOW, []
    for _ in range(8):
        gate = after(gate, [REFUSED_CONNECTION] * 5, now)
        assert gate.shut_until is not None
        breaks.append((gate.shut_until - now).total_seconds())
        now = gate.shut_until
    assert breaks == [2, 4, 8, 16, 32, 60, 60, LONGEST_BREAK.total_seconds()]


def test_what_was_on_its_way_when_the_breaker_opened_changes_nothing() -> None:
    assert after(BROKEN, [NO_ANSWER] * 30, NOW + SECOND) is BROKEN


def test_the_breaker_stays_open_as_long_as_the_provider_asks() -> None:
    asks = SendResult(Outcome.RETRY, status=503, retry_at=NOW + 45 * SECOND)
    assert gate_after(*[asks] * 5).shut_until == NOW + 45 * SECOND


def test_when_the_break_is_over_one_mail_is_tried_and_the_others_wait() -> None:
    then = NOW + FIRST_BREAK
    assert isinstance(passage(BROKEN, then), Probe)
    probing = Gate(opened=1, shut_until=then, probe_until=then + 30 * SECOND, reason="away")
    assert passage(probing, then) == Shut(probing, then + 30 * SECOND, "away")
    assert isinstance(passage(probing, then + 30 * SECOND), Probe)


@given(gates())
def test_a_success_closes_the_breaker_whatever_was_before(seen: tuple[Gate, datetime]) -> None:
    gate, now = seen
    closed = after(gate, [TAKEN], now)
    assert (closed.failures, closed.opened, closed.probe_until) == (0, 0, None)
    if gate.opened and gate.paused_at is None:
        assert isinstance(passage(closed, now), Open)


@given(st.lists(st.sampled_from((TAKEN, BAD_MESSAGE)), max_size=40))
def test_while_all_is_well_nothing_changes(well: list[SendResult]) -> None:
    gate = Gate()
    assert after(gate, well, NOW) is gate


@given(gates(), results)
def test_no_break_is_longer_than_a_minute_nor_in_the_past(seen: tuple[Gate, datetime], news: list[SendResult]) -> None:
    gate, now = seen
    shut = after(gate, news, now)
    if shut.shut_until is not None and shut.shut_until != gate.shut_until:
        assert now < shut.shut_until <= now + LONGEST_BREAK


# -- when the provider asks for a rest ---------------------------------------------------------------------------------


def test_too_many_requests_shut_the_gate_until_the_provider_takes_more_and_are_no_failure() -> None:
    asks = SendResult(Outcome.RETRY, status=429, retry_at=NOW + 90 * SECOND)
    gate = gate_after(*[asks] * 20)
    assert (gate.failures, gate.opened) == (0, 0)
    shut = passage(gate, NOW + 89 * SECOND)
    assert isinstance(shut, Shut)
    assert shut.until == NOW + 90 * SECOND
    assert isinstance(passage(gate, NOW + 90 * SECOND), Open)


def test_a_provider_that_does_not_say_how_long_is_left_alone_for_a_moment() -> None:
    assert gate_after(TOO_MANY).shut_until == NOW + UNSAID_WAIT


def test_the_last_message_of_a_limit_shuts_the_gate_before_the_first_refusal() -> None:
    assert gate_after(TAKEN, LAST_ONE, TAKEN).shut_until == LAST_ONE.retry_at


def test_the_longer_of_two_waits_counts() -> None:
    assert gate_after(LAST_ONE, TOO_MANY).shut_until == LAST_ONE.retry_at


def test_a_wait_that_is_over_when_it_is_told_shuts_nothing() -> None:
    gate = Gate()
    assert after(gate, [LAST_ONE], NOW + 8 * SECOND) is gate


# -- the pause ---------------------------------------------------------------------------------------------------------


def test_a_refused_key_pauses_all_until_an_operator_resumes() -> None:
    gate = gate_after(BAD_KEY)
    shut = passage(gate, NOW + timedelta(days=30))
    assert isinstance(shut, Shut)
    assert shut.until is None
    assert "401 authorization required" in shut.reason
    assert isinstance(passage(resumed(gate, "a new key", NOW), NOW), Open)


def test_nothing_that_comes_later_ends_a_pause_or_changes_its_reason() -> None:
    gate = after(gate_after(BAD_KEY), [TAKEN, BAD_KEY, *[NO_ANSWER] * 9], NOW + SECOND)
    assert (gate.paused_at, gate.paused_why) == (NOW, gate_after(BAD_KEY).paused_why)
    assert paused(gate, "another reason", NOW + SECOND) is gate


def test_resuming_ends_whatever_shut_the_gate_and_keeps_to_the_rate() -> None:
    shut = after(take(BROKEN, 3, 5.0, NOW)[0], [BAD_KEY], NOW)
    gate = resumed(shut, "they are back", NOW)
    assert isinstance(passage(gate, NOW), Open)
    assert (gate.tokens, gate.resumed_why) == (2.0, "they are back")


# -- the rate ----------------------------------------------------------------------------------------------------------


def test_the_bucket_holds_what_comes_in_a_second_and_at_least_one() -> None:
    assert take(Gate(), 100, 10.0, NOW)[1].granted == 10
    assert take(Gate(), 100, 0.1, NOW)[1].granted == 1


def test_whoever_gets_less_is_told_when_the_rest_is_there() -> None:
    gate, first = take(Gate(), 28, 10.0, NOW)
    assert (first.granted, first.wait) == (10, SECOND)
    assert take(gate, 4, 10.0, NOW)[1].wait == 0.4 * SECOND
    assert take(gate, 4, 10.0, NOW + 0.4 * SECOND)[1].granted == 4


@given(
    rate=st.floats(0.01, 500),
    asks=st.lists(st.tuples(st.integers(1, 64), st.floats(0, 5)), min_size=1, max_size=60),
)
def test_no_schedule_of_asking_gets_more_than_the_rate(rate: float, asks: list[tuple[int, float]]) -> None:
    gate, now, granted = Gate(), NOW, 0
    for wanted, pause in asks:
        now += timedelta(seconds=pause)
        gate, taken = take(gate, wanted, rate, now)
        assert 0 <= taken.granted <= wanted
        granted += taken.granted
        assert granted <= max(1.0, rate) + rate * (now - NOW).total_seconds() + 1e-6


@given(rate=st.floats(0.01, 500), wanted=st.integers(1, 64))
def test_whoever_waits_as_told_gets_something_and_all_of_it_in_the_end(rate: float, wanted: int) -> None:
    gate, taken = take(Gate(), 1000, rate, NOW)
    now, left = NOW, wanted
    for _ in range(wanted + 1):
        gate, taken = take(gate, left, rate, now)
        left -= taken.granted
        if not left:
            break
        assert taken.wait > timedelta(0)
        now += taken.wait
    assert left == 0


def test_a_clock_that_lags_gets_nothing_for_it_and_takes_nothing_from_others() -> None:
    gate, _ = take(Gate(), 10, 10.0, NOW)
    lagging, taken = take(gate, 1, 10.0, NOW - 60 * SECOND)
    assert taken.granted == 0
    assert lagging is gate


def test_a_clock_that_was_hours_ahead_keeps_nobody_waiting_for_its_time() -> None:
    gate, taken = take(Gate(), 10, 10.0, NOW + 10_800 * SECOND)
    assert taken.granted == 10
    assert take(gate, 10, 10.0, NOW + SECOND)[1].granted == 10
