"""What a template can know: every name of its context, with its type and meaning, by what the campaign is for.

The pipeline builds contexts of this shape, lint holds templates against it, `docs/templates.md` prints it.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum

from engage.content.types import Kind, Listing, Record, Type, Value
from engage.domain.conditions import FactRef
from engage.domain.facts import CATALOGUE, FactType, Subject


class Audience(StrEnum):
    """Whom an email is written to."""

    PARTNER = "partner"
    STAFF = "staff"


def _text(meaning: str, optional: bool = False) -> Value:
    return Value(Kind.TEXT, meaning, optional)


def _instant(meaning: str, optional: bool = True) -> Value:
    return Value(Kind.INSTANT, meaning, optional)


_LINK = Kind.LINK
_PROGRAM = Record(
    "the referral programme, from program.yaml",
    {
        "key": _text("its key in program.yaml"),
        "name": _text("its name"),
        "from_name": _text("the sender's name"),
        "portal_url": Value(_LINK, "the partner portal"),
        "refer_url": Value(_LINK, "where a partner refers a lead"),
        "postal_address": _text("the postal address that every email carries"),
        "logo": Value(_LINK, "address of the logo", optional=True),
        "color": _text("main colour, such as #1f4b99"),
        "accent": _text("second colour"),
        "mark": _text("letters that stand for the name, in a coloured square", optional=True),
        "ally": _text("name of the second brand", optional=True),
        "ally_mark": _text("letters that stand for it", optional=True),
        "currency": _text("ISO code, such as USD"),
        "minor_digits": Value(Kind.COUNT, "decimals of the currency"),
    },
)
_PARTNER = Record(
    "the partner whom the email is about; of a company its contact",
    {
        "external_id": _text("id in the CRM"),
        "greeting_name": _text("first name, or the company's, or 'there'"),
        "first_name": _text("first name", optional=True),
        "last_name": _text("last name", optional=True),
        "name": _text("whole name, or the company's, or the id"),
        "email": _text("email address"),
        "phone": _text("telephone number", optional=True),
        "company": _text("name of the partner company", optional=True),
        "region": _text("region", optional=True),
        "status": _text("invited, active or inactive"),
        "joined_at": _instant("when the partner joined"),
    },
)
_COMPANY = Record(
    "the company, in a campaign for companies",
    {
        "external_id": _text("id in the CRM"),
        "name": _text("its name, or its id"),
        "contact_name": _text("the partner who speaks for it", optional=True),
        "manager_name": _text("its channel manager", optional=True),
    },
)
_RUNG = Record(
    "one status of the ladder",
    {"key": _text("its key"), "label": _text("its label"), "state": _text("done, current or ahead")},
)
_REFERRAL: dict[str, Type] = {
    "external_id": _text("id in the CRM"),
    "lead_company": _text("the referred company, or the lead's name"),
    "lead_name": _text("the person referred", optional=True),
    "method": _text("form, verbal, email, link, social or card", optional=True),
    "product": _text("product of interest", optional=True),
    "amount": Value(Kind.MONEY, "size of the deal", optional=True),
    "submitted_at": _instant("when it was referred"),
    "status": _text("key of its status"),
    "status_label": _text("its status in the program's words"),
    "status_next": _text("what comes next, a sentence", optional=True),
    "status_at": _instant("when it reached its status"),
    "previous_status": _text("key of the status before", optional=True),
    "loss_reason": _text("why it was lost", optional=True),
    "salesperson_name": _text("who works on it", optional=True),
    "ladder": Listing("the program's ladder as far as it concerns this referral", _RUNG),
}
_REWARD = Record(
    "the reward",
    {
        "external_id": _text("id in the CRM"),
        "label": _text("what it is for", optional=True),
        "amount": Value(Kind.MONEY, "its amount"),
        "earned_at": _instant("when it was earned", optional=False),
        "due_at": _instant("when it will be paid"),
        "paid_at": _instant("when it was paid"),
        "lead_company": _text("the company whose referral earned it", optional=True),
        "stage": _text("what part it is, as the source calls it: win, retention", optional=True),
        "later_amount": Value(Kind.MONEY, "what the same referral may bring later", optional=True),
        "later_at": _instant("when the first of that is expected"),
    },
)
_TIER = Record(
    "where the partner stands in the tiers; empty if the program has none",
    {
        "metric": _text("referrals, wins or revenue"),
        "value": Value(Kind.METRIC, "what the partner has in this period; empty at the top", optional=True),
        "reached": _text("label of the tier reached", optional=True),
        "benefit": _text("what the tier reached brings", optional=True),
        "next": _text("label of the next tier; empty at the top", optional=True),
        "next_benefit": _text("what the next tier brings", optional=True),
        "threshold": Value(Kind.METRIC, "what the next tier takes", optional=True),
        "to_next": Value(Kind.METRIC, "what is missing to it", optional=True),
        "pace": Value(
            Kind.METRIC,
            "what the rest of the period brings at the pace of the last 90 days; empty at the top, or if it never ends",
            optional=True,
        ),
        "previous": _text("label of the tier reached in the period before", optional=True),
        "keep": Value(Kind.METRIC, "what is missing in this period to that tier; 0 once it is reached", optional=True),
        "days_left": Value(Kind.COUNT, "days left in the period; empty if it never ends", optional=True),
        "period_label": _text("the period in words, such as 'in 2026'"),
        "share": Value(Kind.RATIO, "progress to the next tier"),
    },
    optional=True,
)
_LAST_PERIOD = Record(
    "the tier period that has ended; empty if the program's tiers have none",
    {
        "label": _text("the period in words, such as 'in 2026'"),
        "key": _text("2026, 2026-Q4 or 2026-11"),
        "referrals": Value(Kind.COUNT, "referrals submitted in it"),
        "wins": Value(Kind.COUNT, "wins in it"),
        "revenue": Value(Kind.MONEY, "amount of those wins"),
        "tier": _text("label of the tier reached in it", optional=True),
        "benefit": _text("what that tier brings", optional=True),
    },
    optional=True,
)
_LINKS: dict[str, Type] = {
    "portal": Value(_LINK, "the partner portal"),
    "refer": Value(_LINK, "where a partner refers a lead"),
    "refer_form": Value(
        _LINK, "engage's form for referrals by word of mouth, signed for the reader; desks have none", optional=True
    ),
    "register": Value(_LINK, "where this partner joins; empty unless program.yaml has a register_url", optional=True),
    "share": Value(_LINK, "the partner's own link for their contacts, from share_url", optional=True),
    "page": Value(_LINK, "the partner's own page with engage: referrals, rewards, tier", optional=True),
    "preferences": Value(_LINK, "the partner's email settings", optional=True),
    "unsubscribe": Value(_LINK, "ends this topic with one click; on marketing topics only", optional=True),
}
_LEADER = Record(
    "one place of the leaderboard",
    {
        "place": Value(Kind.COUNT, "1 is best"),
        "label": _text("who it is, without a name unless they agreed"),
        "value": Value(Kind.COUNT, "wins in the last 30 days"),
    },
)
_KUDOS = Record(
    "one partner who did best",
    {
        "what": _text("in what: referrals, wins or revenue"),
        "label": _text("who it is, without a name unless they agreed"),
        "value": Value(Kind.METRIC, "how many in the last 30 days, or the amount"),
    },
)
_STANDING: dict[str, Type] = {
    "value": Value(Kind.COUNT, "what the contest counts, referrals or wins; without a contest, wins"),
    "wins": Value(Kind.COUNT, "wins"),
    "revenue": Value(Kind.MONEY, "amount of the wins"),
    "gap": Value(Kind.COUNT, "how many are missing to the place above; empty on the first", optional=True),
}
_RANKED = Record(
    "one of the standings",
    {
        "place": Value(Kind.COUNT, "1 is best; equals share a place"),
        "name": _text("whole name"),
        "label": _text("the same, for blocks.leaderboard"),
        **_STANDING,
    },
)
_OWN_STANDING = Record(
    "where the reader stands",
    {"place": Value(Kind.COUNT, "the reader's place; empty with nothing that counts", optional=True), **_STANDING},
)
_FOLDED = Record(
    "a mail that became a line of this one",
    {"subject": _text("its subject"), "url": Value(_LINK, "where its button leads, or the portal")},
)
_SENDER = Record(
    "in whose name the email is, as its front matter says",
    {
        "name": _text("whole name; of the program, the sender's name"),
        "first_name": _text("first name; of the program, the sender's name"),
        "email": _text("where answers go"),
        "role": _text("what the person is called in the CRM, such as Channel manager", optional=True),
        "person": Value(Kind.FLAG, "whether it is a person, and not the program"),
    },
)
_STAFF = Record(
    "the member of our staff whom the email goes to",
    {"first_name": _text("first name, or the whole name"), "name": _text("whole name"), "email": _text("address")},
)
_EVIDENCE = Record("one reason for the alert", {"label": _text("what was counted"), "value": _text("how much")})
_RECENT = Record(
    "a recent referral of the partner",
    {
        "lead_company": _text("the referred company"),
        "status_label": _text("its status"),
        "submitted_at": _instant("when it was referred"),
        "amount": Value(Kind.MONEY, "size of the deal", optional=True),
    },
)
_ANSWER = Record(
    "one answer that the email offers",
    {
        "label": _text("what it says, from the campaign"),
        "url": Value(_LINK, "where it is confirmed"),
    },
)
_PROMOTION = Record(
    "the campaign's promotion, in the terms that the partner was told first",
    {
        "from": Value(Kind.INSTANT, "its first day"),
        "through": Value(Kind.INSTANT, "its last day"),
        "counts": _text("what is counted: login, referral or win"),
        "bonus": Value(Kind.MONEY, "what each brings"),
        "paid_when": _text("when it is paid, in the campaign's words"),
        "mine": Record(
            "what the partner has reached so far",
            {
                "count": Value(Kind.COUNT, "how many in the days of the promotion"),
                "bonus": Value(Kind.MONEY, "what they bring together"),
            },
        ),
    },
)
_CONTEST = Record(
    "the contest of a campaign for staff",
    {
        **{name: what for name, what in _PROMOTION.fields.items() if name in ("from", "through", "counts")},
        "prize": _text("of a contest: what the best gets, in the campaign's words"),
    },
)
_UPDATE = Record(
    "one referral with news",
    {
        "before_label": _text("its status before the day's first update", optional=True),
        **{name: what for name, what in _REFERRAL.items() if name not in ("previous_status", "ladder")},
        "url": Value(_LINK, "the referral in the portal"),
    },
)
_STORY = Record(
    "the success story that the front matter names; empty once a consent has ended",
    {
        "title": _text("its title"),
        "text": _text("the whole story"),
        "paragraphs": Listing(
            "the same, paragraph by paragraph", Record("one paragraph", {"text": _text("its words")})
        ),
        "quote": _text("what somebody said", optional=True),
        "quote_by": _text("who said it", optional=True),
        "customer": _text("the customer"),
        "partner_name": _text("the partner"),
    },
    optional=True,
    asked=True,
)
_EDITION = Record(
    "the edition that is not there yet, in the mail that says so",
    {
        "email": _text("the email that is to be written"),
        "file": _text("its file"),
        "campaign": _text("the campaign that sends it"),
        "day": _instant("the date on which it is to go out", optional=False),
        "at": _instant("the instant at which that begins where clocks are first", optional=False),
    },
)
_HELP = Record(
    "what a salesperson asks for, in a campaign that waits for `referral.help_wanted`",
    {"ask": _text("what the partner could do, a sentence"), "by_name": _text("who asks", optional=True)},
)
_NOTED = Record(
    "what somebody wrote into the form for referrals, in a campaign that waits for `referral.noted`",
    {
        "contact": _text("how to reach the lead: an address or a telephone number", optional=True),
        "note": _text("what they need, as the partner put it; or how the partner was named to us", optional=True),
        "by_name": _text("the member of our staff who noted it; empty if the partner did", optional=True),
        "alike": Listing(
            "referrals that look like it, in mails to staff",
            Record(
                "one that may be the same",
                {
                    "external_id": _text("its id"),
                    "lead_company": _text("the referred company"),
                    "status_label": _text("its status"),
                    "submitted_at": _instant("when it was referred"),
                    "partner_name": _text("the partner who referred it"),
                    "salesperson_name": _text("who works on it", optional=True),
                    "same_partner": Value(Kind.FLAG, "it is this partner's, who was shown it and says it is another"),
                },
            ),
        ),
        "partners_alike": Listing(
            "partners who look like somebody new, in mails to staff",
            Record(
                "one who may be the same",
                {
                    "external_id": _text("id in the CRM"),
                    "name": _text("whole name"),
                    "company": _text("name of their company", optional=True),
                },
            ),
        ),
    },
)
_OCCASIONAL: dict[str, Type] = {
    "answers": Listing("the answers to choose from, in the email of an `ask` step", _ANSWER),
    "promotion": _PROMOTION,
    "updates": Listing("the day's updates, each referral once, in the daily mail of a topic", _UPDATE),
    "help": _HELP,
    "noted": _NOTED,
    "code": _text("six digits that the partner types in their browser, in a campaign for `partner.code_wanted`"),
    "edition": _EDITION,
    "story": _STORY,
}
"""What only emails know whose step or campaign has it."""
OCCASIONAL = tuple(_OCCASIONAL)
ABSENT = {
    "partner": None,
    "company": None,
    "referral": None,
    "reward": None,
    "tier": None,
    "last_period": None,
    "staff": None,
    "story": None,
}
"""What templates see where the pipeline gave nothing: records that need not be there are empty, not undefined."""
ALWAYS = frozenset({"program", "links", "locale", "zone"})
"""What every render needs, whether the author names it or not: layout and filters use it."""


def names_for(
    subject: Subject, audience: Audience, facts: Mapping[str, FactRef], also: Collection[str] = ()
) -> dict[str, Type]:
    """The names that a template may use in a campaign for this subject, written to this audience.

    `also`: those of OCCASIONAL that there are.
    """
    links = dict(_LINKS)
    about_referral = subject in (Subject.REFERRAL, Subject.REWARD)
    if about_referral:
        links["referral"] = Value(_LINK, "the referral in the portal", optional=subject is Subject.REWARD)
    names: dict[str, Type] = {
        "program": _PROGRAM,
        "facts": Record("the facts of the front matter", {name: _fact(ref) for name, ref in facts.items()}),
        "links": Record("addresses for buttons and links", links),
        "locale": _text("locale of the recipient, such as en or de"),
        "zone": _text("time zone of the recipient"),
        "sender": _SENDER,
    }
    if subject.leads_to_partner or audience is Audience.PARTNER:
        names |= {"partner": _PARTNER, "tier": _TIER, "last_period": _LAST_PERIOD}
    if subject is Subject.COMPANY:
        names["company"] = _COMPANY
    if about_referral:
        names["referral"] = Record("the referral", _REFERRAL, optional=subject is Subject.REWARD)
    if subject is Subject.REWARD:
        names["reward"] = _REWARD
    if audience is Audience.STAFF:
        names["staff"] = _STAFF
        names["evidence"] = Listing("why it is sent: what the condition counted", _EVIDENCE)
        if subject.leads_to_partner:
            names["recent_referrals"] = Listing("the partner's last referrals, newest first", _RECENT)
    else:
        names["leaders"] = Listing("the program's best partners of the last 30 days", _LEADER)
        names["kudos"] = Listing("who did best in referrals, in wins and in revenue in the last 30 days", _KUDOS)
        names["folded"] = Listing("mails that frequency caps left no room for, in the next mail that names it", _FOLDED)
    names |= {name: _OCCASIONAL[name] for name in also}
    if subject is Subject.STAFF:
        names["standings"] = Listing("salespeople, the best first, since a contest's first day or in 30 days", _RANKED)
        names["standing"] = _OWN_STANDING
        names["winners"] = Listing("those on the first place of the standings", _RANKED)
        if "promotion" in also:
            names["promotion"] = _CONTEST
    return names


def _fact(ref: FactRef) -> Value:
    fact = CATALOGUE[ref.fact]
    kind = {
        FactType.COUNT: Kind.COUNT,
        FactType.MONEY: Kind.MONEY,
        FactType.RATIO: Kind.RATIO,
        FactType.MULTIPLE: Kind.NUMBER,
        FactType.DAYS_SINCE: Kind.COUNT,
        FactType.NUMBER: Kind.NUMBER,
        FactType.BOOLEAN: Kind.FLAG,
    }.get(fact.type or FactType.TEXT, Kind.TEXT)
    if fact.type is None:
        kind = Kind.TEXT if fact.named else Kind.METRIC
    # What is counted over a window is a number always, zero at the least.
    counted = fact.windows and not fact.by and fact.type in (FactType.COUNT, FactType.MONEY)
    return Value(kind, fact.meaning, optional=not counted)
