"""Holds what campaigns ask of answers against the questions that mails ask: a slip would never be true."""

import re
from collections.abc import Iterator, Mapping

from engage.authoring.reader import did_you_mean
from engage.domain.campaigns import AskStep, BranchStep, Campaign, CampaignKey
from engage.domain.conditions import Test, tests_of
from engage.domain.errors import Problem
from engage.domain.journeys import every_step
from engage.domain.programs import Program


def misasked(campaigns: Mapping[CampaignKey, Campaign], programs: Mapping[str, Program]) -> list[Problem]:
    """Tests of answers to questions that no mail of the program asks, or that none offers."""
    problems: list[Problem] = []
    for campaign in campaigns.values():
        offered = _offered(campaigns, programs[campaign.program])
        for test in _asked_of_answers(campaign):
            question = test.ref.question or ""
            if question not in offered:
                said = f"no mail of '{campaign.program}' asks '{question}'"
                hint = did_you_mean(question, offered) or "ask it with an ask step; an ended campaign counts too"
                problems.append(_at(campaign, f"question: {question}", len("question: "), said, hint))
                continue
            values = test.value if isinstance(test.value, tuple) else (test.value,)
            for value in values:
                if isinstance(value, str) and value not in offered[question]:
                    said = f"'{value}' is no answer to '{question}'"
                    problems.append(_at(campaign, value, 0, said, did_you_mean(value, offered[question])))
    return problems


def _offered(campaigns: Mapping[CampaignKey, Campaign], program: Program) -> dict[str, list[str]]:
    """The answers to each question that mails of the program ask."""
    offered: dict[str, list[str]] = {}
    for (key, _), campaign in campaigns.items():
        for step in _questions(campaign) if key in program.lineage else ():
            offered.setdefault(step.question, []).extend(answer.key for answer in step.answers)
    return offered


def _questions(campaign: Campaign) -> Iterator[AskStep]:
    return (step for step in every_step(campaign.steps) if isinstance(step, AskStep))


def _asked_of_answers(campaign: Campaign) -> Iterator[Test]:
    branches = (step.condition for step in every_step(campaign.steps) if isinstance(step, BranchStep))
    only = campaign.only.where if campaign.only else None
    for condition in (campaign.where, campaign.stop_when, only, *branches):
        yield from (test for test in tests_of(condition) if test.ref.fact == "answer")


def _at(campaign: Campaign, text: str, beyond: int, message: str, hint: str) -> Problem:
    """At the first place of the file where the text stands: conditions do not know theirs."""
    found = re.search(rf"(?<![\w-]){re.escape(text)}(?![\w-])", campaign.source)
    before = campaign.source[: found.start() if found else 0]
    column = len(before) - (before.rfind("\n") + 1) + 1 + beyond
    return Problem(campaign.path, before.count("\n") + 1, column, message, hint)
