"""Contexts as the pipeline builds them, for one partner of the shipped programme, and ways to bend them."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from engage.authoring.facts import parse_fact_ref
from engage.authoring.programs import parse_programs
from engage.content import Templates
from engage.content.frontmatter import ParseFact
from engage.content.library import SHARED
from engage.domain.facts import Subject

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "email_templates"
SMALL = ROOT / "tests" / "data" / "small_programme" / "email_templates"
PROGRAM = parse_programs((ROOT / "campaigns" / "program.yaml").read_text(), "program.yaml")["northwind-partners"]
PARSE_FACT: ParseFact = partial(parse_fact_ref, program=PROGRAM)
Context = dict[str, Any]

SUBJECTS = {
    "status_updates/accepted": (Subject.REFERRAL, "partner"),
    "status_updates/opportunity": (Subject.REFERRAL, "partner"),
    "status_updates/won": (Subject.REFERRAL, "partner"),
    "status_updates/daily": (Subject.PARTNER, "partner", ("updates",)),
    "rewards/earned": (Subject.REWARD, "partner"),
    "nudges/no_login_30_days": (Subject.PARTNER, "partner"),
    "nudges/many_referrals_no_wins": (Subject.PARTNER, "partner"),
    "nudges/near_next_tier": (Subject.PARTNER, "partner"),
    "newsletter/monthly": (Subject.PARTNER, "partner"),
    "alerts/buyer_and_ask": (Subject.PARTNER, "staff"),
}
"""Every email of the small programme, with what its campaign is for and whom it is written to."""

FACTS = {
    "referrals_30d": 4,
    "wins_30d": 2,
    "open_now": 3,
    "revenue_all": 18_450_000,
    "wins_90d": 1,
    "referrals_all": 17,
    "referrals_90d": 12,
    "days_away": 41,
    "tax_form": True,
    "bank_details": True,
}
_RUNGS = ("Submitted", "Accepted", "Qualified", "Opportunity", "Demo", "Proposal", "Negotiation", "Won")


def shared_sources() -> dict[str, str]:
    """The layouts and blocks that are shipped."""
    return {name: (TEMPLATES / name).read_text() for name in SHARED}


def small_programme() -> Templates:
    """The emails of the small programme in the shipped frame, which must load."""
    emails = {path.relative_to(SMALL).as_posix(): path.read_text() for path in SMALL.rglob("*.md")}
    templates, problems = Templates.from_sources({**shared_sources(), **emails}, PARSE_FACT)
    assert problems == (), "\n".join(map(str, problems))
    return templates


def one_email(body: str, head: str = 'subject: "A subject"', name: str = "x") -> Templates:
    """Templates with one email that must load."""
    source = f"---\n{head}\n---\n{body}"
    templates, problems = Templates.from_sources({**shared_sources(), f"{name}.md": source}, PARSE_FACT)
    assert problems == (), "\n".join(map(str, problems))
    return templates


def context(**changes: Any) -> Context:
    """What the pipeline gives a template for a referral of a partner; `changes` replace whole entries."""
    return {
        "locale": "en_US",
        "zone": "America/New_York",
        "program": program(),
        "partner": partner(),
        "referral": referral(),
        "reward": reward(),
        "tier": tier(),
        "facts": dict(FACTS),
        "links": links(),
        "leaders": leaders(),
        "folded": [{"subject": "Two wins to Silver", "url": "https://partners.example.com/tiers"}],
        "updates": updates(),
        "sender": sender(),
        **changes,
    }


def staff_context(**changes: Any) -> Context:
    """The same for an alert to the partner's salesperson."""
    alert = {
        "staff": {"first_name": "Priya", "name": "Priya Natarajan", "email": "priya@example.com"},
        "evidence": [
            {"label": "Referrals in the last 90 days", "value": "12"},
            {"label": "Wins in the last 90 days", "value": "0"},
        ],
        "recent_referrals": [
            _recent("Harborline Logistics", "Qualified", 2_400_000),
            _recent("Bluewater Clinics", "Closed without a deal", None),
            _recent("Fennimore & Sons", "Accepted", 800_000),
        ],
        "links": links(unsubscribe=None, referral=None),
    }
    return {**context(referral=None, reward=None), **alert, **changes}


def program(**changes: Any) -> Context:
    brand = PROGRAM.brand
    return {
        "key": PROGRAM.key,
        "name": brand.name,
        "from_name": brand.from_name,
        "portal_url": brand.portal_url,
        "refer_url": brand.refer_url,
        "postal_address": brand.postal_address,
        "logo": brand.logo,
        "color": brand.color,
        "accent": brand.accent,
        "mark": brand.mark,
        "ally": brand.ally,
        "ally_mark": brand.ally_mark,
        "currency": "USD",
        "minor_digits": 2,
        **changes,
    }


def partner(**changes: Any) -> Context:
    return {
        "external_id": "P-1007",
        "first_name": "Dana",
        "last_name": "Whitfield",
        "name": "Dana Whitfield",
        "greeting_name": "Dana",
        "email": "dana.whitfield@example.com",
        "phone": "+1 617 555 0142",
        "company": "Brightfield Advisors",
        "region": "Massachusetts",
        "status": "active",
        "locale": "en_US",
        "zone": "America/New_York",
        "joined_at": datetime(2024, 3, 11, 9, tzinfo=UTC),
        **changes,
    }


def updates() -> list[Context]:
    """Two referrals of a daily mail: one of which all is known, one of which hardly anything is."""
    portal = "https://partners.example.com/referrals"
    bare = dict.fromkeys(("lead_name", "method", "product", "status_next", "loss_reason", "salesperson_name"), "")
    little = {**bare, "lead_company": "Fennimore & Sons", "status_label": "Accepted", "amount": None}
    return [
        referral() | {"before_label": "Qualified", "url": f"{portal}/R-20931"},
        referral(**little, submitted_at=None, status_at=None) | {"before_label": "", "url": f"{portal}/R-20940"},
    ]


def referral(**changes: Any) -> Context:
    return {
        "external_id": "R-20931",
        "lead_company": "Harborline Logistics",
        "lead_name": "Marcus Oyelaran",
        "method": "form",
        "product": "Fleet Insights",
        "amount": 4_850_000,
        "submitted_at": datetime(2026, 9, 14, 15, 30, tzinfo=UTC),
        "status": "opportunity",
        "status_label": "Opportunity",
        "status_next": "We show your contact how our product solves their problem.",
        "status_at": datetime(2026, 10, 2, 13, tzinfo=UTC),
        "previous_status": "qualified",
        "loss_reason": "",
        "salesperson_name": "Priya Natarajan",
        "ladder": ladder(3),
        **changes,
    }


def ladder(current: int) -> list[dict[str, str]]:
    states = ["done" if rung < current else "current" if rung == current else "ahead" for rung in range(len(_RUNGS))]
    return [{"key": r.lower(), "label": r, "state": state} for r, state in zip(_RUNGS, states, strict=True)]


def reward(**changes: Any) -> Context:
    return {
        "external_id": "W-311",
        "label": "10% of the first year's revenue",
        "amount": 485_000,
        "earned_at": datetime(2026, 10, 20, 12, tzinfo=UTC),
        "due_at": datetime(2026, 11, 15, 12, tzinfo=UTC),
        "paid_at": None,
        "lead_company": "Harborline Logistics",
        "stage": "win",
        "later_amount": 363_750,
        "later_at": datetime(2027, 4, 20, 12, tzinfo=UTC),
        **changes,
    }


def sender(**changes: Any) -> Context:
    return {
        "name": "Tomasz Zielinski",
        "first_name": "Tomasz",
        "email": "tomasz.zielinski@example.com",
        "role": "Partner manager",
        "person": True,
        **changes,
    }


def tier(**changes: Any) -> Context:
    return {
        "metric": "wins",
        "value": 6,
        "reached": "Silver",
        "benefit": "12% of the first year's revenue",
        "next": "Gold",
        "next_benefit": "15% of the first year's revenue and marketing that we pay for together",
        "threshold": 8,
        "to_next": 2,
        "days_left": 44,
        "period_label": "in 2026",
        "share": 0.75,
        **changes,
    }


def top_tier() -> Context:
    return tier(value=None, reached="Platinum", next=None, next_benefit="", threshold=None, to_next=None, share=1.0)


def links(**changes: Any) -> Context:
    return {
        "portal": "https://partners.example.com",
        "refer": "https://partners.example.com/refer",
        "referral": "https://partners.example.com/referrals/R-20931",
        "register": "https://partners.example.com/join?id=P-1007",
        "share": "https://partners.example.com/r/P-1007",
        "unsubscribe": "https://engage.example.com/unsubscribe/eyJwIjoxfQ.Zk3",
        "page": None,
        "preferences": "https://engage.example.com/preferences/WzEsMTAwNyw0XQ.Zk3aQx.c2V0",
        **changes,
    }


def leaders() -> list[Context]:
    places = ((1, "a partner in Texas", 7), (2, "a partner in Ontario", 5), (2, "a fellow partner", 5))
    return [{"place": place, "label": label, "value": wins} for place, label, wins in places]


def _recent(lead_company: str, status_label: str, amount: int | None) -> Context:
    at = datetime(2026, 9, 14, 15, 30, tzinfo=UTC)
    return {"lead_company": lead_company, "status_label": status_label, "submitted_at": at, "amount": amount}
