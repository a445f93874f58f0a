"""Programmes and versions of authored files, as the store knows them."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.campaigns import Campaign
from engage.store.journeys import look_again_in
from engage.store.tables import campaign_versions, good_files, programs
from engage.store.upserts import insert_or_ignore, one_of


def program_ids(db: Connection, keys: Iterable[str]) -> dict[str, int]:
    """The id of each programme that is stored already."""
    rows = db.execute(sa.select(programs.c.key, programs.c.id).where(programs.c.key.in_(list(keys))))
    return {key: id_ for key, id_ in rows}


def program_keys(db: Connection) -> dict[int, str]:
    """The key of each programme that was ever stored, by its id."""
    return {id_: key for id_, key in db.execute(sa.select(programs.c.id, programs.c.key))}


def ensure_programs(db: Connection, keys: Iterable[str]) -> dict[str, int]:
    """Stores the programmes that are new and gives the id of each."""
    wanted = list(keys)
    missing = set(wanted) - set(program_ids(db, wanted))
    if missing:
        db.execute(insert_or_ignore(db, programs), [{"key": key} for key in sorted(missing)])
    return program_ids(db, wanted)


def ensure_version(db: Connection, program_id: int, campaign: Campaign, now: datetime) -> int:
    """The id of this very content of the campaign, stored on first sight.

    Whoever waits in a campaign for an instant of its promotion is then looked at again: its dates may be others.
    """
    c = campaign_versions.c
    found = sa.select(c.id).where(
        c.program_id == program_id, c.campaign == campaign.name, c.content_hash == campaign.content_hash
    )
    version: int | None = db.execute(found).scalar()
    if version is None:
        row = {
            "program_id": program_id,
            "campaign": campaign.name,
            "content_hash": campaign.content_hash,
            "source": campaign.source,
            "path": campaign.path,
            "first_seen": now,
        }
        db.execute(insert_or_ignore(db, campaign_versions), row)
        version = int(db.execute(found).scalar_one())
        changed = True
    else:
        changed = campaign.promotion is not None and version != _latest(db, program_id, campaign)
    if campaign.promotion is not None and changed:
        look_again_in(db, program_id, campaign.name, now)
    return version


def _latest(db: Connection, program_id: int, campaign: Campaign) -> int | None:
    """The version that was seen first last: the file may say again what an older one said."""
    c = campaign_versions.c
    mine = sa.select(sa.func.max(c.id)).where(c.program_id == program_id, c.campaign == campaign.name)
    return db.execute(mine).scalar()


def sources_of_versions(db: Connection, ids: Collection[int]) -> list[tuple[int, str, str, str]]:
    """(id, source, path, program's key) of each of these versions of campaigns."""
    c = campaign_versions.c
    query = sa.select(c.id, c.source, c.path, programs.c.key).join(programs, programs.c.id == c.program_id)
    rows = db.execute(query.where(one_of(db, c.id, ids)))
    return [(id_, source, path, key) for id_, source, path, key in rows]


def read_good_files(db: Connection) -> dict[str, str]:
    """path -> source of the last version of each file that passed lint."""
    return {path: source for path, source in db.execute(sa.select(good_files.c.path, good_files.c.source))}


def write_good_files(
    db: Connection, sources: Mapping[str, tuple[str, str]], gone: Iterable[str], now: datetime
) -> None:
    """Keeps (source, content hash) of files that passed lint, and forgets files that are gone."""
    removed = sorted({*sources, *gone})
    if removed:
        db.execute(sa.delete(good_files).where(good_files.c.path.in_(removed)))
    if sources:
        rows = [
            {"path": path, "source": source, "content_hash": digest, "good_at": now}
            for path, (source, digest) in sources.items()
        ]
        db.execute(sa.insert(good_files), rows)
