"""The tables. `program_id` is on every row that belongs to a programme, from the first day."""

from engage.store.tables.building import metadata
from engage.store.tables.campaigns import (
    campaign_versions,
    decisions,
    enrollments,
    episodes,
    good_files,
    occasions,
    runs,
    schedule_marks,
)
from engage.store.tables.consent import consent_changes, subscriptions, suppressions
from engage.store.tables.deliveries import attempts, deliveries, heartbeats, kept_messages
from engage.store.tables.history import events, feed_readings, referral_versions, referrals, rewards
from engage.store.tables.people import (
    addresses,
    companies,
    partner_attributes,
    partner_versions,
    partners,
    programs,
    staff,
)

__all__ = [
    "addresses",
    "attempts",
    "campaign_versions",
    "companies",
    "consent_changes",
    "decisions",
    "deliveries",
    "enrollments",
    "episodes",
    "events",
    "feed_readings",
    "good_files",
    "heartbeats",
    "kept_messages",
    "metadata",
    "occasions",
    "partner_attributes",
    "partner_versions",
    "partners",
    "programs",
    "referral_versions",
    "referrals",
    "rewards",
    "runs",
    "schedule_marks",
    "staff",
    "subscriptions",
    "suppressions",
]
