"""What can be pushed, as type checkers see it. A field that is left out or None stays as it is known.

Instants are datetimes with a zone, or texts such as 2026-11-02T09:30:00Z; amounts are in the program's currency.
"""

from datetime import datetime
from decimal import Decimal
from typing import Literal, Required, TypedDict

At = datetime | str
Amount = Decimal | str | int | float
Attributes = dict[str, str | bool | int | float]


class Company(TypedDict, total=False):
    external_id: Required[str]
    name: str | None
    parent: str | None  # external id of the company above
    contact: str | None  # external id of the partner who speaks for it
    manager: str | None  # external id of staff
    attributes: Attributes | None


class Staff(TypedDict, total=False):
    external_id: Required[str]
    name: str | None
    email: str | None
    role: str | None
    region: str | None
    manager: str | None  # external id of staff


class Partner(TypedDict, total=False):
    external_id: Required[str]
    email: str | None
    first_name: str | None
    last_name: str | None
    phone: str | None
    company: str | None  # external id
    owner: str | None  # external id of staff
    recruited_by: str | None  # external id of a partner
    region: str | None
    locale: str | None  # such as en or de_AT
    zone: str | None  # IANA, such as Europe/Berlin
    status: str | None
    joined_at: At | None
    attributes: Attributes | None


class Referral(TypedDict, total=False):
    """A referral in the state that you show it in; with `status_at`, the change is an event."""

    external_id: Required[str]
    partner: str | None  # external id; may be left out when the referral is known
    lead_company: str | None
    lead_name: str | None
    lead_contact: str | None
    note: str | None
    method: str | None
    product: str | None
    amount: Amount | None
    salesperson: str | None  # external id of staff
    submitted_at: At | None
    status: str | None
    status_at: At | None
    loss_reason: str | None
    involvement: str | None
    reversal_pending: bool | None


class Reward(TypedDict, total=False):
    """A reward and what has become of it: each instant that you know is an event."""

    external_id: Required[str]
    partner: Required[str]
    amount: Required[Amount]
    referral: str | None
    label: str | None
    stage: str | None
    expected_at: At | None
    earned_at: At | None
    due_at: At | None
    paid_at: At | None
    reversed_at: At | None


class Login(TypedDict):
    partner: str
    at: At


class StatusChanged(TypedDict, total=False):
    type: Required[Literal["referral.status_changed"]]
    referral: Required[str]
    status: Required[str]
    at: Required[At]
    partner: str | None


class HelpWanted(TypedDict, total=False):
    """Somebody of your staff asks a referral's partner for help."""

    type: Required[Literal["referral.help_wanted"]]
    referral: Required[str]
    at: Required[At]
    ask: Required[str]
    by: str | None  # external id of staff


class LoggedIn(TypedDict):
    type: Literal["partner.logged_in"]
    partner: str
    at: At


class RewardEvent(TypedDict, total=False):
    type: Required[Literal["reward.earned", "reward.paid", "reward.reversed"]]
    external_id: Required[str]
    partner: Required[str]
    amount: Required[Amount]
    at: Required[At]
    referral: str | None
    label: str | None
    stage: str | None
    due_at: At | None


Event = StatusChanged | HelpWanted | LoggedIn | RewardEvent
