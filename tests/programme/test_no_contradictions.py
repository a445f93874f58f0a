"""No two campaigns say opposite things to one partner on one day: their audiences have nobody in common."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path

import pytest
import sqlalchemy as sa

from engage.authoring import Authored, load_campaigns, parse_campaign
from engage.domain.campaigns import Campaign, ScheduleTrigger
from engage.domain.facts import Subject
from engage.facts import Scope, audience
from engage.sources import import_directory, load_mapping
from engage.sources.sample import sample_programme
from engage.store.intake import analyze
from engage.store.tables import partners
from tests.support.engage import ROOT
from tests.support.intake import CRM, Store
from tests.support.population import population

PROGRAM = "northwind-partners"
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
DAYS = [NOW - timedelta(days=ago) for ago in (0, 17, 50, 95, 160, 230)]

# Whoever is on the way to a first referral: campaigns/onboarding/first_steps.yaml waits for an event, and so is asked
# for here by the sixty days that it lasts.
FIRST_STEPS = "first-steps"
NEWCOMERS = """\
campaign: first-steps
topic: onboarding
for: partner
when: {every: "day 09:00"}
where:
  - days_since_joining: {less_than: 60}
  - referrals: {is: 0}
again: never
steps:
  - send: onboarding/welcome
"""

# How things stand with a partner is said by one of these, and with who has just registered by none.
STANDING = frozenset(
    {
        "no-login-30-days",
        "never-referred",
        "stalled-after-a-good-start",
        "many-referrals-no-wins",
        "next-referral-after-a-win",
        "quarterly-hello",
        "resellers-refer-instead",
        "star-referrers-resell",
    }
)
ABOUT_TIERS = frozenset({"near-next-tier", "tier-at-risk", "tier-reached"})
# Who hears from us a few times a year only, and that there is nothing under way, hears nothing of what is.
LIGHT = frozenset({"never-referred", "quarterly-hello", "resellers-refer-instead"})
PRAISE = frozenset(
    {
        "top-performers",
        "meet-the-ceo",
        "call-from-the-channel-chief",
        "story-ten-wins-in-a-month",
        "story-fastest-growth",
        "near-next-tier",
    }
)
UNLUCKY = LIGHT | {"many-referrals-no-wins", "stalled-after-a-good-start"}

CONTRADICTING = [
    STANDING | {FIRST_STEPS},
    *(frozenset({FIRST_STEPS, other}) for other in ABOUT_TIERS | {"referral-stuck"}),
    frozenset({"recruitment", "invite-verbal-referrer", "call-verbal-referrer"}),
    frozenset({"tier-at-risk", "near-next-tier"}),
    frozenset({"tier-at-risk", "tier-reached"}),
    frozenset({"tier-at-risk", "star-referrers-resell"}),
    *(frozenset({one, other}) for one in LIGHT for other in ABOUT_TIERS | {"referral-stuck"}),
    # Praise and "how can we help" do not come together.
    *(frozenset({one, other}) for one in PRAISE for other in UNLUCKY),
    frozenset({"story-ten-wins-in-a-month", "story-fastest-growth"}),
]
# These go with everything: they say what has been, offer everybody the same, or speak to our own people only.
GOES_WITH_ALL = {"monthly-newsletter", "tier-period-summary", "december-bonus"}


Scheduled = Mapping[str, Campaign]


@pytest.fixture(scope="module")
def authored() -> Authored:
    return load_campaigns(ROOT / "campaigns")


@pytest.fixture(scope="module")
def scheduled(authored: Authored) -> Scheduled:
    """The campaigns that look for partners by themselves; those of further programs are the same ones."""
    found: dict[str, Campaign] = {}
    for (program, name), campaign in authored.campaigns.items():
        about_partners = campaign.subject in (Subject.PARTNER, Subject.REFERRAL)
        if program == PROGRAM and about_partners and isinstance(campaign.trigger, ScheduleTrigger):
            found[name] = campaign
    return found | {FIRST_STEPS: parse_campaign(NEWCOMERS, "newcomers", authored.programs)}


@pytest.fixture
def store(authored: Authored, sqlite_url: str) -> Iterator[Store]:
    made = Store(sqlite_url, authored.programs[PROGRAM])
    yield made
    made.close()


def told_both(store: Store, scheduled: Scheduled, days: list[datetime]) -> tuple[list[str], set[str]]:
    """Who is told opposite things, by what, when; and the campaigns that found anybody."""
    both: list[str] = []
    found: set[str] = set()
    pairs = {pair for group in CONTRADICTING for pair in combinations(sorted(group), 2)}
    names = dict(map(tuple, store.select(sa.select(partners.c.id, partners.c.external_id))))
    for day in days:
        told = {name: audience_of(store, campaign, day) for name, campaign in scheduled.items()}
        found |= {name for name, whom in told.items() if whom}
        for one, other in sorted(pairs):
            both += [f"{names[who]}: {one} and {other} on {day:%Y-%m-%d}" for who in told[one] & told[other]]
    return both, found


def audience_of(store: Store, campaign: Campaign, day: datetime) -> set[int]:
    """The partners whom the campaign concerns on this day, whatever `again` says."""
    scope = Scope(store.program, store.program_id)
    with store.database.read() as db:
        members = audience(scope, campaign.subject, campaign.where, day).rows(db)
        return {member.partner_id for member in members if member.partner_id is not None}


def brings_in(store: Store, folder: Path, mapping: Path) -> None:
    read = load_mapping(mapping, {store.program.key: store.program})
    import_directory(folder, read, lambda rows: store.take(*rows).rows, rejects=None)
    with store.database.write() as db:
        analyze(db)


def test_what_each_scheduled_campaign_may_not_meet_has_been_thought_about(scheduled: Scheduled) -> None:
    thought_about = frozenset().union(*CONTRADICTING) | GOES_WITH_ALL
    assert sorted(set(scheduled) - thought_about) == [], "say in this file what these contradict, or that nothing does"
    assert thought_about <= set(scheduled), "no such campaigns any more"


def test_no_made_up_partner_is_told_opposite_things(store: Store, scheduled: Scheduled) -> None:
    store.take(*([record] for record in population(NOW, 1500)), at=NOW)
    both, found = told_both(store, scheduled, DAYS)
    assert both == [], sorted({one.split(": ")[1].split(" on ")[0] for one in both})
    assert set(scheduled) - found == set(), "a campaign that nobody is in shows nothing here"


def test_no_partner_of_the_sample_programme_is_told_opposite_things(
    store: Store, scheduled: Scheduled, tmp_path: Path
) -> None:
    sample_programme(NOW, tmp_path / "sample")
    brings_in(store, tmp_path / "sample", tmp_path / "sample" / "mapping.yaml")
    both, _ = told_both(store, scheduled, DAYS[:3])
    assert both == [], sorted({one.split(": ")[1].split(" on ")[0] for one in both})


@pytest.mark.slow
def test_no_partner_of_the_real_export_is_told_opposite_things(
    store: Store, scheduled: Scheduled, crm_dir: Path
) -> None:
    brings_in(store, crm_dir, CRM / "mapping.yaml")
    days = [datetime(2017, month, day, 14, tzinfo=UTC) for month in range(2, 13) for day in (1, 15)]
    both, _ = told_both(store, scheduled, days)
    assert both == [], sorted({one.split(": ")[1].split(" on ")[0] for one in both})
