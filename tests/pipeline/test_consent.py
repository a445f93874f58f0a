"""Unsubscribing: one topic, one person, at once, whoever presses and however often."""

import re

from fastapi.testclient import TestClient

from engage.store import tables
from engage.web.app import build_app
from tests.support.engage import Engage


def newsletter_link(engage: Engage) -> str:
    (mail,) = engage.runs("monthly-newsletter")
    return re.sub(r"^https?://[^/]+", "", mail.headers["List-Unsubscribe"].strip("<>"))


def test_one_click_ends_the_topic_and_no_other(engage: Engage) -> None:
    engage.partner()
    link = newsletter_link(engage)
    answer = TestClient(build_app(engage.services)).post(link, data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    engage.now = engage.now.replace(month=4)
    assert engage.runs("monthly-newsletter") == []
    assert engage.decisions()[-1] == ("skip", "unsubscribed")
    engage.refers("ann", "acme")
    engage.becomes("ann", "acme", "won")
    assert len(engage.work()) == 1


def test_one_click_works_once_and_again_and_is_recorded_once(engage: Engage) -> None:
    engage.partner()
    link = newsletter_link(engage)
    web = TestClient(build_app(engage.services))
    assert [web.post(link).status_code for _ in range(3)] == [200, 200, 200]
    assert engage.count(tables.consent_changes) == 1


def test_looking_at_the_page_changes_nothing(engage: Engage) -> None:
    engage.partner()
    link = newsletter_link(engage)
    web = TestClient(build_app(engage.services))
    for agent in ("curl/8", "Mozilla/5.0 (compatible; SafeLinks)", "GoogleImageProxy"):
        assert web.get(link, headers={"user-agent": agent}).status_code == 200
        assert web.head(link, headers={"user-agent": agent}).status_code == 200
    assert engage.count(tables.subscriptions) == 0


def test_what_is_pending_on_the_topic_is_cancelled_in_the_same_transaction(engage: Engage) -> None:
    engage.partner()
    link = newsletter_link(engage)
    engage.now = engage.now.replace(month=4)
    engage.services.run_now(engage.services.library().find("monthly-newsletter"))
    TestClient(build_app(engage.services)).post(link)
    assert engage.states()[-1] == ("partner:ann", "cancelled")
    assert engage.work() == []


def test_a_forged_or_cut_link_gets_one_generic_answer_and_changes_nothing(engage: Engage) -> None:
    engage.partner()
    link = newsletter_link(engage)
    web = TestClient(build_app(engage.services))
    pages = {web.post(bad).text for bad in (link[:-1], link[:-1] + "A" * 5, "/unsubscribe/x", link.replace(".", ".x"))}
    assert {web.post(bad).status_code for bad in (link[:-1], "/unsubscribe/x")} == {404}
    assert len(set(pages)) == 1
    assert engage.count(tables.subscriptions) == 0


def test_another_partner_at_the_same_address_is_left_in_peace_too(engage: Engage) -> None:
    engage.partner("ann")
    TestClient(build_app(engage.services)).post(newsletter_link(engage))
    engage.partner("bob", email="ann@example.com")
    engage.now = engage.now.replace(month=4)
    assert engage.runs("monthly-newsletter") == []


def test_the_page_says_so_once_it_is_done(engage: Engage) -> None:
    engage.partner()
    link = newsletter_link(engage)
    web = TestClient(build_app(engage.services))
    assert "<button" in web.get(link).text
    web.post(link)
    assert "<button" not in web.get(link).text
