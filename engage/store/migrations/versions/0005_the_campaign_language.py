"""The campaign language: journeys, caps, holdouts, promotions, rhythms and answers"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

import engage.store.types

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_COMMENTS = (
    ("decisions", "phase", "enroll, send when looked at again, journey, or contest"),
    ("decisions", "decision", "send, defer or skip; of a journey: then, otherwise or stop"),
)

# What went out, or may have, counts under frequency caps from the first day. Which topics count stands in program.yaml,
# where no migration looks: their lane says which are marketing.
_COUNT_WHAT_WENT_OUT = """
    UPDATE deliveries SET
        counts_at = COALESCE(
            settled_at, (SELECT MAX(started_at) FROM attempts WHERE attempts.delivery_id = deliveries.id)
        ),
        company_id = (SELECT company_id FROM partners WHERE partners.id = deliveries.partner_id)
    WHERE lane = 'bulk' AND state IN ('accepted', 'unknown', 'sending')
"""

_RESERVED = "reserved_at IS NOT NULL AND counts_at IS NULL AND state IN ('pending', 'claimed', 'retry')"


def upgrade() -> None:
    op.create_table(
        "answers",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("program_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("partner_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("question", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("answer", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("answered_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column(
            "delivery_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="the mail that asked",
        ),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_answers_partner_id_partners")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_answers_program_id_programs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answers")),
        sa.UniqueConstraint(
            "partner_id", "question", "answered_at", name=op.f("uq_answers_partner_id_question_answered_at")
        ),
        comment="What partners answered to the questions that campaigns ask: the latest counts.",
    )
    op.create_table(
        "promotion_terms",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("program_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("campaign", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("partner_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "terms",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=Text()), "postgresql"),
            nullable=False,
            comment="domain.campaigns.Promotion as it stood in the first mail",
        ),
        sa.Column("frozen_at", engage.store.types.Instant(length=27), nullable=False),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_promotion_terms_partner_id_partners")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_promotion_terms_program_id_programs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotion_terms")),
        sa.UniqueConstraint(
            "program_id", "campaign", "partner_id", name=op.f("uq_promotion_terms_program_id_campaign_partner_id")
        ),
        comment="What each partner was promised: later edits of the campaign do not change it.",
    )
    op.create_table(
        "rhythms",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("program_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("partner_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("topic", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column(
            "rhythm",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="domain.programs.Rhythm",
        ),
        sa.Column("changed_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_rhythms_partner_id_partners")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_rhythms_program_id_programs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rhythms")),
        sa.UniqueConstraint("partner_id", "topic", "changed_at", name=op.f("uq_rhythms_partner_id_topic_changed_at")),
        comment="How often a partner wants a topic: the latest row holds; none: at once.",
    )
    op.create_table(
        "delivery_occasions",
        sa.Column("delivery_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("enrollment_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name=op.f("fk_delivery_occasions_delivery_id_deliveries")
        ),
        sa.ForeignKeyConstraint(
            ["enrollment_id"], ["enrollments.id"], name=op.f("fk_delivery_occasions_enrollment_id_enrollments")
        ),
        sa.PrimaryKeyConstraint("delivery_id", "enrollment_id", name=op.f("pk_delivery_occasions")),
        comment="Every occasion of a mail that tells of several: collapsed or gathered.",
    )
    op.create_index("ix_delivery_occasions_enrollment", "delivery_occasions", ["enrollment_id"])

    op.create_index("ix_partner_versions_company", "partner_versions", ["company_id"])
    op.create_index("ix_referral_versions_salesperson", "referral_versions", ["salesperson_id"])
    with op.batch_alter_table("companies") as table:
        table.add_column(
            sa.Column(
                "contact_id",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                nullable=True,
                comment="the partner who speaks for the company",
            )
        )
        table.add_column(
            sa.Column(
                "manager_id",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                nullable=True,
                comment="the channel manager, of our staff",
            )
        )

    with op.batch_alter_table("deliveries") as table:
        table.add_column(sa.Column("company_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True))
        table.add_column(
            sa.Column(
                "locale",
                sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
                nullable=True,
                comment="the locale of the email that was composed",
            )
        )
        table.add_column(
            sa.Column(
                "contest_at",
                engage.store.types.Instant(length=27),
                nullable=True,
                comment="pending: the end of the dispatch window in which it competes for room",
            )
        )
        table.add_column(
            sa.Column(
                "reserved_at",
                engage.store.types.Instant(length=27),
                nullable=True,
                comment="when it won room under the frequency caps",
            )
        )
        table.add_column(
            sa.Column(
                "counts_at",
                engage.store.types.Instant(length=27),
                nullable=True,
                comment="the instant at which it uses up frequency caps",
            )
        )
        table.add_column(
            sa.Column("held_out", sa.Boolean(), server_default=sa.false(), nullable=False, comment="it is never sent")
        )
        table.add_column(
            sa.Column(
                "into_id",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                nullable=True,
                comment="the delivery that tells of it instead: collapsed, gathered or folded",
            )
        )
        table.alter_column(
            "partner_id", existing_type=sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        )
        table.create_index(
            "ix_deliveries_contest",
            ["contest_at", "program_id", "campaign", "recipient"],
            unique=False,
            postgresql_where=sa.text("contest_at IS NOT NULL AND state = 'pending'"),
            sqlite_where=sa.text("contest_at IS NOT NULL AND state = 'pending'"),
        )
        table.create_index(
            "ix_deliveries_counted_address",
            ["address_id", "counts_at"],
            unique=False,
            postgresql_where=sa.text("counts_at IS NOT NULL"),
            sqlite_where=sa.text("counts_at IS NOT NULL"),
        )
        table.create_index(
            "ix_deliveries_counted_company",
            ["company_id", "counts_at"],
            unique=False,
            postgresql_where=sa.text("counts_at IS NOT NULL"),
            sqlite_where=sa.text("counts_at IS NOT NULL"),
        )
        table.create_index(
            "ix_deliveries_counted_partner",
            ["partner_id", "counts_at"],
            unique=False,
            postgresql_where=sa.text("counts_at IS NOT NULL"),
            sqlite_where=sa.text("counts_at IS NOT NULL"),
        )
        table.create_index(
            "ix_deliveries_counted_program",
            ["program_id", "counts_at"],
            unique=False,
            postgresql_where=sa.text("counts_at IS NOT NULL"),
            sqlite_where=sa.text("counts_at IS NOT NULL"),
        )
        table.create_index(
            "ix_deliveries_reserved_address",
            ["address_id"],
            unique=False,
            postgresql_where=sa.text(_RESERVED),
            sqlite_where=sa.text(_RESERVED),
        )
        table.create_index(
            "ix_deliveries_reserved_company",
            ["company_id"],
            unique=False,
            postgresql_where=sa.text(_RESERVED),
            sqlite_where=sa.text(_RESERVED),
        )
        table.create_index(
            "ix_deliveries_reserved_partner",
            ["partner_id"],
            unique=False,
            postgresql_where=sa.text(_RESERVED),
            sqlite_where=sa.text(_RESERVED),
        )
        table.create_index(
            "ix_deliveries_reserved_program",
            ["program_id"],
            unique=False,
            postgresql_where=sa.text(_RESERVED),
            sqlite_where=sa.text(_RESERVED),
        )

    op.execute(_COUNT_WHAT_WENT_OUT)

    with op.batch_alter_table("enrollments") as table:
        table.add_column(sa.Column("company_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True))
        table.add_column(sa.Column("staff_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True))
        table.add_column(
            sa.Column(
                "arm",
                sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
                nullable=True,
                comment="domain.experiments.Arm; null: none drawn, or no more theirs since a merge",
            )
        )
        table.add_column(
            sa.Column(
                "state",
                sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
                server_default="done",
                nullable=False,
                comment="domain.journeys.JourneyState",
            )
        )
        table.add_column(
            sa.Column(
                "step",
                sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
                nullable=True,
                comment="active: the step at which it stands",
            )
        )
        table.add_column(
            sa.Column(
                "reached_at",
                engage.store.types.Instant(length=27),
                nullable=True,
                comment="active: when it came to the step",
            )
        )
        table.add_column(
            sa.Column(
                "due_at",
                engage.store.types.Instant(length=27),
                nullable=True,
                comment="active: when the step is to be taken",
            )
        )
        table.add_column(sa.Column("ended_at", engage.store.types.Instant(length=27), nullable=True))
        table.add_column(sa.Column("why", sa.Text(), nullable=True, comment="stopped: why"))
        table.alter_column(
            "partner_id", existing_type=sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        )
        table.create_index(
            "ix_enrollments_inside",
            ["program_id", "campaign", "version_id", "step"],
            unique=False,
            postgresql_where=sa.text("state = 'active'"),
            sqlite_where=sa.text("state = 'active'"),
        )
        table.create_index(
            "ix_enrollments_of_no_partner",
            ["program_id", "campaign", "key"],
            unique=True,
            postgresql_where=sa.text("partner_id IS NULL"),
            sqlite_where=sa.text("partner_id IS NULL"),
        )
        for subject in ("referral", "reward"):
            table.create_index(
                f"ix_enrollments_{subject}",
                [f"{subject}_id"],
                unique=False,
                postgresql_where=sa.text(f"{subject}_id IS NOT NULL"),
                sqlite_where=sa.text(f"{subject}_id IS NOT NULL"),
            )
        table.create_index(
            "ix_enrollments_waiting",
            ["due_at", "id"],
            unique=False,
            postgresql_where=sa.text("state = 'active'"),
            sqlite_where=sa.text("state = 'active'"),
        )

    with op.batch_alter_table("episodes") as table:
        table.drop_index("ix_episodes_open")
        table.drop_constraint("uq_episodes_program_id_campaign_partner_id_opened_slot", type_="unique")
        table.drop_constraint("fk_episodes_partner_id_partners", type_="foreignkey")
    with op.batch_alter_table("episodes") as table:
        table.alter_column(
            "partner_id",
            new_column_name="subject_id",
            existing_type=sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            existing_nullable=False,
            comment="the id of the partner, referral, reward, company or staff",
        )
        table.add_column(
            sa.Column(
                "subject",
                sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
                server_default="partner",
                nullable=False,
                comment="domain.facts.Subject",
            )
        )
    with op.batch_alter_table("episodes") as table:
        table.create_unique_constraint(
            op.f("uq_episodes_program_id_campaign_subject_id_opened_slot"),
            ["program_id", "campaign", "subject_id", "opened_slot"],
        )
    op.create_index(
        "ix_episodes_open",
        "episodes",
        ["program_id", "campaign", "subject_id"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
        sqlite_where=sa.text("closed_at IS NULL"),
    )
    if op.get_bind().dialect.name == "postgresql":  # SQLite keeps no comments
        for table_name, column, comment in _COMMENTS:
            op.alter_column(table_name, column, existing_nullable=False, comment=comment)
        op.create_table_comment(
            "enrollments", "Who entered a campaign, by which occasion, and where in its journey they stand."
        )
