"""The tables. `program_id` is on every row that belongs to a programme, from the first day."""

from engage.store.tables.building import metadata
from engage.store.tables.campaigns import (
    campaign_versions,
    decisions,
    enrollments,
    episodes,
    good_files,
    occasions,
    promotion_terms,
    runs,
    schedule_marks,
)
from engage.store.tables.consent import address_refusals, consent_changes, rhythms, subscriptions, suppressions
from engage.store.tables.deliveries import (
    alarms,
    attempts,
    deliveries,
    delivery_occasions,
    gates,
    heartbeats,
    kept_messages,
)
from engage.store.tables.feedback import feedback, topic_pauses, webhooks
from engage.store.tables.history import answers, events, feed_readings, referral_versions, referrals, rewards
from engage.store.tables.people import (
    addresses,
    aliases,
    companies,
    partner_attributes,
    partner_versions,
    partners,
    programs,
    staff,
)
from engage.store.tables.sources import held_changes, source_changes, source_rejects, source_rows, watched_sources

__all__ = [
    "address_refusals",
    "addresses",
    "alarms",
    "aliases",
    "answers",
    "attempts",
    "campaign_versions",
    "companies",
    "consent_changes",
    "decisions",
    "deliveries",
    "delivery_occasions",
    "enrollments",
    "episodes",
    "events",
    "feed_readings",
    "feedback",
    "gates",
    "good_files",
    "heartbeats",
    "held_changes",
    "kept_messages",
    "metadata",
    "occasions",
    "partner_attributes",
    "partner_versions",
    "partners",
    "programs",
    "promotion_terms",
    "referral_versions",
    "referrals",
    "rewards",
    "rhythms",
    "runs",
    "schedule_marks",
    "source_changes",
    "source_rejects",
    "source_rows",
    "staff",
    "subscriptions",
    "suppressions",
    "topic_pauses",
    "watched_sources",
    "webhooks",
]
