"""The past of one programme: read whole from a database, and learned by another as a clock passes over it.

What the other database holds at an instant is what had happened by then, so that whatever reads it sees no future.
Rows get new ids in an order that follows from what they say: two databases with the same history give the same past.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.campaigns import EventKind
from engage.domain.histories import Change, counting
from engage.domain.programs import Program
from engage.domain.windows import BEGINNING
from engage.store.programs import program_ids
from engage.store.signs import SIGNS
from engage.store.tables import (
    address_refusals,
    addresses,
    answers,
    companies,
    consent_changes,
    events,
    feedback,
    help_requests,
    languages,
    partner_attributes,
    partner_versions,
    partners,
    pauses,
    programs,
    referral_versions,
    referrals,
    rewards,
    rhythms,
    staff,
    subscriptions,
    suppressions,
)

Row = dict[str, Any]

_ORDERS: Mapping[sa.Table, tuple[str, ...]] = {
    addresses: ("email",),
    staff: ("external_id",),
    companies: ("external_id",),
    partners: ("external_id",),
    referrals: ("external_id",),
    rewards: ("external_id",),
    partner_versions: ("partner_id", "valid_from"),
    partner_attributes: ("partner_id", "name", "valid_from"),
    referral_versions: ("referral_id", "valid_from"),
    help_requests: ("asked_at", "referral_id"),
    events: ("occurred_at", "referral_id", "sequence", "key"),
    suppressions: ("address_id", "reason"),
    address_refusals: ("address_id", "topic"),
    consent_changes: ("changed_at", "address_id", "partner_id", "topic"),
    rhythms: ("changed_at", "partner_id", "topic"),
    pauses: ("changed_at", "partner_id"),
    languages: ("changed_at", "partner_id"),
    answers: ("answered_at", "partner_id", "question"),
    feedback: ("occurred_at", "natural_key"),
}
"""Every table of the past, after those that it refers to, with what its rows are told apart by."""

_STANDING = ("status", "owner_id", "company_id", "region", "locale")
"""What a version of a partner says of the partner's own row."""

_ENDS = ("paid_at", "reversed_at")
"""What becomes known of a reward after it was earned."""


class Past:
    """The past of one programme. `learn` is called with instants that never go back."""

    def __init__(self, program: Program, rows: Mapping[sa.Table, list[Row]]) -> None:
        self.program = program
        self._rows = rows
        self._events = rows[events]
        self._counting = _counting_events(program, self._events)
        self._known: dict[tuple[sa.Table, Any], int] = {}
        self._waiting = {
            referrals: _Waiting(rows[referrals], _began(rows[referral_versions])),
            referral_versions: _Waiting(rows[referral_versions], lambda row: row["valid_from"]),
            partner_versions: _Waiting(rows[partner_versions], lambda row: row["valid_from"]),
            partner_attributes: _Waiting(rows[partner_attributes], lambda row: row["valid_from"]),
            rewards: _Waiting(rows[rewards], _earned),
            help_requests: _Waiting(rows[help_requests], lambda row: row["asked_at"]),
            suppressions: _Waiting(rows[suppressions], lambda row: row["created_at"]),
            address_refusals: _Waiting(rows[address_refusals], lambda row: row["refused_at"]),
            consent_changes: _Waiting(rows[consent_changes], lambda row: row["changed_at"]),
            rhythms: _Waiting(rows[rhythms], lambda row: row["changed_at"]),
            pauses: _Waiting(rows[pauses], lambda row: row["changed_at"]),
            languages: _Waiting(rows[languages], lambda row: row["changed_at"]),
            answers: _Waiting([row | {"delivery_id": None} for row in rows[answers]], lambda row: row["answered_at"]),
            feedback: _Waiting(rows[feedback], lambda row: row["occurred_at"]),
            events: _Waiting(rows[events], lambda row: row["occurred_at"]),
        }
        ends = [{"id": row["id"], end: row[end]} for row in rows[rewards] for end in _ENDS if row[end] is not None]
        self._ends = _Waiting(ends, lambda row: next(row[end] for end in _ENDS if end in row))

    @classmethod
    def read(cls, db: Connection, program: Program) -> "Past":
        """Reads the whole history of the programme, as one consistent picture."""
        if db.dialect.name == "postgresql":
            db.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        program_id = program_ids(db, [program.key]).get(program.key)
        rows: dict[sa.Table, list[Row]] = {table: [] for table in _ORDERS}
        if program_id is not None:
            ids: dict[sa.Table, dict[int, int]] = {programs: {program_id: 1}}
            for table in _ORDERS:
                found = [dict(row) for row in db.execute(_of_program(table, program_id)).mappings()]
                rows[table] = _renumbered(table, found, ids)
            for company in rows[companies]:  # which come before the partners, one of whom speaks for them
                company["contact_id"] = ids[partners].get(company["contact_id"])
                company["manager_id"] = ids[staff].get(company["manager_id"])
            for row in rows[feedback]:
                row |= {"program_id": 1, "address_id": ids[addresses].get(row["address_id"]), "delivery_id": None}
        return cls(program, rows)

    def events(self, start: datetime, end: datetime) -> Iterator[tuple[str, str | None, datetime]]:
        """(kind, status that it led to, when) of what happened from `start` (included) to `end` (excluded)."""
        for row in self._events:
            if start <= row["occurred_at"] < end and row["id"] in self._counting:
                yield row["kind"], row["to_status"], row["occurred_at"]

    def first(self, kinds: Collection[str]) -> datetime | None:
        """When an event of one of these kinds happened for the first time."""
        return min((row["occurred_at"] for row in self._events if row["kind"] in kinds), default=None)

    def begin(self, db: Connection, start: datetime) -> int:
        """Fills an empty database with what was known right before `start`; the programme's id there."""
        db.execute(sa.insert(programs), {"id": 1, "key": self.program.key})
        for table in (addresses, staff, companies, partners):
            _insert_linked(db, table, self._rows[table])
        self._learn(db, lambda at: at < start)
        _move_sequences(db, (programs, addresses))
        return 1

    def learn(self, db: Connection, now: datetime) -> list[int]:
        """Adds what happened since the last call up to and including `now`; the ids of the events that are news."""
        return self._learn(db, lambda at: at <= now)

    def _learn(self, db: Connection, over: Callable[[datetime], bool]) -> list[int]:
        news = {table: waiting.take(over) for table, waiting in self._waiting.items()}
        _insert(db, referrals, news[referrals])
        _turn(db, referrals, self._follow(db, referral_versions, news, ("referral_id",)), "referral_id", ("status",))
        _turn(db, partners, self._follow(db, partner_versions, news, ("partner_id",)), "partner_id", _STANDING)
        self._follow(db, partner_attributes, news, ("partner_id", "name"))
        _insert(db, rewards, [row | dict.fromkeys(_ENDS) for row in news[rewards]])
        for end in _ENDS:
            _update(db, rewards, [row for row in self._ends.peek(over) if end in row])
        self._ends.take(over)
        _insert(db, help_requests, news[help_requests])
        _insert(db, suppressions, news[suppressions])
        _insert(db, address_refusals, news[address_refusals])
        _subscribe(db, news[consent_changes])
        for said in (rhythms, pauses, languages):
            _insert(db, said, news[said])
        _insert(db, feedback, news[feedback])
        _insert(db, answers, news[answers])
        happened = [row | {"observed_at": row["occurred_at"], "held_id": None} for row in news[events]]
        _insert(db, events, [row | {"unmatched": row["id"] in self._counting or None} for row in happened])
        return [row["id"] for row in happened if row["id"] in self._counting]

    def _follow(
        self, db: Connection, table: sa.Table, news: Mapping[sa.Table, list[Row]], owner: tuple[str, ...]
    ) -> list[Row]:
        """Adds versions: each closes the one before it and is open itself. Returns the newest of each owner."""
        closed: list[Row] = []
        newest: dict[tuple[Any, ...], Row] = {}
        rows = [row | {"valid_to": None} for row in news[table]]
        for row in rows:
            whose = tuple(row[name] for name in owner)
            if whose in newest:
                newest[whose]["valid_to"] = row["valid_from"]
            elif (before := self._known.get((table, whose))) is not None:
                closed.append({"id": before, "valid_to": row["valid_from"]})
            newest[whose] = row
            self._known[table, whose] = row["id"]
        _update(db, table, closed)
        _insert(db, table, rows)
        return list(newest.values())


class _Waiting:
    """Rows in the order in which their time comes."""

    def __init__(self, rows: Iterable[Row], at: Callable[[Row], datetime]) -> None:
        self._rows = sorted(((at(row), row) for row in rows), key=lambda pair: pair[0])
        self._next = 0

    def peek(self, over: Callable[[datetime], bool]) -> list[Row]:
        end = self._next
        while end < len(self._rows) and over(self._rows[end][0]):
            end += 1
        return [row for _, row in self._rows[self._next : end]]

    def take(self, over: Callable[[datetime], bool]) -> list[Row]:
        taken = self.peek(over)
        self._next += len(taken)
        return taken


def _of_program(table: sa.Table, program_id: int) -> "sa.Select[Any]":
    if table is feedback:  # signs of life; what else became of mails belongs to the mails
        f = feedback.c
        return sa.select(feedback).where(f.program_id == program_id, f.kind.in_(SIGNS), ~f.machine)
    if table not in (addresses, suppressions):
        return sa.select(table).where(table.c.program_id == program_id)
    named = [
        sa.select(other.c.address_id).where(other.c.program_id == program_id, other.c.address_id.is_not(None))
        for other in (partners, subscriptions, address_refusals, consent_changes)
    ]
    emails = sa.select(sa.func.lower(staff.c.email)).where(staff.c.program_id == program_id)
    named.append(sa.select(addresses.c.id).where(addresses.c.email.in_(emails)))
    wanted = table.c.id if table is addresses else table.c.address_id
    return sa.select(table).where(wanted.in_(sa.union(*named)))


def _renumbered(table: sa.Table, rows: list[Row], ids: dict[sa.Table, dict[int, int]]) -> list[Row]:
    """The rows in their order, with ids that count from 1; `ids` maps old ids to new ones, by table."""
    parents = {column.name: key.column.table for column in table.c for key in column.foreign_keys}
    own = [name for name, parent in parents.items() if parent is table] + [
        n for n in ("merged_into_id",) if n in table.c
    ]
    for row in rows:
        for name, parent in parents.items():
            if parent in ids and row[name] is not None and parent is not table:
                row[name] = ids[parent][row[name]]
    rows.sort(key=lambda row: tuple((row[name] is not None, row[name]) for name in _ORDERS[table]))
    new = ids[table] = {row["id"]: number for number, row in enumerate(rows, start=1)}
    for row in rows:
        row["id"] = new[row["id"]]
        for name in own:
            row[name] = new.get(row[name])
    return rows


def _counting_events(program: Program, rows: Iterable[Row]) -> set[int]:
    """The events that campaigns wait for: of status changes those that count, as `domain.histories` has it."""
    found: set[int] = set()
    changes: dict[int, list[tuple[Change, int]]] = {}
    for row in rows:
        if row["kind"] != EventKind.STATUS_CHANGED:
            found.add(row["id"])
        else:
            change = Change(row["to_status"], row["occurred_at"], row["sequence"], row["observed_at"])
            changes.setdefault(row["referral_id"], []).append((change, row["id"]))
    for of_referral in changes.values():
        ids = {change.sequence: id_ for change, id_ in of_referral}
        found.update(ids[change.sequence] for change in counting([c for c, _ in of_referral], program))
    return found


def _began(versions: Iterable[Row]) -> Callable[[Row], datetime]:
    """When a referral was first there; one without versions was merged into another, and is no more than a name."""
    first: dict[int, datetime] = {}
    for version in versions:
        first.setdefault(version["referral_id"], version["valid_from"])
    return lambda row: first.get(row["id"], BEGINNING)


def _earned(row: Row) -> datetime:
    return min((row[name] for name in ("earned_at", *_ENDS) if row[name] is not None), default=BEGINNING)


def _insert(db: Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    if rows:
        db.execute(sa.insert(table), rows)


def _update(db: Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Gives each row, named by its `id`, the other values of the mapping; all have the same keys."""
    if rows:
        values: Row = {name: sa.bindparam(f"new_{name}") for name in rows[0] if name != "id"}
        statement = sa.update(table).where(table.c.id == sa.bindparam("new_id")).values(values)
        db.execute(statement, [{f"new_{name}": value for name, value in row.items()} for row in rows])


def _insert_linked(db: Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Inserts rows of which some name others of the same table."""
    own = [column.name for column in table.c for key in column.foreign_keys if key.column.table is table]
    _insert(db, table, [row | dict.fromkeys(own) for row in rows])
    for name in own:
        _update(db, table, [{"id": row["id"], name: row[name]} for row in rows if row[name] is not None])


def _turn(db: Connection, table: sa.Table, versions: Sequence[Row], owner: str, names: Sequence[str]) -> None:
    """Gives the rows that the versions are of the values that hold now."""
    _update(db, table, [{"id": row[owner], **{name: row[name] for name in names}} for row in versions])


def _subscribe(db: Connection, changes: Sequence[Row]) -> None:
    """What people said of topics; the last word at an address stands."""
    said = [row for row in changes if row["topic"] is not None and row["partner_id"] is not None]
    c = subscriptions.c
    for (partner_id, address_id, topic), words in groupby(
        sorted(said, key=lambda row: (row["partner_id"], row["address_id"], row["topic"])),
        key=lambda row: (row["partner_id"], row["address_id"], row["topic"]),
    ):
        *_, last = words
        db.execute(
            sa.delete(subscriptions).where(c.partner_id == partner_id, c.address_id == address_id, c.topic == topic)
        )
        names = ("program_id", "partner_id", "address_id", "topic", "subscribed", "changed_at", "how")
        _insert(db, subscriptions, [{name: last[name] for name in names}])


def _move_sequences(db: Connection, tables: Iterable[sa.Table]) -> None:
    """Lets PostgreSQL go on counting after the ids that were given."""
    if db.dialect.name == "postgresql":
        for table in tables:
            highest = sa.select(sa.func.coalesce(sa.func.max(table.c.id), 1)).scalar_subquery()
            db.execute(sa.select(sa.func.setval(sa.func.pg_get_serial_sequence(table.name, "id"), highest)))
