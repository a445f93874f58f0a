"""Schedules in words and in cron."""

import pytest

from engage.authoring.schedules import checked_cron, cron_of


@pytest.mark.parametrize(
    ("every", "cron"),
    [
        ("hour", "0 * * * *"),
        ("day 09:00", "0 9 * * *"),
        ("weekday 18:05", "5 18 * * 1-5"),
        ("monday 00:00", "0 0 * * 1"),
        ("sunday 09:00", "0 9 * * 0"),
        ("monday and thursday 09:00", "0 9 * * 1,4"),
        ("friday, monday and wednesday 09:00", "0 9 * * 1,3,5"),
        ("1st 09:00", "0 9 1 * *"),
        ("1st and 15th 09:00", "0 9 1,15 * *"),
        ("22nd 23:59", "59 23 22 * *"),
    ],
)
def test_a_schedule_in_words_becomes_cron(every: str, cron: str) -> None:
    assert cron_of(every) == cron
    assert checked_cron(cron) == cron


EXAMPLES = "'day 09:00', 'weekday 09:00', 'monday and thursday 09:00', '1st 09:00' or 'hour'"


@pytest.mark.parametrize(
    ("every", "message"),
    [
        ("day", f"'day' names no day and time; write {EXAMPLES}, with hours from 00 to 23"),
        ("monday 9:00", f"'monday 9:00' names no day and time; write {EXAMPLES}, with hours from 00 to 23"),
        ("monday 24:00", f"'monday 24:00' names no day and time; write {EXAMPLES}, with hours from 00 to 23"),
        ("mondy 09:00", "'mondy' is not a day; did you mean 'monday'?"),
        ("month 09:00", f"'month' is not a day; write {EXAMPLES}"),
        ("30th 09:00", "not every month has a 30th; use 1st to 28th"),
        ("1st and 31st 09:00", "not every month has a 31st; use 1st to 28th"),
        ("monday and 1st 09:00", f"'monday and 1st' mixes kinds of days; write {EXAMPLES}"),
        ("day and monday 09:00", f"'day and monday' mixes kinds of days; write {EXAMPLES}"),
    ],
)
def test_a_schedule_that_is_not_understood_says_what_would_be(every: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the message is compared whole
        cron_of(every)

    assert str(caught.value) == message


@pytest.mark.parametrize(
    "cron",
    ["* * * * *", "*/15 8-18 * * mon-fri", "0 9 1,15 * *", "0 0 29 2 *", "30 6 * JAN-mar SUN", "0 9 * * mon-sun/2"],
)
def test_five_fields_of_cron_are_taken_as_they_are(cron: str) -> None:
    assert checked_cron(cron) == cron


@pytest.mark.parametrize(
    ("cron", "message"),
    [
        ("0 9 * *",
         "cron has five fields, and '0 9 * *' has 4; "
         "write minute, hour, day of month, month and weekday, such as 0 9 * * 1"),
        ("0 0 9 * * 1",
         "cron has five fields, and '0 0 9 * * 1' has 6; "
         "write minute, hour, day of month, month and weekday, such as 0 9 * * 1"),
        ("@daily",
         "cron has five fields, and '@daily' has 1; "
         "write minute, hour, day of month, month and weekday, such as 0 9 * * 1"),
        ("0 0 31 2 *", "'0 0 31 2 *' never comes due; no month has that day"),
        ("0 9 L * *", "'L' is not a field of cron; use numbers, '*', ',', '-' and '/'"),
        ("r * * * *", "'r' is not a field of cron; use numbers, '*', ',', '-' and '/'"),
        ("5/10 * * * *", "'5/10' is not a field of cron; use numbers, '*', ',', '-' and '/'"),
        ("0 9 * * mond", "'mond' is not a field of cron; use numbers, '*', ',', '-' and '/'"),
        ("0 24 * * *", "'0 24 * * *' is not cron; write it such as 0 9 * * 1 for mondays at nine"),
        ("*/0 * * * *", "'*/0 * * * *' is not cron; write it such as 0 9 * * 1 for mondays at nine"),
        ("0 9 * * 1-1", "the range '1-1' does not rise; write a list, such as 5,6,0"),
        ("0 9 * * fri-mon", "the range 'fri-mon' does not rise; write a list, such as 5,6,0"),
        ("0 9 1 * 0-6", "'0-6' names every day; write *"),
        ("0 9 1-31 * 1", "'1-31' names every day; write *"),
    ],
)  # fmt: skip
def test_cron_that_would_surprise_is_refused(cron: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the message is compared whole
        checked_cron(cron)

    assert str(caught.value) == message
