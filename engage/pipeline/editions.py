"""Editions: the email that a slot sends is that of its month. One that is missing holds the run, until it is there.

Three days before the slot our marketing is told, once for each edition: by a mail of the ordinary pipeline, and by an
alarm to operators, stored in one transaction.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.engine import Connection

from engage.authoring.implied import editions_of
from engage.domain.campaigns import Campaign, CampaignState, Clock, EditionTrigger, ScheduleTrigger
from engage.domain.decisions import Reason
from engage.domain.keys import edition_key, edition_of, local_of
from engage.domain.local_time import FIRST_TO_LAST, instant_of
from engage.pipeline.clocks import slot_next, slot_now
from engage.pipeline.enroll import enroll
from engage.pipeline.entries import Entry, Hints
from engage.pipeline.library import Library
from engage.slots import Slot
from engage.store.alarms import raise_alarm
from engage.store.database import Database
from engage.store.enrollments import ensure_occasions, is_occasion
from engage.store.runs import Run, drop_held_run, reopen_held_run, runs_held_for

TOLD_AHEAD = timedelta(days=3)
"""So long before the slot comes first anywhere our marketing is told of an edition that is not there."""

TOO_LATE = "the edition did not come while its mails were worth sending"
"""Why a run is dropped that waited for its edition in vain."""


@dataclass(frozen=True, slots=True)
class Edition:
    """What a slot of a campaign sends: the email's name, and whether it is there. `at`: when the slot comes first."""

    campaign: Campaign
    email: str
    slot: str
    at: datetime
    there: bool

    @property
    def file(self) -> str:
        """Below the templates folder."""
        return f"{self.email}.md"


def editions_at(library: Library, campaign: Campaign, slot: str) -> list[Edition]:
    """The editions that this slot of the campaign sends; empty for campaigns without any."""
    program = library.programs[campaign.program]
    found = []
    for text in editions_of(campaign):
        assert isinstance(campaign.trigger, ScheduleTrigger), "only schedules have editions"
        name = library.templates.own(text.of_slot(slot).template, program.lineage)
        at = instant_of(local_of(slot), campaign.trigger.zone(program.zone))
        found.append(Edition(campaign, name, slot, at, name in library.templates))
    return found


def current_and_next(library: Library, campaign: Campaign, now: datetime) -> list[Edition]:
    """The editions of the slot that is current and of the one after it."""
    trigger, zone = campaign.trigger, library.programs[campaign.program].zone
    if not isinstance(trigger, ScheduleTrigger) or not any(editions_of(campaign)):
        return []
    slots: tuple[Slot, ...] = (slot_now(trigger, zone, now), slot_next(trigger, zone, now))
    return [edition for slot in slots for edition in editions_at(library, campaign, slot.key)]


def missing_soon(library: Library, now: datetime) -> Iterator[Edition]:
    """The editions of live campaigns that are not there and whose slot comes within TOLD_AHEAD; each file once,
    however many programs inherit the campaign."""
    seen: set[tuple[str, str]] = set()
    for campaign in library.on_schedules():
        if campaign.state is not CampaignState.LIVE:
            continue
        for edition in current_and_next(library, campaign, now):
            known = (edition.campaign.name, edition.email)
            if not edition.there and now < edition.at <= now + TOLD_AHEAD and known not in seen:
                seen.add(known)
                yield edition


def tell_of_missing(database: Database, library: Library, now: datetime) -> Hints:
    """Tells our marketing and operators of the editions that are missing, each once; returns the mails by lane."""
    hints: Hints = {}
    for edition in missing_soon(library, now):
        scope = library.scope_of(edition.campaign)
        telling = library.telling_of(edition.campaign)
        if telling is None:
            continue  # its email is not there, as lint says
        with database.read() as db:
            if is_occasion(db, scope.program_id, telling.name, edition_key(edition.email)):
                continue
        with database.write() as db:
            for lane, ids in _tell(db, library, telling, edition, now).items():
                hints.setdefault(lane, []).extend(ids)
    return hints


def _tell(db: Connection, library: Library, telling: Campaign, edition: Edition, now: datetime) -> Hints:
    scope, key = library.scope_of(telling), edition_key(edition.email)
    versions = library.version_names(scope.program.key)
    row = {
        "program_id": scope.program_id,
        "campaign": telling.name,
        "version_id": versions[telling.name],
        "key": key,
        "event_id": None,
        "run_id": None,
        "occurred_at": now,
    }
    occasion = ensure_occasions(db, [row])[telling.name, key]
    entry = Entry(occasion_id=occasion.id, campaign=telling, key=key, partner_id=None, by_run=False)
    hints = enroll(db, scope, versions, [entry], now)
    if any(hints.values()):
        at = f"{edition.at:%Y-%m-%d %H:%M} UTC"
        said = f"The edition {edition.file} of '{edition.campaign.name}' is not there, and is to go out from {at} on."
        raise_alarm(db, Reason.EDITION_MISSING, said, now)
    return hints


def try_again(database: Database, library: Library, now: datetime) -> list[int]:
    """Opens the runs whose edition has come, and returns their ids; drops those for which it would come too late."""
    with database.read() as db:
        waiting = runs_held_for(db, Reason.EDITION_MISSING)
    opened = []
    for run in waiting:
        campaign = library.get(run.program_id, run.campaign)
        if campaign is None or campaign.state is not CampaignState.LIVE:
            continue
        with database.write() as db:
            if now >= _too_late_at(library, campaign, run):
                drop_held_run(db, run.id, now, TOO_LATE)
            elif all(edition.there for edition in editions_at(library, campaign, run.slot)):
                opened += [run.id] if reopen_held_run(db, run.id, now) else []
    return opened


def _too_late_at(library: Library, campaign: Campaign, run: Run) -> datetime:
    """When mails of this slot would have been worth sending to nobody any more."""
    trigger, zone = campaign.trigger, library.programs[campaign.program].zone
    if not isinstance(trigger, ScheduleTrigger):
        return instant_of(local_of(run.slot), zone)
    last = FIRST_TO_LAST if trigger.clock is Clock.PARTNER else timedelta()
    return instant_of(local_of(run.slot), trigger.zone(zone)) + last + campaign.send_within


def edition_context(library: Library, campaign: Campaign, occasion: str) -> Mapping[str, Any] | None:
    """What the mail that tells of a missing edition can say; None where its campaign is gone."""
    assert isinstance(campaign.trigger, EditionTrigger), "only these tell of editions"
    about = library.campaigns.get((campaign.program, campaign.trigger.campaign))
    if about is None or not isinstance(about.trigger, ScheduleTrigger):
        return None
    email = edition_of(occasion)
    zone = library.programs[campaign.program].zone
    first = datetime.combine(date.fromisoformat(f"{email[-7:]}-01"), datetime.min.time())
    before = instant_of(first, about.trigger.zone(zone)) - timedelta(microseconds=1)
    slot = slot_next(about.trigger, zone, before)
    return {
        "email": email,
        "file": f"email_templates/{email}.md",
        "campaign": about.name,
        "day": slot.local.date(),
        "at": slot.at,
    }
