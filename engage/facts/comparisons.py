"""Tests of a value as SQL that is true or false, never unknown: a comparison with an unknown value is false."""

from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction
from math import ceil, floor
from typing import Any

import sqlalchemy as sa

from engage.domain.conditions import Comparator, Scalar, Test
from engage.domain.facts import FactType
from engage.facts.binds import Binds
from engage.facts.existence import Clause, Column

_GREATEST = 2**63 - 1
_DAYS_OF_ALL_TIME = 4_000_000  # more than the calendar has


def compare(value: Column, type_: FactType, test: Test, minor_digits: int, binds: Binds) -> Clause:
    """The test of a column that holds its fact; `minor_digits` turns amounts as written into those of the column."""
    if test.comparator is Comparator.EXISTS:
        return value.is_not(None) if test.value else value.is_(None)
    differs = test.comparator is Comparator.IS_NOT
    comparator = Comparator.IS if differs else test.comparator
    operands = test.value if isinstance(test.value, tuple) else (test.value,)
    holds: Clause
    match type_:
        case FactType.TEXT | FactType.BOOLEAN:
            holds = value.in_([sa.literal(_text(operand), sa.Text()) for operand in operands])
        case FactType.NUMBER | FactType.RATIO | FactType.MULTIPLE:
            holds = _as_great(value, comparator, [sa.literal(float(operand), sa.Double()) for operand in operands])
        case FactType.COUNT | FactType.MONEY:
            scale = 10**minor_digits if type_ is FactType.MONEY else 1
            whole = _whole(comparator, [Fraction(operand) * scale for operand in operands])
            holds = _as_great(value, comparator, [_bigint(number) for number in whole])
        case FactType.DAYS_SINCE:
            holds = _as_old(value, comparator, _whole(comparator, [Fraction(operand) for operand in operands]), binds)
    return sa.and_(value.is_not(None), sa.not_(holds) if differs else holds)


def _text(operand: Scalar) -> Scalar:
    return str(operand).lower() if isinstance(operand, bool) else operand


def _whole(comparator: Comparator, operands: Sequence[Fraction]) -> list[int]:
    """Operands that a whole number compares with as it does with these, which may lie between two, as 2.5 does."""
    match comparator:
        case Comparator.AT_LEAST | Comparator.LESS_THAN:
            return [ceil(operands[0])]
        case Comparator.AT_MOST | Comparator.MORE_THAN:
            return [floor(operands[0])]
        case Comparator.BETWEEN:
            return [ceil(operands[0]), floor(operands[1])]
        case _:
            return [int(operand) for operand in operands if operand.denominator == 1]


def _bigint(number: int) -> sa.ColumnElement[Any]:
    return sa.literal(max(-_GREATEST, min(number, _GREATEST)), sa.BigInteger())


def _as_great(value: Column, comparator: Comparator, operands: Sequence[Column]) -> Clause:
    match comparator:
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
            return value.in_(operands)


def _as_old(instant: Column, comparator: Comparator, days: Sequence[int], binds: Binds) -> Clause:
    """The comparison of the whole days that have elapsed since an instant, as bounds of the instant itself."""

    def at_least(number: int) -> Clause:
        bounded = max(-_DAYS_OF_ALL_TIME, min(number, _DAYS_OF_ALL_TIME))
        return instant <= binds.ago(timedelta(days=bounded))

    match comparator:
        case Comparator.AT_LEAST:
            return at_least(days[0])
        case Comparator.AT_MOST:
            return sa.not_(at_least(days[0] + 1))
        case Comparator.MORE_THAN:
            return at_least(days[0] + 1)
        case Comparator.LESS_THAN:
            return sa.not_(at_least(days[0]))
        case Comparator.BETWEEN:
            return sa.and_(at_least(days[0]), sa.not_(at_least(days[1] + 1)))
        case _:
            return sa.or_(sa.false(), *(sa.and_(at_least(day), sa.not_(at_least(day + 1))) for day in days))
