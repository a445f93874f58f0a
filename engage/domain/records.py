"""Records as sources hand them to intake: plain values with external ids, before the store knows them.

Instants are aware datetimes in UTC; amounts are integer minor units of the program's currency. A field that is None
is not known to the source and leaves what the store knows as it is.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from engage.domain.conditions import Scalar

Attributes = dict[str, Scalar]


@dataclass(frozen=True, slots=True)
class CompanyRecord:
    external_id: str
    name: str | None = None
    parent: str | None = None  # external id of the company above
    contact: str | None = None  # external id of the partner who speaks for it
    manager: str | None = None  # external id of its channel manager, of staff
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StaffRecord:
    external_id: str
    name: str | None = None
    email: str | None = None
    role: str | None = None
    region: str | None = None
    manager: str | None = None  # external id of staff


@dataclass(frozen=True, slots=True)
class PartnerRecord:
    external_id: str
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    company: str | None = None  # external id
    owner: str | None = None  # external id of staff
    recruited_by: str | None = None  # external id of a partner
    region: str | None = None
    locale: str | None = None
    zone: str | None = None  # IANA
    status: str | None = None  # one of programs.PARTNER_STATUSES
    joined_at: datetime | None = None
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReferralRecord:
    """One referral in the state the source shows it in.

    `status` with `status_at` is a change to record as an event; with `status_at` None it is stored without one.
    `partner` may be None only for a referral that is known already.
    """

    external_id: str
    partner: str | None  # external id
    lead_company: str | None = None
    lead_name: str | None = None
    lead_contact: str | None = None  # an address or a number of the lead
    note: str | None = None  # what the partner said of the lead
    method: str | None = None
    product: str | None = None
    amount: int | None = None
    salesperson: str | None = None  # external id of staff
    submitted_at: datetime | None = None
    status: str | None = None
    status_at: datetime | None = None
    loss_reason: str | None = None
    involvement: str | None = None
    reversal_pending: bool | None = None  # it is won, and may be taken back


@dataclass(frozen=True, slots=True)
class LoginRecord:
    partner: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RewardRecord:
    """A reward and what has become of it so far: each instant that is known is an event of its own."""

    external_id: str
    partner: str
    amount: int
    referral: str | None = None
    label: str | None = None
    earned_at: datetime | None = None
    due_at: datetime | None = None
    paid_at: datetime | None = None
    reversed_at: datetime | None = None
    stage: str | None = None  # what part of the sale's reward it is, such as win or retention
    expected_at: datetime | None = None  # not earned yet: when the source expects it to be


@dataclass(frozen=True, slots=True)
class HelpRecord:
    """Somebody of our staff asks a referral's partner for help: `ask` is what they could do, in a sentence."""

    referral: str  # external id
    at: datetime
    ask: str
    by: str | None = None  # external id of staff; None: whoever works the referral


@dataclass(frozen=True, slots=True)
class AliasRecord:
    """`external_id` and `of` name the same thing: an id that was changed, or a duplicate that was merged into `of`."""

    kind: str  # one of ALIAS_KINDS
    external_id: str
    of: str


ALIAS_KINDS = ("partner", "referral", "company", "staff")

Record = (
    AliasRecord | CompanyRecord | StaffRecord | PartnerRecord | ReferralRecord | LoginRecord | RewardRecord | HelpRecord
)


class Outcome(StrEnum):
    """What became of one source row. Every row has exactly one."""

    ACCEPTED = "accepted"  # something was stored or changed
    UNCHANGED = "unchanged"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Taken:
    """`reason` says in plain words why a row was rejected, `field` which of a record's it lies in, if in one; nothing
    of a rejected row is stored.
    """

    outcome: Outcome
    reason: str = ""
    field: str = ""
