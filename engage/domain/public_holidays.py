"""Public holidays: in which country a zone lies, and which days the whole of a country has off.

Countries are known by their ISO 3166 code of two letters. Zones are placed by CLDR, holidays are those of the library
`holidays`, which knows regional ones too: they are left out here, because a zone does not tell a region.
"""

from datetime import date
from functools import lru_cache

import holidays
from babel.core import get_global

_NO_COUNTRY = ("ZZ", "001")


@lru_cache(maxsize=1024)
def country_of(zone: str) -> str:
    """The country of an IANA zone; empty where it lies in none, as UTC, or is not known."""
    name = get_global("zone_aliases").get(zone, zone)
    country: str = get_global("zone_territories").get(name, "")
    return "" if country in _NO_COUNTRY else country


def has_calendar(country: str) -> bool:
    """Whether the holidays of this country are known."""
    try:
        holidays.country_holidays(country)
    except NotImplementedError:
        return False
    return True


def is_holiday(country: str, day: date) -> bool:
    """Whether this is a public holiday of the country, or the day off in its place. There are none of no country."""
    return bool(country) and day in _holidays(country, day.year)


@lru_cache(maxsize=1024)
def _holidays(country: str, year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays(country, years=year)) if has_calendar(country) else frozenset()
