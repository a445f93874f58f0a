"""What happened: referrals and rewards, their versions, and the append-only history of events."""

import sqlalchemy as sa

from engage.store.tables.building import key, metadata, program, ref
from engage.store.types import BigId, Instant, Key

referrals = sa.Table(
    "referrals",
    metadata,
    key(),
    program(),
    sa.Column("external_id", Key, nullable=False),
    ref("partner_id", "partners", nullable=False),
    sa.Column("lead_company", sa.Text),
    sa.Column("lead_name", sa.Text),
    sa.Column("method", Key),
    sa.Column("product", Key),
    sa.Column("amount", sa.BigInteger, comment="minor units of the program's currency"),
    ref("salesperson_id", "staff"),
    sa.Column("submitted_at", Instant),
    sa.Column("status", Key, nullable=False, comment="as of the last change, for display; facts read the versions"),
    sa.Column("undated_status", Key, comment="a status that the source showed without a date"),
    sa.Column("undated_since", Instant, comment="since when that is taken to hold; null: always"),
    sa.Column("loss_reason", sa.Text),
    sa.Column("involvement", sa.Text),
    sa.Column("last_sequence", sa.Integer, nullable=False),
    sa.Column("merged_into_id", BigId, comment="the referral of which this one was a duplicate; it has no versions"),
    sa.UniqueConstraint("program_id", "external_id"),
    sa.Index("ix_referrals_partner", "partner_id"),
)

referral_versions = sa.Table(
    "referral_versions",
    metadata,
    key(),
    program(),
    ref("referral_id", "referrals", nullable=False),
    ref("partner_id", "partners", nullable=False),
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
    ref("salesperson_id", "staff"),
    sa.UniqueConstraint("referral_id", "valid_from"),
    sa.Index("ix_referral_versions_partner", "partner_id", "valid_from"),
    sa.Index("ix_referral_versions_program", "program_id", "valid_from"),
    comment="A referral as of any instant: folded from its events; valid from (included) to (excluded; null: still).",
)

rewards = sa.Table(
    "rewards",
    metadata,
    key(),
    program(),
    sa.Column("external_id", Key, nullable=False),
    ref("partner_id", "partners", nullable=False),
    ref("referral_id", "referrals"),
    sa.Column("label", sa.Text),
    sa.Column("amount", sa.BigInteger, nullable=False, comment="minor units of the program's currency"),
    sa.Column("earned_at", Instant),
    sa.Column("due_at", Instant),
    sa.Column("paid_at", Instant),
    sa.Column("reversed_at", Instant),
    sa.UniqueConstraint("program_id", "external_id"),
    sa.Index("ix_rewards_partner", "partner_id"),
)

events = sa.Table(
    "events",
    metadata,
    key(),
    program(),
    sa.Column("kind", Key, nullable=False, comment="domain.campaigns.EventKind"),
    sa.Column("key", Key, nullable=False, comment="natural key: the same observation twice is one event"),
    ref("partner_id", "partners", nullable=False),
    ref("referral_id", "referrals"),
    ref("reward_id", "rewards"),
    sa.Column("sequence", sa.Integer, comment="of a referral's status changes, in order of arrival; never renumbered"),
    sa.Column("from_status", Key),
    sa.Column("to_status", Key),
    sa.Column("occurred_at", Instant, nullable=False),
    sa.Column("observed_at", Instant, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("unmatched", sa.Boolean, comment="true until matched with campaigns; null afterwards and for history"),
    sa.Column("held_id", BigId, comment="held_changes, where it waited or waits for an operator"),
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
    sa.Index(
        "ix_events_held",
        "held_id",
        postgresql_where=sa.text("held_id IS NOT NULL"),
        sqlite_where=sa.text("held_id IS NOT NULL"),
    ),
)

feed_readings = sa.Table(
    "feed_readings",
    metadata,
    key(),
    program(),
    sa.Column("feed", Key, nullable=False, comment="domain.facts.Feed"),
    sa.Column("heard_at", Instant, nullable=False, comment="a live source of this feed was read, news or not"),
    sa.Index("ix_feed_readings_program", "program_id", "feed", "heard_at"),
)

answers = sa.Table(
    "answers",
    metadata,
    key(),
    program(),
    ref("partner_id", "partners", nullable=False),
    sa.Column("question", Key, nullable=False),
    sa.Column("answer", Key, nullable=False),
    sa.Column("answered_at", Instant, nullable=False),
    sa.Column("delivery_id", BigId, comment="the mail that asked"),
    sa.UniqueConstraint("partner_id", "question", "answered_at"),
    comment="What partners answered to the questions that campaigns ask: the latest counts.",
)
