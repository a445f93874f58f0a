"""What topics and sunset say, and what is wrong with them."""

from datetime import time, timedelta

import pytest

from engage.domain.errors import AuthoringError
from engage.domain.programs import Gather, Regression, Sunset
from tests.authoring.texts import PROGRAM, programs

STATUS = "status: {kind: transactional, label: Your referrals, send_within: 1d}"
TIPS = "tips: {kind: marketing, label: Tips}"


def written(old: str, new: str) -> str:
    assert PROGRAM.count(old) == 1
    return PROGRAM.replace(old, new)


def problems(source: str) -> list[str]:
    with pytest.raises(AuthoringError) as caught:
        programs(source)
    return [f"{problem.message}; {problem.hint}" for problem in caught.value.problems]


def of_status(more: str) -> str:
    return written(STATUS, f"{STATUS[:-1]}, {more}}}")


def test_a_topic_says_who_gets_it_and_what_becomes_of_several_updates() -> None:
    read = programs(of_status('collapse: 10m, gather: {at: "17:00", send: status/daily}, regression: correct'))["acme"]
    status = read.topics["status"]
    assert status.collapse == timedelta(minutes=10)
    assert status.gather == Gather(time(17), "status/daily")
    assert PROGRAM.split("\n")[status.gather.place.line - 1].strip().startswith("status:")
    assert status.regression is Regression.CORRECT
    assert programs(written(TIPS, f"{TIPS[:-1]}, opt_in: true}}"))["acme"].topics["tips"].opt_in


def test_a_topic_that_says_nothing_tells_each_update_at_once() -> None:
    status = programs()["acme"].topics["status"]
    assert (status.collapse, status.gather, status.regression, status.opt_in) == (None, None, Regression.TELL, False)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("collapse: 2d", "'collapse' holds updates back for more than a day"),
        ("collapse: soon", "'soon' is not"),
        ('gather: {at: "17:00"}', "gather has no 'send'; add it"),
        ("gather: {at: noon, send: status/daily}", "'noon' is not a time of day"),
        ('gather: {at: "17:00", send: Daily.md}', "'Daily.md' is not the name of a template"),
        ("gather: daily", "gather must be keys with values; the keys are at, send"),
        ("regression: corect", "unknown regression 'corect'; did you mean 'correct'?"),
        ("opt_in: true", "topic 'status' is transactional: partners get it without having said yes"),
        ("opt_in: maybe", "'opt_in' must be true or false"),
    ],
)
def test_what_a_topic_cannot_mean_is_a_problem(more: str, said: str) -> None:
    assert any(problem.startswith(said) for problem in problems(of_status(more))), problems(of_status(more))


def sunset(text: str) -> str:
    return written("    currency: EUR\n", f"    currency: EUR\n    sunset: {text}\n")


def test_a_program_says_when_partners_are_left_in_peace() -> None:
    read = programs(sunset("{light_after: 180d, light: 30d, rest_after: 365d}"))["acme"].sunset
    assert read == Sunset(timedelta(days=180), timedelta(days=30), timedelta(days=365))
    assert programs()["acme"].sunset is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{light_after: 180d, light: 30d}", "sunset has no 'rest_after'; add it"),
        ("{light_after: 180d, light: 30d, rest_after: 90d}", "partners rest before they are mailed less"),
        ("{light_after: 180d, light: often, rest_after: 365d}", "'often' is not"),
    ],
)
def test_a_sunset_that_cannot_be_is_a_problem(text: str, said: str) -> None:
    assert problems(sunset(text))[0].startswith(said)


def test_a_program_without_a_postal_address_is_none() -> None:
    address = "      postal_address: 1 Main Street, Springfield\n"
    assert problems(written(address, "")) == ["brand has no 'postal_address'; add it"]
