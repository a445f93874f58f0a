"""Questions in mails: one click, confirmed on a page, becomes a fact that campaigns can ask."""

import html
import re
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from engage.domain.conditions import Comparator, FactRef, Test
from engage.domain.facts import Subject
from engage.domain.messages import Message
from engage.domain.records import AliasRecord
from engage.facts import holds
from engage.pipeline.judging import judge
from engage.pipeline.previewing import preview
from engage.store import tables
from engage.web.app import build_app
from tests.support.engage import Engage

CAMPAIGN = """\
campaign: how-is-it-going
state: live
topic: tips
for: partner
when: {every: "monday 09:00"}
again: never
steps:
  - ask: {question: mood, send: surveys/mood, answers: {fine: "All is fine", stuck: "I am stuck & tired"}}
"""
EMAIL = """\
---
subject: "How is it going?"
---
Hello {{ partner.greeting_name }},

how is referring going for you?

{{ blocks.answers(answers) }}
"""


@pytest.fixture
def authored(authored: tuple[Path, Path]) -> tuple[Path, Path]:
    campaigns, templates = authored
    (campaigns / "mood.yaml").write_text(CAMPAIGN)
    (templates / "surveys").mkdir()
    (templates / "surveys" / "mood.md").write_text(EMAIL)
    return authored


def links(mail: Message) -> list[str]:
    found = re.findall(r'href="([^"]+/answer/[^"]+)"', mail.html)
    return [re.sub(r"^https?://[^/]+", "", html.unescape(link)) for link in found]


def asked(engage: Engage) -> list[str]:
    """The links of the answers that ann is offered, in order: fine, stuck."""
    engage.partner()
    (mail,) = engage.runs("how-is-it-going")
    return links(mail)


def says(engage: Engage, answer: str, question: str = "mood") -> bool:
    test = Test(FactRef("answer", question=question), Comparator.IS, answer)
    with engage.services.database.read() as db:
        partner = db.execute(sa.select(tables.partners.c.id).where(tables.partners.c.external_id == "ann")).scalar_one()
        (scope,) = engage.services.library().scopes().values()
        return bool(holds(db, scope, Subject.PARTNER, test, engage.now, [partner]))


def test_a_mail_that_asks_has_a_button_for_each_answer_and_their_addresses_in_plain_text(engage: Engage) -> None:
    engage.partner()
    (mail,) = engage.runs("how-is-it-going")
    assert len(links(mail)) == 2
    assert "I am stuck &amp; tired</a>" in mail.html
    assert re.findall(r"^(.*): http://\S+/answer/\S+$", mail.text, re.MULTILINE) == [
        "All is fine",
        "I am stuck & tired",
    ]


def test_looking_at_the_page_answers_nothing_and_pressing_the_button_does(engage: Engage) -> None:
    _, stuck = asked(engage)
    web = TestClient(build_app(engage.services))
    for agent in ("curl/8", "Mozilla/5.0 (compatible; SafeLinks)", "GoogleImageProxy"):
        seen = web.get(stuck, headers={"user-agent": agent})
        assert (seen.status_code, "I am stuck &amp; tired" in seen.text) == (200, True)
        assert web.head(stuck, headers={"user-agent": agent}).status_code == 200
    assert engage.count(tables.answers) == 0
    thanks = web.post(stuck)
    assert (thanks.status_code, "has your answer" in thanks.text) == (200, True)
    assert (says(engage, "stuck"), says(engage, "fine")) == (True, False)
    assert "has your answer" in web.get(stuck).text


def test_an_answer_given_again_is_one_and_another_one_later_counts(engage: Engage) -> None:
    fine, stuck = asked(engage)
    web = TestClient(build_app(engage.services))
    assert [web.post(stuck).status_code for _ in range(3)] == [200, 200, 200]
    assert engage.count(tables.answers) == 1
    web.post(fine)  # the clock stands still
    engage.now += timedelta(minutes=1)
    assert (says(engage, "fine"), says(engage, "stuck")) == (True, False)
    web.post(stuck)
    engage.now += timedelta(minutes=1)
    assert says(engage, "stuck")
    assert engage.count(tables.answers) == 3


def test_the_page_says_what_was_asked_and_which_answer_is_replaced(engage: Engage) -> None:
    fine, stuck = asked(engage)
    web = TestClient(build_app(engage.services))
    for page in (web.get(fine).text, web.post(fine).text):
        assert ">How is it going?<" in page
        assert ">Northwind Partners<" in page
        assert "takes" not in page
    assert "Until now your answer was “All is fine”. This one takes its place." in web.get(stuck).text
    assert "It takes the place of “All is fine”." in web.post(stuck).text
    assert "takes" not in web.post(stuck).text, "it counts already"


def test_the_page_works_without_the_email_that_asked(engage: Engage, authored: tuple[Path, Path]) -> None:
    fine, _ = asked(engage)
    (authored[0] / "mood.yaml").unlink()
    engage.now += timedelta(seconds=2)
    page = TestClient(build_app(engage.services)).get(fine)
    assert (page.status_code, "How is it going?" in page.text, "All is fine" in page.text) == (200, False, True)


def test_an_answer_is_not_known_before_it_was_given_nor_to_another_question(engage: Engage) -> None:
    fine, _ = asked(engage)
    TestClient(build_app(engage.services)).post(fine)
    assert not says(engage, "fine", question="plans")
    engage.now -= timedelta(seconds=1)
    assert not says(engage, "fine")


def test_a_forged_cut_or_foreign_link_gets_one_generic_answer_and_changes_nothing(engage: Engage) -> None:
    fine, _ = asked(engage)
    web = TestClient(build_app(engage.services))
    token = fine.rpartition("/")[2]
    answers = {
        (reply.status_code, reply.text)
        for bad in (f"/answer/{token[:-1]}", "/answer/x", f"/answer/x{token}", "/answer/" + "a" * 5000)
        for reply in (web.get(bad), web.post(bad))
    }
    assert len(answers) == 1
    assert answers.pop()[0] == 404
    assert web.get(f"/unsubscribe/{token}").status_code == 404
    assert engage.count(tables.answers) == 0


def test_no_link_leads_to_a_host_that_a_request_names(engage: Engage) -> None:
    fine, _ = asked(engage)
    web = TestClient(build_app(engage.services), follow_redirects=False)
    for link in (f"{fine}/", fine.replace("/answer/", "/unsubscribe/") + "/"):
        for reply in (
            web.get(link, headers={"host": "evil.example"}),
            web.post(link, headers={"host": "evil.example"}),
        ):
            assert (reply.status_code, "location" in reply.headers) == (400, False)
        assert web.get(f"{link}").status_code == 404
    assert engage.count(tables.answers) == 0


def test_an_answer_stays_answerable_when_the_campaign_is_edited_or_gone(
    engage: Engage, authored: tuple[Path, Path]
) -> None:
    fine, stuck = asked(engage)
    web = TestClient(build_app(engage.services))
    (authored[0] / "mood.yaml").write_text(CAMPAIGN.replace("All is fine", "It goes well"))
    engage.now += timedelta(seconds=2)
    assert "All is fine" in web.get(fine).text
    (authored[0] / "mood.yaml").unlink()
    engage.now += timedelta(seconds=2)
    web.post(stuck)
    assert says(engage, "stuck")


def test_an_answer_decides_which_way_a_journey_goes(engage: Engage, authored: tuple[Path, Path]) -> None:
    (authored[0] / "mood.yaml").write_text(
        CAMPAIGN
        + "  - wait: 2d\n"
        + "  - branch: {if: {answer: {question: mood, is: stuck}}, then: [{send: nudges/many_referrals_no_wins}]}\n"
    )
    engage.now += timedelta(seconds=2)
    engage.partner("bob")
    _, stuck = asked_of_all(engage)["ann"]
    TestClient(build_app(engage.services)).post(stuck)
    engage.now += timedelta(days=2, minutes=1)
    with engage.services.database.read() as db:
        waiting = list(db.execute(sa.select(tables.enrollments.c.id)).scalars())
    engage.services.advance(waiting)
    assert [mail.to.email for mail in engage.work()] == ["ann@example.com"]


def asked_of_all(engage: Engage) -> dict[str, list[str]]:
    engage.partner()
    return {mail.to.email.partition("@")[0]: links(mail) for mail in engage.runs("how-is-it-going")}


def test_lint_wants_the_answers_in_the_email_of_a_question_and_nowhere_else(authored: tuple[Path, Path]) -> None:
    campaigns, templates = authored
    (templates / "surveys" / "mood.de.md").write_text("---\nsubject: Wie geht es?\n---\nHallo!\n")
    (problem,) = judge(campaigns, templates).problems
    assert str(problem).startswith("email_templates/surveys/mood.de.md:1:1: the email of a question offers no answers")
    (templates / "surveys" / "mood.de.md").unlink()
    (campaigns / "mood.yaml").write_text(re.sub("  - ask:.*", "  - send: surveys/mood", CAMPAIGN))
    (problem,) = judge(campaigns, templates).problems
    assert "unknown name 'answers'" in str(problem)


def test_a_preview_shows_the_answers_and_its_links_answer_nothing(engage: Engage) -> None:
    engage.partner()
    library = engage.services.library()
    with engage.services.database.read() as db:
        campaign = library.find("how-is-it-going")
        (shown,) = preview(db, library, campaign, "ann", "https://engage.example.com", engage.now)
    (fine, _) = links(shown.message)
    web = TestClient(build_app(engage.services))
    assert [reply.status_code for reply in (web.get(fine), web.post(fine))] == [404, 404]
    assert "This link is from a preview" in web.get(fine).text
    assert shown.notes == ("links that are the partner's own (page, answers, settings) lead nowhere in a preview",)
    assert engage.count(tables.answers) == 0


def test_the_latest_answer_of_a_duplicate_is_that_of_the_partner_who_stands(engage: Engage) -> None:
    engage.partner("twin")
    (mail,) = engage.runs("how-is-it-going")
    fine, stuck = links(mail)
    web = TestClient(build_app(engage.services))
    web.post(fine)
    engage.partner("ann")
    engage.takes(AliasRecord("partner", "twin", "ann"))
    assert says(engage, "fine")
    web.post(stuck)
    engage.now += timedelta(minutes=1)
    assert says(engage, "stuck")


def test_of_two_who_turn_out_to_be_one_the_later_answer_counts_and_both_are_kept(engage: Engage) -> None:
    engage.partner("twin")
    offered = asked_of_all(engage)
    web = TestClient(build_app(engage.services))
    web.post(offered["twin"][0])
    engage.now += timedelta(minutes=1)
    web.post(offered["ann"][1])
    engage.now += timedelta(minutes=1)
    engage.takes(AliasRecord("partner", "twin", "ann"))
    assert (says(engage, "stuck"), says(engage, "fine"), engage.count(tables.answers)) == (True, False, 2)
    assert "Until now your answer was “I am stuck &amp; tired”" in web.get(offered["twin"][0]).text
