"""Delivering under faults: gates, alarms, what providers report, and claims that lead nowhere"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

import engage.store.types

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alarms",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("raised_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column(
            "due_at",
            engage.store.types.Instant(length=27),
            nullable=True,
            comment="when to try to send it (again); null: sent, or given up",
        ),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("sent_at", engage.store.types.Instant(length=27), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
        comment="What operators are told by a channel other than email.",
    )
    op.create_index(
        "ix_alarms_due",
        "alarms",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL"),
    )

    op.create_table(
        "feedback",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "natural_key",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="the same event, whatever id it comes with",
        ),
        sa.Column(
            "kind",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="domain.feedback.FeedbackKind",
        ),
        sa.Column("occurred_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column("observed_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column("program_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column(
            "delivery_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="null: of no mail that engage knows",
        ),
        sa.Column("address_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("soft", sa.Boolean(), nullable=False, comment="a bounce that says nothing of the address for good"),
        sa.Column("machine", sa.Boolean(), nullable=False, comment="an open or click that no human made"),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("raw", sa.JSON().with_variant(postgresql.JSONB(astext_type=Text()), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
        sa.UniqueConstraint("natural_key", name=op.f("uq_feedback_natural_key")),
        comment="What a provider reported of a mail, each event once.",
    )
    op.create_index("ix_feedback_address", "feedback", ["address_id", "kind", "occurred_at"], unique=False)
    op.create_index("ix_feedback_delivery", "feedback", ["delivery_id"], unique=False)

    op.create_table(
        "gates",
        sa.Column(
            "provider",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="the provider and its host",
        ),
        sa.Column("failures", sa.Integer(), nullable=False, comment="attempts in a row that the provider did not take"),
        sa.Column(
            "opened", sa.Integer(), nullable=False, comment="how often in a row the breaker opened without a success"
        ),
        sa.Column(
            "shut_until",
            engage.store.types.Instant(length=27),
            nullable=True,
            comment="nothing is sent before; later one mail is tried first if `opened`",
        ),
        sa.Column(
            "probe_until",
            engage.store.types.Instant(length=27),
            nullable=True,
            comment="somebody tries one mail and may do so until then",
        ),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it is shut"),
        sa.Column(
            "paused_at",
            engage.store.types.Instant(length=27),
            nullable=True,
            comment="everything waits for an operator since then",
        ),
        sa.Column("paused_why", sa.Text(), nullable=True),
        sa.Column(
            "resumed_at",
            engage.store.types.Instant(length=27),
            nullable=True,
            comment="when an operator last let mail out again",
        ),
        sa.Column("resumed_why", sa.Text(), nullable=True),
        sa.Column("tokens", sa.Float(), nullable=False, comment="of the bucket that keeps to the provider's rate"),
        sa.Column(
            "tokens_at", engage.store.types.Instant(length=27), nullable=True, comment="when the bucket held so many"
        ),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_gates")),
        comment="What lets mail out to a provider, shared by all workers: breaker, pause, rate.",
    )
    op.create_table(
        "webhooks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("provider", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("received_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column("body", sa.Text(), nullable=False, comment="as it came, after its signature was checked"),
        sa.Column("absorbed_at", engage.store.types.Instant(length=27), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True, comment="why nothing, or not all, could be read of it"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
        comment="Requests of a provider, stored before they are answered and absorbed afterwards.",
    )
    op.create_index(
        "ix_webhooks_waiting",
        "webhooks",
        ["received_at"],
        unique=False,
        postgresql_where=sa.text("absorbed_at IS NULL"),
        sqlite_where=sa.text("absorbed_at IS NULL"),
    )

    op.create_table(
        "topic_pauses",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("program_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("topic", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("paused_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("lifted_at", engage.store.types.Instant(length=27), nullable=True),
        sa.Column("why", sa.Text(), nullable=True, comment="why it was lifted, in the operator's words"),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_topic_pauses_program_id_programs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_topic_pauses")),
    )
    op.create_index(
        "ix_topic_pauses_standing",
        "topic_pauses",
        ["program_id", "topic"],
        unique=True,
        postgresql_where=sa.text("lifted_at IS NULL"),
        sqlite_where=sa.text("lifted_at IS NULL"),
    )

    op.add_column(
        "deliveries",
        sa.Column(
            "claims", sa.Integer(), server_default="0", nullable=False, comment="claims since it last got anywhere"
        ),
    )
    op.add_column(
        "deliveries",
        sa.Column(
            "reported",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=True,
            comment="domain.deliveries.Reported: the highest that the provider reported",
        ),
    )
    op.add_column(
        "deliveries",
        sa.Column(
            "looked_up_at",
            engage.store.types.Instant(length=27),
            nullable=True,
            comment="unknown: when the provider's records were last asked for it",
        ),
    )
    op.add_column(
        "schedule_marks",
        sa.Column(
            "schedule",
            sa.Text(),
            nullable=True,
            comment="the cron and zone that were looked at; null: the campaign was not live",
        ),
    )
    op.create_index("ix_consent_changes_address", "consent_changes", ["address_id"], unique=False)
    op.create_index("ix_deliveries_created", "deliveries", ["created_at"], unique=False, postgresql_using="brin")
    op.create_index(
        "ix_deliveries_stuck",
        "deliveries",
        ["state", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('unknown', 'dead')"),
        sqlite_where=sa.text("state IN ('unknown', 'dead')"),
    )
