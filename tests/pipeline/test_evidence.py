"""What an alert counted reads as a salesperson would say it."""

from datetime import timedelta

import pytest

from engage.domain.conditions import FactRef
from engage.domain.windows import Window, WindowKind
from engage.pipeline.coach import evidence_label, evidence_value
from tests.facts.worlds import PROGRAMS

MONTH = Window(WindowKind.LAST, timedelta(days=30))
BY_REVENUE = next(one for one in PROGRAMS if one.tiers is not None and one.tiers.metric == "revenue")


@pytest.mark.parametrize(
    ("ref", "value", "label", "shown"),
    [
        (FactRef("growth", MONTH, by="wins"), 2.4999, "Growth in wins, last 30 days", "2.5 times"),
        (FactRef("tier_pace"), 0.0, "Tier pace", "0 times"),
        (FactRef("rank", MONTH, by="revenue"), 1, "Rank in revenue, last 30 days", "1"),
        (FactRef("win_rate", MONTH), 0.25, "Win rate, last 30 days", "25%"),
        (FactRef("attribute", name="size"), 12, "Size", "12"),
        (FactRef("to_keep_tier"), None, "To keep tier", "unknown"),
    ],
)
def test_a_fact_is_read_in_words(ref: FactRef, value: object, label: str, shown: str) -> None:
    assert (evidence_label(ref), evidence_value(BY_REVENUE, ref, value)) == (label, shown)


def test_what_is_missing_to_a_tier_is_money_where_the_tiers_count_revenue() -> None:
    minor = 1234 * 10**BY_REVENUE.minor_digits
    assert evidence_value(BY_REVENUE, FactRef("to_next_tier"), minor).startswith("€1,234")
