"""Enrolls whom an occasion concerns, and sets them on their way through the campaign's steps."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.domain.decisions import Reason
from engage.domain.journeys import JourneyState, path_of
from engage.facts import Scope
from engage.pipeline.entries import Entry, Hints
from engage.pipeline.journeys import walk
from engage.pipeline.reentry import OVERTAKEN, end_overtaken, without_those_inside
from engage.pipeline.rollout import with_arms
from engage.pipeline.walkers import Walker
from engage.store.enrollments import insert_enrollments


def enroll(
    db: Connection, scope: Scope, version_ids: Mapping[str, int], entries: Sequence[Entry], now: datetime
) -> Hints:
    """Enrolls, and goes as far as the steps lead now; entries that are enrolled already change nothing, nor do those of
    whoever is still inside.

    `version_ids` gives the stored version of each campaign by name. A fixed number of statements for each campaign,
    however many entries.
    """
    entries = with_arms(db, scope, without_those_inside(db, scope, entries))
    ids = insert_enrollments(
        db,
        [
            {
                "program_id": scope.program_id,
                "campaign": entry.campaign.name,
                "version_id": version_ids[entry.campaign.name],
                "occasion_id": entry.occasion_id,
                "key": entry.key,
                "partner_id": entry.partner_id,
                "referral_id": entry.referral_id,
                "reward_id": entry.reward_id,
                "company_id": entry.company_id,
                "staff_id": entry.staff_id,
                "entered_at": now,
                "arm": entry.arm,
                "state": JourneyState.DONE,
                "ended_at": now,
            }
            for entry in entries
        ],
    )
    paths = {entry.campaign.name: path_of(entry.campaign.steps) for entry in entries}
    new: dict[int, Entry] = {}
    for entry in entries:
        id_ = ids.pop((entry.partner_id, entry.campaign.name, entry.key), None)
        if id_ is not None:
            new[id_] = entry
    overtaken = end_overtaken(db, scope, new.values(), now)

    def walker(id_: int, entry: Entry) -> Walker:
        name = entry.campaign.name
        ends = OVERTAKEN if id_ in overtaken else Reason.TOO_OLD if entry.is_history(scope.program) else None
        return Walker(id_, version_ids[name], entry, paths[name], paths[name].first, entry.begins(now), now, ends=ends)

    return walk(db, scope, [walker(id_, entry) for id_, entry in new.items()], now)
