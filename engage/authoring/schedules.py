"""Schedules as authors say them: `monday and thursday 09:00` becomes cron; cron itself is checked by trying it."""

import re
from collections.abc import Iterable
from datetime import datetime

from croniter import croniter
from croniter.croniter import CroniterError

from engage.authoring.reader import did_you_mean

WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_ENDINGS = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
DATES = {f"{day}{_ENDINGS.get(day, 'th')}": day for day in range(1, 32)}
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DAYS = "sun|mon|tue|wed|thu|fri|sat"
_NAMED = {name: str(number) for number, name in enumerate(_MONTHS.split("|"), 1)}
_NAMED |= {name: str(number) for number, name in enumerate(_DAYS.split("|"))}
EVERY_MONTH_HAS = 28
_EXAMPLES = "'day 09:00', 'weekday 09:00', 'monday and thursday 09:00', '1st 09:00' or 'hour'"


def _field(names: str = "") -> re.Pattern[str]:
    value = f"(?:[0-9]{{1,2}}{'|' if names else ''}{names})"
    item = rf"(?:(?:\*|{value}-{value})(?:/[0-9]{{1,2}})?|{value})"
    return re.compile(rf"{item}(?:,{item})*", re.IGNORECASE)


# Narrower than croniter, which also reads L, W, #, `5/10`, and r: a random value that differs at each reading.
_FIELDS = (_field(), _field(), _field(), _field(_MONTHS), _field(_DAYS))
_TRIAL = datetime(2024, 1, 1)  # noqa: DTZ001  cron is local time, here of no place


def cron_of(every: str) -> str:
    """The five fields of cron for `every`; raises ValueError with `message; hint`."""
    if every == "hour":
        return "0 * * * *"
    days, _, time = every.rpartition(" ")
    clock = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9])", time)
    if not days or clock is None:
        raise ValueError(f"'{every}' names no day and time; write {_EXAMPLES}, with hours from 00 to 23")
    at = f"{int(clock[2])} {int(clock[1])}"
    if days == "day":
        return f"{at} * * *"
    if days == "weekday":
        return f"{at} * * 1-5"
    words = days.replace(" and ", ", ").split(", ")
    if all(word in WEEKDAYS for word in words):
        return f"{at} * * {_numbers(WEEKDAYS.index(word) for word in words)}"
    if all(word in DATES for word in words):
        if max(DATES[word] for word in words) > EVERY_MONTH_HAS:
            raise ValueError(f"not every month has a {words[-1]}; use 1st to 28th")
        return f"{at} {_numbers(DATES[word] for word in words)} * *"
    known = ("day", "weekday", *WEEKDAYS, *DATES)
    stray = next((word for word in words if word not in known), None)
    if stray is None:
        raise ValueError(f"'{days}' mixes kinds of days; write {_EXAMPLES}")
    hint = did_you_mean(stray, known)
    raise ValueError(f"'{stray}' is not a day; {hint if hint.startswith('did') else f'write {_EXAMPLES}'}")


def checked_cron(expression: str) -> str:
    """The expression with single blanks, if it has five plain fields and ever comes due; raises ValueError."""
    fields = expression.split()
    if len(fields) != 5:
        raise ValueError(
            f"cron has five fields, and '{expression}' has {len(fields)}; "
            "write minute, hour, day of month, month and weekday, such as 0 9 * * 1"
        )
    odd = next((field for field, shape in zip(fields, _FIELDS, strict=True) if not shape.fullmatch(field)), None)
    if odd is not None:
        raise ValueError(f"'{odd}' is not a field of cron; use numbers, '*', ',', '-' and '/'")
    for span in re.findall(r"\w+-\w+", expression):
        _check_span(span)
    try:
        # is_valid says yes to `0 0 31 2 *`; only trying tells that it never comes.
        croniter(" ".join(fields), _TRIAL).get_next(datetime)
        croniter(" ".join(fields), _TRIAL).get_prev(datetime)
    except (CroniterError, ValueError, KeyError) as error:
        if "failed to find" in str(error):
            raise ValueError(f"'{expression}' never comes due; no month has that day") from error
        raise ValueError(f"'{expression}' is not cron; write it such as 0 9 * * 1 for mondays at nine") from error
    # Beside another day field, croniter takes a list of all days now for "*" and now for "each of them".
    days, weekdays = croniter.expand(" ".join(fields))[0][2::2]
    for field, named, all_of_them in ((fields[2], days, 31), (fields[4], weekdays, 7)):
        if field != "*" and (named == ["*"] or len(named) == all_of_them):
            raise ValueError(f"'{field}' names every day; write *")
    return " ".join(fields)


def _check_span(span: str) -> None:
    """croniter reads `1-1` as every value there is, and `5-1` as a range around the end."""
    first, last = (_NAMED.get(end.lower(), end) for end in span.split("-"))
    if last == "0" and not span.endswith("0"):
        last = "7"  # mon-sun
    if int(first) >= int(last):
        raise ValueError(f"the range '{span}' does not rise; write a list, such as 5,6,0")


def _numbers(values: Iterable[int]) -> str:
    return ",".join(str(value) for value in sorted(set(values)))
