"""Stop all: nothing is mailed any more to whoever says so, until they take it back where they said it."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from engage.domain.consent import Refusal, SuppressionReason
from engage.domain.records import AliasRecord
from engage.pipeline.consent import heed, lift
from engage.store import tables
from engage.store.consent import lifted
from tests.support.engage import Engage
from tests.support.journeys import TRIAL, write_trial
from tests.support.preferring import Centre
from tests.support.topics import deliveries

NEWSLETTER = "monthly-newsletter"


def changes(engage: Engage) -> list[tuple[str | None, bool, str]]:
    """(topic, yes, how) of each recorded change, in order."""
    c = tables.consent_changes.c
    with engage.services.database.read() as db:
        return [tuple(row) for row in db.execute(sa.select(c.topic, c.subscribed, c.how).order_by(c.id))]


def told(engage: Engage, email: str, reason: SuppressionReason) -> None:
    """Somebody else says so of the address: a list of SendGrid's, an export, an operator."""
    with engage.services.database.write() as db:
        heed(db, 1, [Refusal(email, reason, at=engage.now)], engage.now, "sendgrid")


def wins(engage: Engage, partner: str, referral: str) -> None:
    engage.refers(partner, referral)
    engage.becomes(partner, referral, "won")


def test_nothing_comes_any_more_not_even_status_mail(engage: Engage) -> None:
    engage.partner()
    shown = Centre(engage).press("stop-all")
    assert "You get no email from us any more" in shown.text
    assert shown.buttons == {"start-again"}
    assert engage.runs(NEWSLETTER) == []
    wins(engage, "ann", "acme")
    assert engage.work() == []
    assert [reason for _, reason in engage.decisions()] == ["suppressed", "suppressed"]


def test_what_is_pending_at_the_address_is_cancelled_with_it(engage: Engage) -> None:
    engage.partner("ann")
    engage.partner("bob", email="ann@example.com")
    engage.partner("eve")
    write_trial(engage, "{send: a}", for_="referral")
    for name in ("ann", "bob", "eve"):
        engage.refers(name, f"deal-{name}")
    engage.services.run_now(engage.services.library().find(TRIAL))
    Centre(engage).press("stop-all")
    assert sorted(deliveries(engage), key=repr) == [
        (TRIAL, "cancelled", "suppressed"),
        (TRIAL, "cancelled", "suppressed"),
        (TRIAL, "pending", None),
    ]
    assert [mail.to.email for mail in engage.work()] == ["eve@example.com"]


def test_a_yes_at_the_same_place_lets_mail_come_again_as_it_was_chosen(engage: Engage) -> None:
    engage.partner()
    centre = Centre(engage)
    centre.save(without=["tips"])
    centre.press("stop-all")
    engage.now += timedelta(days=400)
    shown = centre.press("start-again")
    assert shown.note.startswith("Good to have you back")
    assert shown.on == {"recognition", "newsletter"}
    engage.logs_in("ann")
    assert len(engage.runs(NEWSLETTER)) == 1


def test_each_time_it_is_said_and_taken_back_is_recorded_once(engage: Engage) -> None:
    engage.partner()
    centre = Centre(engage)
    for _ in range(2):
        for do in ("stop-all", "stop-all", "start-again", "start-again"):
            centre.press(do)
            engage.now += timedelta(minutes=1)
    said = [(None, False, "preference centre: stop_all"), (None, True, "lifted: stop_all")]
    assert changes(engage) == said * 2
    c = tables.consent_changes.c
    with engage.services.database.read() as db:
        assert set(db.execute(sa.select(c.source)).scalars()) == {
            "testclient Mozilla/5.0",
            "preference centre, testclient Mozilla/5.0",
        }


@pytest.mark.parametrize("reason", list(SuppressionReason))
def test_what_others_said_of_the_address_cannot_be_taken_back_there(engage: Engage, reason: SuppressionReason) -> None:
    engage.partner()
    told(engage, "ann@example.com", reason)
    shown = Centre(engage).look()
    assert "At the moment nothing is sent to this address" in shown.text
    assert "partner-desk@example.com" in shown.text
    assert "start-again" not in shown.buttons
    Centre(engage).press("stop-all")
    engage.now += timedelta(minutes=1)
    Centre(engage).press("start-again")
    assert engage.runs(NEWSLETTER) == []


def test_who_cannot_be_mailed_anyway_can_still_say_that_they_want_nothing(engage: Engage) -> None:
    engage.partner()
    told(engage, "ann@example.com", SuppressionReason.BOUNCE)
    shown = Centre(engage).press("stop-all")
    assert (shown.note, "stop-all" in shown.buttons) == ("You get no email from us any more.", False)
    with engage.services.database.write() as db:
        lift(db, 1, "ann@example.com", [SuppressionReason.BOUNCE], "the server is mended", engage.now)
    assert engage.runs(NEWSLETTER) == []
    assert Centre(engage).look().buttons == {"start-again"}


def test_who_complained_after_stopping_all_is_not_mailed_when_they_take_back_the_one(engage: Engage) -> None:
    engage.partner()
    Centre(engage).press("stop-all")
    engage.now += timedelta(minutes=1)
    told(engage, "ann@example.com", SuppressionReason.COMPLAINT)
    assert "start-again" not in Centre(engage).look().buttons
    Centre(engage).press("start-again")
    assert engage.runs(NEWSLETTER) == []


def test_a_colleague_at_the_address_cannot_take_it_back(engage: Engage) -> None:
    engage.partner("ann", email="office@example.com")
    engage.partner("bob", email="office@example.com")
    Centre(engage, "ann").press("stop-all")
    engage.now += timedelta(minutes=1)
    assert "start-again" not in Centre(engage, "bob").look().buttons
    Centre(engage, "bob").press("start-again")
    assert engage.runs(NEWSLETTER) == []
    assert "start-again" in Centre(engage, "ann").look().buttons


def test_it_goes_along_to_another_address_and_can_be_taken_back_through_the_old_link(engage: Engage) -> None:
    engage.partner()
    old = Centre(engage)
    old.press("stop-all")
    engage.now += timedelta(minutes=1)
    engage.partner("ann", email="ann@new.example")
    assert engage.runs(NEWSLETTER) == []
    assert "start-again" in Centre(engage).look().buttons
    engage.now += timedelta(minutes=1)
    old.press("start-again")
    engage.now = engage.now.replace(month=4)
    assert [mail.to.email for mail in engage.runs(NEWSLETTER)] == ["ann@new.example"]


def test_said_through_an_old_link_it_stops_the_address_that_the_partner_has_now(engage: Engage) -> None:
    engage.partner()
    old = Centre(engage)
    engage.partner("ann", email="ann@new.example")
    old.press("stop-all")
    assert engage.runs(NEWSLETTER) == []
    engage.partner("bob", email="ann@example.com")
    engage.now = engage.now.replace(month=4)
    assert engage.runs(NEWSLETTER) == []


def test_somebody_who_was_merged_has_said_it_for_the_survivor(engage: Engage) -> None:
    engage.partner("ann")
    engage.partner("bob", email="ann@example.com")
    merged = Centre(engage, "ann")
    merged.press("stop-all")
    engage.takes(AliasRecord("partner", "ann", "bob"))
    assert "start-again" in Centre(engage, "bob").look().buttons
    engage.now += timedelta(minutes=1)
    merged.press("start-again")
    assert len(engage.runs(NEWSLETTER)) == 1


def test_when_it_was_taken_back_is_known_so_that_an_event_that_comes_late_does_not_stop_all_again(
    engage: Engage,
) -> None:
    engage.partner()
    Centre(engage).press("stop-all")
    said_at = engage.now
    engage.now += timedelta(hours=1)
    Centre(engage).press("start-again")
    assert engage.count(tables.suppressions) == 0
    with engage.services.database.read() as db:
        (since,) = lifted(db, [1]).values()
    assert since > said_at


# --- partners and staff -----------------------------------------------------------------------------------------------


@pytest.fixture
def alerting(engage: Engage) -> Engage:
    """Sam is a partner too, at the address at which he is alerted about Ann."""
    engage.salesperson("sam", email="Sam@example.com")
    engage.partner("ann", owner="sam")
    engage.partner("sam", email="sam@example.com", status="invited")
    write_trial(engage, "{alert: {to: owner, say: z}}", emails=())
    return engage


def test_who_stops_all_as_a_partner_is_still_alerted_as_a_salesperson(alerting: Engage) -> None:
    Centre(alerting, "sam").press("stop-all")
    (alert,) = alerting.runs(TRIAL)
    assert (alert.to.email, alert.subject) == ("Sam@example.com", "Z")


def test_an_alert_that_waits_when_all_is_stopped_goes_out(alerting: Engage) -> None:
    alerting.services.run_now(alerting.services.library().find(TRIAL))
    Centre(alerting, "sam").press("stop-all")
    assert len(alerting.work()) == 1


@pytest.mark.parametrize("reason", [r for r in SuppressionReason if r is not SuppressionReason.STOP_ALL])
def test_an_address_that_does_not_work_or_complained_gets_no_alerts(
    alerting: Engage, reason: SuppressionReason
) -> None:
    told(alerting, "sam@example.com", reason)
    assert alerting.runs(TRIAL) == []
    assert alerting.decisions()[-1] == ("skip", "suppressed")


def test_mail_to_staff_carries_nobodys_consent_links(alerting: Engage) -> None:
    (alert,) = alerting.runs(TRIAL)
    for text in (alert.html, alert.text, str(alert.headers)):
        for path in ("/preferences/", "/unsubscribe/", "/answer/", "/p/", "List-Unsubscribe"):
            assert path not in text
