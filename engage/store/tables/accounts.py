"""Who may use the consoles, and what each of them changed."""

import sqlalchemy as sa

from engage.store.tables.building import key, metadata, ref
from engage.store.types import BigId, Instant, Json, Key

users = sa.Table(
    "users",
    metadata,
    key(),
    sa.Column("email", Key, nullable=False, unique=True, comment="normalised, as addresses are"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", Key, nullable=False, comment="domain.accounts.Role"),
    sa.Column("every_program", sa.Boolean, nullable=False, comment="false: the programs of user_programs only"),
    sa.Column("password_hash", sa.Text, comment="argon2id; null: none was chosen yet, or they come by OIDC"),
    sa.Column("totp_secret", sa.Text, comment="encrypted with the secret key; null: no second factor"),
    sa.Column("totp_confirmed_at", Instant, comment="since when a second factor is asked for"),
    sa.Column("totp_step", BigId, comment="the last time step whose code was used: each code counts once"),
    sa.Column("recovery_hashes", Json, comment="SHA-256 of each recovery code that is left"),
    sa.Column("subject", Key, unique=True, comment="issuer and subject of OIDC, divided by a space"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("disabled_at", Instant, comment="since then nothing of theirs lets them in"),
)

user_programs = sa.Table(
    "user_programs",
    metadata,
    ref("user_id", "users", nullable=False),
    ref("program_id", "programs", nullable=False),
    sa.PrimaryKeyConstraint("user_id", "program_id"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    key(),
    sa.Column("token_hash", Key, nullable=False, unique=True, comment="SHA-256 of what the cookie holds"),
    ref("user_id", "users", nullable=False),
    sa.Column("whole", sa.Boolean, nullable=False, comment="false: the second factor has yet to be shown"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("used_at", Instant, nullable=False, comment="to the minute"),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("origin", sa.Text, nullable=False, comment="where from, such as an address and a browser"),
    sa.Index("ix_sessions_user", "user_id"),
    sa.Index("ix_sessions_expires", "expires_at"),
    comment="Who is logged in; a session that ends is deleted.",
)

one_time_links = sa.Table(
    "one_time_links",
    metadata,
    key(),
    ref("user_id", "users", nullable=False),
    sa.Column("purpose", Key, nullable=False, comment="domain.accounts.LinkPurpose"),
    sa.Column("token_hash", Key, nullable=False, unique=True, comment="SHA-256 of what the link holds"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("used_at", Instant),
    sa.Index("ix_one_time_links_user", "user_id"),
    comment="Links that let a user in once: to log in, to choose a first password, or another one.",
)

audit_entries = sa.Table(
    "audit_entries",
    metadata,
    key(),
    sa.Column("at", Instant, nullable=False),
    sa.Column("actor", sa.Text, nullable=False, comment="the user's address, or 'command line'"),
    ref("user_id", "users"),
    ref("program_id", "programs"),
    sa.Column("action", Key, nullable=False, comment="such as delivery.resend"),
    sa.Column("object", Key, nullable=False, comment="what was changed, such as delivery:12 or campaign:welcome"),
    sa.Column("before", Json),
    sa.Column("after", Json),
    sa.Column("why", sa.Text, comment="in the words of who did it"),
    sa.Column("origin", sa.Text, comment="where from, such as an address and a browser"),
    sa.Index("ix_audit_entries_object", "object", "id"),
    sa.Index("ix_audit_entries_user", "user_id", "id"),
    sa.Index("ix_audit_entries_program", "program_id", "id"),
    sa.Index("ix_audit_entries_program_user", "program_id", "user_id", "id"),
    comment="Every change that people made, by a console or the command line. Rows are never changed.",
)
