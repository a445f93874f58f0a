"""Conditions compiled: one parameterised, set-based statement for each, whatever the instant and the ids.

Building a statement takes milliseconds; so each is built once and kept, and takes binds for all that changes.
"""

from collections.abc import Collection, Sequence
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
from engage.facts.meanings import column_of
from engage.facts.sources import Clause, Sources

_ACTIVE = Test(FactRef("status"), Comparator.IS, "active")


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


def effective(where: Condition | None) -> Condition:
    """The condition that is asked in the end: campaigns see active partners unless they ask for others."""
    if where is None:
        return _ACTIVE
    return where if any(test.ref.fact == "status" for test in tests_of(where)) else All((_ACTIVE, where))


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
    columns = [column_of(sources, told.program, ref).label(f"value_{n}") for n, ref in enumerate(refs)]
    columns += [_clause(node, sources, told.program).label(f"node_{n}") for n, node in enumerate(nodes)]
    met = None if where is None else _clause(where, sources, told.program)
    select = sources.select(*columns)
    return Statement(select if met is None else select.where(met), sources.binds)


def _clause(condition: Condition, sources: Sources, program: Program) -> Clause:
    match condition:
        case All(parts):
            return sa.and_(sa.true(), *(_clause(part, sources, program) for part in parts))
        case AnyOf(parts):
            return sa.or_(sa.false(), *(_clause(part, sources, program) for part in parts))
        case Not(part):
            return sa.not_(_clause(part, sources, program))
        case Test(ref):
            value = column_of(sources, program, ref)
            return compare(value, program.type_of(ref), condition, program.minor_digits, sources.binds)
