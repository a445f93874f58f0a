"""The page behind an answer, as a partner uses it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.test_answering import CAMPAIGN, EMAIL, links
from tests.support.engage import Engage
from tests.support.pages import Visitor
from tests.support.shipped import copy_shipped

pytestmark = [pytest.mark.chromium, pytest.mark.slow]


@pytest.fixture
def engage(sqlite_url: str, tmp_path: Path) -> Iterator[Engage]:
    campaigns, templates = copy_shipped(tmp_path)
    (campaigns / "mood.yaml").write_text(CAMPAIGN)
    (templates / "surveys").mkdir()
    (templates / "surveys" / "mood.md").write_text(EMAIL)
    running = Engage(sqlite_url, tmp_path, campaigns, templates)
    yield running
    running.services.close()


def test_one_answers_a_mail_and_thinks_again(engage: Engage, ann: Visitor) -> None:
    engage.partner("ann")
    (mail,) = engage.runs("how-is-it-going")
    fine, stuck = links(mail)
    ann.opens(fine)
    ann.finds_it_fine("answer")
    ann.submits("Send this answer")
    assert "has your answer: “All is fine”" in ann.reads
    ann.finds_it_fine("answered")
    ann.opens(stuck)
    assert "This one takes its place" in ann.reads
    ann.finds_it_fine("answer-again")
    ann.submits("Send this answer")
    ann.finds_it_fine("answered-again")
