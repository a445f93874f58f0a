"""Which rows are held of one partner, table by table: what is exported of them, and what is erased.

Promise: every table stands in `of_partner`, `OF_NOBODY` or `MENTIONING`; a test says so, so that a new table cannot be
forgotten here.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.facts import Subject
from engage.store import tables as t

Clause = sa.ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Whose:
    """A partner by all that names them.

    `ids` are the rows of the partner and of the duplicates that were merged into them; `names` their external ids and
    aliases; `address_ids` every address at which they were ever mailed or said anything, `own` those of them that are
    nobody else's, with the `emails` of these.
    """

    program_id: int
    partner_id: int
    external_id: str
    ids: tuple[int, ...]
    names: tuple[str, ...]
    address_ids: tuple[int, ...]
    own: tuple[int, ...]
    emails: tuple[str, ...]


def whose(db: Connection, program_id: int, partner_id: int) -> Whose:
    """All that names the partner with this id, who is no duplicate."""
    p, a = t.partners.c, t.aliases.c
    rows = db.execute(
        sa.select(p.id, p.external_id).where(sa.or_(p.id == partner_id, p.merged_into_id == partner_id)).order_by(p.id)
    ).all()
    ids = tuple(row.id for row in rows)
    known = sa.select(a.external_id).where(a.kind == "partner", a.target_id.in_(ids), a.program_id == program_id)
    names = {row.external_id for row in rows} | set(db.execute(known).scalars())
    address_ids = _addresses(db, ids)
    own = address_ids - _of_others(db, ids, address_ids)
    c = t.addresses.c
    emails = db.execute(sa.select(c.email).where(c.id.in_(own)).order_by(c.email)).scalars()
    return Whose(
        program_id=program_id,
        partner_id=partner_id,
        external_id=next(row.external_id for row in rows if row.id == partner_id),
        ids=ids,
        names=tuple(sorted(names)),
        address_ids=tuple(sorted(address_ids)),
        own=tuple(sorted(own)),
        emails=tuple(emails),
    )


def _addresses(db: Connection, ids: Collection[int]) -> set[int]:
    d = t.deliveries.c
    to_them = sa.select(d.address_id).where(d.partner_id.in_(ids), d.recipient.startswith("partner:"))
    told = (t.subscriptions, t.consent_changes, t.confirmations)
    ways = [sa.select(t.partners.c.address_id).where(t.partners.c.id.in_(ids)), to_them]
    ways += [sa.select(table.c.address_id).where(table.c.partner_id.in_(ids)) for table in told]
    return set(db.execute(sa.union(*ways)).scalars()) - {None}


def _of_others(db: Connection, ids: Collection[int], address_ids: Collection[int]) -> set[int]:
    """Those of the addresses that another partner or a member of staff has now."""
    p, a = t.partners.c, t.addresses.c
    partners = sa.select(p.address_id).where(p.address_id.in_(address_ids), p.id.not_in(ids))
    working = sa.exists().where(sa.func.lower(t.staff.c.email) == a.email)
    staff = sa.select(a.id).where(a.id.in_(address_ids), working)
    return set(db.execute(sa.union(partners, staff)).scalars())


def of_partner(who: Whose) -> Mapping[sa.Table, Clause]:
    """By table: which of its rows are theirs."""
    ids = who.ids
    of_enrollments = sa.select(t.enrollments.c.id).where(t.enrollments.c.partner_id.in_(ids))
    of_deliveries = sa.select(t.deliveries.c.id).where(t.deliveries.c.partner_id.in_(ids))
    of_referrals = sa.select(t.referrals.c.id).where(t.referrals.c.partner_id.in_(ids))
    mine = {table: table.c.partner_id.in_(ids) for table in _BY_PARTNER}
    by_delivery = {
        table: table.c.delivery_id.in_(of_deliveries) for table in (t.attempts, t.kept_messages, t.delivery_occasions)
    }
    episodes, feedback, changes = t.episodes.c, t.feedback.c, t.consent_changes.c
    return {
        t.partners: t.partners.c.id.in_(ids),
        **mine,
        t.aliases: sa.and_(t.aliases.c.kind == "partner", t.aliases.c.target_id.in_(ids)),
        t.addresses: t.addresses.c.id.in_(who.address_ids),
        t.suppressions: t.suppressions.c.address_id.in_(who.own),
        t.address_refusals: t.address_refusals.c.address_id.in_(who.own),
        t.consent_changes: sa.or_(changes.partner_id.in_(ids), changes.address_id.in_(who.own)),
        t.help_requests: t.help_requests.c.referral_id.in_(of_referrals),
        t.episodes: sa.and_(episodes.subject == Subject.PARTNER, episodes.subject_id.in_(ids)),
        t.decisions: t.decisions.c.enrollment_id.in_(of_enrollments),
        **by_delivery,
        t.feedback: sa.or_(feedback.delivery_id.in_(of_deliveries), feedback.address_id.in_(who.own)),
    }


_BY_PARTNER = (
    t.partner_versions,
    t.partner_attributes,
    t.subscriptions,
    t.rhythms,
    t.pauses,
    t.languages,
    t.confirmations,
    t.referrals,
    t.referral_versions,
    t.rewards,
    t.events,
    t.answers,
    t.enrollments,
    t.promotion_terms,
    t.deliveries,
    t.coaching_alerts,
)

MENTIONING: Mapping[sa.Table, tuple[str, ...]] = {
    t.webhooks: ("body",),
    t.idempotent_answers: ("body",),
    t.source_rejects: ("row_key", "row", "reason"),
    t.audit_entries: ("object", "before", "after", "why"),
    t.links: ("url",),
}
"""Tables of which a row may speak of several people, or of nobody, with the columns that would."""

OF_NOBODY = frozenset(
    {
        t.alarms,  # name no person
        t.api_keys,  # systems
        t.campaign_figures,
        t.campaign_pauses,
        t.campaign_versions,  # what our own people wrote, as are good_files
        t.companies,  # organisations, which others belong to
        t.count_marks,
        t.delivery_counts,
        t.feed_readings,
        t.forgotten,  # hashes that only the secret key's owner can make
        t.gates,
        t.good_files,
        t.heartbeats,
        t.held_changes,
        t.occasions,  # that a slot or an event concerned a campaign, by the key of the referral or the slot
        t.one_time_links,
        t.programs,
        t.restores,
        t.retention_marks,
        t.runs,
        t.schedule_marks,
        t.sessions,
        t.source_changes,
        t.source_rows,  # hashes of rows
        t.staff,
        t.topic_pauses,
        t.user_programs,
        t.users,  # our own people
        t.watched_sources,
    }
)
"""Tables that hold nothing of partners."""


def rows_of(db: Connection, table: sa.Table, which: Clause) -> list[dict[str, Any]]:
    """These rows, whole, in the order in which they came."""
    order = list(table.primary_key.columns)
    return [dict(row) for row in db.execute(sa.select(table).where(which).order_by(*order)).mappings()]
