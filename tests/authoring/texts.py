"""A small program and campaigns made from it, for the tests of this folder."""

from engage.authoring import parse_campaign, parse_programs
from engage.domain.campaigns import Campaign
from engage.domain.errors import AuthoringError
from engage.domain.programs import Program

PROGRAM = """\
programs:
  acme:
    name: Acme Partners
    zone: Europe/Berlin
    locale: de-AT
    currency: EUR
    brand:
      from: Acme Partners <partners@example.com>
      postal_address: 1 Main Street, Springfield
      portal_url: https://partners.example.com
      refer_url: https://partners.example.com/refer
    ladder:
      - {status: submitted, label: Submitted}
      - {status: demo, kind: opportunity, label: Demo}
      - {status: won, label: Won}
      - {status: lost, label: Lost}
    tiers:
      metric: wins
      period: quarter
      steps:
        - {tier: silver, label: Silver, threshold: 2, benefit: a badge}
        - {tier: gold, label: Gold, threshold: 5, benefit: a dinner}
    topics:
      status: {kind: transactional, label: Your referrals, send_within: 1d}
      tips: {kind: marketing, label: Tips}
    feeds: {referrals: 7d, logins: 36h}
    attributes: {sector: text, employees: number, reseller: boolean}
"""


def programs(source: str = PROGRAM) -> dict[str, Program]:
    return parse_programs(source, "campaigns/program.yaml")


_ACME = programs()

PARTS = {
    "campaign": "campaign: x",
    "topic": "topic: tips",
    "for": "for: partner",
    "when": 'when: {every: "monday 09:00"}',
    "again": "again: never",
    "steps": "steps: [{send: nudges/x}]",
}


def campaign_text(**parts: str | None) -> str:
    """A campaign with some keys written otherwise, one line each where they can be; None leaves a key out."""
    found: dict[str, str | None] = {**PARTS, **{name.rstrip("_"): text for name, text in parts.items()}}
    return "\n".join(text for text in found.values() if text is not None) + "\n"


def referral_text(**parts: str | None) -> str:
    """The same of a campaign that waits for a status change."""
    when = "when: {event: referral.status_changed}"
    return campaign_text(for_="for: referral", when=when, again=None, **parts)


def campaign(source: str) -> Campaign:
    return parse_campaign(source, "campaigns/x.yaml", _ACME)


def problems(source: str) -> list[str]:
    """What is wrong with a campaign, as lint prints it, without the name of the file."""
    try:
        campaign(source)
    except AuthoringError as error:
        return [str(problem).removeprefix("campaigns/x.yaml:") for problem in error.problems]
    return []
