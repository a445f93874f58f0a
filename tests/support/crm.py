"""A CRM's database that engage watches, and engage watching it: both on SQLite, or both on PostgreSQL."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from engage.domain.campaigns import EventKind
from engage.sources.polling import Polled
from engage.store import tables
from engage.store.sources import SourceState, source_states
from tests.support.engage import Engage

SOURCES = """\
sources:
  - source: crm-partners
    url: {env: CRM_DATABASE_URL}
    query: SELECT id, mail, updated_at FROM contacts
    cursor: updated_at
    key: id
    partner: {external_id: id, email: mail, status: {value: active}}
  - source: crm-deals
    url: {env: CRM_DATABASE_URL}
    query: SELECT * FROM deals
    cursor: updated_at
    key: id
    referral:
      external_id: id
      partner: contact
      status: {column: stage, map: {New: submitted, Offer: opportunity, Won: won, Lost: lost}}
      status_at: updated_at
"""


class Crm:
    """Contacts and deals, each with `updated_at`: an aware instant on PostgreSQL, ISO text on SQLite."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = sa.create_engine(url)
        self.aware = self.engine.dialect.name == "postgresql"
        instant = "timestamptz" if self.aware else "text"
        self.execute(f"CREATE TABLE contacts (id text PRIMARY KEY, mail text, updated_at {instant})")
        self.execute(f"CREATE TABLE deals (id text PRIMARY KEY, contact text, stage text, updated_at {instant})")

    def execute(self, statement: str, **values: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    def contact(self, name: str, at: datetime) -> None:
        row = {"id": name, "mail": f"{name}@example.com", "at": self.instant(at)}
        self.execute("INSERT INTO contacts VALUES (:id, :mail, :at)", **row)

    def deal(self, name: str, stage: str, at: datetime, contact: str = "ann") -> None:
        """Makes a deal or moves it on."""
        self.execute("DELETE FROM deals WHERE id = :id", id=name)
        row = {"id": name, "contact": contact, "stage": stage, "at": self.instant(at)}
        self.execute("INSERT INTO deals VALUES (:id, :contact, :stage, :at)", **row)

    def instant(self, at: datetime) -> Any:
        return at if self.aware else at.isoformat()

    def close(self) -> None:
        self.engine.dispose()


class Watching:
    """engage with a sources.yaml, whose sources are polled by hand."""

    def __init__(self, engage: Engage, crm: Crm, path: Path) -> None:
        self.engage = engage
        self.crm = crm
        self.path = path

    def says(self, sources: str) -> None:
        self.path.write_text(sources)

    def polls(self, *names: str) -> list[Polled]:
        """Polls these sources, or all in the order of the file, now; a minute later is now afterwards."""
        sources = self.engage.services.sources()
        found = [self.engage.services.poll_now(sources.find(name)) for name in names or self.names()]
        self.engage.now += timedelta(minutes=1)
        return found

    def names(self) -> list[str]:
        return [source.name for source in self.engage.services.sources().sources]

    def state(self, name: str = "crm-deals") -> SourceState:
        with self.engage.services.database.read() as db:
            return source_states(db, [name])[name]

    def rejects(self) -> list[tuple[str, str]]:
        """(key, reason) of each rejected row that waits."""
        r = tables.source_rejects.c
        return [(key, reason) for key, reason in self._rows(sa.select(r.row_key, r.reason).order_by(r.id))]

    def statuses(self) -> dict[str, str]:
        r = tables.referrals.c
        return {name: status for name, status in self._rows(sa.select(r.external_id, r.status))}

    def changes(self) -> list[tuple[str, str]]:
        """(referral, status) of each status change, in the order of arrival."""
        e, r = tables.events.c, tables.referrals.c
        query = sa.select(r.external_id, e.to_status).where(e.referral_id == r.id, e.kind == EventKind.STATUS_CHANGED)
        return [(name, status) for name, status in self._rows(query.order_by(e.id))]

    def news(self) -> list[int]:
        """The events that the queue was asked to match since this was asked last."""
        waiting = [ids for task, ids, _ in self.engage.queue.waiting if task == "match"]
        self.engage.queue.waiting.clear()
        return [id_ for ids in waiting for id_ in ids]

    def _rows(self, query: "sa.Select[Any]") -> list[Any]:
        with self.engage.services.database.read() as db:
            return list(db.execute(query))


def standing(watching: Watching) -> Mapping[str, str]:
    """name -> state, as `engage sources` says it."""
    return {each.source.name: each.state for each in watching.engage.services.standings()}
