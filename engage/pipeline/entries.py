"""Who enters a campaign, by which occasion, and what is to be woken afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from engage.domain.campaigns import Campaign, MailStep
from engage.domain.experiments import Arm
from engage.domain.facts import Subject
from engage.domain.programs import Program
from engage.queueing import Lane


class Concerning(Protocol):
    """What says whom a campaign concerns: a partner, whatever of theirs it is about, a company or a member of staff."""

    @property
    def partner_id(self) -> int | None: ...
    @property
    def referral_id(self) -> int | None: ...
    @property
    def company_id(self) -> int | None: ...
    @property
    def staff_id(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Whom:
    """A subject by its ids: its own, and that of the partner to whom it leads."""

    partner_id: int | None = None
    referral_id: int | None = None
    reward_id: int | None = None
    company_id: int | None = None
    staff_id: int | None = None

    @classmethod
    def of(cls, subject: Subject, subject_id: int, partner_id: int | None) -> "Whom":
        """The subject with this id; a reward's referral is not looked up."""
        own = {} if subject is Subject.PARTNER else {f"{subject}_id": subject_id}
        return cls(partner_id=partner_id, **own)


@dataclass(frozen=True, slots=True)
class Entry:
    """One subject that enters, or has entered, a campaign. `by_run`: a schedule's slot found it, not an event.

    `slot`: the one by which they enter now; `not_before`: on their clock it comes then only. `partner_id` is None for
    companies and staff. `arm` is the one in which it entered; None: not drawn yet, or no more theirs since a merge.
    """

    occasion_id: int
    campaign: Campaign
    key: str
    partner_id: int | None
    by_run: bool
    referral_id: int | None = None
    reward_id: int | None = None
    company_id: int | None = None
    staff_id: int | None = None
    event_age: timedelta | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    arm: Arm | None = None
    slot: str | None = None
    not_before: datetime | None = None

    def is_history(self, program: Program) -> bool:
        """Whether the event was too old for news when we learned of it."""
        return self.event_age is not None and self.event_age > program.topics[self.campaign.topic].ignore_older_than

    def begins(self, now: datetime) -> datetime:
        """From when waits count."""
        return max(now, self.not_before or now)

    @property
    def subject_id(self) -> int | None:
        """The id of what the campaign is for; None where its file was edited to be for something else."""
        return {
            Subject.PARTNER: self.partner_id,
            Subject.REFERRAL: self.referral_id,
            Subject.REWARD: self.reward_id,
            Subject.COMPANY: self.company_id,
            Subject.STAFF: self.staff_id,
        }[self.campaign.subject]


@dataclass(frozen=True, slots=True)
class Mailing:
    """One mail that a step calls for, to one who has entered. `version_id`: of the campaign as they entered it.

    `not_before`: it is due then, and not at once.
    """

    enrollment_id: int
    version_id: int
    entry: Entry
    step: MailStep
    not_before: datetime | None = None


Hints = dict[Lane, list[int]]
"""Ids of deliveries by lane: what to wake the workers with once the transaction is committed."""
