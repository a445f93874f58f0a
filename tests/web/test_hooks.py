"""What HubSpot and Salesforce push: taken once, in the mapping language, from them and from nobody else."""

import asyncio
import json
import logging
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import orjson
import pytest
from structlog.testing import capture_logs

from engage.domain.errors import ServiceUnreachable
from engage.queueing import Lane
from engage.sources import hubspot
from engage.sources.hubspot import SIGNATURE_HEADER, TIMESTAMP_HEADER
from engage.store import tables
from engage.web.app import build_app
from engage.web.hooks import LARGEST_BODY
from tests.support.engage import START, Engage
from tests.support.installation import SHARED, WON, email
from tests.support.pushing import (
    CLIENT_SECRET,
    ENDPOINT_SECRET,
    ORGANIZATION,
    SOURCES,
    Pushing,
    property_change,
    recorded,
)

ROOT = Path(__file__).parents[2]
DEAL = 18840226071
NOW = START.timestamp()
DEEP = b'[{"a":' + b"[" * 1000 + b"]" * 1000 + b"}]"


@pytest.fixture
def pushing(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pushing]:
    """engage with both sources, the partners Ann and Bob, and a campaign for referrals that are won."""
    yield from _pushing(database_url, tmp_path, monkeypatch)


@pytest.fixture
def here(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pushing]:
    yield from _pushing(sqlite_url, tmp_path, monkeypatch)


def _pushing(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pushing]:
    campaigns, emails = folder / "campaigns", folder / "email_templates"
    campaigns.mkdir()
    emails.mkdir()
    shutil.copy(ROOT / "tests" / "data" / "crm" / "program.yaml", campaigns)
    for name in SHARED:
        shutil.copy(ROOT / "email_templates" / name, emails)
    (campaigns / "won.yaml").write_text(WON)
    (emails / "won.md").write_text(email("{{ referral.lead_company }} signed"))
    (folder / "sources.yaml").write_text(SOURCES)
    monkeypatch.setenv("ENGAGE_SOURCES", str(folder / "sources.yaml"))
    monkeypatch.setenv("HUBSPOT_CLIENT_SECRET", CLIENT_SECRET)
    monkeypatch.setenv("SALESFORCE_HOOK_SECRET", ENDPOINT_SECRET)
    engage = Engage(url, folder / "var", campaigns, emails)
    engage.partner("ann")
    yield Pushing(engage, folder / "sources.yaml")
    engage.services.close()


# -- HubSpot -----------------------------------------------------------------------------------------------------------


def test_a_new_deal_of_a_partner_becomes_a_referral_and_its_win_a_mail(pushing: Pushing) -> None:
    assert pushing.hubspot(recorded("hubspot/deal_events.json")).status_code == 204
    assert pushing.referrals() == {str(DEAL): ("submitted", "Acme Ltd", None)}
    assert pushing.rejects() == {}, "the stage came before the partner, in the same request"

    assert pushing.hubspot(recorded("hubspot/object_events.json")).status_code == 204
    assert pushing.referrals() == {str(DEAL): ("won", "Acme Ltd", 1250050)}
    (mail,) = pushing.engage.work()
    assert (mail.to.email, mail.subject) == ("ann@example.com", "Acme Ltd signed")


def test_a_request_that_comes_again_changes_nothing(pushing: Pushing) -> None:
    body = recorded("hubspot/deal_events.json")
    pushing.hubspot(body)
    pushing.tells(property_change(DEAL, "amount", "10", NOW - 60))
    pushing.tells(property_change(DEAL, "amount", "20", NOW - 30))
    before = pushing.changes()
    again = [event | {"attemptNumber": 3} for event in json.loads(body)]
    again.append(property_change(DEAL, "amount", "10", NOW - 60, attemptNumber=1))
    pushing.tells(*again)
    assert pushing.changes() == before
    assert pushing.referrals()[str(DEAL)][2] == 2000, "an older amount that comes again is known"


def test_events_of_a_request_are_taken_in_the_order_in_which_they_occurred(here: Pushing) -> None:
    here.hubspot(recorded("hubspot/deal_events.json"))
    stages = [("closedwon", NOW - 10), ("contractsent", NOW - 20)]
    here.tells(*(property_change(DEAL, "dealstage", stage, at) for stage, at in stages))
    assert here.changes()[-2:] == [(str(DEAL), "opportunity"), (str(DEAL), "won")]


def test_a_status_that_comes_late_does_not_turn_back_what_came_after_it(here: Pushing) -> None:
    here.hubspot(recorded("hubspot/deal_events.json"))
    here.tells(property_change(DEAL, "dealstage", "closedwon", NOW - 10))
    here.tells(property_change(DEAL, "dealstage", "contractsent", NOW - 20))
    assert here.referrals()[str(DEAL)][0] == "won"


def test_what_cannot_be_taken_is_kept_and_taken_once_it_can_be(pushing: Pushing) -> None:
    pushing.tells(property_change(7, "dealname", "Brix", NOW - 40), property_change(7, "dealstage", "closedwon", NOW))
    pushing.tells(property_change(7, "referral_partner", "bob", NOW - 50))
    assert set(pushing.rejects()) == {"deal 7 dealname", "deal 7 dealstage", "deal 7 referral_partner"}
    assert "partner 'bob' is not known" in pushing.rejects()["deal 7 referral_partner"]
    pushing.rests()
    assert len(pushing.rejects()) == 3

    pushing.engage.partner("bob")
    for _ in range(2):  # whose referral it is, then what became of it
        pushing.rests()
    assert pushing.rejects() == {}
    assert pushing.referrals() == {"7": ("won", "Brix", None)}
    assert [mail.to.email for mail in pushing.engage.provider.messages] == ["bob@example.com"], "it is news still"


def test_what_waits_about_a_deal_is_taken_as_soon_as_it_is_known_whose_it_is(pushing: Pushing) -> None:
    for deal in (7, 77):
        pushing.tells(property_change(deal, "dealname", "Brix", NOW - 40))
        pushing.tells(property_change(deal, "dealstage", "closedwon", NOW))
    pushing.tells(property_change(7, "referral_partner", "ann", NOW - 50))
    assert pushing.referrals() == {"7": ("won", "Brix", None)}
    assert set(pushing.rejects()) == {"deal 77 dealname", "deal 77 dealstage"}
    assert [mail.subject for mail in pushing.engage.work()] == ["Brix signed"]


def test_a_newer_event_takes_the_place_of_a_rejected_one(here: Pushing) -> None:
    here.hubspot(recorded("hubspot/deal_events.json"))
    here.tells(property_change(DEAL, "amount", "a lot", NOW - 20))
    assert set(here.rejects()) == {f"deal {DEAL} amount"}
    here.tells(property_change(DEAL, "amount", "30", NOW - 10))
    assert here.rejects() == {}


def test_what_nobody_can_take_is_forgotten_after_a_month(here: Pushing) -> None:
    here.tells(property_change(8, "dealstage", "closedwon", NOW))
    here.engage.now += timedelta(days=29)
    here.rests()
    assert here.rejects()
    here.engage.now += timedelta(days=2)
    here.rests()
    assert here.rejects() == {}


def test_a_source_that_pushes_is_never_polled_while_nothing_waits(here: Pushing) -> None:
    here.hubspot(recorded("hubspot/deal_events.json"))
    here.engage.work()
    here.engage.now += timedelta(hours=1)
    here.engage.services.poll_due()
    assert not here.engage.queue.waiting
    here.tells(property_change(8, "dealstage", "closedwon", NOW))
    here.engage.services.poll_due()
    assert [(task, lane) for task, _, lane in here.engage.queue.waiting] == [("poll", Lane.SOURCES)]


def test_events_that_the_mapping_does_not_name_are_no_news(here: Pushing) -> None:
    here.tells(property_change(9, "closedate", "1772463600000", NOW), {"subscriptionType": "contact.creation"})
    assert here.rejects() == {}
    assert here.referrals() == {}


def test_a_burst_waits_for_an_operator(here: Pushing) -> None:
    text = here.path.read_text().replace("SECRET}}\n", "SECRET}}\n    status_changes_per_hour: 2\n", 1)
    here.path.write_text(text)
    for deal in range(1, 5):
        at = NOW - 10 + deal
        here.tells(
            property_change(deal, "referral_partner", "ann", at), property_change(deal, "dealstage", "closedwon", at)
        )
    (hold,) = here.engage.services.held()
    assert "3 status changes came from 'hubspot' within an hour (limit 2)" in hold.message


def test_the_list_of_sources_says_when_a_system_pushed_last(here: Pushing) -> None:
    assert [standing.state for standing in here.engage.services.standings()] == ["new", "new"]
    here.tells(property_change(8, "dealstage", "closedwon", NOW))
    here.engage.now += timedelta(minutes=3)
    standing, _ = here.engage.services.standings()
    assert (standing.state, standing.lag, standing.rejected) == ("ok", timedelta(minutes=3), 1)
    assert standing.source.kind == "hubspot"


def test_a_feed_is_heard_when_a_system_pushes(here: Pushing) -> None:
    here.tells(property_change(9, "closedate", "1772463600000", NOW))
    assert here.engage.count(tables.feed_readings) == 1


@pytest.mark.parametrize(
    ("timestamp", "signature"),
    [
        ("1693657560000", "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="),  # of HubSpot's Python SDK
        ("1700000300000", "RnbPH7+UMKVkbV32P8bz450N4M56aPmcru1+D3kSDtw="),  # of HubSpot's Ruby SDK
    ],
)
def test_the_signatures_of_hubspots_own_tests_are_ours(timestamp: str, signature: str) -> None:
    secret, uri = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy", "https://www.example.com/webhook_uri"
    assert hubspot.sign(secret, uri, b"{'example_field':'example_value'}", timestamp) == signature


def test_the_characters_that_hubspot_decodes_are_decoded_and_no_others(here: Pushing) -> None:
    decoded = "https://e.com/?a=:/?@!$'()*,;&b=%20%26%3D"
    encoded = "https://e.com/?a=%3A%2f%3F%40%21%24%27%28%29%2A%2C%3B&b=%20%26%3D"
    assert hubspot.sign("s", encoded, b"", "1") == hubspot.sign("s", decoded, b"", "1")

    query = "?from=hub%3Aspot%2Fapp&n=1"
    answer = here.client.post("/hooks/hubspot" + query, content=b"[]", headers=here.signed(b"[]", query=query))
    assert answer.status_code == 204


@pytest.mark.guard("hubspot signature")
def test_nobody_else_is_believed(here: Pushing) -> None:
    body = recorded("hubspot/deal_events.json")
    good = here.signed(body)
    ms = int(good[TIMESTAMP_HEADER])
    signature = good[SIGNATURE_HEADER]
    attacks = {
        "an altered byte": (body.replace(b"ann", b"bob"), good),
        "one byte more": (body + b"\n", good),
        "another secret": (body, here.signed(body, secret="another-secret-of-36-characters-long")),
        "another time": (body, good | {TIMESTAMP_HEADER: str(ms + 1)}),
        "an address with a query": (body, here.signed(body, query="?a=b")),
        "no headers": (body, {}),
        "no signature": (body, {TIMESTAMP_HEADER: good[TIMESTAMP_HEADER]}),
        "no time": (body, {SIGNATURE_HEADER: signature}),
        "no padding": (body, good | {SIGNATURE_HEADER: signature.rstrip("=")}),
        "other base64 of the same bits": (body, good | {SIGNATURE_HEADER: signature.replace("=", "\n=")[:-1] + "="}),
        "hex": (body, good | {SIGNATURE_HEADER: "00" * 32}),
        "not ASCII": (body, good | {SIGNATURE_HEADER: "é" * 44}),
        "six minutes old": (body, here.signed(body, ms=ms - 360_000)),
        "of the future": (body, here.signed(body, ms=ms + 360_000)),
        "seconds": (body, here.signed(body, ms=ms // 1000)),
        "no number": (body, good | {TIMESTAMP_HEADER: "now"}),
        "digits of another script": (body, good | {TIMESTAMP_HEADER: "²"}),
        "an endless number": (body, good | {TIMESTAMP_HEADER: "1" * 4000}),
        "the older signature": (body, {"X-HubSpot-Signature": signature, TIMESTAMP_HEADER: str(ms)}),
    }
    before = here.everything()
    for name, (content, headers) in attacks.items():
        raw = {key: value.encode("latin-1").replace(b"\n", b" ") for key, value in headers.items()}
        assert here.client.post("/hooks/hubspot", content=content, headers=raw).status_code == 403, name
    assert here.everything() == before


def test_the_address_that_is_signed_is_the_public_one_whatever_the_host_header_says(here: Pushing) -> None:
    headers = here.signed(b"[]") | {"Host": "localhost:1234"}
    assert here.client.post("/hooks/hubspot", content=b"[]", headers=headers).status_code == 204


def test_two_secrets_are_accepted_while_one_follows_the_other(here: Pushing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBSPOT_CLIENT_SECRET", f"the-next-client-secret, {CLIENT_SECRET}")
    for secret in ("the-next-client-secret", CLIENT_SECRET):
        headers = here.signed(b"[]", secret=secret)
        assert here.client.post("/hooks/hubspot", content=b"[]", headers=headers).status_code == 204


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"[1]", b"null", b"\xff", b"[" * 5000, b"[{}]" * 2, b"[NaN]", DEEP])
def test_a_signed_body_that_is_no_list_of_events_is_refused(here: Pushing, body: bytes) -> None:
    before = here.everything()
    answer = here.hubspot(body)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert here.everything() == before


def test_too_many_events_are_refused(here: Pushing) -> None:
    assert here.hubspot(b"[" + b"{}," * hubspot.MOST_EVENTS + b"{}]").status_code == 400


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"occurredAt": "soon", "subscriptionType": 5, "objectId": None, "propertyName": ["a"], "propertyValue": {}},
        {"occurredAt": 10**18, "subscriptionType": "object.", "objectTypeId": {}, "propertyName": "dealstage"},
        {"occurredAt": True, "propertyName": "x" * 9999, "subscriptionType": "deal.propertyChange"},
        property_change(1, "dealstage", "closedwon", NOW, objectId="nul\0in it"),
        property_change(2, "dealname", "nul\0", NOW),
        property_change(3, "objectId", "the name of a column", NOW),
    ],
    ids=range(7),
)
def test_whatever_a_signed_event_holds_is_stored_or_rejected(pushing: Pushing, event: dict[str, object]) -> None:
    pushing.tells(event)
    pushing.tells(event)
    pushing.rests()
    assert len(pushing.rejects()) <= 1


# -- Salesforce --------------------------------------------------------------------------------------------------------


def test_a_notification_becomes_a_referral_and_is_acknowledged(pushing: Pushing) -> None:
    answer = pushing.salesforce(recorded("salesforce/opportunity.xml"))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/xml")
    assert "<Ack>true</Ack>" in answer.text
    assert pushing.referrals() == {"0067F000003pmdWQAQ": ("opportunity", "Acme & Sons", 1250050)}


def test_several_notifications_are_taken_in_their_order_each_by_itself(pushing: Pushing) -> None:
    pushing.salesforce(recorded("salesforce/opportunity.xml"))
    assert pushing.salesforce(recorded("salesforce/several.xml")).status_code == 200
    assert pushing.referrals() == {"0067F000003pmdWQAQ": ("won", "Acme & Sons", 1250050)}, "no value is no change"
    assert list(pushing.rejects()) == ["Opportunity 0067F000003pmdQQAQ"]
    (mail,) = pushing.engage.work()
    assert mail.subject == "Acme & Sons signed"
    pushing.engage.partner("bob")
    pushing.rests()
    assert pushing.referrals()["0067F000003pmdQQAQ"] == ("submitted", "Brix", 90000)


def test_a_notification_that_comes_again_changes_nothing(pushing: Pushing) -> None:
    first = recorded("salesforce/opportunity.xml")
    for body in (first, recorded("salesforce/several.xml"), first, first.replace(b"12500.5", b"1.0")):
        assert "<Ack>true</Ack>" in pushing.salesforce(body).text
    assert pushing.referrals()["0067F000003pmdWQAQ"] == ("won", "Acme & Sons", 1250050)
    assert len(pushing.engage.work()) == 1


def test_the_session_is_neither_stored_nor_logged(here: Pushing, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    body = recorded("salesforce/opportunity.xml")
    with capture_logs() as logs:
        here.salesforce(body)
        here.salesforce(body.replace(b"04l7F000008aeAyQAI", b"04l7F000008aeAzQAI").replace(b">ann<", b">nobody<"))
        here.salesforce(body.replace(b"00D7F00000107Xs", b"00D7F0000099999"))
        here.salesforce(body[:-20])
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("engage", "uvicorn"))]
    said = json.dumps([logs, ours], default=str)
    assert [log["event"] for log in logs] == ["pushed_rows_rejected", "hook_refused", "hook_refused"]
    for told in ("session-that-nobody-may-see", ENDPOINT_SECRET, "Acme", "Partner__c"):
        assert told not in said
    assert "session-that-nobody-may-see" not in here.everything()
    assert ENDPOINT_SECRET not in here.everything()


def test_another_organization_is_not_believed(here: Pushing) -> None:
    body = recorded("salesforce/opportunity.xml")
    short = ORGANIZATION[:15].encode()
    for other in (b"00D7F0000099999UAI", short.swapcase() + b"UAI", b"", b"00D7F00000107X"):
        answer = here.salesforce(body.replace(ORGANIZATION.encode(), other))
        assert (answer.status_code, "Ack" in answer.text) == (403, False)
    assert here.referrals() == {}
    assert here.salesforce(body.replace(ORGANIZATION.encode(), short)).status_code == 200, "15 characters are the id"


@pytest.mark.guard("salesforce secret")
def test_who_does_not_know_the_end_of_the_path_learns_nothing(here: Pushing) -> None:
    body = recorded("salesforce/opportunity.xml")
    near = [ENDPOINT_SECRET[:-1], ENDPOINT_SECRET + "x", ENDPOINT_SECRET.swapcase(), "x", "%00", "é", CLIENT_SECRET]
    answers = {here.salesforce(body, secret).text for secret in near}
    answers.add(here.client.post("/hooks/salesforce", content=body).text)
    answers.add(here.client.post("/hooks/nothing", content=body).text)
    answers.add(here.client.post(f"/hooks/nothing/{ENDPOINT_SECRET}", content=body).text)
    answers.add(here.client.post(f"/hooks/hubspot/{CLIENT_SECRET}", content=body).text)
    assert [json.loads(answer)["status"] for answer in answers] == [404]
    assert here.referrals() == {}


@pytest.mark.guard("doctype")
@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE a [<!ENTITY x "aaaaaaaaaa"><!ENTITY y "&x;&x;&x;&x;&x;&x;&x;&x;">]>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-7"])
def test_a_document_type_is_refused_in_any_encoding(here: Pushing, doctype: str, encoding: str) -> None:
    text = recorded("salesforce/opportunity.xml").decode()
    text = text.replace('"UTF-8"?>', f'"{encoding}"?>{doctype}').replace("Acme &amp; Sons", "&x;")
    answer = here.salesforce(text.encode(encoding))
    assert (answer.status_code, "Ack" in answer.text) == (400, False)
    assert here.referrals() == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<a/>",
        b"<a>" * 100_000,
        b'{"a": 1}',
        b"\xff\xfe<",
        recorded("salesforce/opportunity.xml").replace(b"Notification>", b"Other>"),
        recorded("salesforce/opportunity.xml").replace(b"2005/09/outbound", b"2099/09/outbound"),
        recorded("salesforce/opportunity.xml").replace(b"<Id>04l7F000008aeAyQAI</Id>", b""),
        recorded("salesforce/opportunity.xml").replace(b"sObject", b"other"),
    ],
    ids=range(9),
)
def test_what_is_no_outbound_message_is_not_acknowledged(here: Pushing, body: bytes) -> None:
    answer = here.salesforce(body)
    assert answer.status_code in (400, 403)
    assert "Ack" not in answer.text
    assert here.referrals() == {}


# -- both --------------------------------------------------------------------------------------------------------------


def test_nothing_is_acknowledged_while_the_database_is_away(here: Pushing, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise ServiceUnreachable("the database does not answer")

    monkeypatch.setattr(here.engage.services.watcher, "receive", away)
    for answer in (
        here.salesforce(recorded("salesforce/opportunity.xml")),
        here.hubspot(recorded("hubspot/deal_events.json")),
    ):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
        assert "Ack" not in answer.text


@pytest.mark.parametrize("value", [None, "", "short", f"{CLIENT_SECRET},short"])
def test_without_a_secret_that_cannot_be_guessed_nobody_is_let_in(
    here: Pushing, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    for variable in ("HUBSPOT_CLIENT_SECRET", "SALESFORCE_HOOK_SECRET"):
        monkeypatch.delenv(variable) if value is None else monkeypatch.setenv(variable, value)
    with capture_logs() as logs:
        for secret in (value or "", "", CLIENT_SECRET):
            answer = here.client.post("/hooks/hubspot", content=b"[]", headers=here.signed(b"[]", secret=secret))
            assert answer.status_code == 503
        assert here.salesforce(recorded("salesforce/opportunity.xml"), value or "x").status_code == 503
    assert "HUBSPOT_CLIENT_SECRET" in logs[0]["why"]
    assert "short" not in logs[0]["why"]


def test_bodies_are_bounded_and_only_posts_are_taken(here: Pushing) -> None:
    large = b"[" + b" " * LARGEST_BODY + b"]"
    assert here.hubspot(large).status_code == 413
    assert here.salesforce(large).status_code == 413
    for method in ("GET", "HEAD", "PUT"):
        assert here.client.request(method, "/hooks/hubspot").status_code == 405


def test_sources_that_are_written_anew_are_known_at_once(here: Pushing) -> None:
    here.path.write_text(here.path.read_text().replace("source: hubspot\n", "source: crm\n"))
    assert here.hubspot(b"[]").status_code == 404
    here.path.write_text("sources: [")
    with capture_logs():
        assert here.salesforce(recorded("salesforce/opportunity.xml")).status_code == 200, "what made sense last counts"


def test_many_requests_at_once_are_each_taken_once(pushing: Pushing) -> None:
    """As HubSpot does: ten at a time."""
    bodies = [
        orjson.dumps([
            property_change(deal, "referral_partner", "ann", NOW - 5),
            property_change(deal, "dealstage", "closedwon", NOW - 5),
            property_change(100 + deal, "dealstage", "closedwon", NOW - 5),
        ])
        for deal in range(1, 11)
    ]  # fmt: skip

    async def at_once() -> list[httpx.Response]:
        transport = httpx.ASGITransport(build_app(pushing.engage.services))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            posts = (client.post("/hooks/hubspot", content=body, headers=pushing.signed(body)) for body in bodies * 2)
            return await asyncio.gather(*posts)

    assert {answer.status_code for answer in asyncio.run(at_once())} == {204}
    assert len(pushing.referrals()) == 10
    assert len(pushing.changes()) == 10
    assert len(pushing.rejects()) == 10
