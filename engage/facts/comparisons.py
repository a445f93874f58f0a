"""Tests of a value as SQL that is true or false, never unknown: a comparison with an unknown value is false."""

from datetime import timedelta
from fractions import Fraction
from math import ceil, floor

import sqlalchemy as sa

from engage.domain.conditions import Comparator, Scalar, Test
from engage.domain.facts import FactType
from engage.facts.binds import Binds
from engage.facts.sources import Clause, Column

_GREATEST = 2**63 - 1
_DAYS_OF_ALL_TIME = 4_000_000  # more than the calendar has

Range = tuple[int | None, int | None]
"""Whole numbers from (included) to (included); None: without end."""


def compare(value: Column, type_: FactType, test: Test, minor_digits: int, binds: Binds) -> Clause:
    """The test of a column that holds its fact; `minor_digits` turns amounts as written into those of the column."""
    match test.comparator:
        case Comparator.EXISTS:
            return value.is_not(None) if test.value else value.is_(None)
        case Comparator.IS_NOT:
            holds = sa.not_(_holds(value, type_, Comparator.IS, test.value, minor_digits, binds))
        case comparator:
            holds = _holds(value, type_, comparator, test.value, minor_digits, binds)
    return sa.and_(value.is_not(None), holds)


def _holds(
    value: Column,
    type_: FactType,
    comparator: Comparator,
    operand: Scalar | tuple[Scalar, ...],
    minor_digits: int,
    binds: Binds,
) -> Clause:
    operands = operand if isinstance(operand, tuple) else (operand,)
    match type_:
        case FactType.TEXT | FactType.BOOLEAN:
            return sa.or_(sa.false(), *(value == _text(one) for one in operands))
        case FactType.NUMBER | FactType.RATIO:
            return _holds_real(value, comparator, [sa.literal(float(one), sa.Double()) for one in operands])
        case FactType.COUNT | FactType.MONEY:
            scale = 10**minor_digits if type_ is FactType.MONEY else 1
            ranges = _ranges(comparator, [Fraction(one) * scale for one in operands])
            return sa.or_(sa.false(), *(_in_range(value, range_) for range_ in ranges))
        case FactType.DAYS_SINCE:
            ranges = _ranges(comparator, [Fraction(one) for one in operands])
            return sa.or_(sa.false(), *(_as_old(value, range_, binds) for range_ in ranges))


def _text(operand: Scalar) -> sa.ColumnElement[str]:
    text = {True: "true", False: "false"}[operand] if isinstance(operand, bool) else operand
    return sa.literal(text, sa.Text())


def _holds_real(value: Column, comparator: Comparator, operands: list[Column]) -> Clause:
    match comparator:
        case Comparator.IS:
            return value == operands[0]
        case Comparator.IN:
            return sa.or_(sa.false(), *(value == operand for operand in operands))
        case Comparator.AT_LEAST:
            return value >= operands[0]
        case Comparator.AT_MOST:
            return value <= operands[0]
        case Comparator.MORE_THAN:
            return value > operands[0]
        case Comparator.LESS_THAN:
            return value < operands[0]
        case Comparator.BETWEEN:
            return sa.and_(value >= operands[0], value <= operands[1])
        case _:
            raise AssertionError(comparator)


def _ranges(comparator: Comparator, exact: list[Fraction]) -> list[Range]:
    """The whole numbers for which the comparison holds, whatever they are compared with, 2.5 included."""
    match comparator:
        case Comparator.IS | Comparator.IN:
            return [(int(number), int(number)) for number in exact if number.denominator == 1]
        case Comparator.AT_LEAST:
            return [(ceil(exact[0]), None)]
        case Comparator.AT_MOST:
            return [(None, floor(exact[0]))]
        case Comparator.MORE_THAN:
            return [(floor(exact[0]) + 1, None)]
        case Comparator.LESS_THAN:
            return [(None, ceil(exact[0]) - 1)]
        case Comparator.BETWEEN:
            return [(ceil(exact[0]), floor(exact[1]))]
        case _:
            raise AssertionError(comparator)


def _in_range(value: Column, range_: Range) -> Clause:
    low, high = (None if bound is None else max(-_GREATEST, min(bound, _GREATEST)) for bound in range_)
    if low == high:
        return value == sa.literal(low, sa.BigInteger())
    clauses = [] if low is None else [value >= sa.literal(low, sa.BigInteger())]
    return sa.and_(sa.true(), *clauses, *([] if high is None else [value <= sa.literal(high, sa.BigInteger())]))


def _as_old(instant: Column, days: Range, binds: Binds) -> Clause:
    """That the elapsed whole days since an instant are in the range, as bounds of the instant itself."""
    low, high = days
    clauses: list[Clause] = []
    if low is not None:
        clauses.append(instant <= binds.ago(_days(low)))
    if high is not None:
        clauses.append(instant > binds.ago(_days(high + 1)))
    return sa.and_(sa.true(), *clauses)


def _days(number: int) -> timedelta:
    return timedelta(days=max(-_DAYS_OF_ALL_TIME, min(number, _DAYS_OF_ALL_TIME)))
