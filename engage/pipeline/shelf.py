"""Keeps the library current: files that change are read again, and one that fails lint never replaces what runs."""

import hashlib
import os
import threading
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy.engine import Connection

from engage.domain.errors import AuthoringError
from engage.pipeline.judging import Judged, judge
from engage.pipeline.library import Library
from engage.store.database import Database
from engage.store.programs import ensure_programs, ensure_version, read_good_files, write_good_files

log = structlog.get_logger(__name__)

LOOK_EVERY = timedelta(seconds=1)
"""How often the folders are looked at, at the most."""

Signature = tuple[tuple[str, int, int], ...]


class Shelf:
    """The library of one process. Safe to ask from several threads."""

    def __init__(self, database: Database, campaigns_dir: Path, templates_dir: Path) -> None:
        self._database = database
        self._folders = (campaigns_dir, templates_dir)
        self._lock = threading.Lock()
        self._library: Library | None = None
        self._signature: Signature = ()
        self._looked_at: datetime | None = None

    def library(self, now: datetime) -> Library:
        """The library as the files say it; the same object while nothing changes.

        Raises AuthoringError if program.yaml is wrong and no version of it has ever been good.
        """
        with self._lock:
            if self._library is None or self._looked_at is None or now - self._looked_at >= LOOK_EVERY:
                self._looked_at = now
                signature = _signature(self._folders)
                if self._library is None or signature != self._signature:
                    self._library = self._load(now)
                    self._signature = signature
            return self._library

    def _load(self, now: datetime) -> Library:
        with self._database.read() as db:
            good = read_good_files(db)
        judged = judge(*self._folders, good)
        if not judged.programs:
            raise AuthoringError(judged.problems)
        for problem in judged.problems:
            log.error("lint", problem=str(problem))
        if self._library is not None and self._library.problems and not judged.problems:
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
