"""`again`: under which key a subject enters a scheduled campaign, and who may not enter again yet."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.domain.campaigns import AgainKind, Campaign
from engage.domain.conditions import FactRef
from engage.domain.facts import Subject
from engage.domain.keys import ONCE, episode_key, key_of, tier_key
from engage.domain.tiers import tier_period
from engage.facts import Scope, values
from engage.store.enrollments import (
    close_episodes,
    entered_keys,
    last_entries,
    open_episodes,
    open_new_episodes,
)
from engage.store.subjects import external_ids
from engage.store.upserts import BATCH

_NEXT_TIER = FactRef("next_tier")


def turn_episodes(
    db: Connection, scope: Scope, campaign: Campaign, matched: Sequence[int], slot: str, now: datetime
) -> dict[int, str]:
    """Closes the episodes whose condition no longer holds, opens those of subjects that newly meet it.

    `matched` are all subjects that meet the condition. Returns the slot that opened each one's episode.
    """
    standing = open_episodes(db, scope.program_id, campaign)
    meeting = set(matched)
    over = sorted(subject_id for subject_id in standing if subject_id not in meeting)
    close_episodes(db, scope.program_id, campaign, over, now)
    new = [subject_id for subject_id in matched if subject_id not in standing]
    open_new_episodes(db, scope.program_id, campaign, new, slot, now)
    return {subject_id: standing.get(subject_id, slot) for subject_id in matched}


def would_be_episodes(
    db: Connection, scope: Scope, campaign: Campaign, matched: Sequence[int], slot: str
) -> dict[int, str]:
    """What `turn_episodes` would return, for a plan."""
    standing = open_episodes(db, scope.program_id, campaign)
    return {subject_id: standing.get(subject_id, slot) for subject_id in matched}


def entering(
    db: Connection, scope: Scope, campaign: Campaign, matched: Sequence[int], slot: str, as_of: datetime
) -> set[int]:
    """Those of all the subjects that meet the condition whom `again` lets in on this slot. Writes nothing."""
    episodes: Mapping[int, str] = {}
    if campaign.again and campaign.again.kind is AgainKind.EACH_EPISODE:
        episodes = would_be_episodes(db, scope, campaign, matched, slot)
    found: set[int] = set()
    for start in range(0, len(matched), BATCH):
        found |= entry_keys(db, scope, campaign, matched[start : start + BATCH], slot, episodes, as_of).keys()
    return found


def entry_keys(
    db: Connection,
    scope: Scope,
    campaign: Campaign,
    subject_ids: Sequence[int],
    slot: str,
    episodes: Mapping[int, str],
    as_of: datetime,
) -> dict[int, str]:
    """The key under which each subject would enter on this slot; those that may not enter again are left out."""
    again = campaign.again
    assert again is not None, "a schedule always says when again"
    keys = _keys(db, scope, campaign, subject_ids, slot, episodes, as_of)
    if campaign.subject is not Subject.PARTNER:
        names = external_ids(db, campaign.subject, subject_ids)
        keys = {id_: key_of(key, campaign.subject, names[id_]) for id_, key in keys.items()}
    if again.kind is AgainKind.AFTER:
        assert again.after is not None, "after always has a duration"
        last = last_entries(db, scope.program_id, campaign, subject_ids, as_of)
        return {id_: key for id_, key in keys.items() if id_ not in last or last[id_] <= as_of - again.after}
    entered = entered_keys(db, scope.program_id, campaign, subject_ids, as_of)
    return {id_: key for id_, key in keys.items() if (id_, key) not in entered}


def _keys(
    db: Connection,
    scope: Scope,
    campaign: Campaign,
    subject_ids: Collection[int],
    slot: str,
    episodes: Mapping[int, str],
    as_of: datetime,
) -> dict[int, str]:
    assert campaign.again is not None
    match campaign.again.kind:
        case AgainKind.NEVER:
            return dict.fromkeys(subject_ids, ONCE)
        case AgainKind.EACH_SLOT | AgainKind.AFTER:
            return dict.fromkeys(subject_ids, slot)
        case AgainKind.EACH_EPISODE:
            return {subject_id: episode_key(episodes[subject_id]) for subject_id in subject_ids}
        case AgainKind.EACH_TIER_PERIOD:
            tiers = scope.program.tiers
            assert tiers is not None, "lint demands tiers, and partners, for `each tier period`"
            period = tier_period(tiers.period, scope.program.zone, as_of)
            found = values(db, scope, Subject.PARTNER, [_NEXT_TIER], as_of, subject_ids)
            return {id_: tier_key(str(found[id_][_NEXT_TIER] or "top"), period.key) for id_ in subject_ids}
