"""What providers report: each request as it came, its events in one vocabulary, and the topics paused for them."""

import sqlalchemy as sa

from engage.store.tables.building import copied, key, metadata, program
from engage.store.types import BigId, Instant, Json, Key

webhooks = sa.Table(
    "webhooks",
    metadata,
    key(),
    sa.Column("provider", Key, nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("body", sa.Text, nullable=False, comment="as it came, after its signature was checked"),
    sa.Column("absorbed_at", Instant),
    sa.Column("problem", sa.Text, comment="why nothing, or not all, could be read of it"),
    sa.Index(
        "ix_webhooks_waiting",
        "received_at",
        postgresql_where=sa.text("absorbed_at IS NULL"),
        sqlite_where=sa.text("absorbed_at IS NULL"),
    ),
    comment="Requests of a provider, stored before they are answered and absorbed afterwards.",
)

feedback = sa.Table(
    "feedback",
    metadata,
    key(),
    sa.Column("natural_key", Key, nullable=False, unique=True, comment="the same event, whatever id it comes with"),
    sa.Column("kind", Key, nullable=False, comment="domain.feedback.FeedbackKind"),
    sa.Column("occurred_at", Instant, nullable=False),
    sa.Column("observed_at", Instant, nullable=False),
    sa.Column("program_id", BigId),
    sa.Column("delivery_id", BigId, comment="null: of no mail that engage knows"),
    copied("address_id"),
    sa.Column("soft", sa.Boolean, nullable=False, comment="a bounce that says nothing of the address for good"),
    sa.Column("machine", sa.Boolean, nullable=False, comment="an open or click that no human made"),
    sa.Column("url", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("raw", Json, nullable=False),
    sa.Index("ix_feedback_delivery", "delivery_id"),
    sa.Index("ix_feedback_address", "address_id", "kind", "occurred_at"),
    comment="What a provider reported of a mail, each event once.",
)

topic_pauses = sa.Table(
    "topic_pauses",
    metadata,
    key(),
    program(),
    sa.Column("topic", Key, nullable=False),
    sa.Column("paused_at", Instant, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("lifted_at", Instant),
    sa.Column("why", sa.Text, comment="why it was lifted, in the operator's words"),
    sa.Index(
        "ix_topic_pauses_standing",
        "program_id",
        "topic",
        unique=True,
        postgresql_where=sa.text("lifted_at IS NULL"),
        sqlite_where=sa.text("lifted_at IS NULL"),
    ),
)
