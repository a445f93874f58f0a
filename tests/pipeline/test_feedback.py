"""What follows from what SendGrid reports, as a partner, an operator and the next mail would notice."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from engage.domain.consent import SuppressionReason
from engage.domain.errors import InputError
from engage.domain.messages import Message, Outcome, SendResult
from engage.pipeline.consent import lift
from engage.store.people import partner_standings
from engage.store.tables import (
    addresses,
    alarms,
    consent_changes,
    deliveries,
    feedback,
    subscriptions,
    suppressions,
    topic_pauses,
    webhooks,
)
from engage.store.topic_pauses import lift_pause
from tests.support.engage import Engage
from tests.support.webhooks import Reporting, event, ids

DAY = 86_400


GROUP = 41


@pytest.fixture
def authored(authored: tuple[Path, Path]) -> tuple[Path, Path]:
    """The newsletter's topic is a group of SendGrid's."""
    program = authored[0] / "program.yaml"
    text = program.read_text()
    program.write_text(text.replace("label: Newsletter\n", f"label: Newsletter\n        sendgrid_group: {GROUP}\n"))
    assert str(GROUP) in program.read_text()
    return authored


@pytest.fixture
def sendgrid(engage: Engage) -> Reporting:
    return Reporting(engage)


def mailed(engage: Engage, name: str = "ann") -> Message:
    """A status update that has gone out to a partner."""
    engage.partner(name)
    referral = f"r-{name}"
    engage.refers(name, referral)
    engage.becomes(name, referral, "opportunity")
    (message,) = engage.work()
    return message


def about(message: Message, kind: str, at: float, **more: Any) -> dict[str, Any]:
    return event(
        kind,
        at,
        email=message.to.email,
        sg_message_id=f"x-{message.id}.filter0001.1.2.0",
        **message.custom_args,
        **more,
    )


def now(engage: Engage) -> float:
    return engage.now.timestamp()


def column(engage: Engage, one: "sa.Column[Any]", *where: "sa.ColumnElement[bool]") -> list[Any]:
    with engage.services.database.read() as db:
        return sorted(db.execute(sa.select(one).where(*where)).scalars(), key=str)


def suppressed(engage: Engage) -> set[tuple[str, str]]:
    query = sa.select(addresses.c.email, suppressions.c.reason).join(suppressions)
    with engage.services.database.read() as db:
        return {(email, reason) for email, reason in db.execute(query)}


def test_the_highest_report_stays_whatever_comes_after_it(engage: Engage, sendgrid: Reporting) -> None:
    message, at = mailed(engage), now(engage)
    for kind, expected in [
        ("deferred", "deferred"),
        ("delivered", "delivered"),
        ("processed", "delivered"),
        ("open", "delivered"),
        ("spamreport", "complained"),
        ("delivered", "complained"),
    ]:
        at += 1
        sendgrid.reports(about(message, kind, at))
        assert column(engage, deliveries.c.reported) == [expected]
    assert engage.states() == [("partner:ann", "accepted")]


def test_any_event_that_bears_a_mail_settles_what_was_unknown(engage: Engage, sendgrid: Reporting) -> None:
    engage.provider.answers["ann@example.com"] = SendResult(Outcome.UNKNOWN, detail="the answer was lost")
    message = mailed(engage)
    assert engage.states() == [("partner:ann", "unknown")]
    sendgrid.reports(about(message, "open", now(engage)))
    assert engage.states() == [("partner:ann", "accepted")]
    assert column(engage, deliveries.c.provider_id) == [f"x-{message.id}"]


def test_a_hard_bounce_stops_all_mail_to_the_address_and_what_waits(engage: Engage, sendgrid: Reporting) -> None:
    message = mailed(engage)
    engage.refers("ann", "second")
    engage.becomes("ann", "second", "won")
    task, events, lane = engage.queue.waiting.popleft()
    assert (task, str(lane)) == ("match", "events")
    engage.services.match(events)
    engage.queue.waiting.clear()
    sendgrid.reports(about(message, "bounce", now(engage), type="bounce", status="5.1.1"))
    assert engage.states() == [("partner:ann", "accepted"), ("partner:ann", "cancelled")]
    assert suppressed(engage) == {("ann@example.com", "bounce")}
    assert column(engage, consent_changes.c.how) == ["sendgrid: bounce"]


@pytest.mark.parametrize(
    ("kind", "more", "reason"),
    [
        ("spamreport", {}, "complaint"),
        ("unsubscribe", {}, "stop_all"),
        ("dropped", {"reason": "Bounced Address"}, "bounce"),
        ("dropped", {"reason": "Spam Reporting Address"}, "complaint"),
        ("dropped", {"reason": "Unsubscribed Address"}, "stop_all"),
        ("dropped", {"reason": "Invalid"}, "invalid"),
        ("dropped", {"reason": "Spam Content (if Spam Checker app is enabled)"}, None),
        ("dropped", {"reason": "Unsubscribed Address", "asm_group_id": 7}, None),
        ("bounce", {"reason": "550 no such user", "status": "5.1.1"}, "bounce"),
        ("bounce", {"type": "blocked", "status": "5.7.1"}, None),
        ("deferred", {"response": "450 later"}, None),
        ("something_new", {}, None),
    ],
)
def test_what_each_event_says_of_the_address(
    engage: Engage, sendgrid: Reporting, kind: str, more: dict[str, Any], reason: str | None
) -> None:
    message = mailed(engage)
    sendgrid.reports(about(message, kind, now(engage), **more))
    assert suppressed(engage) == ({("ann@example.com", reason)} if reason else set())
    assert engage.count(feedback) == 1


def test_an_invalid_address_is_the_one_that_the_mail_was_made_for(engage: Engage, sendgrid: Reporting) -> None:
    message = mailed(engage)
    sendgrid.reports(about(message, "dropped", now(engage), reason="Invalid") | {"email": "not an address"})
    assert suppressed(engage) == {("ann@example.com", "invalid")}


def test_what_is_reported_of_other_mail_stops_ours_too(engage: Engage, sendgrid: Reporting) -> None:
    sendgrid.reports(
        event("spamreport", now(engage), email="Ann@Example.com"), event("open", now(engage), email="bob@example.com")
    )
    assert suppressed(engage) == {("ann@example.com", "complaint")}
    assert column(engage, addresses.c.email) == ["ann@example.com"], "who only opened other mail is not kept"
    engage.partner("ann")
    engage.refers("ann", "one")
    engage.becomes("ann", "one", "opportunity")
    assert engage.work() == []


def test_the_same_events_again_with_other_ids_are_no_news(engage: Engage, sendgrid: Reporting) -> None:
    message, at = mailed(engage), now(engage)
    events = [about(message, kind, at, url=url) for kind, url in [("delivered", ""), ("click", "a"), ("click", "b")]]
    for salt in "xyz":
        sendgrid.reports(*ids(events, salt))
    assert engage.count(feedback) == 3


def test_broken_events_do_not_keep_the_others_from_being_taken(engage: Engage, sendgrid: Reporting) -> None:
    message, at = mailed(engage), now(engage)
    good = about(message, "delivered", at)
    broken: list[Any] = [
        {"event": "open"},
        {"event": 5, "timestamp": at},
        {"event": "open", "timestamp": True},
        {"event": "open", "timestamp": 1e300},
        "open",
    ]
    sendgrid.reports(*broken, good, {"event": "open", "timestamp": int(at), "deep": _deep(50)})
    assert engage.count(feedback) == 1
    with engage.services.database.read() as db:
        problem = db.execute(sa.select(webhooks.c.problem)).scalar_one()
    assert [part.split(":")[0] for part in problem.split("; ")] == [f"event {n}" for n in (0, 1, 2, 3, 4, 6)]
    assert column(engage, deliveries.c.reported) == ["delivered"]


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_text_that_no_database_takes_is_kept_as_well_as_can_be(engage: Engage, sendgrid: Reporting) -> None:
    message = mailed(engage)
    row = about(message, "bounce", now(engage), type="blocked", reason="REASON", weird={"REASON": ["REASON"]})
    for text in (b"a\\u0000b", b"half \\ud800 a pair"):
        body = orjson.dumps([row]).replace(b"REASON", text)
        assert sendgrid.post(body).status_code == 204
    engage.work()
    assert column(engage, feedback.c.reason) == ["a\ufffdb", "half \ufffd a pair"]


# -- soft bounces ------------------------------------------------------------------------------------------------------


def soft(engage: Engage, number: int, day: float) -> dict[str, Any]:
    at = now(engage) - 60 * DAY + day * DAY
    return event("bounce", at, email="ann@example.com", type="blocked", sg_message_id=f"m{number}.filter")


def test_five_soft_bounces_in_thirty_days_wait_for_somebody_to_look(engage: Engage, sendgrid: Reporting) -> None:
    engage.partner("ann")
    sendgrid.reports(*(soft(engage, n, n * 7.5) for n in range(5)))
    assert suppressed(engage) == set(), "the first is thirty days before the fifth"
    sendgrid.reports(soft(engage, 9, 2))
    assert suppressed(engage) == {("ann@example.com", "review")}


def test_an_operator_lifts_the_review_and_older_bounces_do_not_count_again(engage: Engage, sendgrid: Reporting) -> None:
    engage.partner("ann")
    sendgrid.reports(*(soft(engage, n, 50 + n) for n in range(5)))
    assert suppressed(engage) == {("ann@example.com", "review")}
    with engage.services.database.write() as db:
        lifted = lift(db, 1, "ann@example.com", (), "their mailbox was full", engage.now)
    assert lifted == [SuppressionReason.REVIEW]
    sendgrid.reports(soft(engage, 6, 58))
    assert suppressed(engage) == set()
    engage.now += timedelta(days=10)
    sendgrid.reports(*(soft(engage, 10 + n, 55 + n) for n in range(5)))
    assert suppressed(engage) == {("ann@example.com", "review")}


def test_what_a_person_said_is_lifted_only_by_its_name(engage: Engage, sendgrid: Reporting) -> None:
    engage.partner("ann")
    sendgrid.reports(event("unsubscribe", now(engage), email="ann@example.com"), soft(engage, 1, 5))
    with engage.services.database.write() as db:
        with pytest.raises(InputError, match=r"said no: stop_all; .* --reason stop_all"):
            lift(db, 1, "ann@example.com", (), "why", engage.now)
        with pytest.raises(InputError, match="not suppressed as bounce"):
            lift(db, 1, "ann@example.com", [SuppressionReason.BOUNCE], "why", engage.now)
        with pytest.raises(InputError, match="nothing suppresses bob"):
            lift(db, 1, "bob@example.com", (), "why", engage.now)
    with engage.services.database.write() as db:
        assert lift(db, 1, "ann@example.com", [SuppressionReason.STOP_ALL], "asked by phone", engage.now)
    assert suppressed(engage) == set()


def test_a_bounce_from_before_it_was_lifted_comes_too_late(engage: Engage, sendgrid: Reporting) -> None:
    message = mailed(engage)
    first = now(engage)
    sendgrid.reports(about(message, "bounce", first + 5, type="bounce"))
    engage.now += timedelta(hours=1)
    with engage.services.database.write() as db:
        lift(db, 1, "ann@example.com", (), "the server is mended", engage.now)
    sendgrid.reports(about(message, "bounce", first + 6, type="bounce"))
    assert suppressed(engage) == set()
    engage.now += timedelta(hours=1)
    sendgrid.reports(about(message, "bounce", now(engage), type="bounce"))
    assert suppressed(engage) == {("ann@example.com", "bounce")}


# -- groups ------------------------------------------------------------------------------------------------------------


def newsletter(engage: Engage, name: str = "ann") -> Message:
    engage.partner(name)
    engage.logs_in(name)
    (message,) = [m for m in engage.runs("monthly-newsletter") if m.to.email == f"{name}@example.com"]
    return message


def refused(engage: Engage, message: Message) -> bool:
    with engage.services.database.read() as db:
        row = db.execute(
            sa.select(deliveries.c.partner_id, deliveries.c.topic).where(deliveries.c.public_id == message.id)
        ).one()
        return row.topic in partner_standings(db, [row.partner_id])[row.partner_id].refused


@pytest.mark.parametrize("order", ["as said", "shuffled"])
def test_of_leaving_and_coming_back_the_later_word_counts(engage: Engage, sendgrid: Reporting, order: str) -> None:
    message, at = newsletter(engage), now(engage)
    group = {"asm_group_id": GROUP}
    words = [
        about(message, "group_unsubscribe", at - 30, **group),
        about(message, "group_resubscribe", at - 20, **group),
    ]
    for word in words if order == "as said" else reversed(words):
        sendgrid.reports(word)
    assert not refused(engage, message)
    sendgrid.reports(about(message, "group_unsubscribe", at - 20, **group))
    assert refused(engage, message), "on a tie the no counts"


def test_a_group_that_no_topic_names_is_the_topic_of_the_mail(engage: Engage, sendgrid: Reporting) -> None:
    message = newsletter(engage)
    sendgrid.reports(about(message, "group_unsubscribe", now(engage), asm_group_id=987_654))
    assert refused(engage, message)


# -- complaints --------------------------------------------------------------------------------------------------------


def test_one_complaint_in_a_few_mails_pauses_the_topic_until_it_is_lifted(engage: Engage, sendgrid: Reporting) -> None:
    message = newsletter(engage)
    engage.partner("bob")
    sendgrid.reports(about(message, "spamreport", now(engage)))
    assert engage.count(topic_pauses) == 1
    (said,) = column(engage, alarms.c.said)
    assert "1 of the 1 mails of 2026-03-02 were reported as spam" in said
    assert "ann" not in said
    sendgrid.reports(about(message, "spamreport", now(engage) + 1))
    assert engage.count(topic_pauses) == 1

    engage.now += timedelta(days=31)
    assert engage.runs("monthly-newsletter") == []
    assert engage.decisions()[-1] == ("defer", "topic_paused")
    engage.now += timedelta(minutes=16)
    topic = column(engage, topic_pauses.c.topic)[0]
    with engage.services.database.write() as db:
        assert lift_pause(db, 1, topic, "the list was mended", engage.now)
        assert not lift_pause(db, 1, topic, "again", engage.now)
    engage.now += timedelta(seconds=30)
    engage.services.sweep()
    assert [m.to.email for m in engage.work()] == ["bob@example.com"]
    sendgrid.reports(about(message, "spamreport", now(engage) + 2))
    assert engage.count(topic_pauses) == 1, "the mail of that day was judged by the operator"


def test_complaints_up_to_one_in_a_thousand_are_borne(engage: Engage, sendgrid: Reporting) -> None:
    message = newsletter(engage)
    with engage.services.database.write() as db:
        row = dict(db.execute(sa.select(deliveries)).mappings().one())
        del row["id"]
        more = [row | {"public_id": f"p{n}", "occasion": f"o{n}"} for n in range(999)]
        db.execute(sa.insert(deliveries), more)
    sendgrid.reports(about(message, "spamreport", now(engage)))
    assert engage.count(topic_pauses) == 0
    second = event("spamreport", now(engage), email="ann@example.com", engage_delivery="p7")
    sendgrid.reports(second)
    assert engage.count(topic_pauses) == 1


# -- opens and clicks --------------------------------------------------------------------------------------------------


def machine(engage: Engage) -> dict[str, bool]:
    with engage.services.database.read() as db:
        query = sa.select(feedback.c.url, feedback.c.kind, feedback.c.machine)
        return {url or kind: marked for url, kind, marked in db.execute(query)}


@pytest.mark.parametrize("turned", [False, True])
def test_clicks_that_no_human_made_are_marked_in_whatever_order_they_come(
    engage: Engage, sendgrid: Reporting, turned: bool
) -> None:
    message, at = mailed(engage), now(engage)
    browser = {"useragent": "Mozilla/5.0 (iPhone) AppleWebKit Mobile Safari"}
    events = [
        about(message, "delivered", at),
        about(message, "click", at + 4, url="too soon", **browser),
        about(message, "click", at + 100, url="one of many", **browser),
        about(message, "click", at + 102, url="many", **browser),
        about(message, "click", at + 500, url="human", **browser),
        about(message, "click", at + 600, url="agent", useragent="Barracuda Sentinel (EE)"),
        about(message, "open", at + 700, url="apple", sg_machine_open=True, **browser),
        about(message, "open", at + 800, url="opened", sg_machine_open=False, **browser),
    ]
    for one in reversed(events) if turned else events:
        sendgrid.reports(one)
    assert {name for name, marked in machine(engage).items() if marked} == {
        "too soon",
        "one of many",
        "many",
        "agent",
        "apple",
    }


def test_the_address_of_an_alert_to_staff_bounces_and_no_partner_is_concerned(
    engage: Engage, sendgrid: Reporting
) -> None:
    message = mailed(engage)
    with engage.services.database.write() as db:
        db.execute(sa.update(deliveries).values(recipient="staff:sam"))
    sendgrid.reports(about(message, "group_unsubscribe", now(engage)), about(message, "spamreport", now(engage)))
    assert not refused_by_person(engage)
    assert engage.count(topic_pauses) == 0


def refused_by_person(engage: Engage) -> bool:
    return engage.count(subscriptions) > 0
