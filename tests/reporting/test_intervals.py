"""Intervals against published numbers, and against what they promise: counted over all outcomes, or simulated."""

import random
from math import comb, inf, sqrt

import pytest

from engage.reporting.intervals import (
    Sample,
    difference_of_means,
    difference_of_proportions,
    score_interval,
    smallest_difference,
    smallest_shift,
)

NEWCOMBE = [
    ((56, 70, 48, 80), (0.0524, 0.3339)),
    ((9, 10, 3, 10), (0.1705, 0.8090)),
    ((6, 7, 2, 7), (0.0582, 0.8062)),
    ((5, 56, 0, 29), (-0.0381, 0.1926)),
    ((0, 10, 0, 20), (-0.1611, 0.2775)),
    ((0, 10, 0, 10), (-0.2775, 0.2775)),
    ((10, 10, 0, 20), (0.6791, 1.0000)),
    ((10, 10, 0, 10), (0.6075, 1.0000)),
]
"""The examples of method 10 in table II of Newcombe's comparison of eleven methods (1998)."""


@pytest.mark.parametrize(("counts", "bounds"), NEWCOMBE)
def test_the_interval_of_a_difference_is_as_newcombe_published_it(
    counts: tuple[int, int, int, int], bounds: tuple[float, float]
) -> None:
    found = difference_of_proportions(*counts)
    assert (round(found.low, 4), round(found.high, 4)) == bounds


def test_the_score_interval_is_as_newcombe_published_it() -> None:
    """Table I of his comparison of seven methods (1998): 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    found = [tuple(round(bound, 4) for bound in score_interval(*counts)) for counts in ((81, 263), (15, 148), (0, 20))]
    assert found == [(0.2553, 0.3662), (0.0624, 0.1605), (0.0, 0.1611)]
    assert tuple(round(bound, 4) for bound in score_interval(1, 29)) == (0.0061, 0.1718)


@pytest.mark.parametrize(
    ("sizes", "rates"),
    [((60, 60), (0.3, 0.3)), ((150, 30), (0.1, 0.2)), ((120, 40), (0.5, 0.45)), ((200, 35), (0.05, 0.02))],
)
def test_19_of_20_intervals_hold_the_true_difference(sizes: tuple[int, int], rates: tuple[float, float]) -> None:
    """Counted over every outcome that the two groups can have, each as likely as it is."""

    def likely(some: int, of: int, rate: float) -> float:
        return comb(of, some) * rate**some * (1 - rate) ** (of - some)

    (one, other), (p, q) = sizes, rates
    held = 0.0
    for some in range(one + 1):
        for others in range(other + 1):
            found = difference_of_proportions(some, one, others, other)
            if found.low <= p - q <= found.high:
                held += likely(some, one, p) * likely(others, other, q)
    assert 0.935 <= held <= 0.985


def test_the_interval_of_means_is_student_s_as_it_is_tabled() -> None:
    """Of two samples of one size and variance the degrees of freedom are 2n - 2; t at 0.975 as every table has it."""
    for size, t in ((16, 2.042), (31, 2.000), (61, 1.980), (6, 2.228)):
        found = difference_of_means(Sample(size, 3.0, 4.0), Sample(size, 1.0, 4.0))
        half = (found.high - found.low) / 2
        assert round(half / sqrt(8 / size), 3) == t
        assert found.difference == 2.0


def test_the_interval_of_means_agrees_with_welch_s_own_test() -> None:
    """Samples whose two-sided p is known (0.021): an interval of the level 1 - p just touches zero."""
    one = (27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4)
    other = (27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 20.5, 24.4)
    samples = Sample.of(one), Sample.of(other)
    assert [(round(found.mean, 1), round(found.variance, 1)) for found in samples] == [(20.8, 7.9), (23.0, 3.8)]
    touching = difference_of_means(*samples, level=1 - 0.0214)
    assert abs(touching.high) < 0.01
    assert not difference_of_means(*samples).holds_zero


def test_19_of_20_intervals_hold_the_true_difference_of_revenue() -> None:
    """Most partners bring nothing and few bring much, as it is: simulated with a fixed seed."""
    dice = random.Random(8)

    def revenue(many: int, rate: float) -> Sample:
        return Sample.of([dice.lognormvariate(8, 0.6) if dice.random() < rate else 0.0 for _ in range(many)])

    mean = 2.718281828459045 ** (8 + 0.6**2 / 2)
    true, trials = (0.3 - 0.2) * mean, 1500
    intervals = [difference_of_means(revenue(300, 0.3), revenue(100, 0.2)) for _ in range(trials)]
    assert 0.93 <= sum(found.low <= true <= found.high for found in intervals) / trials <= 0.97


def test_amounts_that_are_all_the_same_leave_no_doubt() -> None:
    found = difference_of_means(Sample.of([5.0] * 40), Sample.of([3.0] * 40))
    assert (found.low, found.difference, found.high) == (2.0, 2.0, 2.0)


@pytest.mark.parametrize(("size", "rate", "difference"), [(388, 0.5, 0.1), (686, 0.1, 0.05), (292, 0.2, 0.1)])
def test_the_smallest_difference_is_the_one_for_which_books_ask_for_so_many(
    size: int, rate: float, difference: float
) -> None:
    """The usual sizes of samples for 80 % power in a two-sided test at 5 %."""
    assert abs(smallest_difference(size, size, rate) - difference) < 0.0005


def test_a_difference_of_the_smallest_size_is_found_in_four_of_five_trials() -> None:
    dice = random.Random(5)
    one, other, rate, trials = 900, 100, 0.2, 2000
    more = rate + smallest_difference(one, other, rate)
    found = 0
    for _ in range(trials):
        some, others = (sum(dice.random() < p for _ in range(n)) for n, p in ((one, more), (other, rate)))
        both = (some + others) / (one + other)
        error = sqrt(both * (1 - both) * (1 / one + 1 / other))
        found += (some / one - others / other) / error > 1.959964
    assert 0.76 <= found / trials <= 0.84


def test_groups_may_be_too_small_to_show_anything() -> None:
    assert smallest_difference(5, 1, 0.5) == inf
    assert smallest_difference(0, 10, 0.1) == inf
    assert smallest_shift(10, 0) == inf
    assert round(smallest_shift(63, 63), 1) == 0.5  # the books' size of samples for half a standard deviation
