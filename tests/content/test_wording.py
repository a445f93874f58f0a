"""Values read as the recipient would write them."""

from datetime import UTC, datetime

import pytest

from engage.content.wording import wording

NIGHT = datetime(2025, 11, 21, 3, tzinfo=UTC)


def test_dates_are_in_the_recipients_zone_and_language() -> None:
    assert wording("en_US", "America/New_York", "USD", 2).date(NIGHT) == "November 20, 2025"
    assert wording("de", "Europe/Berlin", "EUR", 2).date(NIGHT) == "21. November 2025"
    english = wording("en", "UTC", "USD", 2)
    assert english.date(NIGHT, "day") == "November 21"
    assert english.date(NIGHT, "month") == "November 2025"


@pytest.mark.parametrize(
    ("locale", "currency", "digits", "minor", "shown"),
    [
        ("en", "USD", 2, 1_250_000, "$12,500"),
        ("en", "USD", 2, 1_250_050, "$12,500.50"),
        ("en", "USD", 2, -5, "-$0.05"),
        ("de", "EUR", 2, 1_250_000, "12.500\xa0€"),
        ("de", "EUR", 2, 1_250_099, "12.500,99\xa0€"),
        ("en", "JPY", 0, 1_250, "¥1,250"),
        ("en", "KWD", 3, 1_250, "KWD1.250"),
    ],
)
def test_money_is_whole_where_it_can_be(locale: str, currency: str, digits: int, minor: int, shown: str) -> None:
    assert wording(locale, "UTC", currency, digits).money(minor).replace("KWD\xa0", "KWD") == shown


def test_words_agree_with_their_number() -> None:
    english, polish = wording("en", "UTC", "USD", 2), wording("pl", "UTC", "PLN", 2)
    assert [english.plural(count, "win", "wins") for count in (0, 1, 1200)] == ["0 wins", "1 win", "1,200 wins"]
    forms = [polish.plural(count, "plik", "pliku", "pliki", "plików") for count in (1, 3, 5)]
    assert forms == ["1 plik", "3 pliki", "5 plików"]


def test_a_tiers_metric_reads_as_what_it_counts() -> None:
    english = wording("en", "UTC", "USD", 2)
    assert english.metric(1, "referrals") == "1 referral"
    assert english.metric(250_000, "revenue") == "$2,500"


def test_numbers_and_ratios() -> None:
    english = wording("en", "UTC", "USD", 2)
    assert (english.number(1234567), english.number(2.345, 1), english.percent(0.4166)) == ("1,234,567", "2.3", "42%")


def test_an_unknown_locale_or_zone_never_stops_a_mail() -> None:
    assert wording("xx_YY", "Mars/Olympus", "USD", 2).date(NIGHT) == "November 21, 2025"
