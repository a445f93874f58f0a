"""What is reported of deliveries: which mails events speak of, the highest report of each, and how many complained."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.deliveries import RANK, DeliveryState, Reported
from engage.store.tables import addresses, deliveries, programs
from engage.store.upserts import one_of


@dataclass(frozen=True, slots=True)
class Mail:
    """A delivery of which something is reported. `email` is the address that it was made for."""

    id: int
    program_id: int
    public_id: str
    recipient: str
    partner_id: int | None
    address_id: int | None
    email: str | None
    topic: str
    state: str
    created_at: datetime

    @property
    def to_partner(self) -> bool:
        return self.recipient.startswith("partner:")


@dataclass(frozen=True, slots=True, order=True)
class Cohort:
    """The mails of one topic that were made on one day (UTC)."""

    program_id: int
    topic: str
    day: date


_MAIL = [addresses.c.email if name == "email" else deliveries.c[name] for name in Mail.__dataclass_fields__]
_HANDED_OVER = (DeliveryState.ACCEPTED, DeliveryState.UNKNOWN, DeliveryState.SENDING)


def mails_named(db: Connection, public_ids: Collection[str]) -> dict[str, Mail]:
    """Those of these mails that are ours, by public id."""
    if not public_ids:
        return {}
    query = sa.select(*_MAIL).outerjoin(addresses, addresses.c.id == deliveries.c.address_id)
    mails = [Mail(*row) for row in db.execute(query.where(one_of(db, deliveries.c.public_id, public_ids)))]
    return {mail.public_id: mail for mail in mails}


def lock_mails(db: Connection, ids: Collection[int]) -> None:
    """Locks these deliveries, sorted by id: two workers who take reports of the same ones do not block each other."""
    d = deliveries.c
    if ids and db.dialect.name != "sqlite":  # where the write transaction is the lock
        db.execute(sa.select(d.id).where(one_of(db, d.id, ids)).order_by(d.id).with_for_update(key_share=True)).all()


def raise_reported(db: Connection, reported: Mapping[int, Reported]) -> None:
    """Stores what is reported of each delivery, unless something higher was reported before."""
    d = deliveries.c
    by_report: dict[Reported, list[int]] = {}
    for id_, report in reported.items():
        by_report.setdefault(report, []).append(id_)
    for report, ids in by_report.items():
        lower = [other for other, rank in RANK.items() if rank < RANK[report]]
        beneath = sa.or_(d.reported.is_(None), d.reported.in_(lower))
        db.execute(sa.update(deliveries).where(one_of(db, d.id, ids), beneath).values(reported=report))


def complaints(
    db: Connection, cohorts: Collection[Cohort], since: Mapping[tuple[int, str], datetime]
) -> dict[Cohort, tuple[int, int]]:
    """(complained, handed over) of the mails to partners in each cohort; `since` leaves out a topic's older ones.

    Counted under a lock on the programs, so that of two workers who store a complaint each, one sees both. A mail
    whose fate is unknown counts as handed over.
    """
    p, d = programs.c, deliveries.c
    if db.dialect.name != "sqlite":
        wanted = sorted({cohort.program_id for cohort in cohorts})
        db.execute(sa.select(p.id).where(p.id.in_(wanted)).order_by(p.id).with_for_update(key_share=True)).all()
    counts: dict[Cohort, tuple[int, int]] = {}
    for cohort in sorted(cohorts):
        begins = datetime.combine(cohort.day, time_of_day(), UTC)
        query = sa.select(sa.func.count().filter(d.reported == Reported.COMPLAINED), sa.func.count()).where(
            d.created_at >= max(begins, since.get((cohort.program_id, cohort.topic), begins)),
            d.created_at < begins + timedelta(days=1),
            d.program_id == cohort.program_id,
            d.topic == cohort.topic,
            d.recipient.startswith("partner:"),
            d.state.in_(_HANDED_OVER),
        )
        complained, handed_over = db.execute(query).one()
        counts[cohort] = (complained, handed_over)
    return counts
