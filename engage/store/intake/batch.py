"""One batch: read all that its rows name, take row after row in memory, write all that changed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.campaigns import EventKind
from engage.domain.facts import Feed
from engage.domain.keys import login_key, registered_key, reward_key
from engage.domain.programs import Program
from engage.domain.records import (
    CompanyRecord,
    LoginRecord,
    Outcome,
    PartnerRecord,
    Record,
    ReferralRecord,
    RewardRecord,
    StaffRecord,
    Taken,
)
from engage.store.intake.checks import Refused, clean
from engage.store.intake.entities import Stock
from engage.store.intake.events import Events
from engage.store.intake.people import People
from engage.store.intake.referrals import Referrals
from engage.store.tables import feed_readings, metadata, programs

Row = Sequence[Record]

_ORDER = (StaffRecord, CompanyRecord, PartnerRecord, ReferralRecord, RewardRecord, LoginRecord)
"""What a row holds is taken in this order, so that its records may name one another."""


@dataclass(frozen=True, slots=True)
class Intake:
    """`rows`: what became of each row. `events`: new events that are to be matched with campaigns, id -> kind."""

    rows: tuple[Taken, ...]
    events: dict[int, EventKind]

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
    lock_intake(db, program_id)
    cleaned = [_cleaned(row, program) for row in rows]
    batch = _Batch(program, observed_at, news)
    batch.load(db, program_id, [record for row in cleaned if not isinstance(row, Refused) for record in row])
    taken = tuple(batch.take(row) for row in cleaned)
    return Intake(taken, batch.write(db, program_id, observed_at, source))


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

    def load(self, db: Connection, program_id: int, records: Iterable[Record]) -> None:
        """Reads whatever the records name."""
        named = _Named()
        for record in records:
            named.add(record)
        stock = self._stock
        stock.staff.load(db, program_id, named.staff)
        stock.companies.load(db, program_id, named.companies)
        stock.partners.load(db, program_id, named.partners)
        stock.referrals.load(db, program_id, named.referrals)
        stock.rewards.load(db, program_id, named.rewards)
        self._events.load(db, program_id, named.event_keys)
        self._referrals.load(db, named.referrals)

    def take(self, row: "Row | Refused") -> Taken:
        """Takes one row into memory, or says why it cannot be taken."""
        if isinstance(row, Refused):
            return Taken(Outcome.REJECTED, str(row))
        try:
            self._check_references(row)
        except Refused as refused:
            return Taken(Outcome.REJECTED, str(refused))
        changes = [self._take(record) for record in row]
        return Taken(Outcome.ACCEPTED if any(changes) else Outcome.UNCHANGED)

    def write(self, db: Connection, program_id: int, observed_at: datetime, source: str) -> dict[int, EventKind]:
        """Writes what changed; the events that are news."""
        self._people.find_addresses(db, program_id, observed_at)
        self._referrals.settle()
        for shelf in self._stock.in_order():
            shelf.write(db, program_id)
        self._people.write_versions(db, program_id, observed_at)
        self._referrals.write_versions(db, program_id)
        return self._events.write(db, program_id, observed_at, source)

    def _take(self, record: Record) -> bool:
        match record:
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

    def _check_references(self, row: Row) -> None:
        """Partners and referrals must be known, or come with the row itself."""
        partners = {record.external_id for record in row if isinstance(record, PartnerRecord)}
        referrals = {record.external_id for record in row if isinstance(record, ReferralRecord)}
        for record in row:
            match record:
                case PartnerRecord(recruited_by=str(name)):
                    wanted, hint = name, "import those who recruit before those whom they recruited, or import twice"
                case ReferralRecord(partner=None):
                    if self._stock.referrals.get(record.external_id) is None:
                        raise Refused(f"partner is missing, and referral '{record.external_id}' is not known")
                    continue
                case ReferralRecord(partner=str(name)) | RewardRecord(partner=name) | LoginRecord(partner=name):
                    wanted, hint = name, "import partners first, or in the same file before it"
                case _:
                    continue
            if wanted not in partners and self._stock.partners.get(wanted) is None:
                raise Refused(f"partner '{wanted}' is not known; {hint}")
            referral = record.referral if isinstance(record, RewardRecord) else None
            if referral and referral not in referrals and self._stock.referrals.get(referral) is None:
                raise Refused(f"referral '{referral}' is not known; import referrals first")


class _Named:
    """External ids and event keys that records name."""

    def __init__(self) -> None:
        self.staff: set[str] = set()
        self.companies: set[str] = set()
        self.partners: set[str] = set()
        self.referrals: set[str] = set()
        self.rewards: set[str] = set()
        self.event_keys: set[str] = set()

    def add(self, record: Record) -> None:
        match record:
            case StaffRecord():
                self.staff |= _known(record.external_id, record.manager)
            case CompanyRecord():
                self.companies |= _known(record.external_id, record.parent)
            case PartnerRecord():
                self.partners |= _known(record.external_id, record.recruited_by)
                self.companies |= _known(record.company)
                self.staff |= _known(record.owner)
                self.event_keys.add(registered_key(record.external_id))
            case ReferralRecord():
                self.referrals.add(record.external_id)
                self.partners |= _known(record.partner)
                self.staff |= _known(record.salesperson)
            case RewardRecord():
                self.rewards.add(record.external_id)
                self.partners.add(record.partner)
                self.referrals |= _known(record.referral)
                self.event_keys |= {reward_key(record.external_id, what) for what in ("earned", "paid", "reversed")}
            case LoginRecord():
                self.partners.add(record.partner)
                self.event_keys.add(login_key(record.partner, record.at))


def _known(*names: str | None) -> set[str]:
    return {name for name in names if name is not None}


def _cleaned(row: Row, program: Program) -> "Row | Refused":
    try:
        return sorted((clean(record, program) for record in row), key=lambda record: _ORDER.index(type(record)))
    except Refused as refused:
        return refused
