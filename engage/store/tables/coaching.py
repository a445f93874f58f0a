"""Coaching alerts as salespeople work on them, and campaigns that somebody has paused."""

import sqlalchemy as sa

from engage.store.tables.building import copied, key, metadata, program, ref
from engage.store.types import BigId, Instant, Json, Key

coaching_alerts = sa.Table(
    "coaching_alerts",
    metadata,
    key(),
    program(),
    sa.Column("delivery_id", BigId, nullable=False, unique=True, comment="the mail that told of it"),
    sa.Column("campaign", Key, nullable=False),
    sa.Column("template", sa.Text, nullable=False, comment="the email that says what to do"),
    sa.Column("recipient", Key, nullable=False, comment="whom the mail went to, as deliveries.recipient"),
    copied("staff_id"),
    copied("partner_id"),
    copied("company_id"),
    sa.Column("referral_id", BigId),
    sa.Column("raised_at", Instant, nullable=False),
    sa.Column("evidence", Json, nullable=False, comment="[label, value] as the salesperson reads them, in order"),
    sa.Column("state", Key, nullable=False, comment="domain.coaching.AlertState: open, claimed or resolved"),
    sa.Column("claimed_by", BigId, comment="users.id"),
    sa.Column("claimed_at", Instant),
    sa.Column("snoozed_until", Instant, comment="not resolved: not shown before"),
    sa.Column("resolved_by", BigId, comment="users.id"),
    sa.Column("resolved_at", Instant),
    sa.Column("outcome", Key, comment="resolved: domain.coaching.Outcome"),
    sa.Column("note", sa.Text, comment="what the salesperson wrote of it"),
    sa.Index(
        "ix_coaching_alerts_open",
        "program_id",
        "staff_id",
        "raised_at",
        postgresql_where=sa.text("state <> 'resolved'"),
        sqlite_where=sa.text("state <> 'resolved'"),
    ),
    sa.Index(
        "ix_coaching_alerts_claimed",
        "partner_id",
        postgresql_where=sa.text("state = 'claimed'"),
        sqlite_where=sa.text("state = 'claimed'"),
    ),
    sa.Index(
        "ix_coaching_alerts_in_hand",
        "claimed_by",
        "claimed_at",
        postgresql_where=sa.text("state = 'claimed'"),
        sqlite_where=sa.text("state = 'claimed'"),
    ),
    sa.Index(
        "ix_coaching_alerts_waiting",
        "program_id",
        "raised_at",
        postgresql_where=sa.text("state <> 'resolved'"),
        sqlite_where=sa.text("state <> 'resolved'"),
    ),
    sa.Index("ix_coaching_alerts_partner", "partner_id", "raised_at"),
    sa.Index("ix_coaching_alerts_resolved", "program_id", "resolved_at"),
    comment="Each alert that was sent to a salesperson about somebody, and what became of it.",
)

campaign_pauses = sa.Table(
    "campaign_pauses",
    metadata,
    key(),
    program(),
    sa.Column("campaign", Key, nullable=False),
    sa.Column("paused_at", Instant, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("lifted_at", Instant),
    sa.Column("lifted_why", sa.Text),
    sa.Index(
        "ix_campaign_pauses_standing",
        "program_id",
        "campaign",
        unique=True,
        postgresql_where=sa.text("lifted_at IS NULL"),
        sqlite_where=sa.text("lifted_at IS NULL"),
    ),
    comment="Campaigns that somebody paused without editing their file: as `state: paused` while a pause stands.",
)

forgotten = sa.Table(
    "forgotten",
    metadata,
    key(),
    ref("program_id", "programs"),
    sa.Column("kind", Key, nullable=False, comment="address, or partner: what the hash is of"),
    sa.Column("hash", Key, nullable=False, comment="keyed: privacy.py of the pipeline"),
    sa.Column("forgotten_at", Instant, nullable=False),
    sa.UniqueConstraint("kind", "hash"),
    comment="What is left of people who were erased: enough to know them again, and keep them suppressed.",
)
