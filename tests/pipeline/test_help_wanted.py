"""A salesperson asks the partner who made a referral to help with it."""

from datetime import timedelta

import pytest

from engage.domain.records import AliasRecord, HelpRecord, StaffRecord
from tests.support.engage import Engage
from tests.support.journeys import rereads, write_trial

ASK = "Do you know who signs at Acme?"
EVENT = "{event: referral.help_wanted}"


def write_request(engage: Engage, **keys: str | None) -> None:
    write_trial(
        engage,
        "{send: a}",
        emails=(),
        **{"for_": "referral", "when": EVENT, "again": None, "topic": "referral-status", **keys},
    )
    text = "---\nsubject: \"{{ help.by_name | default('we') }}: {{ help.ask }}\"\nfrom: salesperson\n---\nHello.\n"
    (engage.services.settings.templates_dir / "a.md").write_text(text)
    rereads(engage)
    assert engage.services.library().problems == ()


@pytest.fixture
def asking(engage: Engage) -> Engage:
    engage.partner("ann")
    engage.takes(StaffRecord("sam", name="Sam Hill", email="sam@example.com"), news=False)
    engage.takes(StaffRecord("eve", name="Eve Stone", email="eve@example.com"), news=False)
    engage.refers("ann", "acme", salesperson="sam")
    write_request(engage)
    return engage


def told(engage: Engage) -> list[tuple[str, str, str]]:
    return [(mail.to.email, mail.subject, mail.reply_to) for mail in engage.work()]


@pytest.mark.parametrize(("by", "name", "reply_to"), [(None, "Sam Hill", "sam"), ("eve", "Eve Stone", "eve")])
def test_the_partner_reads_what_is_asked_and_answers_whoever_asks(
    asking: Engage, by: str | None, name: str, reply_to: str
) -> None:
    asking.takes(HelpRecord("acme", asking.now, ASK, by))

    assert told(asking) == [("ann@example.com", f"{name}: {ASK}", f"{reply_to}@example.com")]


def test_each_question_is_a_mail_of_its_own_and_told_again_is_none(asking: Engage) -> None:
    first = HelpRecord("acme", asking.now - timedelta(hours=1), ASK)
    asking.takes(first, HelpRecord("acme", asking.now, "And when?", "eve"), first)

    assert sorted(subject for _, subject, _ in told(asking)) == ["Eve Stone: And when?", f"Sam Hill: {ASK}"]
    asking.takes(first)
    assert told(asking) == []


def test_a_question_of_last_week_is_no_news(asking: Engage) -> None:
    asking.takes(HelpRecord("acme", asking.now - timedelta(days=7), ASK))

    assert told(asking) == []


def test_what_was_asked_about_a_duplicate_was_asked_about_the_one_that_stays(asking: Engage) -> None:
    at = asking.now
    asking.refers("ann", "acme-2", salesperson="sam")
    asking.takes(HelpRecord("acme-2", at, ASK))
    asking.takes(AliasRecord("referral", "acme-2", "acme"))

    assert [subject for _, subject, _ in told(asking)] == [f"Sam Hill: {ASK}"]
    asking.takes(HelpRecord("acme-2", at, ASK))
    assert told(asking) == []


def test_a_referral_that_nobody_knows_is_refused(asking: Engage) -> None:
    taken = asking.services.take(asking.program, [[HelpRecord("bolt", asking.now, ASK)]], source="test", news=True)

    assert [row.reason for row in taken.rows] == ["referral 'bolt' is not known; import referrals first"]


def test_a_campaign_for_partners_may_wait_for_it_too(asking: Engage) -> None:
    write_request(asking, for_="partner")
    asking.takes(HelpRecord("acme", asking.now, ASK, "eve"))

    assert [subject for _, subject, _ in told(asking)] == [f"Eve Stone: {ASK}"]
