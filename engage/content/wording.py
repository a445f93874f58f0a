"""Dates, amounts and numbers in a recipient's own words: locale, zone and currency, by Babel.

Babel takes some 20 to 60 microseconds for each value, and a newsletter's recipients share most of theirs: what was
formatted once is remembered, up to a bound.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton
from babel.numbers import format_currency, format_decimal, format_percent

DATE_STYLES = ("short", "medium", "long", "full", "day", "month")
_SKELETONS = {"day": "MMMMd", "month": "yMMMM"}
METRIC_WORDS = {"referrals": ("referral", "referrals"), "wins": ("win", "wins")}
_FALLBACK = Locale.parse("en")


@dataclass(frozen=True, slots=True)
class Wording:
    """How one recipient reads values. `minor_digits` is the number of decimals of the program's currency."""

    locale: Locale
    zone: tzinfo
    currency: str
    minor_digits: int

    def date(self, value: date, style: str = "long") -> str:
        """A day in the recipient's zone: `long` is "November 21, 2025", `day` leaves the year out, `month` the day."""
        if isinstance(value, datetime):
            value = value.astimezone(self.zone).date()
        return _date(value, style, self.locale)

    def money(self, minor_units: int) -> str:
        """An amount of the program's currency, without decimals where it is whole: "$12,500"."""
        return _money(minor_units, self.currency, self.minor_digits, self.locale)

    def number(self, value: float | Decimal, digits: int = 0) -> str:
        """A number in groups of thousands, with at most `digits` decimals."""
        return _number(value, digits, self.locale)

    def percent(self, ratio: float | Decimal) -> str:
        """A ratio of 0 to 1 in whole percent."""
        return _percent(ratio, self.locale)

    def plural(self, count: int, one: str, other: str, few: str = "", many: str = "") -> str:
        """The count with the form of the word that the language uses for it: "1 win", "12 wins"."""
        form = _plural_form(count, self.locale)
        word = one if form == "one" else few or other if form == "few" else many or other if form == "many" else other
        return f"{_number(count, 0, self.locale)} {word}"

    def metric(self, value: int, metric: str, words: Callable[[str], str] = str) -> str:
        """A tier's value in words of its metric, each through `words`: "3 wins", "1 referral", or an amount."""
        return self.money(value) if metric == "revenue" else self.plural(value, *map(words, METRIC_WORDS[metric]))


@lru_cache(maxsize=1024)
def wording(locale: str, zone: str, currency: str, minor_digits: int) -> Wording:
    """The wording of a recipient; an unknown locale reads as English, an unknown zone as UTC.

    Both were checked when they were imported; a mail must not fail over what an old row still holds.
    """
    return Wording(_locale(locale), _zone(zone), currency, minor_digits)


def month_name(day: date, locale: str) -> str:
    """The month that a day lies in, with its year: "November 2026"."""
    return _date(day, "month", _locale(locale))


def language_of(locale: str) -> str:
    """The language of a locale: `de` for `de_AT` and `de-AT`."""
    return locale.replace("_", "-").split("-", 1)[0].lower()


def _locale(name: str) -> Locale:
    for candidate in (name.replace("_", "-"), language_of(name)):
        try:
            return Locale.parse(candidate, sep="-")
        except (ValueError, UnknownLocaleError):
            continue
    return _FALLBACK


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


@lru_cache(maxsize=4096)
def _date(day: date, style: str, locale: Locale) -> str:
    if skeleton := _SKELETONS.get(style):
        return format_skeleton(skeleton, datetime(day.year, day.month, day.day, tzinfo=UTC), locale=locale)
    return format_date(day, format=style, locale=locale)


@lru_cache(maxsize=32768)
def _money(minor_units: int, currency: str, minor_digits: int, locale: Locale) -> str:
    amount = Decimal(minor_units).scaleb(-minor_digits)
    digits = 0 if amount == amount.to_integral_value() else minor_digits
    pattern = str(locale.currency_formats["standard"].pattern).replace(".00", "." + "0" * digits if digits else "")
    return format_currency(amount, currency, pattern, locale, currency_digits=False)


@lru_cache(maxsize=16384)
def _number(value: float | Decimal, digits: int, locale: Locale) -> str:
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    return format_decimal(round(exact, digits), locale=locale)


@lru_cache(maxsize=16384)
def _plural_form(count: int, locale: Locale) -> str:
    return locale.plural_form(count)


@lru_cache(maxsize=4096)
def _percent(ratio: float | Decimal, locale: Locale) -> str:
    return format_percent(ratio, locale=locale)
