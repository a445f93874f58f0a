"""From a status change to the partner's inbox."""

from datetime import timedelta

import pytest

from engage.domain.messages import Outcome, SendResult
from engage.domain.records import ReferralRecord, RewardRecord
from engage.store import tables
from engage.store.people import ensure_addresses
from engage.store.tables import suppressions
from tests.support.engage import Engage


@pytest.mark.parametrize(
    ("status", "campaign"),
    [("accepted", "referral-accepted"), ("opportunity", "referral-became-opportunity"), ("won", "referral-won")],
)
def test_a_status_change_becomes_one_mail_about_this_referral(engage: Engage, status: str, campaign: str) -> None:
    engage.refers(engage.partner(), "acme", amount=500_000)
    engage.becomes("ann", "acme", status)
    (mail,) = engage.work()
    assert mail.to.email == "ann@example.com"
    assert "Acme Ltd" in mail.subject
    assert "Acme Ltd" in mail.text
    assert mail.category == campaign
    assert "200 Harbor Street" in mail.text
    assert engage.states() == [("partner:ann", "accepted")]


def test_a_reward_becomes_a_mail_with_its_amount(engage: Engage) -> None:
    engage.refers(engage.partner(), "acme")
    engage.takes(RewardRecord("r1", "ann", 125_000, referral="acme", label="Win", earned_at=engage.now))
    (mail,) = engage.work()
    assert "$1,250" in mail.text
    assert "Acme Ltd" in mail.text


@pytest.mark.guard("event dedupe")
def test_the_same_change_told_twice_is_one_mail(engage: Engage) -> None:
    engage.refers(engage.partner(), "acme")
    engage.becomes("ann", "acme", "accepted")
    engage.becomes("ann", "acme", "accepted")
    assert len(engage.work()) == 1
    engage.services.match(list(range(1, 20)))
    assert engage.work() == []


def test_a_status_that_comes_again_after_another_is_news_again(engage: Engage) -> None:
    engage.refers(engage.partner(), "acme")
    engage.becomes("ann", "acme", "won", days_ago=0.3)
    engage.becomes("ann", "acme", "reopened", days_ago=0.2)
    engage.becomes("ann", "acme", "won", days_ago=0.1)
    assert [mail.category for mail in engage.work()] == ["referral-won", "referral-won"]


def test_imported_history_sends_nothing(engage: Engage) -> None:
    engage.partner()
    engage.takes(ReferralRecord("acme", "ann", status="won", status_at=engage.now), news=False)
    assert engage.work() == []
    assert engage.count(tables.deliveries) == 0


def test_what_was_old_when_it_was_observed_is_decided_against_and_says_so(engage: Engage) -> None:
    engage.refers(engage.partner(), "acme", days_ago=30)
    engage.becomes("ann", "acme", "won", days_ago=4)
    assert engage.work() == []
    assert engage.decisions() == [("skip", "too_old")]


def test_transactional_mail_has_no_unsubscribe_header_and_marketing_mail_has_one(engage: Engage) -> None:
    engage.refers(engage.partner(), "acme")
    engage.becomes("ann", "acme", "accepted")
    (update,) = engage.work()
    (newsletter,) = engage.runs("monthly-newsletter")
    assert "List-Unsubscribe" not in update.headers
    assert newsletter.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = newsletter.headers["List-Unsubscribe"].strip("<>")
    assert link in newsletter.text
    assert link in newsletter.html


def test_a_suppressed_address_gets_nothing_not_even_status_updates(engage: Engage) -> None:
    engage.refers(engage.partner(), "acme")
    with engage.services.database.write() as db:
        address = ensure_addresses(db, ["ann@example.com"])["ann@example.com"]
        db.execute(suppressions.insert().values(address_id=address, reason="bounce", created_at=engage.now))
    engage.becomes("ann", "acme", "won")
    assert engage.work() == []
    assert engage.decisions() == [("skip", "suppressed")]


@pytest.mark.guard("suppression re-check")
def test_suppression_between_deciding_and_sending_stops_the_mail(engage: Engage) -> None:
    engage.refers(engage.partner(), "acme")
    engage.becomes("ann", "acme", "won")
    engage.services.match(engage.queue.waiting.popleft()[1])
    with engage.services.database.write() as db:
        address = ensure_addresses(db, ["ann@example.com"])["ann@example.com"]
        db.execute(suppressions.insert().values(address_id=address, reason="complaint", created_at=engage.now))
    assert engage.work() == []
    assert engage.states() == [("partner:ann", "suppressed")]
    assert engage.decisions() == [("send", None), ("skip", "suppressed")]


def test_an_inactive_partner_gets_nothing(engage: Engage) -> None:
    engage.refers(engage.partner(status="inactive"), "acme")
    engage.becomes("ann", "acme", "won")
    assert engage.work() == []
    assert engage.decisions() == [("skip", "not_active")]


def test_a_partner_without_an_address_is_skipped_with_the_reason(engage: Engage) -> None:
    engage.refers(engage.partner(email=None), "acme")
    engage.becomes("ann", "acme", "won")
    assert engage.work() == []
    assert engage.decisions() == [("skip", "no_address")]


def test_a_mail_that_was_not_sent_in_time_expires(engage: Engage) -> None:
    engage.refers(engage.partner(), "acme")
    engage.becomes("ann", "acme", "won")
    engage.services.match(engage.queue.waiting.popleft()[1])
    engage.now += timedelta(days=4)
    assert engage.work() == []
    assert engage.states() == [("partner:ann", "expired")]


def test_an_address_that_changed_since_composing_is_composed_anew(engage: Engage) -> None:
    engage.refers(engage.partner(), "acme")
    engage.becomes("ann", "acme", "won")
    engage.services.match(engage.queue.waiting.popleft()[1])
    engage.partner(email="ann.new@example.com")
    (mail,) = engage.work()
    assert mail.to.email == "ann.new@example.com"


@pytest.mark.parametrize(
    ("outcome", "state"),
    [(Outcome.RETRY, "retry"), (Outcome.DEAD, "dead"), (Outcome.UNKNOWN, "unknown"), (Outcome.ACCEPTED, "accepted")],
)
def test_what_the_provider_answers_is_kept(engage: Engage, outcome: Outcome, state: str) -> None:
    engage.provider.answers["ann@example.com"] = SendResult(outcome, status=500, detail="said so")
    engage.refers(engage.partner(), "acme")
    engage.becomes("ann", "acme", "won")
    engage.work()
    assert engage.states() == [("partner:ann", state)]


def test_what_was_proven_unsent_is_tried_again_when_its_time_comes(engage: Engage) -> None:
    engage.provider.answers["ann@example.com"] = SendResult(Outcome.RETRY, status=503)
    engage.refers(engage.partner(), "acme")
    engage.becomes("ann", "acme", "won")
    engage.work()
    engage.provider.answers.clear()
    engage.now += timedelta(minutes=1)
    engage.services.sweep()
    assert len(engage.work()) == 1
    assert engage.states() == [("partner:ann", "accepted")]


def test_what_may_have_been_sent_is_never_sent_again(engage: Engage) -> None:
    engage.provider.answers["ann@example.com"] = SendResult(Outcome.UNKNOWN)
    engage.refers(engage.partner(), "acme")
    engage.becomes("ann", "acme", "won")
    engage.work()
    engage.provider.answers.clear()
    engage.now += timedelta(hours=2)
    engage.services.sweep()
    assert engage.work() == []
    assert engage.states() == [("partner:ann", "unknown")]
