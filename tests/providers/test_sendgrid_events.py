"""SendGrid's events in engage's words, and whatever else may stand in a signed request."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.feedback import FeedbackEvent, FeedbackKind
from engage.providers.sendgrid_events import KINDS, read_events

AT = 1_772_463_600
EVENT = {
    "email": "Ann@Example.com",
    "timestamp": AT,
    "event": "bounce",
    "sg_event_id": "one",
    "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
    "type": "blocked",
    "status": "4.2.2",
    "reason": "452 the mailbox is full",
    "engage_delivery": "d1",
    "engage_attempt": "2",
}


def read(**changes: Any) -> FeedbackEvent:
    (event,) = read_events(json.dumps([EVENT | changes])).events
    return event


def test_an_event_says_what_happened_to_which_mail() -> None:
    event = read()
    assert (event.kind, event.email, event.delivery, event.attempt) == (
        FeedbackKind.BOUNCED,
        "ann@example.com",
        "d1",
        2,
    )
    assert (event.provider_id, event.soft, event.reason) == ("14c5d75ce93", True, "452 the mailbox is full")
    assert event.occurred_at.timestamp() == AT
    assert event.raw == EVENT


def test_each_of_sendgrids_types_has_one_word_and_every_other_is_unknown() -> None:
    assert {read(event=name).kind for name in KINDS} | {read(event="new").kind} == set(FeedbackKind)


@pytest.mark.parametrize("name", ["sg_event_id", "category", "smtp-id", "tls", "sg_message_id"])
def test_the_same_event_with_another_id_is_the_same(name: str) -> None:
    assert read(**{name: "another"}).natural_key == read().natural_key


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("email", "bob@example.com"),
        ("timestamp", AT + 1),
        ("event", "open"),
        ("engage_delivery", "d2"),
        ("engage_attempt", "3"),
        ("url", "https://example.com"),
        ("reason", "another"),
        ("type", "bounce"),
        ("useragent", "another"),
        ("sg_machine_open", True),
        ("asm_group_id", 10**30),
    ],
)
def test_what_tells_two_events_apart(name: str, value: object) -> None:
    assert read(**{name: value}).natural_key != read().natural_key


def test_without_a_mail_of_ours_sendgrids_own_id_tells_mails_apart() -> None:
    assert read(engage_delivery=None).natural_key != read(engage_delivery=None, sg_message_id="b").natural_key


@pytest.mark.parametrize(
    "agent",
    [
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "Barracuda Sentinel (EE)",
        "python-requests/2.32",
        "curl/8.5.0",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0",
    ],
)
def test_programs_are_no_humans(agent: str) -> None:
    assert read(event="click", useragent=agent).machine


@pytest.mark.parametrize(
    "agent",
    [
        "",
        "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
        "Mozilla/5.0 (Linux; Android 13; CUBOT P80) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36",
    ],
)
def test_what_may_be_a_human_is_taken_for_one(agent: str) -> None:
    assert not read(event="open", useragent=agent).machine


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None, exclude_categories=()), max_size=20)
    | st.sampled_from(["", "bounce", "d1", "\x00", "\ud800", 10**400, -1, 1e308, float("nan"), [], {}, [[[{}]]]])
)


@given(st.lists(st.dictionaries(st.sampled_from([*EVENT, "url", "ip", "asm_group_id", "other"]), SCALARS) | SCALARS))
def test_whatever_stands_in_a_request_is_an_event_or_a_problem(events: list[Any]) -> None:
    good = {"event": "open", "timestamp": AT}
    found = read_events(json.dumps([*events, good]))
    assert len(found.events) + len(found.problems) == len(events) + 1
    assert found.events[-1].kind is FeedbackKind.OPENED
    for event in found.events:
        text = json.dumps(event.raw, allow_nan=False, ensure_ascii=False)
        assert "\\u0000" not in text
        text.encode()


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_a_body_that_is_none_is_one_problem(body: str) -> None:
    found = read_events(body)
    assert isinstance(found.problems, tuple)


def test_problems_tell_nothing_of_anybody() -> None:
    found = read_events(
        orjson.dumps([{"email": "ann@example.com"}, {"event": "open", "email": "ann@example.com"}]).decode()
    )
    assert found.problems == ("event 0: has no type", "event 1: has no time")
