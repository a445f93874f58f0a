"""Whom a campaign concerns, from what the audience of its condition says, or from the name that a person gives."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.engine import Connection

from engage.domain.facts import Subject
from engage.facts import Member
from engage.pipeline.entries import Whom
from engage.store.subjects import referrals_of_rewards


def whom_of(db: Connection, subject: Subject, members: Sequence[Member]) -> list[Whom]:
    """Each member by its ids, and of a reward those of the referral by which it was earned."""
    found = [Whom.of(subject, member.subject_id, member.partner_id) for member in members]
    if subject is not Subject.REWARD:
        return found
    earned_by = referrals_of_rewards(db, [member.subject_id for member in members])
    return [replace(whom, referral_id=earned_by.get(whom.reward_id or 0)) for whom in found]
