"""How far what is kept for a time only has been pruned, and from which backups the database was brought back."""

import sqlalchemy as sa

from engage.store.tables.building import key, metadata
from engage.store.types import BigId, Instant, Key

retention_marks = sa.Table(
    "retention_marks",
    metadata,
    sa.Column("name", Key, primary_key=True, comment="of one of store.retention.RULES"),
    sa.Column("until_id", BigId, nullable=False, comment="rows up to this one have been looked at"),
)

restores = sa.Table(
    "restores",
    metadata,
    key(),
    sa.Column("backup_at", Instant, nullable=False, comment="what happened from here on was lost"),
    sa.Column("restored_at", Instant, nullable=False, comment="what happened up to here is no news"),
)
