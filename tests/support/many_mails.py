"""Mails by the thousand, written straight into the database: for what must not cost more as history grows."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from engage.domain.deliveries import DeliveryState
from engage.queueing import Lane
from engage.store.database import Database
from engage.store.tables import campaign_versions, deliveries, enrollments, occasions, programs
from engage.store.upserts import insert_many


class Mails:
    """One program with one campaign, `news`, and one enrollment that stands for those of all mails."""

    def __init__(self, database: Database, program: str = "p") -> None:
        self.database = database
        self._number = 0
        at = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
        with database.write() as db:
            p = programs.c
            known = db.execute(sa.select(p.id).where(p.key == program)).scalar()
            self.program_id = known or db.execute(sa.insert(programs).values(key=program).returning(p.id)).scalar_one()
            mine = {"program_id": self.program_id, "campaign": "news"}
            version = mine | {"content_hash": "x", "source": "", "path": "news.yaml", "first_seen": at}
            made = sa.insert(campaign_versions).values(version).returning(campaign_versions.c.id)
            self.version_id = db.execute(made).scalar_one()
            mine["version_id"] = self.version_id
            occasion = sa.insert(occasions).values(mine | {"key": "k", "occurred_at": at}).returning(occasions.c.id)
            entry = mine | {"occasion_id": db.execute(occasion).scalar_one(), "key": "k", "entered_at": at}
            entered = sa.insert(enrollments).values(entry).returning(enrollments.c.id)
            self.enrollment_id = db.execute(entered).scalar_one()

    def add(self, number: int, created_at: datetime, **values: object) -> list[int]:
        """So many mails; returns their ids."""
        common: dict[str, object] = {
            "program_id": self.program_id,
            "campaign": "news",
            "version_id": self.version_id,
            "step": "s",
            "occasion": "o",
            "enrollment_id": self.enrollment_id,
            "template": "news",
            "topic": "tips",
            "lane": Lane.BULK,
            "state": DeliveryState.PENDING,
            "due_at": created_at,
            "expires_at": created_at + timedelta(days=3),
            "attempts": 0,
            "created_at": created_at,
        }
        rows = []
        for _ in range(number):
            self._number += 1
            name = f"{self.program_id}-{self._number}"
            rows.append(common | {"public_id": name, "recipient": f"partner:{name}"} | values)
        with self.database.write() as db:
            return [row.id for row in insert_many(db, deliveries, rows, deliveries.c.id)]
