"""What `campaigns/program.yaml` says of a referral programme: brand, ladder, tiers, topics, feeds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from enum import StrEnum
from urllib.parse import quote

from engage.domain.campaigns import Place
from engage.domain.conditions import FactRef
from engage.domain.facts import CATALOGUE, FactType, Feed
from engage.domain.limits import FrequencyCap, QuietHours, SendWindow

METHODS = ("form", "verbal", "email", "link", "social", "card")
"""The ways in which a lead is referred."""

_NOWHERE = Place()

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


class Regression(StrEnum):
    """What becomes of a status change that takes good news back, such as won, then reopened."""

    CORRECT = "correct"  # the partner hears of it if the good news went out; if it had not yet, neither goes out
    TELL = "tell"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Gather:
    """One mail of a day's updates at `at`, local time, for partners who chose a daily rhythm; `template` is its email.

    The campaign that it implies is called after the topic: `gather_campaign`.
    """

    at: time
    template: str
    place: Place = _NOWHERE


def gather_campaign(topic: str) -> str:
    """The name of the campaign that a topic's `gather` implies."""
    return f"{topic}-daily"


class Rhythm(StrEnum):
    """How often a partner wants a topic's updates."""

    INSTANT = "instant"
    DAILY = "daily"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Topic:
    """A kind of mail that a partner can know and refuse by name.

    `frequency` says in words how often it comes. `opt_in`: nobody gets it who has not said yes. `counts`: whether its
    mails use up frequency caps; transactional mail is not held to them. `collapse`: several status changes of one
    referral within so long after the first are one mail, about the last.

    `ignore_older_than`: an event older than this when observed never triggers a message of the topic.
    `send_within`: how long a due message stays worth sending, where the campaign says nothing else.
    `sendgrid_group`: the id of SendGrid's unsubscribe group that is this topic.
    """

    key: str
    label: str
    kind: TopicKind
    description: str = ""
    frequency: str = ""
    ignore_older_than: timedelta = timedelta(days=3)
    send_within: timedelta = timedelta(days=3)
    sendgrid_group: int | None = None
    opt_in: bool = False
    counts: bool = True
    collapse: timedelta | None = None
    gather: Gather | None = None
    regression: Regression = Regression.TELL
    send_window: SendWindow | None = None

    @property
    def transactional(self) -> bool:
        return self.kind is TopicKind.TRANSACTIONAL


@dataclass(frozen=True, slots=True)
class Desk:
    """Whom of our own a campaign may alert by name, beside a partner's owner: a team, or the person called `name`."""

    key: str
    email: str
    name: str = ""

    @property
    def label(self) -> str:
        return self.name or self.key.replace("-", " ").replace("_", " ").capitalize()


OWNER, SALESPERSON = "owner", "salesperson"
ALERTED = {
    OWNER: "whoever looks after the partner",
    SALESPERSON: "whoever works the referral, or else looks after its partner",
}
"""The receivers of alerts who are no desk."""


PARTNER_PLACE = "{partner}"
"""Stands in addresses of a brand for the partner whom a mail is to."""


def address_for(url: str, partner: str | None) -> str | None:
    """A brand's address with the partner's external id in its place; None where there is none, or nobody for it."""
    if not url or (PARTNER_PLACE in url and partner is None):
        return None
    return url.replace(PARTNER_PLACE, quote(partner or "", safe=""))


@dataclass(frozen=True, slots=True)
class Brand:
    """Colours are `#rrggbb`; `logo` an https URL, or empty for the name in letters, with `mark`, up to three letters in
    a coloured square, before it. `ally` is the name of a second brand, shown beside the own one.

    `register_url` and `share_url` may hold PARTNER_PLACE, where the partner's external id comes to stand.
    """

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
    mark: str = ""
    ally: str = ""
    ally_mark: str = ""
    register_url: str = ""
    share_url: str = ""

    def referral_url(self, external_id: str) -> str:
        """Where a referral is seen in the portal."""
        return f"{self.portal_url.rstrip('/')}/referrals/{external_id}"


@dataclass(frozen=True, slots=True)
class Sunset:
    """Partners who gave no sign of life for `light_after` get at most one marketing mail in `light`; for `rest_after`,
    none. A sign of life: a human open or click, a login, a referral; or joining.
    """

    light_after: timedelta
    light: timedelta
    rest_after: timedelta


LINK_TAG_VALUES = ("program", "campaign", "step", "topic")
"""What the value of a link's parameter may name of the mail, as `{campaign}`."""


@dataclass(frozen=True, slots=True)
class LinkTags:
    """Parameters that are added to the links of mails to partners, such as utm_source, by name.

    A value may hold LINK_TAG_VALUES in braces. Only https links to `hosts` and their subdomains are tagged.
    """

    tags: tuple[tuple[str, str], ...]
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tracking:
    """What engage learns of how partners use their mails: which links they click, and whether they open them."""

    clicks: bool = True
    opens: bool = False


DISPATCH_WINDOW = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Program:
    """One referral programme. `attributes` declares the imported attributes that facts may ask for, with type;
    `named_with` is the boolean one that is true of partners who agreed to be named to others, "" if nobody is.

    `feeds` maps each connected feed to the silence after which it counts as stale. `default_owner` is the address
    that alerts fall back to; `desks` are those they may go to by name. `currency` is an ISO 4217 code;
    `minor_digits` its number of decimals. When a source
    tells of more than `status_changes_per_hour`, they are held. Marketing mails that come due in one `dispatch_window`
    compete by `order` where `frequency_caps` leave less room. With `holidays` no marketing mail goes out on public
    holidays of the partner's country, which follows from their zone, or is `country` (ISO 3166). `control_group` is the
    share of partners (0 to 1) who get no marketing mail at all. `locales` are those in which emails are to be there.
    `ancestors` are the keys of the programs that it inherits from, the nearest first; campaigns of theirs that it is
    `without` are not its own. `words` are texts that it says instead of others, in all of its mails.
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
    desks: dict[str, Desk] = field(default_factory=dict)
    attributes: dict[str, FactType] = field(default_factory=dict)
    named_with: str = ""
    status_changes_per_hour: int = 1000
    frequency_caps: tuple[FrequencyCap, ...] = ()
    dispatch_window: timedelta = DISPATCH_WINDOW
    quiet_hours: QuietHours | None = None
    holidays: bool = False
    country: str = ""
    control_group: float = 0.0
    sunset: Sunset | None = None
    link_tags: LinkTags | None = None
    tracking: Tracking = Tracking()
    locales: tuple[str, ...] = ()
    ancestors: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def lineage(self) -> tuple[str, ...]:
        """Its key and those of the programs that it inherits from: the folders in which its own emails may lie."""
        return (self.key, *self.ancestors)

    def status(self, key: str) -> Status:
        """The rung with this key; KeyError if the ladder has none."""
        for status in self.ladder:
            if status.key == key:
                return status
        raise KeyError(key)

    def takes_back(self, before: str | None, after: str | None) -> bool:
        """Whether a change of status takes back what was told before: won, then anything else; whatever, then reopened.

        Otherwise a lower place of the ladder than the one before. Not so: to be won, and to go on after having been
        reopened.
        """
        places = {status.key: place for place, status in enumerate(self.ladder)}
        if before is None or before not in places or after not in places or before == after:
            return False
        old, new = self.ladder[places[before]].kind, self.ladder[places[after]].kind
        if new is StatusKind.REOPENED or old is StatusKind.WON:
            return True
        if new in CLOSED_KINDS or old is StatusKind.REOPENED:
            return False
        return places[after] < places[before]

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


def usual_program(programs: Mapping[str, Program]) -> Program | None:
    """The program that is meant where none is named: the only one that inherits from none; else None."""
    roots = [program for program in programs.values() if not program.ancestors]
    return roots[0] if len(roots) == 1 else None
