"""One batch: read all that its rows name, take row after row in memory, write all that changed.

A row that says that two known rows are one ends the batch early: what was taken is written, the two are merged, and
the next batch goes on with that row.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.campaigns import EventKind
from engage.domain.facts import Feed
from engage.domain.programs import Program
from engage.domain.records import (
    AliasRecord,
    CompanyRecord,
    HelpRecord,
    LoginRecord,
    Outcome,
    PartnerRecord,
    Record,
    ReferralRecord,
    RewardRecord,
    StaffRecord,
    Taken,
)
from engage.store.intake.aliases import joined_of_duplicates, known_aliases, write_new_aliases
from engage.store.intake.checks import Refused, clean
from engage.store.intake.duplicates import Duplicate, lock_partners, merge
from engage.store.intake.entities import Stock
from engage.store.intake.events import Events
from engage.store.intake.people import People
from engage.store.intake.references import Named, Row, check_references, made_by
from engage.store.intake.referrals import Referrals
from engage.store.merging import Merged
from engage.store.tables import feed_readings, metadata, programs

_ORDER = (AliasRecord, StaffRecord, CompanyRecord, PartnerRecord, ReferralRecord, RewardRecord, LoginRecord, HelpRecord)
"""What a row holds is taken in this order, so that its records may name one another."""


@dataclass(frozen=True, slots=True)
class Intake:
    """`rows`: what became of each row. `events`: new events that are to be matched with campaigns, id -> kind.

    `merged`: the duplicates that became one, in order.
    """

    rows: tuple[Taken, ...]
    events: dict[int, EventKind]
    merged: tuple[Merged, ...] = ()

    @property
    def event_ids(self) -> tuple[int, ...]:
        """The new events that are to be matched with campaigns, in the order of arrival."""
        return tuple(self.events)


def take(
    db: Connection,
    program: Program,
    program_id: int,
    rows: Sequence[Row],
    *,
    observed_at: datetime,
    source: str,
    news: bool,
) -> Intake:
    """Takes rows in the caller's transaction; a row is taken whole or rejected whole.

    `news`: changes are to be matched with campaigns (`events.unmatched`); otherwise they are history. A row may name
    partners and referrals of rows before it. Companies and staff that are named and not known are made.
    """
    waiting = deque(_cleaned(row, program) for row in rows)
    lock_intake(db, program_id)
    taken: list[Taken] = []
    events: dict[int, EventKind] = {}
    merged: list[Merged] = []
    size, was_merged = len(waiting), False
    while waiting:
        batch = _Batch(program, observed_at, news)
        batch.load(db, program_id, [r for row in islice(waiting, size) if not isinstance(row, Refused) for r in row])
        duplicate = None
        for _ in range(min(size, len(waiting))):
            if (duplicate := batch.rename(waiting[0])) is not None:
                break
            outcome = batch.take(waiting.popleft())
            taken.append(Taken(Outcome.ACCEPTED) if was_merged else outcome)
            was_merged = False
        events |= batch.write(db, program_id, observed_at, source)
        size *= 2
        if duplicate is not None:
            merged.append(merge(db, program, program_id, duplicate, observed_at, source))
            # Where one merge is the next is often near: all that waits is not read again for each.
            size, was_merged = 1, True
    return Intake(tuple(taken), events, tuple(merged))


def lock_intake(db: Connection, program_id: int) -> None:
    """Lets one intake at a time into a program, until the transaction ends: sequences count the order of arrival.

    On SQLite the transaction is the lock.
    """
    lock = sa.select(programs.c.id).where(programs.c.id == program_id).with_for_update(key_share=True)
    db.execute(lock).scalar_one()


def hear(db: Connection, program_id: int, feed: Feed, heard_at: datetime) -> None:
    """Notes that a live source of the feed was read, news or not: silence of a feed is not silence of a partner."""
    db.execute(sa.insert(feed_readings).values(program_id=program_id, feed=feed, heard_at=heard_at))


def analyze(db: Connection) -> None:
    """Refreshes the planner's statistics after many inserts: PostgreSQL plans a just-filled table badly without."""
    if db.dialect.name == "postgresql":
        filled = [table.name for table in metadata.sorted_tables]
        db.exec_driver_sql(f"ANALYZE {', '.join(filled)}")


class _Batch:
    def __init__(self, program: Program, observed_at: datetime, news: bool) -> None:
        self._stock = Stock()
        self._events = Events()
        self._people = People(self._stock, self._events, news)
        self._referrals = Referrals(self._stock, self._events, program, observed_at, news)
        self._renamed = False  # the row at hand has brought an alias

    def load(self, db: Connection, program_id: int, records: Sequence[Record]) -> None:
        """Reads whatever the records name."""
        stock = self._stock
        named = Named(records)
        aliases = known_aliases(db, program_id, named.by_kind)
        for kind in ("staff", "company", "partner", "referral"):
            stock.of(kind).load(db, program_id, named.by_kind[kind], aliases.get(kind))
        stock.rewards.load(db, program_id, named.rewards)
        self._events.load(db, program_id, named.event_keys(stock, records))
        self._referrals.load(db, named.by_kind["referral"], helped=named.helped)
        if "partner" in aliases:
            self._people.joined_before = joined_of_duplicates(db, program_id, stock.partners.ids())
        if any(self._duplicate(record) for record in records if isinstance(record, AliasRecord)):
            # before anything is written: senders take these locks in the same order
            lock_partners(db, stock)

    def rename(self, row: "Row | Refused") -> Duplicate | None:
        """Takes the row's aliases, as far as the first that tells of duplicates, which must be merged before it."""
        if isinstance(row, Refused) or not any(isinstance(record, AliasRecord) for record in row):
            return None
        try:
            check_references(row, self._stock)
        except Refused:
            return None
        for record in row:
            if isinstance(record, AliasRecord):
                if (duplicate := self._duplicate(record)) is not None:
                    return duplicate
                self._add_alias(record, made_by(row))
        return None

    def _duplicate(self, record: AliasRecord) -> Duplicate | None:
        shelf = self._stock.of(record.kind)
        one, other = shelf.get(record.external_id), shelf.get(record.of)
        if one is None or other is None or one is other:
            return None
        return Duplicate(record.kind, one.external_id, other.external_id)

    def _add_alias(self, record: AliasRecord, made: set[tuple[str, str]]) -> None:
        shelf = self._stock.of(record.kind)
        alias, of = shelf.own_id(record.external_id), shelf.own_id(record.of)
        if alias == of:
            return
        # What is known, or else what this row makes, keeps its id; the other is the alias.
        if shelf.get(of) is None and (shelf.get(alias) is not None or (record.kind, of) not in made):
            alias, of = of, alias
        shelf.add_alias(alias, of)
        self._renamed = True

    def take(self, row: "Row | Refused") -> Taken:
        """Takes one row into memory, or says why it cannot be taken."""
        if isinstance(row, Refused):
            return Taken(Outcome.REJECTED, str(row), row.field)
        try:
            check_references(row, self._stock)
        except Refused as refused:
            return Taken(Outcome.REJECTED, str(refused), refused.field)
        changes = [self._renamed, *(self._take(record) for record in row)]
        changes += [self._people.take_contact(record) for record in row if isinstance(record, CompanyRecord)]
        self._renamed = False
        return Taken(Outcome.ACCEPTED if any(changes) else Outcome.UNCHANGED)

    def write(self, db: Connection, program_id: int, observed_at: datetime, source: str) -> dict[int, EventKind]:
        """Writes what changed; the events that are news."""
        self._people.find_addresses(db, program_id, observed_at)
        self._referrals.settle()
        for shelf in self._stock.in_order():
            shelf.write(db, program_id)
        self._stock.companies.write_again(db)  # their contacts are partners, who are written after them
        write_new_aliases(db, program_id, self._stock, observed_at, source)
        self._people.look_at_waits(db, observed_at)
        self._people.write_versions(db, program_id, observed_at)
        self._referrals.write_versions(db, program_id)
        self._referrals.write_help(db, program_id)
        return self._events.write(db, program_id, observed_at, source)

    def _take(self, record: Record) -> bool:
        match record:
            case AliasRecord():
                return False  # taken by `rename`
            case StaffRecord():
                return self._people.take_staff(record)
            case CompanyRecord():
                return self._people.take_company(record)
            case PartnerRecord():
                return self._people.take_partner(record)
            case ReferralRecord():
                return self._referrals.take_referral(record)
            case RewardRecord():
                return self._referrals.take_reward(record)
            case LoginRecord():
                return self._referrals.take_login(record)
            case HelpRecord():
                return self._referrals.take_help(record)


def _cleaned(row: Row, program: Program) -> "Row | Refused":
    try:
        cleaned = [clean(record, program) for record in row]
        return sorted(cleaned, key=lambda record: _ORDER.index(type(record))) if len(cleaned) > 1 else cleaned
    except Refused as refused:
        return refused
