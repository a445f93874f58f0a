"""Deliveries and their attempts, and the processes that make them."""

import sqlalchemy as sa

from engage.store.tables.building import copied, key, metadata, ref
from engage.store.types import Instant, Json, Key

deliveries = sa.Table(
    "deliveries",
    metadata,
    key(),
    copied("program_id"),
    sa.Column("public_id", Key, nullable=False, unique=True),
    sa.Column("campaign", Key, nullable=False),
    copied("version_id"),
    sa.Column("step", Key, nullable=False),
    sa.Column("recipient", Key, nullable=False, comment="partner:<external id> or staff:<external id>"),
    sa.Column("occasion", Key, nullable=False, comment="the enrollment's key, with the partner's id for alerts"),
    ref("enrollment_id", "enrollments", nullable=False),
    copied("partner_id"),
    copied("staff_id"),
    copied("address_id"),
    sa.Column("template", sa.Text, nullable=False),
    sa.Column("topic", Key, nullable=False),
    sa.Column("lane", Key, nullable=False, comment="queueing.Lane"),
    sa.Column("state", Key, nullable=False, comment="domain.deliveries.DeliveryState"),
    sa.Column("reason", sa.Text),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("lease", Key, comment="token of the claim; every write of the holder carries it"),
    sa.Column("lease_until", Instant),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("provider_id", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("settled_at", Instant),
    sa.UniqueConstraint("program_id", "campaign", "step", "recipient", "occasion"),
    sa.Index(
        "ix_deliveries_due",
        "lane",
        "due_at",
        postgresql_where=sa.text("state IN ('pending', 'retry')"),
        sqlite_where=sa.text("state IN ('pending', 'retry')"),
    ),
    sa.Index(
        "ix_deliveries_leased",
        "lease_until",
        postgresql_where=sa.text("lease_until IS NOT NULL"),
        sqlite_where=sa.text("lease_until IS NOT NULL"),
    ),
    sa.Index("ix_deliveries_partner", "partner_id", "created_at"),
    sa.Index("ix_deliveries_enrollment", "enrollment_id"),
)

attempts = sa.Table(
    "attempts",
    metadata,
    key(),
    copied("program_id"),
    ref("delivery_id", "deliveries", nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("lease", Key, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("started_at", Instant, nullable=False, comment="committed before the socket opens"),
    sa.Column("finished_at", Instant),
    sa.Column("outcome", Key, comment="domain.messages.Outcome; null: not known yet"),
    sa.Column("status", sa.Integer),
    sa.Column("detail", sa.Text),
    sa.UniqueConstraint("delivery_id", "number"),
)

kept_messages = sa.Table(
    "kept_messages",
    metadata,
    ref("delivery_id", "deliveries", nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("html", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("headers", Json, nullable=False),
    sa.Column("composed_at", Instant, nullable=False),
    sa.PrimaryKeyConstraint("delivery_id"),
    comment="What was composed and, because SEND_TO does not let it out, kept instead of sent.",
)

heartbeats = sa.Table(
    "heartbeats",
    metadata,
    sa.Column("process", Key, primary_key=True, comment="role, host and process id"),
    sa.Column("role", Key, nullable=False),
    sa.Column("beat_at", Instant, nullable=False),
)
