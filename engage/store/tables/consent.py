"""What people said of being mailed."""

import sqlalchemy as sa

from engage.store.tables.building import key, metadata, program, ref
from engage.store.types import Instant, Key

subscriptions = sa.Table(
    "subscriptions",
    metadata,
    key(),
    program(),
    ref("partner_id", "partners", nullable=False),
    ref("address_id", "addresses", nullable=False),
    sa.Column("topic", Key, nullable=False),
    sa.Column("subscribed", sa.Boolean, nullable=False),
    sa.Column("changed_at", Instant, nullable=False),
    sa.Column("how", sa.Text, nullable=False),
    sa.UniqueConstraint("partner_id", "address_id", "topic"),
    sa.Index("ix_subscriptions_address", "address_id", "topic"),
    comment="Consent per person, address and topic; no row: the topic's default.",
)

suppressions = sa.Table(
    "suppressions",
    metadata,
    key(),
    ref("address_id", "addresses", nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.UniqueConstraint("address_id", "reason"),
    comment="Global: no program mails an address that is listed here.",
)

address_refusals = sa.Table(
    "address_refusals",
    metadata,
    key(),
    program(),
    ref("address_id", "addresses", nullable=False),
    sa.Column("topic", Key, nullable=False),
    sa.Column("refused_at", Instant, nullable=False),
    sa.Column("how", sa.Text, nullable=False),
    sa.UniqueConstraint("program_id", "address_id", "topic"),
    comment="Topics that were unsubscribed at an address before engage came: they hold for whoever has the address.",
)

consent_changes = sa.Table(
    "consent_changes",
    metadata,
    key(),
    program(),
    ref("partner_id", "partners"),
    ref("address_id", "addresses", nullable=False),
    sa.Column("topic", Key, comment="null: everything"),
    sa.Column("subscribed", sa.Boolean, nullable=False),
    sa.Column("changed_at", Instant, nullable=False),
    sa.Column("how", sa.Text, nullable=False),
    sa.Column("source", sa.Text, comment="where from, such as an address and a browser"),
    sa.Index("ix_consent_changes_address", "address_id"),
)

rhythms = sa.Table(
    "rhythms",
    metadata,
    key(),
    program(),
    ref("partner_id", "partners", nullable=False),
    sa.Column("topic", Key, nullable=False),
    sa.Column("rhythm", Key, nullable=False, comment="domain.programs.Rhythm"),
    sa.Column("changed_at", Instant, nullable=False),
    sa.Column("how", sa.Text, nullable=False),
    sa.Column("source", sa.Text, comment="where from, such as an address and a browser"),
    sa.UniqueConstraint("partner_id", "topic", "changed_at"),
    comment="How often a partner wants a topic: the latest row holds; none: at once.",
)

pauses = sa.Table(
    "pauses",
    metadata,
    key(),
    program(),
    ref("partner_id", "partners", nullable=False),
    sa.Column("until", Instant, comment="no marketing mail before; null: none, the pause was ended"),
    sa.Column("changed_at", Instant, nullable=False),
    sa.Column("how", sa.Text, nullable=False),
    sa.Column("source", sa.Text, comment="where from, such as an address and a browser"),
    sa.UniqueConstraint("partner_id", "changed_at"),
    comment="Pauses that partners take from marketing mail: the latest row holds.",
)

languages = sa.Table(
    "languages",
    metadata,
    key(),
    program(),
    ref("partner_id", "partners", nullable=False),
    sa.Column("locale", Key, nullable=False, comment="one of the program's locales"),
    sa.Column("changed_at", Instant, nullable=False),
    sa.Column("how", sa.Text, nullable=False),
    sa.Column("source", sa.Text, comment="where from, such as an address and a browser"),
    sa.UniqueConstraint("partner_id", "changed_at"),
    comment="Languages that partners chose: the latest row goes before what sources say.",
)
