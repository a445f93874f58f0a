"""What the public web needs to know: who may push, what was answered, where links lead, who confirmed an address."""

import sqlalchemy as sa

from engage.store.tables.building import key, metadata, program, ref
from engage.store.types import Instant, Json, Key

api_keys = sa.Table(
    "api_keys",
    metadata,
    key(),
    program(),
    sa.Column("name", sa.Text, nullable=False, comment="whose it is, in the operator's words"),
    sa.Column("public_id", Key, nullable=False, unique=True, comment="the part of the key that may be seen"),
    sa.Column("kind", Key, nullable=False, comment="domain.access.KeyKind: bearer, or signed for systems that push"),
    sa.Column("secret_hash", Key, comment="bearer: SHA-256 of the secret part; signed: null, its secret is derived"),
    sa.Column("scopes", Json, nullable=False, comment="domain.access.Scope, as a list"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("last_used_at", Instant, comment="to the hour"),
    sa.Column("revoked_at", Instant),
    sa.Index("ix_api_keys_program", "program_id"),
)

idempotent_answers = sa.Table(
    "idempotent_answers",
    metadata,
    key(),
    ref("api_key_id", "api_keys", nullable=False),
    sa.Column("idempotency_key", Key, nullable=False),
    sa.Column("fingerprint", Key, nullable=False, comment="SHA-256 of method, path and body"),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("answered_at", Instant, nullable=False),
    sa.UniqueConstraint("api_key_id", "idempotency_key"),
    sa.Index("ix_idempotent_answers_answered", "answered_at"),
    comment="What was answered to requests that may come again; written with what they stored, kept for a day.",
)

links = sa.Table(
    "links",
    metadata,
    key(),
    program(),
    sa.Column("hash", Key, nullable=False, comment="SHA-256 of the URL"),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("first_at", Instant, nullable=False),
    sa.UniqueConstraint("program_id", "hash"),
    comment="Where links of mails lead: a click is led on to these, and nowhere else.",
)

confirmations = sa.Table(
    "confirmations",
    metadata,
    key(),
    program(),
    ref("partner_id", "partners", nullable=False),
    ref("address_id", "addresses", nullable=False),
    sa.Column("public_id", Key, nullable=False, unique=True),
    sa.Column("browser_hash", Key, nullable=False, comment="SHA-256 of what the browser's cookie holds"),
    sa.Column("asked_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("confirmed_at", Instant),
    sa.Index("ix_confirmations_partner", "partner_id", "asked_at"),
    comment="Codes mailed to a partner, to be typed in the browser that asked; the code itself is derived, not kept.",
)
