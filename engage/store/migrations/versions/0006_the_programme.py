"""The programme: rewards in parts, and salespeople who ask partners for help with a referral"""

import sqlalchemy as sa
from alembic import op

import engage.store.types

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "help_requests",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("program_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("referral_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("asked_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column(
            "staff_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="who asks; null: whoever works the referral",
        ),
        sa.Column("ask", sa.Text(), nullable=False, comment="what the partner could do, in a sentence"),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_help_requests_program_id_programs")),
        sa.ForeignKeyConstraint(["referral_id"], ["referrals.id"], name=op.f("fk_help_requests_referral_id_referrals")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_help_requests_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_help_requests")),
        sa.UniqueConstraint("referral_id", "asked_at", name=op.f("uq_help_requests_referral_id_asked_at")),
        comment="What salespeople asked partners to help with, each request once.",
    )
    with op.batch_alter_table("referrals") as table:
        table.add_column(
            sa.Column(
                "reversal_pending",
                sa.Boolean(),
                nullable=True,
                comment="as last told; facts read the versions",
            )
        )
    op.add_column(
        "referral_versions",
        sa.Column(
            "in_doubt",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
            comment="a reversal was pending: as a win it counts for no tier",
        ),
    )
    with op.batch_alter_table("rewards") as table:
        table.add_column(
            sa.Column(
                "stage",
                sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
                nullable=True,
                comment="what of the sale it is for, such as win or retention; null: all of it",
            )
        )
        table.add_column(
            sa.Column(
                "expected_at",
                engage.store.types.Instant(length=27),
                nullable=True,
                comment="when the source expects it to be earned",
            )
        )
        table.create_index("ix_rewards_referral", ["referral_id"])
