"""What campaigns ask of answers is held against the questions that mails ask."""

from pathlib import Path

import pytest

from engage.authoring import load_campaigns
from tests.authoring.texts import PROGRAM, campaign_text

ASKS = 'steps: [{ask: {question: mood, send: x, answers: {fine: "Fine", stuck: "Stuck"}}}]'


@pytest.mark.parametrize(
    ("where", "problems"),
    [
        ("[answer: {question: mood, is: stuck}]", []),
        ("[not: {answer: {question: mood, in: [fine, stuck]}}]", []),
        ("[answer: {question: mood, exists: false}]", []),
        ("[answer: {question: moood, is: stuck}]", ["6:28: no mail of 'acme' asks 'moood'; did you mean 'mood'?"]),
        ("[answer: {question: mood, is: stuk}]", ["6:38: 'stuk' is no answer to 'mood'; did you mean 'stuck'?"]),
        ("[answer: {question: mood, in: [fine, bad]}]", ["6:45: 'bad' is no answer to 'mood'; known are fine, stuck"]),
    ],
)
def test_a_slip_in_a_question_or_an_answer_is_found(tmp_path: Path, where: str, problems: list[str]) -> None:
    folder = tmp_path / "campaigns"
    folder.mkdir()
    (folder / "program.yaml").write_text(PROGRAM)
    (folder / "asks.yaml").write_text(campaign_text(campaign="campaign: asks", steps=ASKS))
    (folder / "x.yaml").write_text(campaign_text(steps=None) + f"where: {where}\nsteps: [{{send: x}}]\n")
    authored = load_campaigns(folder)
    assert [str(problem) for problem in authored.problems] == [f"campaigns/x.yaml:{problem}" for problem in problems]
    assert len(authored.campaigns) == 2, "which breaks nothing that runs"


def test_a_slip_is_shown_where_it_stands_beside_the_right_word(tmp_path: Path) -> None:
    folder = tmp_path / "campaigns"
    folder.mkdir()
    (folder / "program.yaml").write_text(PROGRAM)
    branch = ", {branch: {if: [answer: {question: moo, is: stuck}], then: [{send: x, id: y}]}}]"
    (folder / "asks.yaml").write_text(campaign_text(campaign="campaign: asks", steps=ASKS[:-1] + branch))
    (problem,) = load_campaigns(folder).problems
    source = (folder / "asks.yaml").read_text().splitlines()
    assert source[problem.line - 1][problem.column - 1 :].startswith("moo,")
