"""The public web: keys that may push, links that are clicked, addresses that were confirmed, pauses and languages"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import engage.store.types

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("program_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="whose it is, in the operator's words"),
        sa.Column(
            "public_id",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="the part of the key that may be seen",
        ),
        sa.Column(
            "kind",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="domain.access.KeyKind: bearer, or signed for systems that push",
        ),
        sa.Column(
            "secret_hash",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=True,
            comment="bearer: SHA-256 of the secret part; signed: null, its secret is derived",
        ),
        sa.Column(
            "scopes",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
            comment="domain.access.Scope, as a list",
        ),
        sa.Column("created_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column("last_used_at", engage.store.types.Instant(length=27), nullable=True, comment="to the hour"),
        sa.Column("revoked_at", engage.store.types.Instant(length=27), nullable=True),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_api_keys_program_id_programs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("public_id", name=op.f("uq_api_keys_public_id")),
    )
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.create_index("ix_api_keys_program", ["program_id"], unique=False)

    op.create_table(
        "links",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("program_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "hash",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="SHA-256 of the URL",
        ),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("first_at", engage.store.types.Instant(length=27), nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_links_program_id_programs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_links")),
        sa.UniqueConstraint("program_id", "hash", name=op.f("uq_links_program_id_hash")),
        comment="Where links of mails lead: a click is led on to these, and nowhere else.",
    )
    op.create_table(
        "idempotent_answers",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("api_key_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("idempotency_key", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column(
            "fingerprint",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="SHA-256 of method, path and body",
        ),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("answered_at", engage.store.types.Instant(length=27), nullable=False),
        sa.ForeignKeyConstraint(
            ["api_key_id"], ["api_keys.id"], name=op.f("fk_idempotent_answers_api_key_id_api_keys")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_idempotent_answers")),
        sa.UniqueConstraint(
            "api_key_id", "idempotency_key", name=op.f("uq_idempotent_answers_api_key_id_idempotency_key")
        ),
        comment="What was answered to requests that may come again; written with what they stored, kept for a day.",
    )
    with op.batch_alter_table("idempotent_answers", schema=None) as batch_op:
        batch_op.create_index("ix_idempotent_answers_answered", ["answered_at"], unique=False)

    op.create_table(
        "confirmations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("program_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("partner_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("address_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column(
            "browser_hash",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="SHA-256 of what the browser's cookie holds",
        ),
        sa.Column("asked_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column("expires_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("confirmed_at", engage.store.types.Instant(length=27), nullable=True),
        sa.ForeignKeyConstraint(["address_id"], ["addresses.id"], name=op.f("fk_confirmations_address_id_addresses")),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_confirmations_partner_id_partners")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_confirmations_program_id_programs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_confirmations")),
        sa.UniqueConstraint("public_id", name=op.f("uq_confirmations_public_id")),
        comment="Codes mailed to a partner, to be typed in the browser that asked; the code itself is derived, not kept.",
    )
    with op.batch_alter_table("confirmations", schema=None) as batch_op:
        batch_op.create_index("ix_confirmations_partner", ["partner_id", "asked_at"], unique=False)

    op.create_table(
        "languages",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("program_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("partner_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "locale",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="one of the program's locales",
        ),
        sa.Column("changed_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True, comment="where from, such as an address and a browser"),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_languages_partner_id_partners")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_languages_program_id_programs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_languages")),
        sa.UniqueConstraint("partner_id", "changed_at", name=op.f("uq_languages_partner_id_changed_at")),
        comment="Languages that partners chose: the latest row goes before what sources say.",
    )
    op.create_table(
        "pauses",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("program_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("partner_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "until",
            engage.store.types.Instant(length=27),
            nullable=True,
            comment="no marketing mail before; null: none, the pause was ended",
        ),
        sa.Column("changed_at", engage.store.types.Instant(length=27), nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True, comment="where from, such as an address and a browser"),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_pauses_partner_id_partners")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_pauses_program_id_programs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pauses")),
        sa.UniqueConstraint("partner_id", "changed_at", name=op.f("uq_pauses_partner_id_changed_at")),
        comment="Pauses that partners take from marketing mail: the latest row holds.",
    )
    with op.batch_alter_table("referrals", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("lead_contact", sa.Text(), nullable=True, comment="an address or a number of the lead")
        )
        batch_op.add_column(sa.Column("note", sa.Text(), nullable=True, comment="what the partner said of the lead"))

    with op.batch_alter_table("rhythms", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("source", sa.Text(), nullable=True, comment="where from, such as an address and a browser")
        )
