"""Why a partner would or would not get a campaign, told so that it does not contradict itself."""

import pytest

from engage.authoring import parse_campaign
from engage.domain.campaigns import Campaign
from engage.domain.decisions import Reason, Send, Skip
from engage.domain.errors import InputError
from engage.domain.facts import Subject
from engage.facts import Node
from engage.pipeline.explaining import Explanation, explain
from tests.support.engage import Engage

FIELDS = """\
campaign: big-winners
why: Partners who win much are worth a word.
state: draft
topic: tips
"""
TOP = """\
for: partner
when: {every: "monday 09:00"}
where:
  - revenue: {at_least: 5000}
again: never
"""
MAIL = """\
steps:
  - send: nudges/no_login_30_days
"""


def campaign_of(engage: Engage, rest: str) -> Campaign:
    return parse_campaign(FIELDS + rest + MAIL, "campaigns/x.yaml", engage.services.library().programs)


def explained(engage: Engage, campaign: Campaign, partner: str = "ann") -> Explanation:
    with engage.services.database.read() as db:
        scope = engage.services.library().scope_of(campaign)
        return explain(db, scope, campaign, partner, engage.now)


def wins(engage: Engage, amount: int) -> None:
    engage.refers(engage.partner(), "acme", amount=amount)
    engage.becomes("ann", "acme", "won", amount=amount)


def leaves(node: Node) -> list[Node]:
    return [leaf for part in node.parts for leaf in leaves(part)] or [node]


def objections(explanation: Explanation) -> list[str]:
    return [verdict.guard for step in explanation.steps for verdict in step.verdicts if verdict.decision]


def test_money_is_shown_as_the_author_writes_it(engage: Engage) -> None:
    wins(engage, 820_050)
    ((_, where),) = explained(engage, campaign_of(engage, TOP)).conditions
    revenue = leaves(where)[-1]
    assert (revenue.text, revenue.found, revenue.value) == ("revenue at least 5000", "8200.50", 8200.5)


def test_ratios_days_and_what_is_not_known_are_shown_for_people(engage: Engage) -> None:
    engage.partner(joined_at=None)
    for number, status in enumerate(("won", "lost", "lost")):
        engage.refers("ann", f"r{number}")
        engage.becomes("ann", f"r{number}", status)
    asked = """\
where:
  - win_rate: {at_least: 0.5}
  - days_since_joining: {between: [14, 60]}
  - days_since_referral: {at_most: 9}
  - tier: {in: [silver, gold]}
  - region: {exists: false}
"""
    rest = TOP.replace("where:\n  - revenue: {at_least: 5000}\n", asked)
    ((_, where),) = explained(engage, campaign_of(engage, rest)).conditions
    assert [(leaf.text, leaf.found) for leaf in leaves(where)[1:]] == [
        ("win_rate at least 0.5", "0.3333"),
        ("days_since_joining between 14 and 60", "endless"),
        ("days_since_referral at most 9", "6"),
        ("tier is one of silver, gold", "registered"),
        ("region does not exist", "unknown"),
    ]


def test_a_condition_that_does_not_hold_is_what_stands_against_it(engage: Engage) -> None:
    wins(engage, 100_000)
    explanation = explained(engage, campaign_of(engage, TOP))
    assert explanation.decision == Skip(Reason.CONDITION_NO_LONGER_HOLDS)
    assert objections(explanation) == ["condition_still_holds"]


def test_a_draft_is_explained_as_if_it_were_live(engage: Engage) -> None:
    wins(engage, 820_000)
    assert explained(engage, campaign_of(engage, TOP)).decision == Send()


def test_stop_when_has_its_tree_and_its_word(engage: Engage) -> None:
    wins(engage, 820_000)
    explanation = explained(engage, campaign_of(engage, TOP + "stop_when:\n  - wins: {at_least: 1}\n"))
    assert [leaf.text for _, node in explanation.stops for leaf in leaves(node)][-1] == "wins at least 1"
    assert explanation.decision == Skip(Reason.STOPPED)


def test_who_has_had_it_is_told_so_as_in_a_plan(engage: Engage) -> None:
    engage.partner()
    newsletter = engage.services.library().find("monthly-newsletter")
    assert explained(engage, newsletter).decision == Send()
    engage.runs("monthly-newsletter")
    explanation = explained(engage, newsletter)
    assert explanation.decision == Skip(Reason.ALREADY_ENROLLED)
    assert objections(explanation) == ["may_enter_again"]


def test_one_referral_that_meets_the_condition_is_enough(engage: Engage) -> None:
    wins(engage, 820_000)
    engage.refers("ann", "other")
    won = campaign_of(
        engage,
        "for: referral\nwhen: {event: referral.status_changed, to: won}\nwhere:\n  - amount: {more_than: 1}\n",
    )
    assert won.subject is Subject.REFERRAL
    explanation = explained(engage, won)
    assert [(name, node.truth) for name, node in explanation.conditions] == [("acme", True), ("other", False)]
    assert explanation.decision == Send()
    engage.partner("bob")
    assert explained(engage, won, "bob").decision == Skip(Reason.CONDITION_NO_LONGER_HOLDS)


def test_an_address_names_its_partner_if_it_is_the_only_one(engage: Engage) -> None:
    engage.partner()
    campaign = campaign_of(engage, TOP)
    assert explained(engage, campaign, "Ann@Example.com").whom == "ann"
    engage.partner("twin", email="ann@example.com")
    with pytest.raises(InputError, match=r"2 partners have the address ann@example\.com: ann, twin"):
        explained(engage, campaign, "ann@example.com")
    with pytest.raises(InputError, match=r"there is no partner 'zoe@example\.com'"):
        explained(engage, campaign, "zoe@example.com")
