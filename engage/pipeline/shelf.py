"""Keeps the library current: files that change are read again, and one that fails lint never replaces what runs.

A campaign that somebody paused by the console or the command line is `state: paused` in it while that pause stands.
"""

import hashlib
import os
import threading
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy.engine import Connection

from engage.domain.errors import AuthoringError, ServiceUnreachable
from engage.pipeline.judging import Judged, judge
from engage.pipeline.library import Library
from engage.store.campaign_pauses import CampaignKey, paused_campaigns
from engage.store.database import Database
from engage.store.programs import ensure_programs, ensure_version, read_good_files, write_good_files

log = structlog.get_logger(__name__)

LOOK_EVERY = timedelta(seconds=1)
"""How often the folders, and what is paused, are looked at, at the most."""

Signature = tuple[tuple[str, int, int], ...]


class Shelf:
    """The library of one process. Safe to ask from several threads."""

    def __init__(self, database: Database, campaigns_dir: Path, templates_dir: Path) -> None:
        self._database = database
        self._folders = (campaigns_dir, templates_dir)
        self._lock = threading.Lock()
        self._read: Library | None = None  # as the files say it
        self._library: Library | None = None  # with what is paused
        self._signature: Signature = ()
        self._paused: frozenset[CampaignKey] | None = None
        self._looked_at: datetime | None = None

    def library(self, now: datetime) -> Library:
        """The library as the files say it; the same object while nothing changes.

        Raises AuthoringError if program.yaml is wrong and no version of it has ever been good.
        """
        with self._lock:
            if self._library is None or self._looked_at is None or now - self._looked_at >= LOOK_EVERY:
                self._looked_at = now
                self._library = self._look(now)
            return self._library

    def look_again(self) -> None:
        """Has whoever asks next look: something was paused just now."""
        with self._lock:
            self._looked_at = None

    def _look(self, now: datetime) -> Library:
        read, signature = self._read, _signature(self._folders)
        if read is None or signature != self._signature:
            read = self._load(now)
        paused = self._standing()
        if self._library is None or read is not self._read or paused != self._paused:
            self._library = read.with_paused(paused)
        self._read, self._signature, self._paused = read, signature, paused
        return self._library

    def _standing(self) -> frozenset[CampaignKey]:
        """What is paused; while the database is away, what was when it was last there."""
        try:
            with self._database.read() as db:
                return paused_campaigns(db)
        except ServiceUnreachable:
            if self._paused is None:
                raise
            return self._paused

    def _load(self, now: datetime) -> Library:
        with self._database.read() as db:
            good = read_good_files(db)
        judged = judge(*self._folders, good)
        if not judged.programs:
            raise AuthoringError(judged.problems)
        for problem in judged.problems:
            log.error("lint", problem=str(problem))
        if self._read is not None and self._read.problems and not judged.problems:
            log.info("lint_ok")
        with self._database.write() as db:
            program_ids = ensure_programs(db, judged.programs)
            versions = {
                (campaign.program, campaign.name): ensure_version(db, program_ids[campaign.program], campaign, now)
                for campaign in judged.campaigns.values()
            }
            _keep_good(db, good, judged, now)
        campaigns = {(campaign.program, campaign.name): campaign for campaign in judged.campaigns.values()}
        return Library(judged.programs, program_ids, campaigns, versions, judged.templates, judged.problems)


def _keep_good(db: Connection, good: dict[str, str], judged: Judged, now: datetime) -> None:
    """Keeps what passed lint and is new, and forgets files that are gone; what is broken stays as it was."""
    new = {
        path: (source, hashlib.sha256(source.encode()).hexdigest())
        for path, source in judged.sources.items()
        if good.get(path) != source
    }
    gone = good.keys() - judged.sources.keys() - {problem.file for problem in judged.problems}
    if new or gone:
        write_good_files(db, new, gone, now)


def _signature(folders: tuple[Path, ...]) -> Signature:
    """What changes when a file in the folders does: names, times and sizes."""
    found = []
    for folder in folders:
        for root, _, names in os.walk(folder):
            for name in names:
                with suppress(OSError):  # a file that vanishes while we look shows at the next look
                    status = os.stat(os.path.join(root, name))
                    found.append((os.path.join(root, name), status.st_mtime_ns, status.st_size))
    return tuple(sorted(found))
