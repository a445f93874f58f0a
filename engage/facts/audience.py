"""Whom a condition concerns, and what facts are, as of any instant: in one statement, never a loop over partners."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.conditions import Condition, FactRef, tests_of
from engage.domain.facts import Subject
from engage.facts.readings import Value, reader_of
from engage.facts.statements import Scope, Statement, effective, statement

_ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Member:
    """One who meets the condition. `subject_id` is the id of the partner, referral, reward, company or member of staff.

    `partner_id` is that of the partner to whom the subject leads; None for companies and staff. `values` are the facts
    that the condition asks, by their text, as `values` gives them; they can be kept as JSON.
    """

    partner_id: int | None
    subject_id: int
    values: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Audience:
    """All who meet a condition as of an instant: not yet asked, so it costs nothing until `rows` is read."""

    scope: Scope
    now: datetime
    refs: tuple[FactRef, ...]
    ids: Collection[int] | None
    _built: Statement

    @property
    def statement(self) -> sa.Select[Any]:
        """Select of partner_id, subject_id and a column for each of `refs`, in order of the two ids.

        A column of elapsed days holds the instant that they count from.
        """
        return self._built.select.params(self._built.parameters(self.scope, self.now, self.ids))

    def rows(self, db: Connection) -> Iterator[Member]:
        """The members, in order of partner and subject, streamed: memory stays flat however many they are."""
        readers = [(str(ref), reader_of(self.scope.program.type_of(ref), self.now)) for ref in self.refs]
        rows = db.execute(
            self._built.select,
            self._built.parameters(self.scope, self.now, self.ids),
            execution_options={"yield_per": _ROWS_AT_ONCE},
        )
        for partner_id, subject_id, *found in rows:
            values = {text: read(value) for (text, read), value in zip(readers, found, strict=True)}
            yield Member(partner_id, subject_id, values)


def audience(
    scope: Scope, subject: Subject, where: Condition | None, now: datetime, *, ids: Collection[int] | None = None
) -> Audience:
    """All subjects that meet `where` as of `now`; `ids`, however many, restricts to these subjects.

    Partners must have joined and be active, unless `where` asks for a status; referrals must have been submitted,
    rewards earned; companies have an active partner, unless `where` asks how many.
    """
    refs = tuple(dict.fromkeys(test.ref for test in tests_of(where)))
    built = statement(scope.program, subject, where=effective(subject, where), refs=refs, by_ids=ids is not None)
    return Audience(scope, now, refs, ids, built)


def holds(
    db: Connection,
    scope: Scope,
    subject: Subject,
    where: Condition | None,
    now: datetime,
    ids: Collection[int],
    *,
    whoever: bool = False,
) -> set[int]:
    """Those of the subjects with these ids that meet `where` as of `now`, as `audience` means it.

    `whoever`: partners who are not active too, though `where` asks for no status: what is asked of those inside a
    campaign is asked of all whom its own condition has let in.
    """
    if not ids:
        return set()
    built = statement(scope.program, subject, where=where if whoever else effective(subject, where), by_ids=True)
    return {row.subject_id for row in db.execute(built.select, built.parameters(scope, now, ids))}


def values(
    db: Connection, scope: Scope, subject: Subject, refs: Sequence[FactRef], now: datetime, ids: Collection[int]
) -> dict[int, dict[FactRef, Value]]:
    """The facts of each of these subjects that exists as of `now`, partners who are not active included.

    Counts and days are ints, money int in minor units, ratios floats, texts str, attributes what they are declared;
    None is unknown, and of days since a login or joining also endless.
    """
    if not ids:
        return {}
    built = statement(scope.program, subject, refs=refs, by_ids=True)
    readers = [(ref, reader_of(scope.program.type_of(ref), now)) for ref in refs]
    found: dict[int, dict[FactRef, Value]] = {}
    for _, subject_id, *columns in db.execute(built.select, built.parameters(scope, now, ids)):
        found[subject_id] = {ref: read(value) for (ref, read), value in zip(readers, columns, strict=True)}
    return found
