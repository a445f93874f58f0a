"""Watched sources, bursts that are held, aliases, and refusals from before engage"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

import engage.store.types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "address_refusals",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("program_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("address_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("topic", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("refused_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["address_id"], ["addresses.id"], name=op.f("fk_address_refusals_address_id_addresses")
        ),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_address_refusals_program_id_programs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_address_refusals")),
        sa.UniqueConstraint(
            "program_id", "address_id", "topic", name=op.f("uq_address_refusals_program_id_address_id_topic")
        ),
        comment="Topics that were unsubscribed at an address before engage came: they hold for whoever has the address.",
    )
    op.create_table(
        "aliases",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("program_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "kind",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="partner, referral, company or staff",
        ),
        sa.Column(
            "external_id",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="another external id under which sources know the row",
        ),
        sa.Column(
            "target_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="the row of the kind's table",
        ),
        sa.Column("created_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_aliases_program_id_programs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_aliases")),
        sa.UniqueConstraint("program_id", "kind", "external_id", name=op.f("uq_aliases_program_id_kind_external_id")),
        comment="Changed external ids and merged duplicates: each alias leads to the one row that is meant.",
    )
    op.create_table(
        "held_changes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("program_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column(
            "state",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="held, released or dropped",
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("held_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column("decided_at", engage.store.types.Instant(length=27), nullable=True),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_held_changes_program_id_programs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_held_changes")),
        comment="Bursts of status changes beyond the limit, which an operator releases or drops; events name theirs.",
    )
    op.create_index(
        "ix_held_changes_held",
        "held_changes",
        ["program_id", "source"],
        unique=True,
        postgresql_where=sa.text("state = 'held'"),
        sqlite_where=sa.text("state = 'held'"),
    )
    op.create_table(
        "source_changes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("program_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False, comment="status changes that were news"),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_source_changes_program_id_programs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_changes")),
        comment="How many status changes each source told of lately: what the limit on bursts counts.",
    )
    op.create_index("ix_source_changes_source", "source_changes", ["program_id", "source", "at"], unique=False)
    op.create_table(
        "watched_sources",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("program_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "name",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="as sources.yaml names it",
        ),
        sa.Column(
            "version", sa.Integer(), nullable=False, comment="moves with every write: a poller that was overtaken stops"
        ),
        sa.Column(
            "position",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=True,
            comment="the highest cursor value that was taken, as sources.watched writes it",
        ),
        sa.Column(
            "baselined_at",
            engage.store.types.Instant(length=27),
            nullable=True,
            comment="when the first, silent reading came to its end",
        ),
        sa.Column("next_poll_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column(
            "polled_at", engage.store.types.Instant(length=27), nullable=True, comment="when the last poll began"
        ),
        sa.Column(
            "succeeded_at",
            engage.store.types.Instant(length=27),
            nullable=True,
            comment="when the last poll that came to its end began",
        ),
        sa.Column("failures", sa.Integer(), nullable=False, comment="polls in a row that failed"),
        sa.Column("error", sa.Text(), nullable=True, comment="why the last poll failed; null: it did not"),
        sa.Column(
            "held", sa.Boolean(), nullable=False, comment="the source has changed its shape, and waits to be mended"
        ),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_watched_sources_program_id_programs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_watched_sources")),
        sa.UniqueConstraint("name", name=op.f("uq_watched_sources_name")),
    )
    op.create_table(
        "source_rejects",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "row_key",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="the row's own key, or its hash: a newer row replaces an older",
        ),
        sa.Column("row", sa.JSON().with_variant(postgresql.JSONB(astext_type=Text()), "postgresql"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("first_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column("last_at", engage.store.types.Instant(length=27), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"], ["watched_sources.id"], name=op.f("fk_source_rejects_source_id_watched_sources")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_rejects")),
        sa.UniqueConstraint("source_id", "row_key", name=op.f("uq_source_rejects_source_id_row_key")),
        comment="Rows that could not be taken, tried again with every poll.",
    )
    op.create_table(
        "source_rows",
        sa.Column("source_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("hash", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column(
            "position",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="its cursor value, as in watched_sources",
        ),
        sa.ForeignKeyConstraint(
            ["source_id"], ["watched_sources.id"], name=op.f("fk_source_rows_source_id_watched_sources")
        ),
        sa.PrimaryKeyConstraint("source_id", "hash", name=op.f("pk_source_rows")),
        comment="Rows of the overlap that have been taken: read again, they are no news.",
    )
    op.create_index("ix_source_rows_position", "source_rows", ["source_id", "position"], unique=False)
    op.add_column(
        "events",
        sa.Column(
            "held_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="held_changes, where it waited or waits for an operator",
        ),
    )
    op.create_index(
        "ix_events_held",
        "events",
        ["held_id"],
        unique=False,
        postgresql_where=sa.text("held_id IS NOT NULL"),
        sqlite_where=sa.text("held_id IS NOT NULL"),
    )
    op.add_column(
        "partners",
        sa.Column(
            "merged_into_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="the partner of whom this one was a duplicate; it has no versions",
        ),
    )
    op.add_column(
        "referrals",
        sa.Column(
            "merged_into_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="the referral of which this one was a duplicate; it has no versions",
        ),
    )
    op.add_column(
        "runs",
        sa.Column(
            "approved_audience",
            sa.Integer(),
            nullable=True,
            comment="how many an operator let it reach beyond max_audience",
        ),
    )
