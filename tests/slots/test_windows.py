"""When mail may go out: on ordinary days, on days when clocks change, over midnight, on holidays, and for nobody."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engage.domain.decisions import Reason
from engage.domain.limits import QuietHours, SendWindow
from engage.domain.public_holidays import country_of, is_holiday
from engage.slots import Hours, Opening, opening
from engage.slots.windows import HORIZON

AUCKLAND, NEW_YORK, LONDON = "Pacific/Auckland", "America/New_York", "Europe/London"
LORD_HOWE, KATHMANDU = "Australia/Lord_Howe", "Asia/Kathmandu"
ZONES = (AUCKLAND, NEW_YORK, LONDON, LORD_HOWE, KATHMANDU)
WEEKDAYS = frozenset(range(5))
OFFICE = SendWindow(time(9), time(17), WEEKDAYS)
NIGHT = QuietHours(time(21), time(8))
MINUTE = timedelta(minutes=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text: str, zone: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def opens(text: str, hours: Hours, fold: int = 0) -> str:
    """When it opens first after a local time, as local time, `at once` or `never`."""
    now = local(text, hours.zone, fold)
    found = opening(now, hours)
    if found.at is None:
        return "never"
    if found.at == now:
        return "at once"
    return f"{found.at.astimezone(ZoneInfo(hours.zone)):%a %Y-%m-%d %H:%M %z}"


def closed_by(text: str, hours: Hours) -> Reason | None:
    return opening(local(text, hours.zone), hours).closed_by


def quiet(begins: str, ends: str) -> QuietHours:
    return QuietHours(time.fromisoformat(begins), time.fromisoformat(ends))


def window(begins: str, ends: str, *days: int, on_holidays: bool = True) -> SendWindow:
    return SendWindow(time.fromisoformat(begins), time.fromisoformat(ends), frozenset(days or range(7)), on_holidays)


# --- ordinary days ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ZONES)
def test_without_any_rule_all_hours_are_open(zone: str) -> None:
    assert opening(utc("2026-06-13T03:17"), Hours(zone)) == Opening(utc("2026-06-13T03:17"), None)


@pytest.mark.parametrize("zone", ZONES)
def test_the_night_is_quiet_where_the_partner_is(zone: str) -> None:
    hours = Hours(zone, quiet=NIGHT)
    offset = f"{local('2026-06-10T08:00', zone).astimezone(ZoneInfo(zone)):%z}"

    assert opens("2026-06-09T20:59:59", hours) == "at once"
    assert opens("2026-06-09T21:00", hours) == f"Wed 2026-06-10 08:00 {offset}"
    assert opens("2026-06-09T23:59", hours) == f"Wed 2026-06-10 08:00 {offset}"
    assert opens("2026-06-10T00:00", hours) == f"Wed 2026-06-10 08:00 {offset}"
    assert opens("2026-06-10T07:59:59", hours) == f"Wed 2026-06-10 08:00 {offset}"
    assert opens("2026-06-10T08:00", hours) == "at once"


@pytest.mark.parametrize("zone", ZONES)
def test_a_weekday_is_a_weekday_there(zone: str) -> None:
    hours = Hours(zone, (OFFICE,))
    offset = f"{local('2026-06-15T09:00', zone).astimezone(ZoneInfo(zone)):%z}"

    assert opens("2026-06-12T16:59:59", hours) == "at once"  # Friday
    assert opens("2026-06-12T17:00", hours) == f"Mon 2026-06-15 09:00 {offset}"
    assert opens("2026-06-13T12:00", hours) == f"Mon 2026-06-15 09:00 {offset}"
    assert opens("2026-06-14T23:59", hours) == f"Mon 2026-06-15 09:00 {offset}"
    assert opens("2026-06-15T09:00", hours) == "at once"


def test_friday_evening_in_new_york_is_saturday_in_auckland() -> None:
    friday_noon_in_new_york = utc("2026-06-12T16:00")

    assert opening(friday_noon_in_new_york, Hours(NEW_YORK, (OFFICE,))).at == friday_noon_in_new_york
    assert opening(friday_noon_in_new_york, Hours(AUCKLAND, (OFFICE,))).at == local("2026-06-15T09:00", AUCKLAND)


def test_sunday_evening_in_new_york_is_monday_in_auckland() -> None:
    sunday_evening_in_new_york = utc("2026-06-14T22:00")  # 10:00 on Monday in Auckland

    assert opening(sunday_evening_in_new_york, Hours(AUCKLAND, (OFFICE,))).closed_by is None
    assert opening(sunday_evening_in_new_york, Hours(NEW_YORK, (OFFICE,))).at == local("2026-06-15T09:00", NEW_YORK)


def test_quiet_hours_that_do_not_cross_midnight() -> None:
    assert opens("2026-06-10T12:30", Hours(LONDON, quiet=quiet("12:00", "13:00"))) == "Wed 2026-06-10 13:00 +0100"
    assert opens("2026-06-10T21:30", Hours(LONDON, quiet=quiet("12:00", "13:00"))) == "at once"


# --- windows over midnight --------------------------------------------------------------------------------------------


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_opened() -> None:
    friday_night = Hours(LONDON, (window("22:00", "02:00", 4),))

    assert opens("2026-06-12T01:30", friday_night) == "Fri 2026-06-12 22:00 +0100"  # the small hours of Friday
    assert opens("2026-06-12T22:00", friday_night) == "at once"
    assert opens("2026-06-13T01:59", friday_night) == "at once"  # Saturday, and still Friday's window
    assert opens("2026-06-13T02:00", friday_night) == "Fri 2026-06-19 22:00 +0100"


def test_a_window_over_midnight_that_opens_on_sunday_reaches_into_monday() -> None:
    assert opens("2026-06-15T00:30", Hours(AUCKLAND, (window("23:00", "01:00", 6),))) == "at once"


def test_a_window_to_midnight_closes_there() -> None:
    evening = Hours(LONDON, (window("20:00", "00:00", 0),))

    assert opens("2026-06-15T23:59:59", evening) == "at once"
    assert opens("2026-06-16T00:00", evening) == "Mon 2026-06-22 20:00 +0100"


def test_a_window_of_whole_days_closes_for_the_other_days_only() -> None:
    weekdays = Hours(LONDON, (window("00:00", "00:00", 0, 1, 2, 3, 4),))

    assert opens("2026-06-12T23:59:59", weekdays) == "at once"
    assert opens("2026-06-13T00:00", weekdays) == "Mon 2026-06-15 00:00 +0100"


# --- days on which clocks change --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "saturday", "first", "second"),
    [
        # forward: the night is shorter
        (NEW_YORK, "2026-03-07", "Sun 2026-03-08 08:00 -0400", 10),
        (LONDON, "2026-03-28", "Sun 2026-03-29 08:00 +0100", 10),
        (AUCKLAND, "2026-09-26", "Sun 2026-09-27 08:00 +1300", 10),
        (LORD_HOWE, "2026-10-03", "Sun 2026-10-04 08:00 +1100", 10.5),
        # back: it is longer
        (NEW_YORK, "2026-10-31", "Sun 2026-11-01 08:00 -0500", 12),
        (LONDON, "2026-10-24", "Sun 2026-10-25 08:00 +0000", 12),
        (AUCKLAND, "2026-04-04", "Sun 2026-04-05 08:00 +1200", 12),
        (LORD_HOWE, "2026-04-04", "Sun 2026-04-05 08:00 +1030", 11.5),
        # and where clocks never change it is as long as ever
        (KATHMANDU, "2026-03-28", "Sun 2026-03-29 08:00 +0545", 11),
    ],
)
def test_the_morning_after_clocks_change_begins_at_its_own_eight(
    zone: str, saturday: str, first: str, second: float
) -> None:
    hours = Hours(zone, quiet=NIGHT)
    evening = local(f"{saturday}T21:00", zone)

    assert opens(f"{saturday}T21:00", hours) == first
    assert opening(evening, hours).at == evening + timedelta(hours=second)


def test_tomorrow_at_nine_is_not_24_hours_later() -> None:
    nine_to_ten = Hours(LONDON, (window("09:00", "10:00"),))
    just_missed = local("2026-10-24T10:00", LONDON)

    found = opening(just_missed, nine_to_ten).at

    assert found == local("2026-10-25T09:00", LONDON)
    assert found - just_missed == timedelta(hours=24)  # 23 on the wall, and the one that came twice


def test_quiet_hours_that_end_in_the_skipped_hour_end_when_clocks_are_put_forward() -> None:
    hours = Hours(NEW_YORK, quiet=quiet("22:00", "02:30"))

    assert opens("2026-03-08T01:59", hours) == "Sun 2026-03-08 03:00 -0400"
    assert opens("2026-03-08T03:00", hours) == "at once"


def test_quiet_hours_that_end_in_the_repeated_hour_end_the_first_time() -> None:
    hours = Hours(NEW_YORK, quiet=quiet("22:00", "01:30"))

    assert opens("2026-11-01T01:29", hours) == "Sun 2026-11-01 01:30 -0400"
    assert opens("2026-11-01T01:15", hours, fold=1) == "at once"  # clocks show 01:15 again; it has been 01:30


def test_a_window_that_opens_in_the_repeated_hour_opens_once_and_stays_open() -> None:
    hours = Hours(NEW_YORK, (window("01:30", "03:00"),))

    assert opens("2026-11-01T01:15", hours) == "Sun 2026-11-01 01:30 -0400"
    assert opens("2026-11-01T01:15", hours, fold=1) == "at once"
    assert opens("2026-11-01T02:59", hours) == "at once"


def test_a_window_within_the_skipped_hour_does_not_open_that_day() -> None:
    hours = Hours(LORD_HOWE, (window("02:05", "02:25"),))  # clocks go from 02:00 to 02:30

    assert opens("2026-10-04T01:00", hours) == "Mon 2026-10-05 02:05 +1100"


def test_a_window_within_the_repeated_half_hour_opens_once() -> None:
    hours = Hours(LORD_HOWE, (window("01:35", "01:55"),))

    assert opens("2026-04-05T01:34", hours) == "Sun 2026-04-05 01:35 +1100"
    assert opens("2026-04-05T01:40", hours, fold=1) == "Mon 2026-04-06 01:35 +1030"


# --- all of them at once ----------------------------------------------------------------------------------------------


def test_the_first_instant_that_all_rules_allow() -> None:
    hours = Hours(NEW_YORK, (OFFICE, window("07:00", "11:00", 1, 3)), quiet("16:00", "10:00"))

    assert opens("2026-06-12T12:00", hours) == "Tue 2026-06-16 10:00 -0400"
    assert opens("2026-06-16T10:30", hours) == "at once"
    assert opens("2026-06-16T11:00", hours) == "Thu 2026-06-18 10:00 -0400"


def test_it_says_which_rule_forbids_the_instant_asked_about() -> None:
    hours = Hours(NEW_YORK, (replace(OFFICE, on_holidays=False),), NIGHT, country="US")

    assert closed_by("2026-11-25T12:00", hours) is None
    assert closed_by("2026-11-25T18:00", hours) is Reason.OUTSIDE_SEND_WINDOW
    assert closed_by("2026-11-25T21:00", hours) is Reason.QUIET_HOURS
    assert closed_by("2026-11-26T12:00", hours) is Reason.HOLIDAY  # Thanksgiving
    assert closed_by("2026-11-28T12:00", hours) is Reason.OUTSIDE_SEND_WINDOW


def test_what_never_opens_is_said_and_not_looked_for_without_end() -> None:
    never = Hours(NEW_YORK, (OFFICE,), quiet("08:00", "22:00"))

    assert opening(utc("2026-06-12T16:00"), never) == Opening(None, Reason.QUIET_HOURS)
    assert opens("2026-06-12T12:00", Hours(NEW_YORK, (window("09:00", "17:00"), window("18:00", "20:00")))) == "never"
    assert opens("2026-06-12T12:00", Hours(NEW_YORK, (SendWindow(time(9), time(17), frozenset()),))) == "never"
    assert opens("2026-06-12T12:00", Hours(NEW_YORK, quiet=quiet("09:00", "09:00"))) == "never"


# --- holidays ---------------------------------------------------------------------------------------------------------


def test_a_program_without_mail_on_holidays_is_closed_from_midnight_to_midnight() -> None:
    hours = Hours(NEW_YORK, holidays=True, country="US")

    assert opens("2026-11-25T23:59:59", hours) == "at once"
    assert opens("2026-11-26T00:00", hours) == "Fri 2026-11-27 00:00 -0500"
    assert opens("2026-11-27T00:00", hours) == "at once"


def test_a_holiday_ends_with_the_next_working_day() -> None:
    hours = Hours(LONDON, (OFFICE,), holidays=True, country="GB")

    # Good Friday, the weekend; Easter Monday is no holiday of the whole country, for Scotland works on it
    assert opens("2026-04-02T17:00", hours) == "Mon 2026-04-06 09:00 +0100"


def test_the_day_off_in_place_of_a_holiday_is_one() -> None:
    new_year = Hours(NEW_YORK, (OFFICE,), holidays=True, country="US")

    assert opens("2026-07-02T17:00", new_year) == "Mon 2026-07-06 09:00 -0400"  # the 4th of July is a Saturday
    assert opens("2027-12-31T12:00", new_year) == "Mon 2028-01-03 09:00 -0500"  # New Year is one: it is had off before


def test_holidays_are_those_of_the_day_on_which_a_window_over_midnight_opened() -> None:
    hours = Hours(LONDON, (window("22:00", "02:00", on_holidays=False),), country="GB")

    assert opens("2026-12-25T01:00", hours) == "at once"  # the window of Christmas Eve
    assert opens("2026-12-25T22:00", hours) == "Sun 2026-12-27 22:00 +0000"
    assert opens("2026-12-27T01:00", hours) == "Sun 2026-12-27 22:00 +0000"  # that of Boxing Day did not open


def test_without_a_country_there_are_no_holidays() -> None:
    assert opens("2026-12-25T12:00", Hours("UTC", holidays=True)) == "at once"


@pytest.mark.parametrize(
    ("zone", "country"),
    [
        (AUCKLAND, "NZ"),
        (NEW_YORK, "US"),
        (LONDON, "GB"),
        (LORD_HOWE, "AU"),
        (KATHMANDU, "NP"),
        ("Asia/Katmandu", "NP"),
        ("US/Eastern", "US"),
        ("UTC", ""),
        ("Etc/GMT+3", ""),
        ("", ""),
    ],
)
def test_the_country_of_a_zone(zone: str, country: str) -> None:
    assert country_of(zone) == country


def test_holidays_of_each_country_are_its_own() -> None:
    waitangi, diwali = date(2026, 2, 6), date(2026, 11, 8)

    assert [c for c in ("NZ", "AU", "US", "GB", "NP") if is_holiday(c, waitangi)] == ["NZ"]
    assert [c for c in ("NZ", "AU", "US", "GB", "NP") if is_holiday(c, diwali)] == ["NP"]
    assert not is_holiday("", waitangi)
    assert not is_holiday("XX", waitangi)


# --- against counting every minute ------------------------------------------------------------------------------------
#
# A clock is walked from minute to minute. A stretch of a day begins when the clock shows its beginning, or something
# later, for the first time; and so it ends. `engage.slots.windows` and `instant_of` have no part in it.


class Clock:
    """The minutes of a zone in order, with what has been shown by then: the greatest local time so far."""

    def __init__(self, zone: str, start: datetime, minutes: int) -> None:
        self.minutes = [start + ahead * MINUTE for ahead in range(minutes)]
        self.reached: list[datetime] = []
        greatest = datetime.min  # noqa: DTZ901
        for minute in self.minutes:
            greatest = max(greatest, minute.astimezone(ZoneInfo(zone)).replace(tzinfo=None))
            self.reached.append(greatest)

    def within(self, begins: time, ends: time, days: Iterable[date]) -> set[datetime]:
        """The minutes of the stretches of these days."""
        found: set[datetime] = set()
        for day in days:
            first = datetime.combine(day, begins)
            last = datetime.combine(day, ends)
            if ends <= begins:
                last += timedelta(days=1)
            found |= {m for m, shown in zip(self.minutes, self.reached, strict=True) if first <= shown < last}
        return found


def days_around(clock: Clock) -> list[date]:
    first, last = clock.reached[0].date() - timedelta(days=1), clock.reached[-1].date()
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def allowed(hours: Hours, clock: Clock) -> list[datetime]:
    """The minutes that all rules allow."""
    days = days_around(clock)
    found = set(clock.minutes)
    if hours.quiet:
        found -= clock.within(hours.quiet.begins, hours.quiet.ends, days)
    for one in hours.windows:
        on = [d for d in days if d.weekday() in one.days and (one.on_holidays or d not in HOLIDAYS[hours.country])]
        found &= clock.within(one.opens, one.closes, on)
    if hours.holidays:
        found -= clock.within(time(), time(), [d for d in days if d in HOLIDAYS[hours.country]])
    return sorted(found)


# Around each change of clocks in 2026, as published by the authorities of each country, and two other weeks.
AROUND = {
    AUCKLAND: (date(2026, 4, 5), date(2026, 9, 27), date(2026, 4, 25)),
    NEW_YORK: (date(2026, 3, 8), date(2026, 11, 1), date(2026, 7, 3)),
    LONDON: (date(2026, 3, 29), date(2026, 10, 25), date(2026, 12, 26)),
    LORD_HOWE: (date(2026, 4, 5), date(2026, 10, 4), date(2026, 12, 31)),
    KATHMANDU: (date(2026, 3, 29), date(2026, 10, 18), date(2026, 12, 31)),
}
COUNTRIES = {AUCKLAND: "NZ", NEW_YORK: "US", LONDON: "GB", LORD_HOWE: "AU", KATHMANDU: "NP"}
HOLIDAYS = {
    "NZ": {date(2026, 4, 3), date(2026, 4, 6), date(2026, 4, 25), date(2026, 4, 27)},
    "US": {date(2026, 7, 3), date(2026, 7, 4)},
    "GB": {date(2026, 4, 3), date(2026, 12, 25), date(2026, 12, 26), date(2026, 12, 28), date(2027, 1, 1)},
    "AU": {date(2026, 4, 3), date(2026, 4, 6), date(2026, 12, 25), date(2026, 12, 26), date(2027, 1, 1)},
    "NP": {*(date(2026, 10, day) for day in (18, 19, 20, 21, 22)), date(2026, 3, 27), date(2026, 12, 30)},
    "": set[date](),
}  # those of the days that the walks come to

times_of_day = st.builds(time, st.sampled_from((0, 1, 2, 3, 8, 9, 12, 17, 21, 22, 23)), st.sampled_from((0, 1, 15, 30)))
quiets = st.builds(QuietHours, times_of_day, times_of_day).filter(lambda q: q.begins != q.ends)
windows = st.builds(
    SendWindow,
    times_of_day,
    times_of_day,
    st.frozensets(st.integers(0, 6), min_size=1) | st.just(WEEKDAYS),
    st.booleans(),
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[datetime, Hours]:
    zone = draw(st.sampled_from(ZONES))
    hours = Hours(
        zone,
        tuple(draw(st.lists(windows, max_size=2))),
        draw(st.none() | quiets),
        draw(st.booleans()),
        draw(st.sampled_from((COUNTRIES[zone], ""))),
    )
    noon = datetime.combine(draw(st.sampled_from(AROUND[zone])), time(12), UTC)
    return noon + draw(st.integers(-48 * 60, 24 * 60)) * MINUTE, hours


@settings(max_examples=100, deadline=None)
@given(cases())
def test_it_opens_when_counting_every_minute_says_so(case: tuple[datetime, Hours]) -> None:
    now, hours = case
    # clocks have been walked for a day before, so that what an hour told twice has shown already is known
    clock = Clock(hours.zone, now - timedelta(days=1), 6 * 24 * 60)
    counted = next((minute for minute in allowed(hours, clock) if minute >= now), None)

    found = opening(now, hours)

    if counted is not None:
        assert found.at == counted
        assert (found.closed_by is None) == (counted == now)
    else:
        assert found.at is None or found.at > clock.minutes[-1]
        assert found.closed_by is not None


@settings(max_examples=100, deadline=None)
@given(cases(), st.integers(1, 59_999_999))
def test_what_is_open_is_open_at_once_and_nothing_opens_before_it(
    case: tuple[datetime, Hours], microseconds: int
) -> None:
    now, hours = case
    now += timedelta(microseconds=microseconds)

    found = opening(now, hours)

    if found.at is None:
        assert opening(now + timedelta(days=30), hours).at is None or hours.holidays
        return
    assert now <= found.at < now + HORIZON
    assert opening(found.at, hours) == Opening(found.at, None)
    between = now + (found.at - now) / 2
    assert opening(between, hours).at == found.at
