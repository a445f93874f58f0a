"""Why a condition holds of one subject or does not: its tree, with the truth of each node and each value found."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.domain.conditions import All, AnyOf, Condition, FactRef, Not, Test, tests_of
from engage.domain.facts import Subject
from engage.facts.readings import Value, as_text, as_written, reader_of
from engage.facts.statements import Scope, effective, statement


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a condition.

    `value` is what was found of the fact of a test, in the unit that its author writes (money in major units; None:
    unknown, or endless days); `found` is the same as people read it.
    """

    text: str
    truth: bool
    value: Value = None
    found: str = ""
    parts: tuple["Node", ...] = ()


def explain(
    db: Connection,
    scope: Scope,
    subject: Subject,
    where: Condition | None,
    now: datetime,
    subject_id: int,
    *,
    whoever: bool = False,
) -> Node:
    """The condition as `audience` asks it of the subject with this id, by the same SQL; `whoever` as in `holds`.

    The root says what the whole comes to; that only active partners are seen is a node like those that were written.
    """
    asked = where if whoever and where is not None else effective(subject, where)
    nodes = list(_walk(asked))
    refs = tuple(dict.fromkeys(test.ref for test in tests_of(asked)))
    built = statement(scope.program, subject, refs=refs, nodes=nodes, by_ids=True)
    row = db.execute(built.select, built.parameters(scope, now, [subject_id])).one_or_none()
    if row is None:
        return Node(f"the {subject} is there", False)
    columns = list(row)[2:]
    found: dict[FactRef, tuple[Value, str]] = {}
    for ref, column in zip(refs, columns, strict=False):
        type_ = scope.program.type_of(ref)
        value = as_written(type_, scope.program, reader_of(type_, now)(column))
        found[ref] = value, as_text(type_, scope.program, column, now)
    return _node(asked, iter(map(bool, columns[len(refs) :])), found)


def _walk(condition: Condition) -> Iterator[Condition]:
    yield condition
    for part in _parts(condition):
        yield from _walk(part)


def _parts(condition: Condition) -> tuple[Condition, ...]:
    match condition:
        case All(parts) | AnyOf(parts):
            return parts
        case Not(part):
            return (part,)
        case Test():
            return ()


def _node(condition: Condition, truths: Iterator[bool], found: dict[FactRef, tuple[Value, str]]) -> Node:
    truth = next(truths)  # in the order of _walk
    parts = tuple(_node(part, truths, found) for part in _parts(condition))
    match condition:
        case Test(ref):
            return Node(str(condition), truth, *found[ref])
        case All():
            return Node("all of", truth, parts=parts)
        case AnyOf():
            return Node("any of", truth, parts=parts)
        case Not():
            return Node("not", truth, parts=parts)
