"""Watched sources: how far each has been read, what could not be taken, and bursts that wait for an operator."""

import sqlalchemy as sa

from engage.store.tables.building import key, metadata, program, ref
from engage.store.types import Instant, Json, Key

watched_sources = sa.Table(
    "watched_sources",
    metadata,
    key(),
    program(),
    sa.Column("name", Key, nullable=False, unique=True, comment="as sources.yaml names it"),
    sa.Column(
        "version", sa.Integer, nullable=False, comment="moves with every write: a poller that was overtaken stops"
    ),
    sa.Column("position", Key, comment="the highest cursor value that was taken, as sources.watched writes it"),
    sa.Column("baselined_at", Instant, comment="when the first, silent reading came to its end"),
    sa.Column("next_poll_at", Instant, nullable=False),
    sa.Column("polled_at", Instant, comment="when the last poll began"),
    sa.Column("succeeded_at", Instant, comment="when the last poll that came to its end began"),
    sa.Column("failures", sa.Integer, nullable=False, comment="polls in a row that failed"),
    sa.Column("error", sa.Text, comment="why the last poll failed; null: it did not"),
    sa.Column("held", sa.Boolean, nullable=False, comment="the source has changed its shape, and waits to be mended"),
)

source_rows = sa.Table(
    "source_rows",
    metadata,
    ref("source_id", "watched_sources", nullable=False),
    sa.Column("hash", Key, nullable=False),
    sa.Column("position", Key, nullable=False, comment="its cursor value, as in watched_sources"),
    sa.PrimaryKeyConstraint("source_id", "hash"),
    sa.Index("ix_source_rows_position", "source_id", "position"),
    comment="Rows of the overlap that have been taken: read again, they are no news.",
)

source_rejects = sa.Table(
    "source_rejects",
    metadata,
    key(),
    ref("source_id", "watched_sources", nullable=False),
    sa.Column("row_key", Key, nullable=False, comment="the row's own key, or its hash: a newer row replaces an older"),
    sa.Column("row", Json, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("first_at", Instant, nullable=False),
    sa.Column("last_at", Instant, nullable=False),
    sa.UniqueConstraint("source_id", "row_key"),
    comment="Rows that could not be taken, tried again with every poll.",
)

source_changes = sa.Table(
    "source_changes",
    metadata,
    key(),
    program(),
    sa.Column("source", Key, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("changes", sa.Integer, nullable=False, comment="status changes that were news"),
    sa.Index("ix_source_changes_source", "program_id", "source", "at"),
    comment="How many status changes each source told of lately: what the limit on bursts counts.",
)

held_changes = sa.Table(
    "held_changes",
    metadata,
    key(),
    program(),
    sa.Column("source", Key, nullable=False),
    sa.Column("state", Key, nullable=False, comment="held, released or dropped"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("held_at", Instant, nullable=False),
    sa.Column("decided_at", Instant),
    sa.Column("why", sa.Text, comment="why they were released or dropped, in the operator's words"),
    sa.Index(
        "ix_held_changes_held",
        "program_id",
        "source",
        unique=True,
        postgresql_where=sa.text("state = 'held'"),
        sqlite_where=sa.text("state = 'held'"),
    ),
    comment="Bursts of status changes beyond the limit, which an operator releases or drops; events name theirs.",
)
