"""Quiet hours, holidays and send windows: what they read as, and what is said of those that never open."""

from datetime import time

import pytest

from engage.authoring import parse_campaign, parse_programs
from engage.domain.errors import AuthoringError
from engage.domain.limits import EVERY_DAY, QuietHours, SendWindow
from engage.domain.programs import Program
from tests.authoring.texts import PROGRAM, campaign, campaign_text, problems, referral_text

NINE, FIVE = time(9), time(17)
QUIET = "quiet_hours: {from: 21:00, to: 08:00}"


def program_text(*lines: str, tips: str = "") -> str:
    """The program of these tests with more lines, and with a window for its topic `tips`."""
    text = PROGRAM.replace("label: Tips}", f"label: Tips, send_window: {tips}}}") if tips else PROGRAM
    return text + "".join(f"    {line}\n" for line in lines)


def program(*lines: str, tips: str = "") -> Program:
    return parse_programs(program_text(*lines, tips=tips), "program.yaml")["acme"]


def program_problems(*lines: str, tips: str = "", zone: str = "Europe/Berlin") -> list[str]:
    with pytest.raises(AuthoringError) as caught:
        parse_programs(program_text(*lines, tips=tips).replace("zone: Europe/Berlin", f"zone: {zone}"), "program.yaml")
    return [f"{problem.message}; {problem.hint}" for problem in caught.value.problems]


def window(text: str) -> SendWindow | None:
    return campaign(campaign_text(send_window=f"send_window: {text}")).send_window


def window_problems(text: str) -> list[str]:
    return problems(campaign_text(send_window=f"send_window: {text}"))


def test_a_program_says_when_no_marketing_mail_goes_out() -> None:
    found = program('quiet_hours: {from: "21:00", to: "08:00"}', "holidays: true", "country: AT")

    assert found.quiet_hours == QuietHours(time(21), time(8))
    assert (found.holidays, found.country) == (True, "AT")


def test_a_program_that_says_nothing_of_hours_sends_at_any() -> None:
    assert (program().quiet_hours, program().holidays, program().country) == (None, False, "")
    assert program().topics["tips"].send_window is None


def test_a_topic_and_a_campaign_have_a_window() -> None:
    text = "{days: weekdays, from: 09:00, to: 17:00, holidays: false}"
    expected = SendWindow(NINE, FIVE, frozenset(range(5)), on_holidays=False)

    assert program(tips=text).topics["tips"].send_window == expected
    assert window(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{from: 09:00, to: 17:00}", SendWindow(NINE, FIVE)),
        ("{days: every day, from: 09:00, to: 17:00}", SendWindow(NINE, FIVE)),
        ("{days: weekdays}", SendWindow(time(), time(), frozenset(range(5)))),
        ("{days: weekend}", SendWindow(time(), time(), frozenset((5, 6)))),
        ("{days: monday}", SendWindow(time(), time(), frozenset((0,)))),
        ("{days: [tuesday, thursday, sunday]}", SendWindow(time(), time(), frozenset((1, 3, 6)))),
        ("{days: [weekdays, saturday]}", SendWindow(time(), time(), frozenset(range(6)))),
        ("{from: 22:00, to: 06:00}", SendWindow(time(22), time(6))),
        ("{from: 18:00, to: 24:00}", SendWindow(time(18), time())),
        ("{holidays: false}", SendWindow(time(), time(), EVERY_DAY, on_holidays=False)),
    ],
)
def test_a_window_may_leave_out_what_it_does_not_restrict(text: str, expected: SendWindow) -> None:
    assert window(text) == expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{days: []}", "7:21: 'days' is an empty list; take it out or fill it"),
        ("{days: [mondy]}", "7:22: unknown day 'mondy'; did you mean 'monday'?"),
        ("{from: 9:00, to: 17:00}", "7:21: '9:00' is not a time of day; write one from 00:00 to 23:59, such as 09:00"),
        (
            "{from: 24:00, to: 08:00}",
            "7:21: '24:00' is not a time of day; write one from 00:00 to 23:59, such as 09:00",
        ),
        ("{from: 09:00}", "7:14: send_window has 'from' and no 'to'; write both, or none for the whole day"),
        ("{to: 17:00}", "7:14: send_window has 'to' and no 'from'; write both, or none for the whole day"),
        (
            "{from: 09:00, to: 09:00}",
            "7:14: it begins and ends at 09:00; write two times; over midnight is from: 21:00, to: 08:00",
        ),
        ("{from: 09:00, too: 17:00}", "7:28: unknown key 'too' in send_window; did you mean 'to'?"),
        ("weekdays", "7:14: send_window must be keys with values; the keys are days, from, to, holidays"),
    ],
)
def test_a_window_that_cannot_be_meant_is_a_problem(text: str, found: str) -> None:
    assert window_problems(text) == [found]


def test_transactional_mail_has_no_window() -> None:
    said = "topic 'status' is transactional: its mails go out at any hour; take send_window out"
    of_topic = PROGRAM.replace("send_within: 1d}", "send_within: 1d, send_window: {days: weekdays}}")

    assert problems(referral_text(topic="topic: status", window="send_window: {days: weekdays}")) == [f"6:14: {said}"]
    with pytest.raises(AuthoringError, match="topic 'status' is transactional"):
        parse_programs(of_topic, "program.yaml")


def test_quiet_hours_that_cannot_be_meant_are_a_problem() -> None:
    assert program_problems("quiet_hours: {from: 21:00}") == ["quiet_hours has no 'to'; add it"]
    assert program_problems("quiet_hours: {from: 08:00, to: 08:00}") == [
        "it begins and ends at 08:00; write two times; over midnight is from: 21:00, to: 08:00"
    ]


def test_a_window_within_the_quiet_hours_names_both() -> None:
    quiet = "quiet_hours: {from: 08:00, to: 22:00}"
    said = (
        "the window (weekdays 09:00 to 17:00) is never open, because of the quiet hours (08:00 to 22:00); "
        "write hours that they have in common"
    )

    assert program_problems(quiet, tips="{days: weekdays, from: 09:00, to: 17:00}") == [said]


def test_windows_of_a_campaign_and_its_topic_that_never_meet_are_named() -> None:
    programs = {"acme": program(QUIET, tips="{days: weekdays, from: 07:00, to: 09:00}")}

    def said(text: str) -> str:
        source = campaign_text(send_window=f"send_window: {text}")
        with pytest.raises(AuthoringError) as caught:
            parse_campaign(source, "x.yaml", programs)
        return caught.value.problems[0].message

    assert parse_campaign(campaign_text(send_window="send_window: {from: 08:59, to: 12:00}"), "x.yaml", programs)
    assert said("{days: weekend}") == (
        "the window (weekend all day) is never open, because of the window of topic 'tips' (weekdays 07:00 to 09:00)"
    )
    assert said("{from: 22:00, to: 05:00}") == (
        "the window (22:00 to 05:00) is never open, because of the quiet hours (21:00 to 08:00)"
    )
    assert said("{from: 06:00, to: 08:00}").endswith("the quiet hours (21:00 to 08:00)")
    assert said("{days: [monday, saturday], from: 07:00, to: 08:00}").startswith(
        "the window (monday, saturday 07:00 to 08:00)"
    )
    assert said("{from: 05:00, to: 08:00}") == (
        "the window (05:00 to 08:00) is never open, because of the quiet hours (21:00 to 08:00)"
    )


def test_three_that_never_meet_are_all_named() -> None:
    programs = {"acme": program("quiet_hours: {from: 12:00, to: 14:00}", tips="{from: 09:00, to: 14:00}")}

    with pytest.raises(AuthoringError) as caught:
        parse_campaign(campaign_text(send_window="send_window: {from: 12:00, to: 18:00}"), "x.yaml", programs)

    assert caught.value.problems[0].message == (
        "the window (12:00 to 18:00) is never open, because of the quiet hours (12:00 to 14:00) "
        "and the window of topic 'tips' (09:00 to 14:00)"
    )


def test_windows_that_meet_over_midnight_are_no_problem() -> None:
    programs = {"acme": program(tips="{days: [sunday], from: 23:00, to: 01:00}")}

    assert parse_campaign(campaign_text(send_window="send_window: {days: [monday]}"), "x.yaml", programs).send_window


def test_holidays_need_a_country() -> None:
    said = (
        "holidays are those of a country, and the program's zone UTC lies in none; "
        "add country to the program, such as country: US"
    )

    assert program_problems("holidays: true", zone="UTC") == [said]
    assert program_problems(tips="{holidays: false}", zone="UTC") == [said]
    assert program("holidays: true").holidays


@pytest.mark.parametrize("country", ["us", "USA", "XX", "Germany"])
def test_a_country_is_its_iso_code(country: str) -> None:
    (said,) = program_problems(f"country: {country}")
    assert said == f"'{country}' is no country; write its ISO 3166 code of two letters, such as US or DE"


def test_no_window_opens_the_holidays_of_its_program() -> None:
    (said,) = program_problems("holidays: true", tips="{holidays: true}")
    assert said.startswith("the program sends no marketing mail on holidays, and no window opens them")
