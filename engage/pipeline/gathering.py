"""Makes one mail of a day's updates for partners who want a topic once a day.

Promise: one mail for each partner, topic and local day, at the topic's time where the partner is. What is gathered is
linked to the mail that will tell of it, and to the next day's if that one has begun to go out. The mail names each
referral once, as it stands when the mail goes out, and none that is back where it was before.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Connection

from engage.authoring.implied import daily_campaign
from engage.content.words import Words
from engage.domain.campaigns import Campaign, GatherTrigger, SendStep
from engage.domain.journeys import JourneyState
from engage.domain.keys import day_key, day_of
from engage.domain.local_time import instant_of
from engage.domain.programs import Program
from engage.facts import Scope
from engage.pipeline import contexts
from engage.pipeline.entries import Entry, Mailing
from engage.store.deliveries import Claimed
from engage.store.enrollments import ensure_occasions, insert_enrollments
from engage.store.occasions_of import (
    Daily,
    changes_by_enrollment,
    dailies,
    link,
    linked,
    statuses_now,
)
from engage.store.people import PartnerStanding
from engage.store.programs import ensure_version
from engage.store.referrals import previous_statuses, recent_referrals

_LOOKED_AT = 20  # of a partner's referrals, for the latest changes

DayKey = tuple[int, str, str]
"""Partner, campaign and the occasion's key: what makes a daily mail one."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """An update that a daily mail is to tell of: the enrollment, and whose it is. `zone`: where the partner is."""

    enrollment_id: int
    topic: str
    partner_id: int
    zone: str


@dataclass(frozen=True, slots=True)
class Day:
    """One daily mail: whose, of which topic's campaign, and when it is due."""

    partner_id: int
    campaign: Campaign
    key: str
    at: datetime


def gather(
    db: Connection, scope: Scope, gathered: Sequence[Gathered], now: datetime
) -> tuple[list[Mailing], dict[int, Day]]:
    """The daily mails that these updates call for and that are not there yet; and the day of each, by enrollment.

    The caller decides on the mails, stores them, and calls `link_updates` then.
    """
    campaigns = {
        topic: campaign
        for topic in {one.topic for one in gathered}
        if (campaign := daily_campaign(scope.program, scope.program.topics[topic])) is not None
    }
    if not campaigns:
        return [], {}
    there = _there(db, scope, {one.partner_id for one in gathered}, {c.name for c in campaigns.values()}, now)
    days = {one.enrollment_id: _day(one, campaigns[one.topic], there, now) for one in gathered}
    versions = {c.name: ensure_version(db, scope.program_id, c, now) for c in campaigns.values()}
    new = {key: day for day in days.values() if (key := (day.partner_id, day.campaign.name, day.key)) not in there}
    return _enter(db, scope, [new[key] for key in sorted(new)], versions, now), days


def link_updates(db: Connection, scope: Scope, days: Mapping[int, Day], now: datetime) -> None:
    """Notes of which updates the daily mails tell."""
    partner_ids, names = {day.partner_id for day in days.values()}, {day.campaign.name for day in days.values()}
    there = _there(db, scope, partner_ids, names, now)
    pairs = []
    for enrollment_id, day in days.items():
        daily = there.get((day.partner_id, day.campaign.name, day.key))
        if daily is not None and daily.due:
            pairs.append((daily.delivery_id, enrollment_id))
    link(db, pairs)


def _there(
    db: Connection, scope: Scope, partner_ids: Collection[int], campaigns: Collection[str], now: datetime
) -> dict[DayKey, Daily]:
    """The daily mails of these partners for today, wherever they are, and later."""
    since = day_key((now - timedelta(days=1)).date())
    found = dailies(db, scope.program_id, partner_ids, campaigns, since) if partner_ids else []
    return {(one.partner_id, one.campaign, one.occasion): one for one in found}


def _day(one: Gathered, campaign: Campaign, there: Mapping[DayKey, Daily], now: datetime) -> Day:
    """The next day whose mail can still tell of it: not sent yet, nor ended, nor in somebody's hands."""
    assert isinstance(campaign.trigger, GatherTrigger)
    day = now.astimezone(ZoneInfo(one.zone)).date()
    while True:
        at = _instant(day, campaign.trigger, one.zone)
        known = there.get((one.partner_id, campaign.name, day_key(day)))
        if at > now and (known is None or known.due):
            return Day(one.partner_id, campaign, day_key(day), at)
        day += timedelta(days=1)


def _instant(day: date, trigger: GatherTrigger, zone: str) -> datetime:
    return instant_of(datetime.combine(day, trigger.at), zone)


def _enter(
    db: Connection, scope: Scope, days: Sequence[Day], versions: Mapping[str, int], now: datetime
) -> list[Mailing]:
    """Enrolls in the implied campaigns; whoever somebody else has enrolled meanwhile is left out."""
    common = {"program_id": scope.program_id, "event_id": None, "run_id": None, "occurred_at": now}
    named = sorted({(day.campaign.name, day.key) for day in days})  # all workers in one order: many share an occasion
    occasions = ensure_occasions(
        db, [{**common, "campaign": name, "version_id": versions[name], "key": key} for name, key in named]
    )
    entries = [Entry(occasions[d.campaign.name, d.key].id, d.campaign, d.key, d.partner_id, by_run=False) for d in days]
    ids = insert_enrollments(
        db,
        [
            {
                "program_id": scope.program_id,
                "campaign": entry.campaign.name,
                "version_id": versions[entry.campaign.name],
                "occasion_id": entry.occasion_id,
                "key": entry.key,
                "partner_id": entry.partner_id,
                "entered_at": now,
                "state": JourneyState.DONE,
                "ended_at": now,
            }
            for entry in entries
        ],
    )
    mailings = []
    for entry, day in zip(entries, days, strict=True):
        id_ = ids.get((entry.partner_id, entry.campaign.name, entry.key))
        (step,) = entry.campaign.steps
        if id_ is not None and isinstance(step, SendStep):
            mailings.append(Mailing(id_, versions[entry.campaign.name], entry, step, not_before=day.at))
    return mailings


def due_where_they_are(
    program: Program,
    batch: Sequence[Claimed],
    campaigns: Mapping[str, Campaign | None],
    partners: Mapping[int, PartnerStanding],
) -> dict[int, datetime]:
    """When those of these mails that are daily ones are due by the clocks of where their partners are now."""
    due: dict[int, datetime] = {}
    for one in batch:
        campaign = campaigns.get(one.campaign)
        if campaign is not None and isinstance(campaign.trigger, GatherTrigger) and one.partner_id is not None:
            zone = partners[one.partner_id].zone or program.zone
            due[one.id] = _instant(day_of(one.occasion), campaign.trigger, zone)
    return due


# --- what a daily mail tells --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Update:
    """One referral of a daily mail: where it stood before the day's first update, where it stands now."""

    referral_id: int
    before: str | None
    status: str


def updates_told(db: Connection, program: Program, delivery_ids: Collection[int]) -> dict[int, list[Update]]:
    """What each of these daily mails tells, the latest update last; nothing of what is back where it was before."""
    told = linked(db, delivery_ids)
    changes = changes_by_enrollment(db, {enrollment for those in told.values() for enrollment in those})
    statuses = statuses_now(db, {change.referral_id for change in changes.values()})
    known = {status.key for status in program.ladder}
    found: dict[int, list[Update]] = {}
    for delivery_id, enrollments in told.items():
        mine = sorted((changes[id_] for id_ in enrollments if id_ in changes), key=lambda change: change.place)
        first, last = {change.referral_id: change for change in reversed(mine)}, {}
        for change in mine:
            last[change.referral_id] = change.place
        found[delivery_id] = [
            Update(id_, first[id_].before, statuses[id_])
            for id_ in sorted(last, key=lambda id_: (last[id_], id_))
            if statuses.get(id_) in known and statuses[id_] != first[id_].before
        ]
    return found


def update_contexts(
    db: Connection, program: Program, delivery_ids: Collection[int], words: Words
) -> dict[int, list[dict[str, Any]]]:
    """`updates` of each of these mails, for their templates."""
    return _contexts(db, program, updates_told(db, program, delivery_ids), words)


def latest_updates(db: Connection, program: Program, partner_id: int, most: int, words: Words) -> list[dict[str, Any]]:
    """`updates` as if the latest changes of the partner's referrals were a day's: for previews."""
    rows = recent_referrals(db, [partner_id], _LOOKED_AT).get(partner_id, [])
    recent = [(row._mapping["id"], row._mapping["status"]) for row in rows]
    before = previous_statuses(db, [id_ for id_, _ in recent])
    known = {status.key for status in program.ladder}
    news = [Update(id_, before[id_], status) for id_, status in recent if before.get(id_) and status in known]
    return _contexts(db, program, {0: news[:most]}, words)[0]


def _contexts(
    db: Connection, program: Program, told: Mapping[int, Sequence[Update]], words: Words
) -> dict[int, list[dict[str, Any]]]:
    ids = {one.referral_id for those in told.values() for one in those}
    referrals = contexts.referral_contexts(db, program, ids, words)
    labels = {status.key: words(status.label) for status in program.ladder}
    return {
        key: [
            referrals[one.referral_id]
            | {
                "before_label": labels.get(one.before or "", ""),
                "url": program.brand.referral_url(referrals[one.referral_id]["external_id"]),
            }
            for one in those
            if one.referral_id in referrals
        ]
        for key, those in told.items()
    }
