"""What providers report: each request as it came, its events once each, and what was read of them."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection

from engage.domain.feedback import FeedbackKind
from engage.store.tables import feedback, webhooks
from engage.store.upserts import insert_many, one_of, update_each


@dataclass(frozen=True, slots=True)
class Webhook:
    """A request that waits to be absorbed."""

    id: int
    provider: str
    body: str


def keep_webhook(db: Connection, provider: str, body: str, now: datetime) -> int:
    """Stores a request whose signature was checked; returns its id."""
    row = {"provider": provider, "body": body, "received_at": now}
    found: int = db.execute(sa.insert(webhooks).returning(webhooks.c.id), row).scalar_one()
    return found


def waiting_webhooks(db: Connection, before: datetime, limit: int) -> list[int]:
    """Requests that have waited since before `before`: their hint was lost. Oldest first."""
    c = webhooks.c
    query = sa.select(c.id).where(c.absorbed_at.is_(None), c.received_at <= before)
    return list(db.execute(query.order_by(c.received_at, c.id).limit(limit)).scalars())


def read_waiting(db: Connection, ids: Collection[int]) -> list[Webhook]:
    """Those of these requests that nobody has absorbed yet."""
    c = webhooks.c
    query = sa.select(c.id, c.provider, c.body).where(one_of(db, c.id, ids), c.absorbed_at.is_(None)).order_by(c.id)
    return [Webhook(*row) for row in db.execute(query)]


def absorbed(db: Connection, problems: Mapping[int, str | None], now: datetime) -> None:
    """Notes of these requests that they have been absorbed, and what of each could not be."""
    rows = [{"id": id_, "absorbed_at": now, "problem": problem} for id_, problem in sorted(problems.items())]
    update_each(db, webhooks, rows, webhooks.c.absorbed_at.is_(None))


def last_webhook(db: Connection) -> datetime | None:
    """When the last request came; None if none ever has."""
    c = webhooks.c
    found: datetime | None = db.execute(sa.select(c.received_at).order_by(c.id.desc()).limit(1)).scalar()
    return found


def known_events(db: Connection, natural_keys: Collection[str]) -> set[str]:
    """Those of these events that are stored."""
    key = feedback.c.natural_key
    return set(db.execute(sa.select(key).where(one_of(db, key, natural_keys))).scalars())


def insert_feedback(db: Connection, rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Stores events that `known_events` does not know; returns the natural keys of those nobody else stored first."""
    if not rows:
        return set()
    if db.dialect.name == "sqlite":  # where nobody else can
        insert_many(db, feedback, rows)
        return {row["natural_key"] for row in rows}
    # in one order everywhere, so that two workers with the same events wait for each other in one direction only
    ordered = sorted(rows, key=lambda row: str(row["natural_key"]))
    return set(db.execute(_insert_as_json(ordered)).scalars())


def _insert_as_json(rows: Sequence[Mapping[str, Any]]) -> "postgresql.Insert | sa.sql.dml.ReturningInsert[Any]":
    """An INSERT of rows that are sent as one JSON text: with `raw` in it, a quarter of the time that arrays take."""
    columns = [feedback.c[name] for name in rows[0]]
    try:
        text = orjson.dumps(rows).decode()
    except orjson.JSONEncodeError:  # an integer beyond 64 bits in `raw`
        text = json.dumps(rows, default=datetime.isoformat)
    sent = sa.cast(sa.bindparam("sent", text, type_=sa.Text), postgresql.JSONB)
    named = (sa.column(column.name, column.type) for column in columns)
    table = sa.func.jsonb_to_recordset(sent).table_valued(*named).render_derived(name="news", with_types=True)
    statement = postgresql.insert(feedback).from_select([column.name for column in columns], sa.select(*table.c))
    return statement.on_conflict_do_nothing().returning(feedback.c.natural_key)


def soft_bounces(
    db: Connection, address_ids: Collection[int], since: datetime, until: datetime
) -> dict[int, list[tuple[datetime, object]]]:
    """(when, which mail) of the soft bounces of each of these addresses from `since` to `until`, both included.

    An event of a mail that engage does not know counts as a mail of its own.
    """
    c = feedback.c
    query = sa.select(c.address_id, c.occurred_at, c.delivery_id, c.id).where(
        one_of(db, c.address_id, address_ids),
        c.kind == FeedbackKind.BOUNCED,
        c.occurred_at.between(since, until),
        c.soft,
    )
    found: dict[int, list[tuple[datetime, object]]] = {}
    for address_id, at, delivery_id, id_ in db.execute(query):
        mail = ("event", id_) if delivery_id is None else ("mail", delivery_id)
        found.setdefault(address_id, []).append((at, mail))
    return found


def deliveries_and_clicks(db: Connection, delivery_ids: Collection[int]) -> list[sa.Row[Any]]:
    """(delivery_id, kind, id, occurred_at, url) of all that tells whether clicks on these mails were a human's."""
    c = feedback.c
    kinds = (FeedbackKind.DELIVERED, FeedbackKind.CLICKED)
    query = sa.select(c.delivery_id, c.kind, c.id, c.occurred_at, c.url)
    return list(db.execute(query.where(one_of(db, c.delivery_id, delivery_ids), c.kind.in_(kinds))))


def mark_machine(db: Connection, ids: Collection[int]) -> None:
    """Notes of these events that no human made them."""
    if ids:
        db.execute(sa.update(feedback).where(one_of(db, feedback.c.id, ids), ~feedback.c.machine).values(machine=True))
