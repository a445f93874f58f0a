"""Re-entry: nobody walks one journey twice at a time.

Whoever is still inside a journey does not enter it again, whatever `again` or another event says. But each change of a
referral is news of its own: there the journey about the latest change goes on, and those about earlier ones end.
Campaigns without a wait are no journeys: nobody is ever inside.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.domain.campaigns import Campaign, EventTrigger
from engage.domain.facts import Subject
from engage.domain.journeys import JourneyState, path_of
from engage.facts import Scope
from engage.pipeline.entries import Entry
from engage.store.reentry import end_active, keys_inside, lock_entries, overtaken
from engage.store.upserts import BATCH

OVERTAKEN = "a later change of the referral has come"
"""Why a journey about a referral ends that has changed again."""


def keeps_out(campaign: Campaign) -> bool:
    """Whether those who are still inside the campaign do not enter it."""
    return path_of(campaign.steps).waits and not _follows_changes(campaign)


def _follows_changes(campaign: Campaign) -> bool:
    return isinstance(campaign.trigger, EventTrigger) and campaign.subject is Subject.REFERRAL


@dataclass(frozen=True, slots=True)
class Insiders:
    """Under which keys subjects are inside the journeys that keep them out: by (campaign, subject)."""

    _keys: dict[str, dict[int, set[str]]] = field(default_factory=dict)

    @classmethod
    def load(
        cls, db: Connection, scope: Scope, campaign: Campaign, subject_ids: Collection[int], as_of: datetime
    ) -> "Insiders":
        """Those of one campaign, as of the instant."""
        found: dict[int, set[str]] = {}
        ids = sorted(subject_ids) if keeps_out(campaign) else []
        for start in range(0, len(ids), BATCH):
            found |= keys_inside(db, scope.program_id, campaign, ids[start : start + BATCH], as_of)
        return cls({campaign.name: found} if keeps_out(campaign) else {})

    @classmethod
    def now(cls, db: Connection, scope: Scope, entries: Sequence[Entry]) -> "Insiders":
        """Those of all these entries, whatever the clock of whoever has let them in. A statement a campaign."""
        found: dict[str, dict[int, set[str]]] = {}
        for campaign in {one.campaign.name: one.campaign for one in entries}.values():
            if keeps_out(campaign):
                ids = {one.subject_id for one in entries if one.campaign.name == campaign.name}
                theirs = {id_ for id_ in ids if id_ is not None}
                found[campaign.name] = keys_inside(db, scope.program_id, campaign, theirs)
        return cls(found)

    def lets_in(self, campaign: Campaign, subject_id: int, key: str) -> bool:
        """Whether the subject may enter under this key; from then on it is inside itself."""
        subjects = self._keys.get(campaign.name)
        if subjects is None:
            return True
        keys = subjects.setdefault(subject_id, set())
        if keys - {key}:
            return False
        keys.add(key)
        return True

    def of(self, campaign: Campaign) -> set[int]:
        return set(self._keys.get(campaign.name, ()))


def still_inside(
    db: Connection, scope: Scope, campaign: Campaign, subject_ids: Collection[int], as_of: datetime
) -> set[int]:
    """Those of these subjects whom the campaign does not let in because they are inside it as of the instant."""
    return Insiders.load(db, scope, campaign, subject_ids, as_of).of(campaign)


def without_those_inside(db: Connection, scope: Scope, entries: Sequence[Entry]) -> list[Entry]:
    """The entries, without those of subjects who are still inside, and of several of one subject with the first only.

    Nobody else lets anybody into these journeys until the transaction ends. What was no news any more when it was
    learned of leads nowhere, and keeps nobody out. No statement where there is no journey.
    """
    campaigns = {entry.campaign.name: entry.campaign for entry in entries}
    lock_entries(db, scope.program_id, [name for name, one in campaigns.items() if path_of(one.steps).waits])
    inside = Insiders.now(db, scope, entries)
    return [
        one
        for one in entries
        if one.subject_id is None
        or one.is_history(scope.program)
        or inside.lets_in(one.campaign, one.subject_id, one.key)
    ]


def end_overtaken(db: Connection, scope: Scope, entered: Iterable[Entry], now: datetime) -> set[int]:
    """Ends the journeys about referrals that one of these new entries is a later change of.

    Returns the enrollments, new ones too, that a later change has overtaken: they wait for nothing any more.
    """
    found: set[int] = set()
    by_campaign: dict[str, set[int]] = {}
    for one in entered:
        if one.referral_id is not None and _follows_changes(one.campaign) and path_of(one.campaign.steps).waits:
            by_campaign.setdefault(one.campaign.name, set()).add(one.referral_id)
    for campaign, referral_ids in sorted(by_campaign.items()):
        states = overtaken(db, scope.program_id, campaign, referral_ids)
        end_active(db, [id_ for id_, state in states.items() if state is JourneyState.ACTIVE], OVERTAKEN, now)
        found |= states.keys()
    return found
