"""Consoles and operations: users and their sessions, coaching alerts, counts by the hour, pauses of campaigns"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import engage.store.types

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "count_marks",
        sa.Column(
            "name",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="what is counted",
        ),
        sa.Column("counted_until", engage.store.types.Instant(length=27), nullable=False),
        sa.Column(
            "recounted_until",
            engage.store.types.Instant(length=27),
            nullable=False,
            comment="hours up to here have been counted for good",
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_count_marks")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "email",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="normalised, as addresses are",
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "role",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="domain.accounts.Role",
        ),
        sa.Column("every_program", sa.Boolean(), nullable=False, comment="false: the programs of user_programs only"),
        sa.Column(
            "password_hash",
            sa.Text(),
            nullable=True,
            comment="argon2id; null: none was chosen yet, or they come by OIDC",
        ),
        sa.Column(
            "totp_secret", sa.Text(), nullable=True, comment="encrypted with the secret key; null: no second factor"
        ),
        sa.Column(
            "totp_confirmed_at",
            engage.store.types.Instant(length=27),
            nullable=True,
            comment="since when a second factor is asked for",
        ),
        sa.Column(
            "totp_step",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="the last time step whose code was used: each code counts once",
        ),
        sa.Column(
            "recovery_hashes",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=True,
            comment="SHA-256 of each recovery code that is left",
        ),
        sa.Column(
            "subject",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=True,
            comment="issuer and subject of OIDC, divided by a space",
        ),
        sa.Column("created_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column(
            "disabled_at",
            engage.store.types.Instant(length=27),
            nullable=True,
            comment="since then nothing of theirs lets them in",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
        sa.UniqueConstraint("subject", name=op.f("uq_users_subject")),
    )
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False, comment="the user's address, or 'command line'"),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("program_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column(
            "action",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="such as delivery.resend",
        ),
        sa.Column(
            "object",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="what was changed, such as delivery:12 or campaign:welcome",
        ),
        sa.Column(
            "before", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=True
        ),
        sa.Column(
            "after", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=True
        ),
        sa.Column("why", sa.Text(), nullable=True, comment="in the words of who did it"),
        sa.Column("origin", sa.Text(), nullable=True, comment="where from, such as an address and a browser"),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_audit_entries_program_id_programs")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_audit_entries_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
        comment="Every change that people made, by a console or the command line. Rows are never changed.",
    )
    with op.batch_alter_table("audit_entries", schema=None) as batch_op:
        batch_op.create_index("ix_audit_entries_object", ["object", "id"], unique=False)
        batch_op.create_index("ix_audit_entries_program", ["program_id", "id"], unique=False)
        batch_op.create_index("ix_audit_entries_program_user", ["program_id", "user_id", "id"], unique=False)
        batch_op.create_index("ix_audit_entries_user", ["user_id", "id"], unique=False)

    op.create_table(
        "campaign_figures",
        sa.Column("program_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("campaign", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("as_of", engage.store.types.Instant(length=27), nullable=False),
        sa.Column(
            "figures",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
            comment="reporting.figures.Figures",
        ),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_campaign_figures_program_id_programs")),
        sa.PrimaryKeyConstraint("program_id", "campaign", name=op.f("pk_campaign_figures")),
        comment="What a campaign has done so far, reckoned now and then: reach, human clicks, goals, lift.",
    )
    op.create_table(
        "campaign_pauses",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("program_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("campaign", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("paused_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("lifted_at", engage.store.types.Instant(length=27), nullable=True),
        sa.Column("lifted_why", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_campaign_pauses_program_id_programs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign_pauses")),
        comment="Campaigns that somebody paused without editing their file: as `state: paused` while a pause stands.",
    )
    with op.batch_alter_table("campaign_pauses", schema=None) as batch_op:
        batch_op.create_index(
            "ix_campaign_pauses_standing",
            ["program_id", "campaign"],
            unique=True,
            postgresql_where=sa.text("lifted_at IS NULL"),
            sqlite_where=sa.text("lifted_at IS NULL"),
        )

    op.create_table(
        "coaching_alerts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("program_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "delivery_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="the mail that told of it",
        ),
        sa.Column("campaign", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("template", sa.Text(), nullable=False, comment="the email that says what to do"),
        sa.Column(
            "recipient",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="whom the mail went to, as deliveries.recipient",
        ),
        sa.Column("staff_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("partner_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("company_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("referral_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("raised_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column(
            "evidence",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
            comment="[label, value] as the salesperson reads them, in order",
        ),
        sa.Column(
            "state",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="domain.coaching.AlertState: open, claimed or resolved",
        ),
        sa.Column(
            "claimed_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True, comment="users.id"
        ),
        sa.Column("claimed_at", engage.store.types.Instant(length=27), nullable=True),
        sa.Column(
            "snoozed_until",
            engage.store.types.Instant(length=27),
            nullable=True,
            comment="not resolved: not shown before",
        ),
        sa.Column(
            "resolved_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True, comment="users.id"
        ),
        sa.Column("resolved_at", engage.store.types.Instant(length=27), nullable=True),
        sa.Column(
            "outcome",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=True,
            comment="resolved: domain.coaching.Outcome",
        ),
        sa.Column("note", sa.Text(), nullable=True, comment="what the salesperson wrote of it"),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_coaching_alerts_program_id_programs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coaching_alerts")),
        sa.UniqueConstraint("delivery_id", name=op.f("uq_coaching_alerts_delivery_id")),
        comment="Each alert that was sent to a salesperson about somebody, and what became of it.",
    )
    with op.batch_alter_table("coaching_alerts", schema=None) as batch_op:
        batch_op.create_index(
            "ix_coaching_alerts_claimed",
            ["partner_id"],
            unique=False,
            postgresql_where=sa.text("state = 'claimed'"),
            sqlite_where=sa.text("state = 'claimed'"),
        )
        batch_op.create_index(
            "ix_coaching_alerts_open",
            ["program_id", "staff_id", "raised_at"],
            unique=False,
            postgresql_where=sa.text("state <> 'resolved'"),
            sqlite_where=sa.text("state <> 'resolved'"),
        )
        batch_op.create_index(
            "ix_coaching_alerts_in_hand",
            ["claimed_by", "claimed_at"],
            unique=False,
            postgresql_where=sa.text("state = 'claimed'"),
            sqlite_where=sa.text("state = 'claimed'"),
        )
        batch_op.create_index(
            "ix_coaching_alerts_waiting",
            ["program_id", "raised_at"],
            unique=False,
            postgresql_where=sa.text("state <> 'resolved'"),
            sqlite_where=sa.text("state <> 'resolved'"),
        )
        batch_op.create_index("ix_coaching_alerts_partner", ["partner_id", "raised_at"], unique=False)
        batch_op.create_index("ix_coaching_alerts_resolved", ["program_id", "resolved_at"], unique=False)

    op.create_table(
        "delivery_counts",
        sa.Column("program_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("hour", engage.store.types.Instant(length=27), nullable=False, comment="its beginning"),
        sa.Column("campaign", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column(
            "state",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="a settled state as of settled_at; or 'created', as of created_at",
        ),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_delivery_counts_program_id_programs")),
        sa.PrimaryKeyConstraint("program_id", "hour", "campaign", "state", name=op.f("pk_delivery_counts")),
        comment="How many deliveries were made, and came to an end, in each hour: counted as they go, and once more after.",
    )
    with op.batch_alter_table("delivery_counts", schema=None) as batch_op:
        batch_op.create_index("ix_delivery_counts_campaign", ["program_id", "campaign", "hour"], unique=False)

    op.create_table(
        "forgotten",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("program_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column(
            "kind",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="address, or partner: what the hash is of",
        ),
        sa.Column(
            "hash",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="keyed: privacy.py of the pipeline",
        ),
        sa.Column("forgotten_at", engage.store.types.Instant(length=27), nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_forgotten_program_id_programs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forgotten")),
        sa.UniqueConstraint("kind", "hash", name=op.f("uq_forgotten_kind_hash")),
        comment="What is left of people who were erased: enough to know them again, and keep them suppressed.",
    )
    op.create_table(
        "one_time_links",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "purpose",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="domain.accounts.LinkPurpose",
        ),
        sa.Column(
            "token_hash",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="SHA-256 of what the link holds",
        ),
        sa.Column("created_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column("expires_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column("used_at", engage.store.types.Instant(length=27), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_one_time_links_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_one_time_links")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_one_time_links_token_hash")),
        comment="Links that let a user in once: to log in, to choose a first password, or another one.",
    )
    with op.batch_alter_table("one_time_links", schema=None) as batch_op:
        batch_op.create_index("ix_one_time_links_user", ["user_id"], unique=False)

    op.create_table(
        "restores",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "backup_at",
            engage.store.types.Instant(length=27),
            nullable=False,
            comment="what happened from here on was lost",
        ),
        sa.Column(
            "restored_at",
            engage.store.types.Instant(length=27),
            nullable=False,
            comment="what happened up to here is no news",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restores")),
    )
    op.create_table(
        "retention_marks",
        sa.Column(
            "name",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="of one of store.retention.RULES",
        ),
        sa.Column(
            "until_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="rows up to this one have been looked at",
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_retention_marks")),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "token_hash",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="SHA-256 of what the cookie holds",
        ),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False, comment="false: the second factor has yet to be shown"),
        sa.Column("created_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column("used_at", engage.store.types.Instant(length=27), nullable=False, comment="to the minute"),
        sa.Column("expires_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False, comment="where from, such as an address and a browser"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_sessions_token_hash")),
        comment="Who is logged in; a session that ends is deleted.",
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.create_index("ix_sessions_expires", ["expires_at"], unique=False)
        batch_op.create_index("ix_sessions_user", ["user_id"], unique=False)

    op.create_table(
        "user_programs",
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("program_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_user_programs_program_id_programs")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_user_programs_user_id_users")),
        sa.PrimaryKeyConstraint("user_id", "program_id", name=op.f("pk_user_programs")),
    )
    with op.batch_alter_table("heartbeats", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "doing",
                sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
                nullable=True,
                comment="workers: [task, how many ids, since when] of each thread that is at work",
            )
        )

    if op.get_bind().dialect.name == "sqlite":  # on PostgreSQL engage.store.schema builds them: these tables are large
        with op.batch_alter_table("attempts", schema=None) as batch_op:
            batch_op.create_index(
                "ix_attempts_failed",
                ["id"],
                unique=False,
                postgresql_where=sa.text("outcome IN ('retry', 'dead', 'unknown')"),
                sqlite_where=sa.text("outcome IN ('retry', 'dead', 'unknown')"),
            )

        with op.batch_alter_table("deliveries", schema=None) as batch_op:
            batch_op.create_index(
                "ix_deliveries_settled",
                ["settled_at"],
                unique=False,
                postgresql_where=sa.text("settled_at IS NOT NULL"),
                sqlite_where=sa.text("settled_at IS NOT NULL"),
            )
