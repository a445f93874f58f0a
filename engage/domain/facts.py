"""The catalogue of facts: every thing that a campaign or a template may ask, its type, subject, arguments and feed.

The SQL of each stands in `engage.facts`; a fact that is listed here and has none there fails a test.
"""

from dataclasses import dataclass
from enum import StrEnum

from engage.domain.conditions import Comparator


class FactType(StrEnum):
    COUNT = "count"  # a whole number
    MONEY = "money"  # minor units of the program's currency in the store; major units where authors write
    RATIO = "ratio"  # 0 to 1
    MULTIPLE = "multiple"  # a ratio that may be more than 1: 2.5 is two and a half times as much
    DAYS_SINCE = "days_since"  # elapsed 24-hour days since an instant, rounded down
    TEXT = "text"
    NUMBER = "number"  # of an attribute
    BOOLEAN = "boolean"  # of an attribute


class Subject(StrEnum):
    """What a campaign is `for`: one enrollment concerns one of these."""

    PARTNER = "partner"
    REFERRAL = "referral"
    REWARD = "reward"
    COMPANY = "company"
    STAFF = "staff"

    @property
    def one(self) -> str:
        return "a member of staff" if self is Subject.STAFF else f"a {self}"

    @property
    def plural(self) -> str:
        return {Subject.COMPANY: "companies", Subject.STAFF: "members of staff"}.get(self, f"{self}s")

    @property
    def leads_to_partner(self) -> bool:
        """Whether each belongs to one partner, whose facts are its own too; facts of the others are over many."""
        return self in (Subject.PARTNER, Subject.REFERRAL, Subject.REWARD)


class Feed(StrEnum):
    """A stream of observations that facts rest on. Silence of a feed is not silence of a partner."""

    REFERRALS = "referrals"
    LOGINS = "logins"
    REWARDS = "rewards"


_EQUAL = frozenset({Comparator.IS, Comparator.IS_NOT, Comparator.IN, Comparator.EXISTS})
_ORDER = frozenset(Comparator)
COMPARATORS: dict[FactType, frozenset[Comparator]] = {
    FactType.COUNT: _ORDER,
    FactType.MONEY: _ORDER,
    FactType.RATIO: _ORDER - {Comparator.IN},
    FactType.MULTIPLE: _ORDER - {Comparator.IN},
    FactType.DAYS_SINCE: _ORDER,
    FactType.TEXT: _EQUAL,
    FactType.NUMBER: _ORDER,
    FactType.BOOLEAN: frozenset({Comparator.IS, Comparator.IS_NOT, Comparator.EXISTS}),
}
METRICS = ("referrals", "wins", "revenue")
"""What a tier is reached by and a rank is made of."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One entry of the catalogue.

    `windows` and `methods` say whether `last`/`previous`/`first` and `method` may be given; `last` demands that window
    and no other, `by` a metric, `named` an attribute's name, `asked` a question's. `values` names the closed list its
    values come from: `statuses` (the program's ladder), `partner_statuses`, `tiers`, `methods`; None is any text. A
    MONEY_OR_COUNT fact's type follows the program's tier metric and is written as `type=None`.

    `over` names the other subjects that have it too: of a company it is taken over all its partners, of a member of
    staff over the referrals that they work.
    """

    name: str
    subject: Subject
    type: FactType | None
    meaning: str
    feed: Feed | None = None
    windows: bool = False
    last: bool = False
    methods: bool = False
    by: bool = False
    named: bool = False
    asked: bool = False
    values: str | None = None
    over: tuple[Subject, ...] = ()

    def allows(self, subject: Subject) -> bool:
        """Whether a campaign for `subject` may ask it: rewards lead to their referral, and both to their partner."""
        if subject is self.subject or subject in self.over:
            return True
        return subject.leads_to_partner and (
            self.subject is Subject.PARTNER or (self.subject is Subject.REFERRAL and subject is Subject.REWARD)
        )


_P, _R, _C, _S = Subject.PARTNER, Subject.REFERRAL, Subject.COMPANY, Subject.STAFF
_REF = Feed.REFERRALS
CATALOGUE: dict[str, Fact] = {
    fact.name: fact
    for fact in (
        Fact(
            "status", _P, FactType.TEXT, "status of the partner: invited, active or inactive", values="partner_statuses"
        ),
        Fact(
            "tier",
            _P,
            FactType.TEXT,
            "tier reached in its current period; unknown below the first",
            _REF,
            values="tiers",
        ),
        Fact("program", _P, FactType.TEXT, "key of the program", over=(_C, _S)),
        Fact("company", _P, FactType.TEXT, "external id of the partner company", over=(_C,)),
        Fact("owner", _P, FactType.TEXT, "external id of the salesperson who owns the partner"),
        Fact("region", _P, FactType.TEXT, "region of the partner"),
        Fact("locale", _P, FactType.TEXT, "locale of the partner, such as en or de"),
        Fact("attribute", _P, None, "an imported attribute that program.yaml declares", named=True),
        Fact("answer", _P, FactType.TEXT, "what was last answered to a question of a campaign", asked=True),
        Fact(
            "days_since_login",
            _P,
            FactType.DAYS_SINCE,
            "days since the last login, or since joining if never",
            Feed.LOGINS,
            over=(_C,),
        ),
        Fact("days_since_joining", _P, FactType.DAYS_SINCE, "days since joining; endless if it is not known"),
        Fact(
            "days_since_referral",
            _P,
            FactType.DAYS_SINCE,
            "days since the last dated referral was submitted",
            _REF,
            over=(_C, _S),
        ),
        Fact(
            "days_since_win",
            _P,
            FactType.DAYS_SINCE,
            "days since a referral that is won became so",
            _REF,
            over=(_C, _S),
        ),
        Fact("referrals", _P, FactType.COUNT, "referrals submitted", _REF, windows=True, methods=True, over=(_C, _S)),
        Fact(
            "qualified",
            _P,
            FactType.COUNT,
            "referrals that first reached qualified or beyond, lost excepted",
            _REF,
            windows=True,
            methods=True,
            over=(_C, _S),
        ),
        Fact(
            "open",
            _P,
            FactType.COUNT,
            "referrals that are neither won nor lost",
            _REF,
            windows=True,
            methods=True,
            over=(_C, _S),
        ),
        Fact(
            "wins",
            _P,
            FactType.COUNT,
            "referrals that are won and became so in the window",
            _REF,
            windows=True,
            methods=True,
            over=(_C, _S),
        ),
        Fact(
            "losses",
            _P,
            FactType.COUNT,
            "referrals that are lost and became so in the window",
            _REF,
            windows=True,
            methods=True,
            over=(_C, _S),
        ),
        Fact(
            "revenue",
            _P,
            FactType.MONEY,
            "amount of the referrals counted by wins",
            _REF,
            windows=True,
            methods=True,
            over=(_C, _S),
        ),
        Fact(
            "wins_in_doubt",
            _P,
            FactType.COUNT,
            "those of wins whose reversal is pending: they count for no tier",
            _REF,
            windows=True,
            methods=True,
            over=(_C, _S),
        ),
        Fact(
            "win_rate",
            _P,
            FactType.RATIO,
            "wins by wins and losses; unknown without either",
            _REF,
            windows=True,
            methods=True,
            over=(_C, _S),
        ),
        Fact(
            "rank",
            _P,
            FactType.COUNT,
            "place among the program's active partners (companies, staff), shared by equals; unknown at zero",
            _REF,
            windows=True,
            by=True,
            over=(_C, _S),
        ),
        Fact(
            "growth",
            _P,
            FactType.MULTIPLE,
            "the stretch of time by the one of its length before; unknown if that had none",
            _REF,
            last=True,
            by=True,
            over=(_C, _S),
        ),
        Fact("next_tier", _P, FactType.TEXT, "the tier above; unknown at the top", _REF, values="tiers"),
        Fact("to_next_tier", _P, None, "wins, referrals or revenue missing to the next tier; unknown at the top", _REF),
        Fact(
            "tier_pace",
            _P,
            FactType.MULTIPLE,
            "what the rest of the tier's period brings at the pace of the last 90 days, by what is missing to the next "
            "tier: 1 reaches it; unknown at the top",
            _REF,
        ),
        Fact(
            "previous_tier",
            _P,
            FactType.TEXT,
            "the tier reached in the period before; unknown below the first",
            _REF,
            values="tiers",
        ),
        Fact(
            "to_keep_tier",
            _P,
            None,
            "wins, referrals or revenue missing in this period to the tier of the one before; unknown without one",
            _REF,
        ),
        Fact(
            "keep_pace",
            _P,
            FactType.MULTIPLE,
            "tier_pace towards the tier of the period before; unknown without one, and once it is reached",
            _REF,
        ),
        Fact(
            "days_left_in_tier_period",
            _P,
            FactType.COUNT,
            "whole days until the tier's period ends; unknown if it has no end",
        ),
        Fact("rewards", _P, FactType.COUNT, "rewards earned", Feed.REWARDS, windows=True, over=(_C,)),
        Fact(
            "rewards_earned",
            _P,
            FactType.MONEY,
            "amount of the rewards earned",
            Feed.REWARDS,
            windows=True,
            over=(_C,),
        ),
        Fact(
            "referral_status",
            _R,
            FactType.TEXT,
            "status of the referral on the program's ladder",
            _REF,
            values="statuses",
        ),
        Fact(
            "days_in_status",
            _R,
            FactType.DAYS_SINCE,
            "days since the referral reached its status; unknown if undated",
            _REF,
        ),
        Fact(
            "days_since_help_wanted",
            _R,
            FactType.DAYS_SINCE,
            "days since our staff last asked the partner for help with the referral; unknown if never",
        ),
        Fact("amount", _R, FactType.MONEY, "amount of the referral", _REF),
        Fact("method", _R, FactType.TEXT, "how the lead was referred", _REF, values="methods"),
        Fact("product", _R, FactType.TEXT, "product of the referral", _REF),
        Fact(
            "salesperson",
            _R,
            FactType.TEXT,
            "external id of the salesperson who works the referral; of staff, their own",
            _REF,
            over=(_S,),
        ),
        Fact(
            "reward_stage",
            Subject.REWARD,
            FactType.TEXT,
            "what part of the sale's reward it is, as the source calls it: win, retention",
            Feed.REWARDS,
        ),
        Fact("partners", _C, FactType.COUNT, "active partners of the company"),
    )
}
