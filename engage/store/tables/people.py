"""Who and what: programmes, companies, staff, partners and what facts read of them, as of any instant."""

import sqlalchemy as sa

from engage.store.tables.building import key, metadata, program, ref
from engage.store.types import BigId, Instant, Json, Key

programs = sa.Table(
    "programs",
    metadata,
    key(),
    sa.Column("key", Key, nullable=False, unique=True),
)

companies = sa.Table(
    "companies",
    metadata,
    key(),
    program(),
    sa.Column("external_id", Key, nullable=False),
    sa.Column("name", sa.Text),
    ref("parent_id", "companies"),
    sa.Column("contact_id", BigId, comment="the partner who speaks for the company"),
    sa.Column("manager_id", BigId, comment="the channel manager, of our staff"),
    sa.Column("attributes", Json, nullable=False),
    sa.UniqueConstraint("program_id", "external_id"),
)

staff = sa.Table(
    "staff",
    metadata,
    key(),
    program(),
    sa.Column("external_id", Key, nullable=False),
    sa.Column("name", sa.Text),
    sa.Column("email", sa.Text),
    sa.Column("role", sa.Text),
    sa.Column("region", sa.Text),
    ref("manager_id", "staff"),
    sa.UniqueConstraint("program_id", "external_id"),
)

addresses = sa.Table(
    "addresses",
    metadata,
    key(),
    sa.Column("email", Key, nullable=False, unique=True),
    comment="One row per normalised address, over all programs: what suppressions name and senders lock.",
)

partners = sa.Table(
    "partners",
    metadata,
    key(),
    program(),
    sa.Column("external_id", Key, nullable=False),
    sa.Column("email", sa.Text),
    ref("address_id", "addresses"),
    sa.Column("first_name", sa.Text),
    sa.Column("last_name", sa.Text),
    sa.Column("phone", sa.Text),
    ref("company_id", "companies"),
    ref("owner_id", "staff"),
    ref("recruited_by_id", "partners"),
    sa.Column("region", sa.Text),
    sa.Column("locale", sa.Text),
    sa.Column("zone", sa.Text),
    sa.Column("status", Key, nullable=False),
    sa.Column("joined_at", Instant),
    sa.Column("attributes", Json, nullable=False),
    sa.Column("merged_into_id", BigId, comment="the partner of whom this one was a duplicate; it has no versions"),
    sa.UniqueConstraint("program_id", "external_id"),
    sa.Index("ix_partners_address", "address_id"),
)

partner_versions = sa.Table(
    "partner_versions",
    metadata,
    key(),
    program(),
    ref("partner_id", "partners", nullable=False),
    sa.Column("valid_from", Instant, nullable=False),
    sa.Column("valid_to", Instant),
    sa.Column("status", Key, nullable=False),
    ref("owner_id", "staff"),
    ref("company_id", "companies"),
    sa.Column("region", Key),
    sa.Column("locale", Key),
    sa.UniqueConstraint("partner_id", "valid_from"),
    sa.Index("ix_partner_versions_program", "program_id", "valid_from"),
    sa.Index("ix_partner_versions_company", "company_id"),
    comment="What facts read of a partner, valid from (included) to (excluded; null: still).",
)

partner_attributes = sa.Table(
    "partner_attributes",
    metadata,
    key(),
    program(),
    ref("partner_id", "partners", nullable=False),
    sa.Column("name", Key, nullable=False),
    sa.Column("valid_from", Instant, nullable=False),
    sa.Column("valid_to", Instant),
    sa.Column("text", Key, comment="the value as text; booleans are true and false"),
    sa.Column("number", sa.Float(53), comment="the value, when it is a number"),
    sa.UniqueConstraint("partner_id", "name", "valid_from"),
    sa.Index("ix_partner_attributes_program", "program_id", "name"),
)

aliases = sa.Table(
    "aliases",
    metadata,
    key(),
    program(),
    sa.Column("kind", Key, nullable=False, comment="partner, referral, company or staff"),
    sa.Column("external_id", Key, nullable=False, comment="another external id under which sources know the row"),
    sa.Column("target_id", BigId, nullable=False, comment="the row of the kind's table"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.UniqueConstraint("program_id", "kind", "external_id"),
    comment="Changed external ids and merged duplicates: each alias leads to the one row that is meant.",
)
