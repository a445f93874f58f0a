"""Conditions compiled: one parameterised, set-based statement for each, whatever the instant and the ids.

Building a statement takes milliseconds; so each is built once and kept, and takes binds for all that changes.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from engage.domain.conditions import All, AnyOf, Comparator, Condition, FactRef, Not, Test, tests_of
from engage.domain.facts import FactType, Subject
from engage.domain.programs import Program, Tiers
from engage.facts.binds import Binds
from engage.facts.comparisons import compare
from engage.facts.existence import Clause, Column
from engage.facts.meanings import column_of
from engage.facts.sources import Sources

_ACTIVE = Test(FactRef("status"), Comparator.IS, "active")
_SOMEBODY = Test(FactRef("partners"), Comparator.AT_LEAST, 1)


@dataclass(frozen=True, slots=True)
class Scope:
    """The program whose partners are asked about, and the id of its row."""

    program: Program
    program_id: int


@dataclass(frozen=True, slots=True)
class Statement:
    """A Select and what fills its binds. Columns: partner_id, subject_id, then those asked for, in order."""

    select: sa.Select[Any]
    binds: Binds

    def parameters(self, scope: Scope, now: datetime, ids: Collection[int] | None) -> dict[str, Any]:
        parameters = self.binds.at(scope.program, now)
        parameters["program_id"] = scope.program_id
        if ids is not None:
            parameters["ids"] = list(ids)
        return parameters


def effective(subject: Subject, where: Condition | None) -> Condition:
    """The condition that is asked in the end: campaigns see active partners unless they ask for others.

    So with companies: those with an active partner, unless it is asked how many. Staff are seen all.
    """
    asked = All(()) if where is None else where
    if subject is Subject.STAFF:
        return asked
    rule = _SOMEBODY if subject is Subject.COMPANY else _ACTIVE
    if any(test.ref.fact == rule.ref.fact for test in tests_of(where)):
        return asked
    return rule if where is None else All((rule, where))


def statement(
    program: Program,
    subject: Subject,
    *,
    where: Condition | None = None,
    refs: Sequence[FactRef] = (),
    nodes: Sequence[Condition] = (),
    by_ids: bool,
) -> Statement:
    """Subjects that meet `where` (None: all that exist), with the value of each of `refs` and the truth of `nodes`."""
    told = _Told(program.tiers, program.minor_digits, tuple(program.attributes.items()), program)
    return _statement(told, subject, where, tuple(refs), tuple(nodes), by_ids)


@dataclass(frozen=True, slots=True)
class _Told:
    """What a statement takes from the program when it is built; programs alike in this share their statements."""

    tiers: Tiers | None
    minor_digits: int
    attributes: tuple[tuple[str, FactType], ...]
    program: Program = field(compare=False)


@lru_cache(maxsize=2048)
def _statement(
    told: _Told,
    subject: Subject,
    where: Condition | None,
    refs: tuple[FactRef, ...],
    nodes: tuple[Condition, ...],
    by_ids: bool,
) -> Statement:
    sources = Sources(subject, by_ids)
    asked = dict.fromkeys([*refs, *(test.ref for part in (where, *nodes) for test in tests_of(part))])
    columns = {ref: column_of(sources, told.program, ref).label(f"value_{n}") for n, ref in enumerate(asked)}
    # OFFSET 0 keeps planners from taking the tests into the joins: their guesses of how many rows pass, multiplied, end
    # in loops over all pairs; and a value would be computed again for each mention of it.
    facts = (
        sources.select(*columns.values(), placed=_asks_for_a_place(where))
        .offset(sa.literal_column("0"))
        .subquery("facts")
    )
    found = {ref: facts.c[label.name] for ref, label in columns.items()}

    def clause(condition: Condition) -> Clause:
        return _clause(condition, lambda test: _test(test, found[test.ref], told.program, sources.binds))

    truths = [clause(node).label(f"node_{n}") for n, node in enumerate(nodes)]
    select = sa.select(facts.c.partner_id, facts.c.subject_id, *(found[ref] for ref in refs), *truths)
    if where is not None:
        select = select.where(clause(where))
    return Statement(select.order_by(facts.c.partner_id, facts.c.subject_id), sources.binds)


def _asks_for_a_place(where: Condition | None) -> bool:
    """Whether nobody meets it whose rank is unknown: then all others need not be read."""
    match where:
        case All(parts):
            return any(map(_asks_for_a_place, parts))
        case Test(ref, comparator):
            return ref.fact == "rank" and comparator is not Comparator.EXISTS
        case _:
            return False


def _test(test: Test, value: Column, program: Program, binds: Binds) -> Clause:
    return compare(value, program.type_of(test.ref), test, program.minor_digits, binds)


def _clause(condition: Condition, clause_of: Callable[[Test], Clause]) -> Clause:
    match condition:
        case All(parts):
            return sa.and_(sa.true(), *(_clause(part, clause_of) for part in parts))
        case AnyOf(parts):
            return sa.or_(sa.false(), *(_clause(part, clause_of) for part in parts))
        case Not(part):
            return sa.not_(_clause(part, clause_of))
        case Test():
            return clause_of(condition)
