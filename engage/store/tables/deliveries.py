"""Deliveries and their attempts, the processes that make them, and the gate they go through."""

import sqlalchemy as sa

from engage.store.tables.building import copied, key, metadata, ref
from engage.store.types import BigId, Instant, Json, Key

RESERVED = sa.text("reserved_at IS NOT NULL AND counts_at IS NULL AND state IN ('pending', 'claimed', 'retry')")
"""A mail that has won room under the frequency caps and has yet to go out."""

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
    copied("company_id"),
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
    sa.Column("claims", sa.Integer, nullable=False, server_default="0", comment="claims since it last got anywhere"),
    sa.Column("provider_id", sa.Text),
    sa.Column("reported", Key, comment="domain.deliveries.Reported: the highest that the provider reported"),
    sa.Column("looked_up_at", Instant, comment="unknown: when the provider's records were last asked for it"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("settled_at", Instant),
    sa.Column("locale", Key, comment="the locale of the email that was composed"),
    sa.Column("contest_at", Instant, comment="pending: the end of the dispatch window in which it competes for room"),
    sa.Column("reserved_at", Instant, comment="when it won room under the frequency caps"),
    sa.Column("counts_at", Instant, comment="the instant at which it uses up frequency caps"),
    sa.Column("held_out", sa.Boolean, nullable=False, server_default=sa.false(), comment="it is never sent"),
    sa.Column("into_id", BigId, comment="the delivery that tells of it instead: collapsed, gathered or folded"),
    sa.UniqueConstraint("program_id", "campaign", "step", "recipient", "occasion"),
    *(
        sa.Index(
            f"ix_deliveries_counted_{whose}",
            f"{whose}_id",
            "counts_at",
            postgresql_where=sa.text("counts_at IS NOT NULL"),
            sqlite_where=sa.text("counts_at IS NOT NULL"),
        )
        for whose in ("partner", "company", "address", "program")
    ),
    sa.Index(
        "ix_deliveries_contest",
        "contest_at",
        "program_id",
        "campaign",
        "recipient",
        postgresql_where=sa.text("contest_at IS NOT NULL AND state = 'pending'"),
        sqlite_where=sa.text("contest_at IS NOT NULL AND state = 'pending'"),
    ),
    *(
        sa.Index(f"ix_deliveries_reserved_{whose}", f"{whose}_id", postgresql_where=RESERVED, sqlite_where=RESERVED)
        for whose in ("partner", "company", "address", "program")
    ),
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
    sa.Index(
        "ix_deliveries_stuck",
        "state",
        "id",
        postgresql_where=sa.text("state IN ('unknown', 'dead')"),
        sqlite_where=sa.text("state IN ('unknown', 'dead')"),
    ),
    sa.Index("ix_deliveries_created", "created_at", postgresql_using="brin"),
    sa.Index(
        "ix_deliveries_settled",
        "settled_at",
        postgresql_where=sa.text("settled_at IS NOT NULL"),
        sqlite_where=sa.text("settled_at IS NOT NULL"),
    ),
    sa.Index("ix_deliveries_partner", "partner_id", "created_at"),
    sa.Index("ix_deliveries_enrollment", "enrollment_id"),
)

delivery_occasions = sa.Table(
    "delivery_occasions",
    metadata,
    ref("delivery_id", "deliveries", nullable=False),
    ref("enrollment_id", "enrollments", nullable=False),
    sa.PrimaryKeyConstraint("delivery_id", "enrollment_id"),
    sa.Index("ix_delivery_occasions_enrollment", "enrollment_id"),
    comment="Every occasion of a mail that tells of several: collapsed or gathered.",
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
    sa.Index(
        "ix_attempts_failed",
        "id",
        postgresql_where=sa.text("outcome IN ('retry', 'dead', 'unknown')"),
        sqlite_where=sa.text("outcome IN ('retry', 'dead', 'unknown')"),
    ),
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
    sa.Column("doing", Json, comment="workers: [task, how many ids, since when] of each thread that is at work"),
)

gates = sa.Table(
    "gates",
    metadata,
    sa.Column("provider", Key, primary_key=True, comment="the provider and its host"),
    sa.Column("failures", sa.Integer, nullable=False, comment="attempts in a row that the provider did not take"),
    sa.Column("opened", sa.Integer, nullable=False, comment="how often in a row the breaker opened without a success"),
    sa.Column("shut_until", Instant, comment="nothing is sent before; later one mail is tried first if `opened`"),
    sa.Column("probe_until", Instant, comment="somebody tries one mail and may do so until then"),
    sa.Column("reason", sa.Text, comment="why it is shut"),
    sa.Column("paused_at", Instant, comment="everything waits for an operator since then"),
    sa.Column("paused_why", sa.Text),
    sa.Column("resumed_at", Instant, comment="when an operator last let mail out again"),
    sa.Column("resumed_why", sa.Text),
    sa.Column("tokens", sa.Float, nullable=False, comment="of the bucket that keeps to the provider's rate"),
    sa.Column("tokens_at", Instant, comment="when the bucket held so many"),
    comment="What lets mail out to a provider, shared by all workers: breaker, pause, rate.",
)

alarms = sa.Table(
    "alarms",
    metadata,
    key(),
    sa.Column("kind", Key, nullable=False),
    sa.Column("said", sa.Text, nullable=False),
    sa.Column("raised_at", Instant, nullable=False),
    sa.Column("due_at", Instant, comment="when to try to send it (again); null: sent, or given up"),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("sent_at", Instant),
    sa.Index(
        "ix_alarms_due",
        "due_at",
        postgresql_where=sa.text("due_at IS NOT NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL"),
    ),
    comment="What operators are told by a channel other than email.",
)
