"""What a campaign may be for, who gets its mail, and what does not go together with that."""

import pytest

from engage.domain.campaigns import CompanyRecipient
from engage.domain.facts import CATALOGUE, Subject
from tests.authoring.texts import campaign, campaign_text, problems


@pytest.mark.parametrize("subject", Subject)
def test_a_schedule_asks_any_subject(subject: Subject) -> None:
    assert campaign(campaign_text(for_=f"for: {subject}")).subject is subject


def test_a_companys_mail_goes_to_its_contact_unless_to_says_otherwise() -> None:
    assert campaign(campaign_text(for_="for: company")).to is CompanyRecipient.CONTACT
    assert campaign(campaign_text(for_="for: company", to="to: contact")).to is CompanyRecipient.CONTACT
    assert campaign(campaign_text(for_="for: company", to="to: channel manager")).to is CompanyRecipient.MANAGER


@pytest.mark.parametrize(
    ("subject", "asked"),
    [
        ("referral", "days_in_status: {at_least: 14}"),
        ("reward", "referral_status: {is: won}"),
        ("company", "wins: {last: 90d, at_least: 3}"),
        ("company", "partners: {at_least: 2}"),
        ("company", "days_since_login: {at_least: 30}"),
        ("company", "rewards_earned: {last: 30d, at_least: 100}"),
        ("staff", "win_rate: {last: 90d, at_least: 0.5}"),
        ("company", "growth: {by: revenue, last: 30d, at_least: 1.5}"),
        ("staff", "salesperson: {in: [sam, sue]}"),
        ("staff", "rank: {last: 30d, by: wins, at_most: 3}"),
    ],
)
def test_each_subject_has_facts_of_its_own(subject: str, asked: str) -> None:
    assert problems(campaign_text(for_=f"for: {subject}", where=f"where: [{asked}]")) == []


@pytest.mark.parametrize(
    ("subject", "asked", "found"),
    [
        (
            "company",
            "tier: {is: gold}",
            "'tier' is a fact of a partner, and this campaign is for a company; write for: partner",
        ),
        (
            "staff",
            "days_in_status: {at_least: 3}",
            "'days_in_status' is a fact of a referral, and this campaign is for a member of staff; write for: referral",
        ),
        (
            "staff",
            "rewards: {at_least: 1}",
            "'rewards' is a fact of a partner, and this campaign is for a member of staff; write for: partner",
        ),
        (
            "partner",
            "partners: {at_least: 2}",
            "'partners' is a fact of a company, and this campaign is for a partner; write for: company",
        ),
    ],
)
def test_a_fact_that_the_subject_has_not_is_a_mistake(subject: str, asked: str, found: str) -> None:
    assert problems(campaign_text(for_=f"for: {subject}", where=f"where: [{asked}]")) == [f"7:9: {found}"]


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        (
            {"for_": "for: company", "goal": "goal: win within 30d"},
            "7:7: what is reached is reached by a partner, and this campaign is for a company; "
            "take it out, or write for: partner",
        ),
        (
            {"for_": "for: staff", "holdout": "holdout: 10%"},
            "7:10: those held out are compared with other partners, and this campaign is for a member of staff; "
            "take it out, or write for: partner",
        ),
        (
            {"for_": "for: staff", "only": "only: {share: 10%}"},
            "7:7: 'partners' and 'share' of 'only' choose among partners, and this campaign is for a member of staff; "
            "use 'where'",
        ),
        (
            {"for_": "for: referral", "again": "again: each tier period"},
            "5:8: tiers are reached by partners, and this campaign is for a referral; "
            "take it out, or write for: partner",
        ),
        (
            {"for_": "for: partner", "to": "to: channel manager"},
            "7:5: 'to' chooses who stands for a company, and this campaign is for a partner; "
            "take it out, or write for: company",
        ),
        (
            {"for_": "for: company", "to": "to: manager"},
            "7:5: unknown to 'manager'; did you mean 'channel manager'?",
        ),
        (
            {"for_": "for: staff", "steps": "steps: [{send: {rotate: [a, b]}}]"},
            "6:26: the mail goes to staff, and words rotate for partners only; write send: with one email",
        ),
        (
            {
                "for_": "for: company",
                "to": "to: channel manager",
                "steps": "steps: [{ask: {question: mood, send: a, answers: {x: X, y: Y}}}]",
            },
            "6:38: the mail goes to staff, and only partners are asked; write send: with one email",
        ),
    ],
)
def test_what_does_not_go_with_the_subject_is_said_at_its_place(parts: dict[str, str], found: str) -> None:
    assert found in problems(campaign_text(**parts))


def test_an_event_concerns_no_company_and_no_member_of_staff() -> None:
    event = {"when": "when: {event: partner.logged_in}", "again": None}
    assert problems(campaign_text(for_="for: company", **event)) == [
        "3:6: 'partner.logged_in' does not concern a company; "
        'write for: partner; a schedule, such as {every: "monday 09:00"}, asks any'
    ]


def test_every_subject_has_some_facts() -> None:
    for subject in Subject:
        assert any(fact.allows(subject) for fact in CATALOGUE.values())
