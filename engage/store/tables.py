"""The tables. `program_id` is on every row that belongs to a programme, from the first day."""

import sqlalchemy as sa

from engage.store.types import BigId, Instant, Json, Key

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> sa.Column[int]:
    return sa.Column("id", BigId, primary_key=True)


def _program() -> sa.Column[int]:
    return sa.Column("program_id", BigId, sa.ForeignKey("programs.id"), nullable=False)


def _copy(name: str) -> sa.Column[int]:
    """An id copied from the row's parent, which vouches for it: checking it again would cost more than the insert."""
    return sa.Column(name, BigId, nullable=name in ("staff_id", "address_id"))


def _ref(name: str, target: str, nullable: bool = True) -> sa.Column[int]:
    return sa.Column(name, BigId, sa.ForeignKey(f"{target}.id"), nullable=nullable)


programs = sa.Table(
    "programs",
    metadata,
    _id(),
    sa.Column("key", Key, nullable=False, unique=True),
)

# --- who and what -----------------------------------------------------------------------------------------------------

companies = sa.Table(
    "companies",
    metadata,
    _id(),
    _program(),
    sa.Column("external_id", Key, nullable=False),
    sa.Column("name", sa.Text),
    _ref("parent_id", "companies"),
    sa.Column("attributes", Json, nullable=False),
    sa.UniqueConstraint("program_id", "external_id"),
)

staff = sa.Table(
    "staff",
    metadata,
    _id(),
    _program(),
    sa.Column("external_id", Key, nullable=False),
    sa.Column("name", sa.Text),
    sa.Column("email", sa.Text),
    sa.Column("role", sa.Text),
    sa.Column("region", sa.Text),
    _ref("manager_id", "staff"),
    sa.UniqueConstraint("program_id", "external_id"),
)

addresses = sa.Table(
    "addresses",
    metadata,
    _id(),
    sa.Column("email", Key, nullable=False, unique=True),
    comment="One row per normalised address, over all programs: what suppressions name and senders lock.",
)

partners = sa.Table(
    "partners",
    metadata,
    _id(),
    _program(),
    sa.Column("external_id", Key, nullable=False),
    sa.Column("email", sa.Text),
    _ref("address_id", "addresses"),
    sa.Column("first_name", sa.Text),
    sa.Column("last_name", sa.Text),
    sa.Column("phone", sa.Text),
    _ref("company_id", "companies"),
    _ref("owner_id", "staff"),
    _ref("recruited_by_id", "partners"),
    sa.Column("region", sa.Text),
    sa.Column("locale", sa.Text),
    sa.Column("zone", sa.Text),
    sa.Column("status", Key, nullable=False),
    sa.Column("joined_at", Instant),
    sa.Column("attributes", Json, nullable=False),
    sa.UniqueConstraint("program_id", "external_id"),
    sa.Index("ix_partners_address", "address_id"),
)

partner_versions = sa.Table(
    "partner_versions",
    metadata,
    _id(),
    _program(),
    _ref("partner_id", "partners", nullable=False),
    sa.Column("valid_from", Instant, nullable=False),
    sa.Column("valid_to", Instant),
    sa.Column("status", Key, nullable=False),
    _ref("owner_id", "staff"),
    _ref("company_id", "companies"),
    sa.Column("region", Key),
    sa.Column("locale", Key),
    sa.UniqueConstraint("partner_id", "valid_from"),
    sa.Index("ix_partner_versions_program", "program_id", "valid_from"),
    comment="What facts read of a partner, valid from (included) to (excluded; null: still).",
)

partner_attributes = sa.Table(
    "partner_attributes",
    metadata,
    _id(),
    _program(),
    _ref("partner_id", "partners", nullable=False),
    sa.Column("name", Key, nullable=False),
    sa.Column("valid_from", Instant, nullable=False),
    sa.Column("valid_to", Instant),
    sa.Column("text", Key, comment="the value as text; booleans are true and false"),
    sa.Column("number", sa.Float(53), comment="the value, when it is a number"),
    sa.UniqueConstraint("partner_id", "name", "valid_from"),
    sa.Index("ix_partner_attributes_program", "program_id", "name"),
)

referrals = sa.Table(
    "referrals",
    metadata,
    _id(),
    _program(),
    sa.Column("external_id", Key, nullable=False),
    _ref("partner_id", "partners", nullable=False),
    sa.Column("lead_company", sa.Text),
    sa.Column("lead_name", sa.Text),
    sa.Column("method", Key),
    sa.Column("product", Key),
    sa.Column("amount", sa.BigInteger, comment="minor units of the program's currency"),
    _ref("salesperson_id", "staff"),
    sa.Column("submitted_at", Instant),
    sa.Column("status", Key, nullable=False, comment="as of the last change, for display; facts read the versions"),
    sa.Column("undated_status", Key, comment="a status that the source showed without a date"),
    sa.Column("undated_since", Instant, comment="since when that is taken to hold; null: always"),
    sa.Column("loss_reason", sa.Text),
    sa.Column("involvement", sa.Text),
    sa.Column("last_sequence", sa.Integer, nullable=False),
    sa.UniqueConstraint("program_id", "external_id"),
    sa.Index("ix_referrals_partner", "partner_id"),
)

referral_versions = sa.Table(
    "referral_versions",
    metadata,
    _id(),
    _program(),
    _ref("referral_id", "referrals", nullable=False),
    _ref("partner_id", "partners", nullable=False),
    sa.Column("valid_from", Instant, nullable=False),
    sa.Column("valid_to", Instant),
    sa.Column("status", Key, nullable=False),
    sa.Column("kind", Key, nullable=False, comment="domain.programs.StatusKind of the status"),
    sa.Column("since", Instant, comment="when it reached the status; null: undated"),
    sa.Column("qualified_at", Instant, comment="when it first reached qualified or beyond"),
    sa.Column("qualified", sa.Boolean, nullable=False, comment="it has reached qualified or beyond, dated or not"),
    sa.Column("submitted_at", Instant),
    sa.Column("amount", sa.BigInteger),
    sa.Column("method", Key),
    sa.Column("product", Key),
    _ref("salesperson_id", "staff"),
    sa.UniqueConstraint("referral_id", "valid_from"),
    sa.Index("ix_referral_versions_partner", "partner_id", "valid_from"),
    sa.Index("ix_referral_versions_program", "program_id", "valid_from"),
    comment="A referral as of any instant: folded from its events; valid from (included) to (excluded; null: still).",
)

rewards = sa.Table(
    "rewards",
    metadata,
    _id(),
    _program(),
    sa.Column("external_id", Key, nullable=False),
    _ref("partner_id", "partners", nullable=False),
    _ref("referral_id", "referrals"),
    sa.Column("label", sa.Text),
    sa.Column("amount", sa.BigInteger, nullable=False, comment="minor units of the program's currency"),
    sa.Column("earned_at", Instant),
    sa.Column("due_at", Instant),
    sa.Column("paid_at", Instant),
    sa.Column("reversed_at", Instant),
    sa.UniqueConstraint("program_id", "external_id"),
    sa.Index("ix_rewards_partner", "partner_id"),
)

# --- what happened ----------------------------------------------------------------------------------------------------

events = sa.Table(
    "events",
    metadata,
    _id(),
    _program(),
    sa.Column("kind", Key, nullable=False, comment="domain.campaigns.EventKind"),
    sa.Column("key", Key, nullable=False, comment="natural key: the same observation twice is one event"),
    _ref("partner_id", "partners", nullable=False),
    _ref("referral_id", "referrals"),
    _ref("reward_id", "rewards"),
    sa.Column("sequence", sa.Integer, comment="of a referral's status changes, in order of arrival; never renumbered"),
    sa.Column("from_status", Key),
    sa.Column("to_status", Key),
    sa.Column("occurred_at", Instant, nullable=False),
    sa.Column("observed_at", Instant, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("unmatched", sa.Boolean, comment="true until matched with campaigns; null afterwards and for history"),
    sa.UniqueConstraint("program_id", "key"),
    sa.Index("ix_events_partner", "partner_id", "kind", "occurred_at"),
    sa.Index("ix_events_referral", "referral_id", "occurred_at"),
    sa.Index("ix_events_program", "program_id", "kind", "occurred_at"),
    sa.Index(
        "ix_events_unmatched",
        "id",
        postgresql_where=sa.text("unmatched"),
        sqlite_where=sa.text("unmatched"),
    ),
)

feed_readings = sa.Table(
    "feed_readings",
    metadata,
    _id(),
    _program(),
    sa.Column("feed", Key, nullable=False, comment="domain.facts.Feed"),
    sa.Column("heard_at", Instant, nullable=False, comment="a live source of this feed was read, news or not"),
    sa.Index("ix_feed_readings_program", "program_id", "feed", "heard_at"),
)

# --- consent ----------------------------------------------------------------------------------------------------------

subscriptions = sa.Table(
    "subscriptions",
    metadata,
    _id(),
    _program(),
    _ref("partner_id", "partners", nullable=False),
    _ref("address_id", "addresses", nullable=False),
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
    _id(),
    _ref("address_id", "addresses", nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.UniqueConstraint("address_id", "reason"),
    comment="Global: no program mails an address that is listed here.",
)

consent_changes = sa.Table(
    "consent_changes",
    metadata,
    _id(),
    _program(),
    _ref("partner_id", "partners"),
    _ref("address_id", "addresses", nullable=False),
    sa.Column("topic", Key, comment="null: everything"),
    sa.Column("subscribed", sa.Boolean, nullable=False),
    sa.Column("changed_at", Instant, nullable=False),
    sa.Column("how", sa.Text, nullable=False),
    sa.Column("source", sa.Text, comment="where from, such as an address and a browser"),
)

# --- campaigns and their runs -----------------------------------------------------------------------------------------

campaign_versions = sa.Table(
    "campaign_versions",
    metadata,
    _id(),
    _program(),
    sa.Column("campaign", Key, nullable=False),
    sa.Column("content_hash", Key, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("first_seen", Instant, nullable=False),
    sa.UniqueConstraint("program_id", "campaign", "content_hash"),
)

good_files = sa.Table(
    "good_files",
    metadata,
    sa.Column("path", Key, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("content_hash", Key, nullable=False),
    sa.Column("good_at", Instant, nullable=False),
    comment="The last version of each authored file that passed lint: what runs while a newer one is broken.",
)

schedule_marks = sa.Table(
    "schedule_marks",
    metadata,
    _program(),
    sa.Column("campaign", Key, nullable=False),
    sa.Column("looked_until", Instant, nullable=False, comment="slots up to here have been fired or passed over"),
    sa.PrimaryKeyConstraint("program_id", "campaign"),
)

runs = sa.Table(
    "runs",
    metadata,
    _id(),
    _program(),
    sa.Column("campaign", Key, nullable=False),
    _ref("version_id", "campaign_versions", nullable=False),
    sa.Column("slot", Key, nullable=False, comment="domain.keys.slot_key: local date and time"),
    sa.Column(
        "as_of", Instant, nullable=False, comment="the instant at which facts are read, fixed when the run begins"
    ),
    sa.Column("state", Key, nullable=False, comment="open, running, done or held"),
    sa.Column("reason", sa.Text),
    sa.Column("matched", sa.Integer),
    sa.Column("started_at", Instant, comment="when a worker took it"),
    sa.Column("finished_at", Instant),
    sa.UniqueConstraint("program_id", "campaign", "slot"),
    sa.Index("ix_runs_state", "state"),
)

occasions = sa.Table(
    "occasions",
    metadata,
    _id(),
    _program(),
    sa.Column("campaign", Key, nullable=False),
    _ref("version_id", "campaign_versions", nullable=False),
    sa.Column("key", Key, nullable=False),
    _ref("event_id", "events"),
    _ref("run_id", "runs"),
    sa.Column("occurred_at", Instant, nullable=False),
    sa.UniqueConstraint("program_id", "campaign", "key"),
    comment="That an event or a slot concerned a campaign; whom it concerned are its enrollments.",
)

episodes = sa.Table(
    "episodes",
    metadata,
    _id(),
    _program(),
    sa.Column("campaign", Key, nullable=False),
    _ref("partner_id", "partners", nullable=False),
    sa.Column("opened_slot", Key, nullable=False),
    sa.Column("opened_at", Instant, nullable=False),
    sa.Column("closed_at", Instant),
    sa.UniqueConstraint("program_id", "campaign", "partner_id", "opened_slot"),
    sa.Index(
        "ix_episodes_open",
        "program_id",
        "campaign",
        "partner_id",
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
        sqlite_where=sa.text("closed_at IS NULL"),
    ),
)

enrollments = sa.Table(
    "enrollments",
    metadata,
    _id(),
    _copy("program_id"),
    sa.Column("campaign", Key, nullable=False),
    _copy("version_id"),
    _ref("occasion_id", "occasions", nullable=False),
    sa.Column(
        "key", Key, nullable=False, comment="what makes this entry one: the occasion's, episode's or period's key"
    ),
    _ref("partner_id", "partners", nullable=False),
    _ref("referral_id", "referrals"),
    _ref("reward_id", "rewards"),
    sa.Column("entered_at", Instant, nullable=False),
    sa.UniqueConstraint("program_id", "campaign", "partner_id", "key"),
    sa.Index("ix_enrollments_occasion", "occasion_id"),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    _id(),
    _copy("program_id"),
    sa.Column("public_id", Key, nullable=False, unique=True),
    sa.Column("campaign", Key, nullable=False),
    _copy("version_id"),
    sa.Column("step", Key, nullable=False),
    sa.Column("recipient", Key, nullable=False, comment="partner:<external id> or staff:<external id>"),
    sa.Column("occasion", Key, nullable=False, comment="the enrollment's key, with the partner's id for alerts"),
    _ref("enrollment_id", "enrollments", nullable=False),
    _copy("partner_id"),
    _copy("staff_id"),
    _copy("address_id"),
    sa.Column("template", sa.Text, nullable=False),
    sa.Column("topic", Key, nullable=False),
    sa.Column("lane", Key, nullable=False, comment="queueing.Lane"),
    sa.Column("state", Key, nullable=False, comment="domain.deliveries.DeliveryState"),
    sa.Column("reason", sa.Text),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("lease", Key, comment="token of the claim; every write of the holder carries it"),
    sa.Column("lease_until", Instant),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("provider_id", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("settled_at", Instant),
    sa.UniqueConstraint("program_id", "campaign", "step", "recipient", "occasion"),
    sa.Index(
        "ix_deliveries_due",
        "lane",
        "due_at",
        postgresql_where=sa.text("state IN ('pending', 'retry')"),
        sqlite_where=sa.text("state IN ('pending', 'retry')"),
    ),
    sa.Index(
        "ix_deliveries_leased",
        "lease_until",
        postgresql_where=sa.text("lease_until IS NOT NULL"),
        sqlite_where=sa.text("lease_until IS NOT NULL"),
    ),
    sa.Index("ix_deliveries_partner", "partner_id", "created_at"),
    sa.Index("ix_deliveries_enrollment", "enrollment_id"),
)

decisions = sa.Table(
    "decisions",
    metadata,
    _id(),
    _copy("program_id"),
    _ref("enrollment_id", "enrollments", nullable=False),
    sa.Column("step", Key, nullable=False),
    sa.Column("phase", Key, nullable=False, comment="enroll, or send when looked at again"),
    sa.Column("decision", Key, nullable=False, comment="send, defer or skip"),
    sa.Column("reason", Key),
    sa.Column("until", Instant),
    sa.Column("values", Json, nullable=False, comment="the facts behind it, by name"),
    sa.Column("decided_at", Instant, nullable=False),
    sa.Index("ix_decisions_enrollment", "enrollment_id"),
)

attempts = sa.Table(
    "attempts",
    metadata,
    _id(),
    _copy("program_id"),
    _ref("delivery_id", "deliveries", nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("lease", Key, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("started_at", Instant, nullable=False, comment="committed before the socket opens"),
    sa.Column("finished_at", Instant),
    sa.Column("outcome", Key, comment="domain.messages.Outcome; null: not known yet"),
    sa.Column("status", sa.Integer),
    sa.Column("detail", sa.Text),
    sa.UniqueConstraint("delivery_id", "number"),
)

kept_messages = sa.Table(
    "kept_messages",
    metadata,
    _ref("delivery_id", "deliveries", nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("html", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("headers", Json, nullable=False),
    sa.Column("composed_at", Instant, nullable=False),
    sa.PrimaryKeyConstraint("delivery_id"),
    comment="What was composed and, because SEND_TO does not let it out, kept instead of sent.",
)

heartbeats = sa.Table(
    "heartbeats",
    metadata,
    sa.Column("process", Key, primary_key=True, comment="role, host and process id"),
    sa.Column("role", Key, nullable=False),
    sa.Column("beat_at", Instant, nullable=False),
)
