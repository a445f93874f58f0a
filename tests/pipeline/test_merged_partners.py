"""Duplicates that are merged: nobody gets a mail twice, none is lost, and a no stays a no."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from engage.domain.records import AliasRecord, ReferralRecord
from engage.facts import Scope
from engage.pipeline.explaining import explain
from engage.store.deliveries import claim, move
from engage.store.tables import consent_changes, deliveries, episodes, partners
from engage.web.app import build_app
from tests.support.engage import Engage

NEWSLETTER = "monthly-newsletter"


def merges(engage: Engage, twin: str = "twin", of: str = "ann", kind: str = "partner") -> None:
    engage.takes(AliasRecord(kind, twin, of))


def starts_run(engage: Engage, campaign: str) -> None:
    engage.services.run_now(engage.services.library().find(campaign))


def next_month(engage: Engage) -> None:
    engage.now = engage.now.replace(month=engage.now.month + 1)


def test_a_mail_that_waits_for_both_goes_out_once(engage: Engage) -> None:
    engage.partner("ann")
    engage.partner("twin")
    starts_run(engage, NEWSLETTER)
    merges(engage)
    assert [mail.to.email for mail in engage.work()] == ["ann@example.com"]
    assert engage.states() == [("partner:ann", "accepted"), ("partner:twin", "cancelled")]


def test_a_mail_that_waits_for_the_merged_one_goes_to_the_survivors_address(engage: Engage) -> None:
    engage.partner("ann")
    engage.refers(engage.partner("twin"), "acme")
    engage.becomes("twin", "acme", "won")
    task, ids, _ = engage.queue.waiting.popleft()
    assert task == "match"
    engage.services.match(ids)
    merges(engage)
    (mail,) = engage.work()
    assert (mail.to.email, mail.to.name) == ("ann@example.com", "Ann")
    assert engage.states() == [("partner:twin", "accepted")], "what was decided keeps its key"


def test_news_that_was_not_matched_yet_is_the_survivors(engage: Engage) -> None:
    engage.partner("ann")
    engage.refers(engage.partner("twin"), "acme")
    engage.becomes("twin", "acme", "won")
    merges(engage)
    assert [mail.to.email for mail in engage.work()] == ["ann@example.com"]
    assert engage.states() == [("partner:ann", "accepted")]


def test_what_a_worker_has_in_hand_is_taken_from_it_and_goes_out_later(engage: Engage) -> None:
    engage.partner("ann", email=None)
    engage.partner("twin")
    starts_run(engage, NEWSLETTER)
    with engage.services.database.write() as db:
        ids = list(db.execute(sa.select(deliveries.c.id)).scalars())
        (claimed,) = claim(db, ids, "lease", engage.now, timedelta(minutes=2))
    merges(engage)
    with engage.services.database.write() as db:
        assert move(db, [claimed.id], "lease", "claimed", "sending") == set()
    assert [mail.to.email for mail in engage.work()] == ["twin@example.com"], "the address filled the survivor's gap"


def test_a_no_of_the_merged_one_holds_for_the_survivor(engage: Engage) -> None:
    engage.partner("twin")
    (mail,) = engage.runs(NEWSLETTER)
    link = re.sub(r"^https?://[^/]+", "", mail.headers["List-Unsubscribe"].strip("<>"))
    TestClient(build_app(engage.services)).post(link)
    engage.partner("ann")
    merges(engage)
    next_month(engage)
    assert engage.runs(NEWSLETTER) == []
    assert engage.decisions()[-1] == ("skip", "unsubscribed")
    assert engage.count(consent_changes) == 1, "the record of it is kept"


def test_an_old_link_of_the_merged_one_still_ends_the_topic(engage: Engage) -> None:
    engage.partner("twin")
    (mail,) = engage.runs(NEWSLETTER)
    link = re.sub(r"^https?://[^/]+", "", mail.headers["List-Unsubscribe"].strip("<>"))
    engage.partner("ann")
    merges(engage)
    web = TestClient(build_app(engage.services))
    web.post(link)
    assert "unsubscribed" in web.get(link).text.lower()
    next_month(engage)
    assert engage.runs(NEWSLETTER) == []


def test_an_episode_goes_on_with_the_survivor(engage: Engage) -> None:
    engage.partner("ann", email=None)
    engage.partner("lively")
    engage.logs_in("lively")
    for name in ("ann", "twin"):
        engage.partner(name)
        engage.logs_in(name, days_ago=40)
    assert len(engage.runs("no-login-30-days")) == 2
    merges(engage)
    engage.now += timedelta(days=1)
    engage.logs_in("lively")
    assert engage.runs("no-login-30-days") == []
    with engage.services.database.read() as db:
        open_ = db.execute(
            sa.select(partners.c.external_id)
            .join(episodes, episodes.c.subject_id == partners.c.id)
            .where(episodes.c.closed_at.is_(None))
        )
        assert list(open_.scalars()) == ["ann"]


def test_never_again_holds_for_the_person(engage: Engage) -> None:
    file = engage.services.settings.campaigns_dir.parent / engage.services.library().find(NEWSLETTER).path
    file.write_text(re.sub(r"again: .*", "again: never", file.read_text()))
    engage.now += timedelta(minutes=1)  # files are looked at now and then
    engage.partner("twin")
    assert len(engage.runs(NEWSLETTER)) == 1
    engage.partner("ann")
    merges(engage)
    next_month(engage)
    assert engage.runs(NEWSLETTER) == []


@pytest.mark.parametrize("matched", [False, True])
def test_one_change_told_of_two_referrals_that_are_one_is_one_mail(engage: Engage, matched: bool) -> None:
    engage.partner("ann")
    engage.refers("ann", "deal")
    engage.refers("ann", "copy")
    engage.becomes("ann", "deal", "won")
    engage.becomes("ann", "copy", "won")
    if matched:
        for task, ids, _ in list(engage.queue.waiting):
            assert task == "match"
            engage.services.match(ids)
        engage.queue.waiting = type(engage.queue.waiting)(w for w in engage.queue.waiting if w[0] == "deliver")
    merges(engage, "copy", "deal", "referral")
    assert len(engage.work()) == 1


def test_a_change_of_a_burst_that_the_survivor_has_too_is_no_news_when_it_is_released(engage: Engage) -> None:
    engage.partner("ann")
    for name in ("deal", "copy", "other"):
        engage.refers("ann", name)
    engage.becomes("ann", "deal", "won")
    burst = [[ReferralRecord(name, "ann", status="won", status_at=engage.now)] for name in ("copy", "other")]
    engage.services.take(engage.program, burst, source="crm", news=True, limit=1)
    merges(engage, "copy", "deal", "referral")
    assert len(engage.work()) == 1
    (hold,) = engage.services.held()
    engage.services.release([hold.id], "meant")
    (mail,) = engage.work()
    assert "Other Ltd" in mail.subject


def test_a_change_after_the_merge_is_news_under_either_id(engage: Engage) -> None:
    engage.partner("ann")
    engage.refers("ann", "deal")
    engage.refers("ann", "copy")
    engage.becomes("ann", "copy", "accepted")
    assert len(engage.work()) == 1
    merges(engage, "copy", "deal", "referral")
    engage.becomes("ann", "deal", "accepted", days_ago=0)
    assert engage.work() == [], "it was told already"
    engage.takes(ReferralRecord("copy", None, status="won", status_at=engage.now))
    engage.becomes("ann", "deal", "won")
    (mail,) = engage.work()
    assert "Deal Ltd" in mail.subject


def test_an_alias_names_the_survivor_to_people_too(engage: Engage) -> None:
    engage.partner("ann")
    engage.partner("twin")
    merges(engage)
    library = engage.services.library()
    campaign = library.find(NEWSLETTER)
    scope = Scope(library.programs[engage.program], library.program_ids[engage.program])
    with engage.services.database.read() as db:
        assert explain(db, scope, campaign, "twin", engage.now).whom == "ann"
        assert explain(db, scope, campaign, "ann@example.com", engage.now).whom == "ann"
