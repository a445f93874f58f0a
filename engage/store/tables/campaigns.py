"""Campaigns as they run: versions, runs, occasions, enrollments and decisions."""

import sqlalchemy as sa

from engage.store.tables.building import copied, key, metadata, program, ref
from engage.store.types import BigId, Instant, Json, Key

campaign_versions = sa.Table(
    "campaign_versions",
    metadata,
    key(),
    program(),
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
    program(),
    sa.Column("campaign", Key, nullable=False),
    sa.Column("looked_until", Instant, nullable=False, comment="slots up to here have been fired or passed over"),
    sa.Column("schedule", sa.Text, comment="the cron and zone that were looked at; null: the campaign was not live"),
    sa.PrimaryKeyConstraint("program_id", "campaign"),
)

runs = sa.Table(
    "runs",
    metadata,
    key(),
    program(),
    sa.Column("campaign", Key, nullable=False),
    ref("version_id", "campaign_versions", nullable=False),
    sa.Column("slot", Key, nullable=False, comment="domain.keys.slot_key: local date and time"),
    sa.Column(
        "as_of", Instant, nullable=False, comment="the instant at which facts are read, fixed when the run begins"
    ),
    sa.Column("state", Key, nullable=False, comment="open, running, done, held or dropped"),
    sa.Column("reason", sa.Text),
    sa.Column("matched", sa.Integer),
    sa.Column("entering", sa.Integer, comment="held for max_audience: how many would have entered"),
    sa.Column("approved_audience", sa.Integer, comment="how many an operator let it reach beyond max_audience"),
    sa.Column("why", sa.Text, comment="why it was released or dropped, in the operator's words"),
    sa.Column("started_at", Instant, comment="when a worker took it"),
    sa.Column("finished_at", Instant),
    sa.UniqueConstraint("program_id", "campaign", "slot"),
    sa.Index("ix_runs_state", "state"),
)

occasions = sa.Table(
    "occasions",
    metadata,
    key(),
    program(),
    sa.Column("campaign", Key, nullable=False),
    ref("version_id", "campaign_versions", nullable=False),
    sa.Column("key", Key, nullable=False),
    ref("event_id", "events"),
    ref("run_id", "runs"),
    sa.Column("occurred_at", Instant, nullable=False),
    sa.UniqueConstraint("program_id", "campaign", "key"),
    comment="That an event or a slot concerned a campaign; whom it concerned are its enrollments.",
)

episodes = sa.Table(
    "episodes",
    metadata,
    key(),
    program(),
    sa.Column("campaign", Key, nullable=False),
    sa.Column("subject", Key, nullable=False, server_default="partner", comment="domain.facts.Subject"),
    sa.Column("subject_id", BigId, nullable=False, comment="the id of the partner, referral, reward, company or staff"),
    sa.Column("opened_slot", Key, nullable=False),
    sa.Column("opened_at", Instant, nullable=False),
    sa.Column("closed_at", Instant),
    sa.UniqueConstraint("program_id", "campaign", "subject_id", "opened_slot"),
    sa.Index(
        "ix_episodes_open",
        "program_id",
        "campaign",
        "subject_id",
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
        sqlite_where=sa.text("closed_at IS NULL"),
    ),
)

enrollments = sa.Table(
    "enrollments",
    metadata,
    key(),
    copied("program_id"),
    sa.Column("campaign", Key, nullable=False),
    copied("version_id"),
    ref("occasion_id", "occasions", nullable=False),
    sa.Column(
        "key", Key, nullable=False, comment="what makes this entry one: the occasion's, episode's or period's key"
    ),
    ref("partner_id", "partners"),
    ref("referral_id", "referrals"),
    ref("reward_id", "rewards"),
    copied("company_id"),
    copied("staff_id"),
    sa.Column("entered_at", Instant, nullable=False),
    sa.Column("arm", Key, comment="domain.experiments.Arm; null: none drawn, or no more theirs since a merge"),
    sa.Column("state", Key, nullable=False, server_default="done", comment="domain.journeys.JourneyState"),
    sa.Column("step", Key, comment="active: the step at which it stands"),
    sa.Column("reached_at", Instant, comment="active: when it came to the step"),
    sa.Column("due_at", Instant, comment="active: when the step is to be taken"),
    sa.Column("ended_at", Instant),
    sa.Column("why", sa.Text, comment="stopped: why"),
    sa.UniqueConstraint("program_id", "campaign", "partner_id", "key"),
    sa.Index("ix_enrollments_occasion", "occasion_id"),
    *(
        sa.Index(
            f"ix_enrollments_{subject}",
            f"{subject}_id",
            postgresql_where=sa.text(f"{subject}_id IS NOT NULL"),
            sqlite_where=sa.text(f"{subject}_id IS NOT NULL"),
        )
        for subject in ("referral", "reward")
    ),
    sa.Index(
        "ix_enrollments_of_no_partner",
        "program_id",
        "campaign",
        "key",
        unique=True,
        postgresql_where=sa.text("partner_id IS NULL"),
        sqlite_where=sa.text("partner_id IS NULL"),
    ),
    sa.Index(
        "ix_enrollments_waiting",
        "due_at",
        "id",
        postgresql_where=sa.text("state = 'active'"),
        sqlite_where=sa.text("state = 'active'"),
    ),
    sa.Index(
        "ix_enrollments_inside",
        "program_id",
        "campaign",
        "version_id",
        "step",
        postgresql_where=sa.text("state = 'active'"),
        sqlite_where=sa.text("state = 'active'"),
    ),
    comment="Who entered a campaign, by which occasion, and where in its journey they stand.",
)

promotion_terms = sa.Table(
    "promotion_terms",
    metadata,
    key(),
    program(),
    sa.Column("campaign", Key, nullable=False),
    ref("partner_id", "partners", nullable=False),
    sa.Column("terms", Json, nullable=False, comment="domain.campaigns.Promotion as it stood in the first mail"),
    sa.Column("frozen_at", Instant, nullable=False),
    sa.UniqueConstraint("program_id", "campaign", "partner_id"),
    comment="What each partner was promised: later edits of the campaign do not change it.",
)

decisions = sa.Table(
    "decisions",
    metadata,
    key(),
    copied("program_id"),
    ref("enrollment_id", "enrollments", nullable=False),
    sa.Column("step", Key, nullable=False),
    sa.Column("phase", Key, nullable=False, comment="enroll, send when looked at again, journey, or contest"),
    sa.Column("decision", Key, nullable=False, comment="send, defer or skip; of a journey: then, otherwise or stop"),
    sa.Column("reason", Key),
    sa.Column("until", Instant),
    sa.Column("values", Json, nullable=False, comment="the facts behind it, by name"),
    sa.Column("decided_at", Instant, nullable=False),
    sa.Index("ix_decisions_enrollment", "enrollment_id"),
)
