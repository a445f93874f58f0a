"""Intervals for differences between two groups, and what groups of a size could show. Pure.

Promise: of many intervals of 95 %, some 95 in 100 hold the true difference, for groups of the sizes that reports tell
of (30 and more).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, inf, sqrt
from statistics import NormalDist

LEVEL = 0.95
POWER = 0.8

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference with the bounds between which the true one lies, as far as chance goes."""

    difference: float
    low: float
    high: float

    @property
    def holds_zero(self) -> bool:
        return self.low <= 0 <= self.high


@dataclass(frozen=True, slots=True)
class Sample:
    """What is known of amounts: how many, their mean and their variance (of a sample: by one less than how many)."""

    size: int
    mean: float
    variance: float

    @classmethod
    def of(cls, amounts: Sequence[float]) -> "Sample":
        size = len(amounts)
        mean = fsum(amounts) / size if size else 0.0
        squares = fsum((amount - mean) ** 2 for amount in amounts)
        return cls(size, mean, squares / (size - 1) if size > 1 else 0.0)


def difference_of_proportions(some: int, of: int, others: int, of_others: int, level: float = LEVEL) -> Interval:
    """`some` of `of` against `others` of `of_others`; both groups have at least one member.

    Newcombe's hybrid of two score intervals, without correction for continuity: method 10 of R. G. Newcombe, "Interval
    estimation for the difference between independent proportions: comparison of eleven methods", Statistics in Medicine
    17 (1998), 873-890.
    """
    p, q = some / of, others / of_others
    low, high = score_interval(some, of, level)
    other_low, other_high = score_interval(others, of_others, level)
    difference = p - q
    below = sqrt((p - low) ** 2 + (other_high - q) ** 2)
    above = sqrt((high - p) ** 2 + (q - other_low) ** 2)
    return Interval(difference, difference - below, difference + above)


def score_interval(some: int, of: int, level: float = LEVEL) -> tuple[float, float]:
    """The bounds of one proportion.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American
    Statistical Association 22 (1927), 209-212; method 3 in R. G. Newcombe, "Two-sided confidence intervals for the
    single proportion: comparison of seven methods", Statistics in Medicine 17 (1998), 857-872.
    """
    z = _two_sided(level)
    middle = 2 * some + z * z
    half = z * sqrt(z * z + 4 * some * (1 - some / of))
    scale = 2 * (of + z * z)
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def difference_of_means(one: Sample, other: Sample, level: float = LEVEL) -> Interval:
    """Each sample has at least two members.

    B. L. Welch, "The generalization of Student's problem when several different population variances are involved",
    Biometrika 34 (1947), 28-35, with the degrees of freedom of F. E. Satterthwaite, Biometrics Bulletin 2 (1946),
    110-114.
    """
    a, b = one.variance / one.size, other.variance / other.size
    difference = one.mean - other.mean
    if a + b == 0:
        return Interval(difference, difference, difference)
    freedom = (a + b) ** 2 / (a * a / (one.size - 1) + b * b / (other.size - 1))
    half = _student(level, freedom) * sqrt(a + b)
    return Interval(difference, difference - half, difference + half)


def smallest_difference(one: int, other: int, rate: float) -> float:
    """How much more often than `rate` one group must do a thing for the two to be told apart, as a proportion.

    With a power of 80 % in a two-sided test at 5 %; infinite where not even everybody doing it would be enough. Solved
    for the difference from the usual formula for sizes of samples: J. L. Fleiss, B. Levin and M. C. Paik, "Statistical
    methods for rates and proportions", 3rd edition (2003), section 4.2, without correction for continuity.
    """
    if min(one, other) == 0 or not _detected(one, other, rate, 1 - rate):
        return inf
    low, high = 0.0, 1 - rate
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (low, middle) if _detected(one, other, rate, middle) else (middle, high)
    return high


def smallest_shift(one: int, other: int) -> float:
    """As `smallest_difference`, of means: in standard deviations of what is measured."""
    if min(one, other) == 0:
        return inf
    return (_two_sided(LEVEL) + _NORMAL.inv_cdf(POWER)) * sqrt(1 / one + 1 / other)


def _detected(one: int, other: int, rate: float, difference: float) -> bool:
    more = rate + difference
    both = (one * more + other * rate) / (one + other)
    by_chance = _two_sided(LEVEL) * sqrt(both * (1 - both) * (1 / one + 1 / other))
    by_power = _NORMAL.inv_cdf(POWER) * sqrt(more * (1 - more) / one + rate * (1 - rate) / other)
    return difference >= by_chance + by_power


def _two_sided(level: float) -> float:
    return _NORMAL.inv_cdf((1 + level) / 2)


def _student(level: float, freedom: float) -> float:
    """Student's quantile, by the expansion around the normal one: right to 0.001 from 10 degrees of freedom.

    M. Abramowitz and I. A. Stegun, "Handbook of mathematical functions" (1964), 26.7.5.
    """
    z = _two_sided(level)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    fourth = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160
    return z + first / freedom + second / freedom**2 + third / freedom**3 + fourth / freedom**4
