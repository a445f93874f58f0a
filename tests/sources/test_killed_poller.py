"""A CRM with four concurrent writers, and a poller that is killed 50 times: nothing is lost and nothing taken twice."""

import multiprocessing
import os
import random
import signal
import time
from datetime import UTC, datetime, timedelta
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from engage.domain.campaigns import EventKind
from engage.store import tables
from tests.support.crm import Watching
from tests.support.killing import Installed, poll_until_killed, write_changes
from tests.support.waiting import wait_for

WRITERS, CHANGES, KILLS, DEALS = 4, 20_000, 50, 200
STATUSES = {"New": "submitted", "Offer": "opportunity", "Won": "won", "Lost": "lost"}


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Starts processes that have everything imported already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support.killing"])
    return context


@pytest.mark.slow
def test_no_change_is_lost_and_none_is_taken_twice(
    watching: Watching, processes: ForkServerContext, tmp_path: Path, record_property: Any
) -> None:
    began = time.monotonic()
    deals = prepare(watching)
    watching.polls("crm-partners")
    started = time.monotonic()
    watching.polls("crm-deals")
    one_batch = time.monotonic() - started
    assert len(watching.statuses()) == DEALS

    url = watching.crm.engine.url.render_as_string(hide_password=False)
    share = CHANGES // WRITERS
    writers = [
        processes.Process(target=write_changes, args=(url, deals[n::WRITERS], share, n), daemon=True)
        for n in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    installed = Installed(watching.engage.services.settings.database_url, url, tmp_path)
    polls, hits, during = kill_again_and_again(processes, installed, writers, min(3 * one_batch, 0.6))
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * WRITERS

    watching.engage.now = datetime.now(UTC)
    watching.polls("crm-deals")

    crm = crm_says(watching)
    history = committed(watching)
    assert len(history) == CHANGES + DEALS
    assert watching.statuses() == crm
    events = engage_noted(watching)
    assert len(events) == len(set(events)), "nothing is taken twice"
    assert set(events) <= set(history), "nothing is taken that was not committed"
    seconds = time.monotonic() - began
    measured = f"{CHANGES:,} changes, {KILLS} kills, {hits} of them within a poll, {during} while writers wrote, "
    measured += f"{polls} polls came to their end, {len(events):,} events, {seconds:.0f} s"
    print(measured)
    record_property("measured", measured)
    assert hits > KILLS / 2


def prepare(watching: Watching) -> list[str]:
    """One partner with all the deals, new since an hour ago."""
    crm, at = watching.crm, datetime.now(UTC) - timedelta(hours=1)
    if crm.engine.dialect.name == "sqlite":
        with crm.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    crm.contact("ann", at)
    crm.execute(f"CREATE TABLE history (id text, stage text, at {'timestamptz' if crm.aware else 'text'})")
    names = [f"deal-{n:04}" for n in range(DEALS)]
    rows = [{"id": name, "at": crm.instant(at)} for name in names]
    with crm.engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO deals VALUES (:id, 'ann', 'New', :at)"), rows)
        connection.execute(sa.text("INSERT INTO history VALUES (:id, 'New', :at)"), rows)
    crm.execute("CREATE INDEX by_cursor ON deals (updated_at)")
    watching.engage.now = datetime.now(UTC)
    return names


def kill_again_and_again(
    processes: ForkServerContext, installed: Installed, writers: list[Any], longest: float
) -> tuple[int, int, int]:
    """Starts a poller and kills it at a random moment, 50 times; it polls for at most `longest` seconds.

    Returns how many polls came to their end, how many kills hit one that ran, how many came while writers wrote.
    """
    chance = random.Random(1)
    polls = processes.Value("i", 0)
    hits = during = 0
    for _ in range(KILLS):
        polling = processes.Value("i", 0)
        poller = processes.Process(target=poll_until_killed, args=(installed, polling, polls), daemon=True)
        poller.start()
        wait_for(lambda polling=polling: polling.value, "a poll to begin")  # type: ignore[misc]
        time.sleep(chance.random() * longest)
        hits += polling.value
        during += any(writer.is_alive() for writer in writers)
        os.kill(poller.pid or 0, signal.SIGKILL)
        poller.join()
        assert poller.exitcode == -signal.SIGKILL, "it ran until it was killed"
    return polls.value, hits, during


def crm_says(watching: Watching) -> dict[str, str]:
    with watching.crm.engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT id, stage FROM deals"))
        return {name: STATUSES[stage] for name, stage in rows}


def committed(watching: Watching) -> list[tuple[str, str, datetime]]:
    with watching.crm.engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT id, stage, at FROM history")).all()
    return [
        (name, STATUSES[stage], at if isinstance(at, datetime) else datetime.fromisoformat(at))
        for name, stage, at in rows
    ]


def engage_noted(watching: Watching) -> list[tuple[str, str, datetime]]:
    e, r = tables.events.c, tables.referrals.c
    query = sa.select(r.external_id, e.to_status, e.occurred_at).where(
        e.referral_id == r.id, e.kind == EventKind.STATUS_CHANGED
    )
    with watching.engage.services.database.read() as db:
        return [(name, status, at) for name, status, at in db.execute(query)]
