"""The shapes of what is pushed, and the records they become. Field names are those of import mappings.

A field that is left out or null is not known to whoever sends, and leaves what is known as it is.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    StringConstraints,
    WithJsonSchema,
)

from engage.domain.programs import METHODS, PARTNER_STATUSES
from engage.domain.records import (
    CompanyRecord,
    HelpRecord,
    LoginRecord,
    PartnerRecord,
    Record,
    ReferralRecord,
    RewardRecord,
    StaffRecord,
)

MONEY = 'In the program\'s currency: `"120.50"`, or a number.'
Money = Callable[[str], int]
"""Reads an amount in major units as minor ones; raises ValueError."""

# Years from 0001 on, no leap seconds, and an offset: RFC 3339 as far as databases have such instants.
_RFC3339 = re.compile(r"(?!0000)\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _instant(value: object) -> datetime:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("is no instant with an offset such as 2026-11-02T09:30:00Z")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is no instant that there is") from None


def _amount(value: object) -> str:
    """The text of an amount: which decimals its currency has, the program knows."""
    if isinstance(value, bool) or not isinstance(value, str | int | float) or len(str(value)) > 40:
        raise ValueError('is no amount such as "120.50"')
    return str(value).strip()


Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(max_length=1000)]
At = Annotated[datetime, PlainValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
Amount = Annotated[str, PlainValidator(_amount), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}]})]
Attributes = Annotated[
    dict[
        Annotated[str, StringConstraints(min_length=1, max_length=100)],
        StrictStr | StrictBool | StrictInt | StrictFloat,
    ],
    Field(max_length=100),
]


class Sent(BaseModel, ABC):
    """One record as it is sent. `renamed`: what intake calls those fields that have another name here."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    renamed: ClassVar[dict[str, str]] = {}

    @abstractmethod
    def record(self, money: Money) -> Record:
        """As intake takes it. Raises ValueError when its amount is none of the program's currency."""


class Company(Sent):
    external_id: Id
    name: Text | None = None
    parent: Id | None = Field(None, description="external id of the company above")
    contact: Id | None = Field(None, description="external id of the partner who speaks for it")
    manager: Id | None = Field(None, description="external id of its channel manager, of staff")
    attributes: Attributes | None = None

    def record(self, money: Money) -> CompanyRecord:  # noqa: ARG002
        return CompanyRecord(**self.__dict__ | {"attributes": self.attributes or {}})


class Staff(Sent):
    external_id: Id
    name: Text | None = None
    email: Text | None = None
    role: Text | None = None
    region: Text | None = None
    manager: Id | None = Field(None, description="external id of staff")

    def record(self, money: Money) -> StaffRecord:  # noqa: ARG002
        return StaffRecord(**self.__dict__)


class Partner(Sent):
    external_id: Id
    email: Text | None = None
    first_name: Text | None = None
    last_name: Text | None = None
    phone: Text | None = None
    company: Id | None = Field(None, description="external id; made if it is not known")
    owner: Id | None = Field(None, description="external id of staff; made if it is not known")
    recruited_by: Id | None = Field(None, description="external id of a partner")
    region: Text | None = None
    locale: Text | None = Field(None, description="such as `en` or `de_AT`")
    zone: Text | None = Field(None, description="IANA, such as `Europe/Berlin`")
    status: Text | None = Field(None, description=f"one of {', '.join(PARTNER_STATUSES)}")
    joined_at: At | None = None
    attributes: Attributes | None = None

    def record(self, money: Money) -> PartnerRecord:  # noqa: ARG002
        return PartnerRecord(**self.__dict__ | {"attributes": self.attributes or {}})


class Referral(Sent):
    """A referral in the state that you show it in; with `status_at`, the change is an event."""

    external_id: Id
    partner: Id | None = Field(None, description="external id; may be left out when the referral is known")
    lead_company: Text | None = None
    lead_name: Text | None = None
    lead_contact: Text | None = Field(None, description="an address or a number of the lead")
    note: Text | None = Field(None, description="what the partner said of the lead")
    method: Text | None = Field(None, description=f"one of {', '.join(METHODS)}")
    product: Text | None = None
    amount: Amount | None = Field(None, description=MONEY)
    salesperson: Id | None = Field(None, description="external id of staff; made if it is not known")
    submitted_at: At | None = None
    status: Text | None = Field(None, description="a status of the program's ladder")
    status_at: At | None = None
    loss_reason: Text | None = None
    involvement: Text | None = None
    reversal_pending: StrictBool | None = None

    def record(self, money: Money) -> ReferralRecord:
        amount = money(self.amount) if self.amount else None
        return ReferralRecord(**self.__dict__ | {"amount": amount})


class Login(Sent):
    partner: Id
    at: At

    def record(self, money: Money) -> LoginRecord:  # noqa: ARG002
        return LoginRecord(self.partner, self.at)


class Reward(Sent):
    """A reward and what has become of it: each instant that you know is an event."""

    external_id: Id
    partner: Id
    amount: Amount = Field(description=MONEY)
    referral: Id | None = None
    label: Text | None = None
    stage: Text | None = Field(None, description="what part of the sale's reward it is, such as win or retention")
    expected_at: At | None = None
    earned_at: At | None = None
    due_at: At | None = None
    paid_at: At | None = None
    reversed_at: At | None = None

    def record(self, money: Money) -> RewardRecord:
        return RewardRecord(**self.__dict__ | {"amount": money(self.amount)})


# --- events -----------------------------------------------------------------------------------------------------------


class StatusChanged(Sent):
    renamed: ClassVar[dict[str, str]] = {"external_id": "referral", "status_at": "at"}

    type: Literal["referral.status_changed"]
    referral: Id
    status: Text = Field(min_length=1, description="a status of the program's ladder")
    at: At
    partner: Id | None = Field(None, description="external id; may be left out when the referral is known")

    def record(self, money: Money) -> ReferralRecord:  # noqa: ARG002
        return ReferralRecord(self.referral, self.partner, status=self.status, status_at=self.at)


class HelpWanted(Sent):
    """Somebody of your staff asks a referral's partner for help."""

    type: Literal["referral.help_wanted"]
    referral: Id
    at: At
    ask: Text = Field(min_length=1, description="what the partner could do, in a sentence")
    by: Id | None = Field(None, description="external id of staff; whoever works the referral by default")

    def record(self, money: Money) -> HelpRecord:  # noqa: ARG002
        return HelpRecord(self.referral, self.at, self.ask, self.by)


class LoggedIn(Sent):
    type: Literal["partner.logged_in"]
    partner: Id
    at: At

    def record(self, money: Money) -> LoginRecord:  # noqa: ARG002
        return LoginRecord(self.partner, self.at)


class RewardEvent(Sent):
    external_id: Id = Field(description="of the reward")
    partner: Id
    amount: Amount = Field(description=MONEY)
    at: At
    referral: Id | None = None
    label: Text | None = None
    stage: Text | None = None
    due_at: At | None = None

    def record(self, money: Money) -> RewardRecord:
        fields = self.__dict__ | {"amount": money(self.amount), next(iter(self.renamed)): self.at}
        return RewardRecord(**{name: value for name, value in fields.items() if name not in ("type", "at")})


class RewardEarned(RewardEvent):
    renamed: ClassVar[dict[str, str]] = {"earned_at": "at"}
    type: Literal["reward.earned"]


class RewardPaid(RewardEvent):
    renamed: ClassVar[dict[str, str]] = {"paid_at": "at"}
    type: Literal["reward.paid"]


class RewardReversed(RewardEvent):
    renamed: ClassVar[dict[str, str]] = {"reversed_at": "at"}
    type: Literal["reward.reversed"]


Event = Annotated[
    StatusChanged | LoggedIn | RewardEarned | RewardPaid | RewardReversed | HelpWanted, Discriminator("type")
]
EVENT_MODELS: tuple[type[Sent], ...] = get_args(get_args(Event)[0])
EVENT_TYPES: tuple[str, ...] = tuple(get_args(model.model_fields["type"].annotation)[0] for model in EVENT_MODELS)
