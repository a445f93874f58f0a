"""What `campaigns/program.yaml` says of a referral programme: brand, ladder, tiers, topics, feeds."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from engage.domain.conditions import FactRef
from engage.domain.facts import CATALOGUE, FactType, Feed

METHODS = ("form", "verbal", "email", "link", "social", "card")
"""The ways in which a lead is referred."""

PARTNER_STATUSES = ("invited", "active", "inactive")


class StatusKind(StrEnum):
    """What a status of the ladder means to facts; several statuses may share one kind."""

    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    QUALIFIED = "qualified"
    OPPORTUNITY = "opportunity"
    WON = "won"
    LOST = "lost"
    REOPENED = "reopened"


QUALIFIED_KINDS = frozenset({StatusKind.QUALIFIED, StatusKind.OPPORTUNITY, StatusKind.WON})
CLOSED_KINDS = frozenset({StatusKind.WON, StatusKind.LOST})


@dataclass(frozen=True, slots=True)
class Status:
    """One rung of the ladder: `key` in data and campaigns, `label` to partners, `next` what comes next, in words."""

    key: str
    kind: StatusKind
    label: str
    next: str = ""


class TierPeriod(StrEnum):
    """The calendar period, in the program's zone, in which a tier's metric is counted."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Tier:
    """`threshold` counts referrals or wins, or is money in minor units when the metric is revenue."""

    key: str
    label: str
    threshold: int
    benefit: str


@dataclass(frozen=True, slots=True)
class Tiers:
    """The steps of the programme, lowest first."""

    metric: str
    period: TierPeriod
    steps: tuple[Tier, ...]


class TopicKind(StrEnum):
    TRANSACTIONAL = "transactional"
    MARKETING = "marketing"


@dataclass(frozen=True, slots=True)
class Topic:
    """A kind of mail that a partner can know and refuse by name.

    `ignore_older_than`: an event older than this when observed never triggers a message of the topic.
    `send_within`: how long a due message stays worth sending, where the campaign says nothing else.
    `sendgrid_group`: the id of SendGrid's unsubscribe group that is this topic.
    """

    key: str
    label: str
    kind: TopicKind
    description: str = ""
    ignore_older_than: timedelta = timedelta(days=3)
    send_within: timedelta = timedelta(days=3)
    sendgrid_group: int | None = None

    @property
    def transactional(self) -> bool:
        return self.kind is TopicKind.TRANSACTIONAL


@dataclass(frozen=True, slots=True)
class Brand:
    """Colours are `#rrggbb`; `logo` an https URL, or empty for the name in letters."""

    name: str
    from_name: str
    from_email: str
    reply_to: str
    postal_address: str
    portal_url: str
    refer_url: str
    logo: str = ""
    color: str = "#1f4b99"
    accent: str = "#0f7b5f"


@dataclass(frozen=True, slots=True)
class Program:
    """One referral programme. `attributes` declares the imported attributes that facts may ask for, with type.

    `feeds` maps each connected feed to the silence after which it counts as stale. `default_owner` is the address
    that alerts fall back to. `currency` is an ISO 4217 code; `minor_digits` its number of decimals. When a source
    tells of more than `status_changes_per_hour`, they are held.
    """

    key: str
    brand: Brand
    zone: str
    locale: str
    currency: str
    minor_digits: int
    ladder: tuple[Status, ...]
    tiers: Tiers | None
    topics: dict[str, Topic]
    feeds: dict[Feed, timedelta]
    order: tuple[str, ...] = ()
    default_owner: str = ""
    attributes: dict[str, FactType] = field(default_factory=dict)
    status_changes_per_hour: int = 1000

    def status(self, key: str) -> Status:
        """The rung with this key; KeyError if the ladder has none."""
        for status in self.ladder:
            if status.key == key:
                return status
        raise KeyError(key)

    def statuses_of(self, *kinds: StatusKind) -> tuple[str, ...]:
        return tuple(status.key for status in self.ladder if status.kind in kinds)

    def type_of(self, ref: FactRef) -> FactType:
        """The type of a fact, where it follows from the tiers or the declared attributes too; KeyError if unknown."""
        fact = CATALOGUE[ref.fact]
        if fact.type is not None:
            return fact.type
        if fact.named:
            return self.attributes[ref.name or ""]
        return FactType.MONEY if self.tiers and self.tiers.metric == "revenue" else FactType.COUNT
