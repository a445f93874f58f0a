"""Processes for tests that kill: writers of a CRM's database, and a poller that does nothing else."""

import os
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import sqlalchemy as sa

from engage.bootstrap import Services
from engage.domain.errors import EngageError
from engage.queueing import NoQueue
from engage.settings import Settings

STAGES = ("New", "Offer", "Won", "Lost")


@dataclass(frozen=True, slots=True)
class Installed:
    """Where everything is."""

    database_url: str
    crm_url: str
    folder: Path

    def services(self) -> Services:
        os.environ["CRM_DATABASE_URL"] = self.crm_url  # a process of a fork server has the environment of the server
        settings = Settings.load(
            database_url=self.database_url,
            data_dir=self.folder / "var",
            campaigns_dir=self.folder / "campaigns",
            templates_dir=self.folder / "email_templates",
            sources=self.folder / "sources.yaml",
        )
        return Services(settings, NoQueue())


def poll_until_killed(installed: Installed, polling: "Synchronized[int]", polls: "Synchronized[int]") -> None:
    """Polls the deals again and again: `polling` is 1 while a poll runs, `polls` counts those that ended."""
    services = installed.services()
    source = services.sources().find("crm-deals")
    while True:
        polling.value = 1
        with suppress(EngageError):  # the one before, killed, may hold the source for an instant longer
            services.poll_now(source)
            polls.value += 1
        polling.value = 0


def write_changes(url: str, deals: Sequence[str], changes: int, seed: int) -> None:
    """Makes so many changes to deals that are this writer's own; a change takes its time to be committed.

    Each is noted in the table `history` by the transaction that makes it.
    """
    chance = random.Random(seed)
    stages = dict.fromkeys(deals, "New")
    engine = sa.create_engine(url, connect_args={"timeout": 60} if url.startswith("sqlite") else {})
    postgres = engine.dialect.name == "postgresql"
    change = sa.text("UPDATE deals SET stage = :stage, updated_at = :at WHERE id = :id")
    note = sa.text("INSERT INTO history VALUES (:id, :stage, :at)")
    with engine.connect() as connection:
        if not postgres:
            connection.exec_driver_sql("PRAGMA synchronous=OFF")
            connection.commit()
        for _ in range(changes):
            deal = chance.choice(deals)
            stages[deal] = chance.choice([stage for stage in STAGES if stage != stages[deal]])
            at = datetime.now(UTC)
            row = {"id": deal, "stage": stages[deal], "at": at if postgres else at.isoformat()}
            connection.execute(change, row)
            connection.execute(note, row)
            if postgres:
                time.sleep(chance.random() / 150)
            connection.commit()
            if not postgres:  # which has one writer at a time: a change waits for its turn, and is late by that
                time.sleep(chance.random() / 150)
    engine.dispose()
