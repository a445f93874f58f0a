"""What consoles show of history without reading it: counts by the hour, and each campaign's figures."""

import sqlalchemy as sa

from engage.store.tables.building import metadata, program
from engage.store.types import BigId, Instant, Json, Key

delivery_counts = sa.Table(
    "delivery_counts",
    metadata,
    program(),
    sa.Column("hour", Instant, nullable=False, comment="its beginning"),
    sa.Column("campaign", Key, nullable=False),
    sa.Column("state", Key, nullable=False, comment="a settled state as of settled_at; or 'created', as of created_at"),
    sa.Column("number", BigId, nullable=False),
    sa.PrimaryKeyConstraint("program_id", "hour", "campaign", "state"),
    sa.Index("ix_delivery_counts_campaign", "program_id", "campaign", "hour"),
    comment="How many deliveries were made, and came to an end, in each hour: counted as they go, and once more after.",
)

count_marks = sa.Table(
    "count_marks",
    metadata,
    sa.Column("name", Key, primary_key=True, comment="what is counted"),
    sa.Column("counted_until", Instant, nullable=False),
    sa.Column("recounted_until", Instant, nullable=False, comment="hours up to here have been counted for good"),
)

campaign_figures = sa.Table(
    "campaign_figures",
    metadata,
    program(),
    sa.Column("campaign", Key, nullable=False),
    sa.Column("as_of", Instant, nullable=False),
    sa.Column("figures", Json, nullable=False, comment="reporting.figures.Figures"),
    sa.PrimaryKeyConstraint("program_id", "campaign"),
    comment="What a campaign has done so far, reckoned now and then: reach, human clicks, goals, lift.",
)
