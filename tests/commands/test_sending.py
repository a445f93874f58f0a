"""`sending`: whether mail goes out, and how an operator stops it and lets it out again."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from engage.domain.messages import Outcome, SendResult
from engage.pipeline.gating import Gatekeeper
from engage.store.alarms import alarm_sent, claim_alarms, raise_alarm
from engage.store.audit import entries
from engage.store.database import Database
from engage.store.programs import program_keys
from engage.store.tables import deliveries
from engage.store.topic_pauses import pause_topic
from tests.commands.saying import assert_said
from tests.providers.servers import ScriptedServer, http_answers
from tests.support.command import ROOT
from tests.support.installation import Installation

NOW = datetime.now(UTC)
SCOPES = json.dumps({"scopes": ["mail.send"]})
GOOD_KEY = f"HTTP/1.1 200 OK\r\nContent-Length: {len(SCOPES)}\r\n\r\n{SCOPES}".encode()
BAD_KEY = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"


@contextmanager
def sendgrid(*answers: bytes) -> Iterator[dict[str, str]]:
    """The settings of a SendGrid that answers so when asked for the key's scopes."""
    with ScriptedServer(http_answers(*answers)) as server:
        yield {"ENGAGE_PROVIDER": "sendgrid", "ENGAGE_SENDGRID_API_KEY": "SG.x", "ENGAGE_SENDGRID_HOST": server.url}


@pytest.fixture
def database(fresh: Installation) -> Iterator[Database]:
    assert fresh.imports().code == 0
    made = Database(f"sqlite:///{fresh.folder}/var/engage.db")
    yield made
    made.close()


def findings(installation: Installation, **env: str) -> dict[str, dict[str, str]]:
    return {finding["what"]: finding for finding in installation.run("doctor", "--json", env=env).json()}


def test_at_first_mail_goes_out(fresh: Installation) -> None:
    assert fresh.run("sending").out == "Sending by mailbox 127.0.0.1:8000 goes on.\nNo rate is set.\n"
    shown = fresh.run("sending", "--json", env={"ENGAGE_PROVIDER_RATE": "2.5"}).json()
    assert (shown["state"], shown["rate"], shown["topics"], shown["alarms"]) == ("goes on", 2.5, [], [])
    assert_said(fresh.run("sending", "resume", "--why", "mended", "--anyway"), 1, "nothing keeps mail back")


def test_an_operator_stops_sending_and_lets_it_out_again(fresh: Installation, database: Database) -> None:
    paused = fresh.run("sending", "pause", "--why", "a wrong price").out
    assert paused == "All sending by mailbox 127.0.0.1:8000 is paused.\n"
    assert_said(fresh.run("sending", "pause", "--why", "me too"), 1, "is paused since", "a wrong price")
    assert_said(fresh.run("sending"), 0, "is paused since", ": a wrong price.", "engage sending resume --why")
    resumed = fresh.run("sending", "resume", "--why", "mended", "--anyway", "--json").json()
    assert (resumed["state"], resumed["resumed_why"]) == ("goes on", "mended")
    with database.read() as db:
        kept = [(entry.action, entry.object, entry.why) for entry in entries(db, 10)]
    provider = "provider:mailbox 127.0.0.1:8000"
    assert kept == [("sending.resume", provider, "mended"), ("sending.pause", provider, "a wrong price")]


def test_a_reason_must_be_given(fresh: Installation) -> None:
    assert_said(fresh.run("sending", "pause"), 2, "--why")


def test_sending_is_resumed_only_when_the_provider_would_take_mail(fresh: Installation) -> None:
    with sendgrid(BAD_KEY) as env:
        assert fresh.run("sending", "pause", "--why", "a new key", env=env).code == 0
        refused = fresh.run("sending", "resume", "--why", "it is there", env=env)
        assert_said(refused, 3, "nothing was resumed", "401", "ENGAGE_SENDGRID_API_KEY", "--anyway")
        assert fresh.run("sending", "--json", env=env).json()["state"] == "paused"
    away = fresh.run("sending", "resume", "--why", "it is there", env=env)
    assert_said(away, 3, "nothing was resumed", "does not answer")
    with sendgrid(GOOD_KEY) as env:
        assert fresh.run("sending", "pause", "--why", "a new key", env=env).code == 0
        assert_said(fresh.run("sending", "resume", "--why", "it is there", env=env), 0, " goes on. ", "restart")


def test_a_paused_topic_is_shown_and_resumed_alone(fresh: Installation, database: Database) -> None:
    with database.write() as db:
        [(program_id, program)] = program_keys(db).items()
        pause_topic(db, program_id, "tips", "3 complaints about 900 mails", NOW)
    assert_said(fresh.run("sending"), 0, f"Topic tips of {program} is paused since", "3 complaints about 900 mails")
    wrong = fresh.run("sending", "resume", "--topic", "tip", "--why", "mended")
    assert_said(wrong, 1, "topic 'tip'", "paused are: tips")
    done = fresh.run("sending", "resume", "--topic", "tips", "--why", "mended")
    assert_said(done, 0, f"Topic tips of {program} goes on.")
    assert fresh.run("sending", "--json").json()["topics"] == []


def test_an_operator_pauses_a_topic_and_a_campaign_and_the_audit_log_keeps_it(
    fresh: Installation, database: Database
) -> None:
    with database.read() as db:
        [program] = program_keys(db).values()
    paused = fresh.run("sending", "pause", "--topic", "tips", "--why", "a wrong price")
    assert_said(paused, 0, f"Topic tips of {program} is paused.")
    assert_said(fresh.run("sending", "pause", "--topic", "tips", "--why", "me too"), 1, "a wrong price", "nothing was")
    assert_said(fresh.run("sending", "pause", "--topic", "tip", "--why", "x"), 1, "no topic 'tip'", "it has: ")
    named = ("--campaign", "monthly", "--why")
    assert_said(fresh.run("sending", "pause", *named, "a wrong price"), 0, f"Campaign monthly of {program} is paused.")
    assert_said(fresh.run("sending", "pause", *named, "me too"), 1, "campaign 'monthly' is paused since", "wrong price")
    assert_said(fresh.run("sending"), 0, f"Campaign monthly of {program} is paused since", "resume --campaign monthly")
    (shown,) = fresh.run("sending", "--json").json()["campaigns"]
    assert (shown["campaign"], shown["reason"]) == ("monthly", "a wrong price")
    assert_said(fresh.run("run", "monthly"), 1, "'monthly' has the state paused", "who paused it: engage sending")
    assert_said(fresh.run("sending", "resume", *named, "mended"), 0, f"Campaign monthly of {program} goes on.")
    assert_said(fresh.run("sending", "resume", *named, "mended"), 1, "is not paused by anybody")
    both = fresh.run("sending", "pause", "--topic", "tips", "--campaign", "monthly", "--why", "x")
    assert_said(both, 2, "one at a time")
    with database.read() as db:
        kept = [(entry.actor, entry.action, entry.object, entry.why) for entry in entries(db, 10)]
    assert kept == [
        ("command line", "campaign.resume", "campaign:monthly", "mended"),
        ("command line", "campaign.pause", "campaign:monthly", "a wrong price"),
        ("command line", "topic.pause", "topic:tips", "a wrong price"),
    ]


def test_trouble_and_its_alarms_are_shown_and_doctor_warns(fresh: Installation, database: Database) -> None:
    refused = SendResult(Outcome.RETRY, detail="connection refused [errno 111]")
    gate = Gatekeeper("mailbox 127.0.0.1:8000")
    with database.write() as db:
        gate.note(db, gate.passage(db, NOW), [refused] * 5, NOW)
        raise_alarm(db, "webhooks_silent", "No webhook came in", NOW)
        claim_alarms(db, NOW)
        [program_id] = program_keys(db)
        pause_topic(db, program_id, "tips", "too many complaints", NOW)
    shown = fresh.run("sending")
    assert_said(shown, 0, "waits for the provider", "5 attempts in a row failed: connection refused [errno 111]")
    assert_said(shown, 0, "waits to be sent: No webhook came in")
    as_json = fresh.run("sending", "--json").json()
    assert (as_json["state"], as_json["alarms"][0]["tries"]) == ("waits", 1)
    found = findings(fresh, ENGAGE_ALARM_URL="https://hooks.example.com/x")
    warned = {what: finding["said"] for what, finding in found.items() if finding["state"] == "warn"}
    assert "waits for the provider" in warned["sending"]
    assert "1 alarm could not be sent yet" in warned["alarms"]
    assert any("too many complaints" in said for what, said in warned.items() if what.startswith("topic tips of "))


def test_a_refused_key_looks_as_the_docs_show_it(fresh: Installation, database: Database) -> None:
    then = datetime(2026, 3, 2, 12, tzinfo=UTC)
    refused = SendResult(Outcome.RETRY, status=401, detail="401 authorization required", auth_failed=True)
    gate = Gatekeeper("sendgrid api.sendgrid.com")
    with database.write() as db:
        gate.note(db, gate.passage(db, then), [refused], then)
        [alarm] = claim_alarms(db, then)
        alarm_sent(db, alarm.id, then)
    real = {"PROVIDER": "sendgrid", "SENDGRID_API_KEY": "SG.x", "SEND_TO": "nobody", "PROVIDER_RATE": "50"}
    shown = fresh.run("sending", env={f"ENGAGE_{name}": value for name, value in real.items()})
    assert f"```console\n$ engage sending\n{shown.out}```" in (ROOT / "docs" / "operations.md").read_text()


def test_doctor_says_since_when_mail_waits_for_a_worker(fresh: Installation, database: Database) -> None:
    assert fresh.run("run", "monthly").code == 0
    assert findings(fresh)["sending"]["state"] == "ok", "a worker may be about to send it"
    hour_ago = NOW - timedelta(hours=1)
    for due in ({"due_at": hour_ago}, {"due_at": NOW + timedelta(hours=1), "contest_at": hour_ago}):
        with database.write() as db:
            db.execute(sa.update(deliveries).values(due))
        found = findings(fresh)["sending"]
        assert (found["state"], found["said"].removeprefix("bulk ")) == (
            "warn",
            f"mail has been due since {hour_ago:%Y-%m-%d %H:%M} UTC, and no worker has sent it",
        )
        assert "engage up" in found["advice"]
    assert fresh.run("sending", "pause", "--why", "a wrong price").code == 0
    assert "is paused since" in findings(fresh)["sending"]["said"], "what keeps it back is said instead"


def test_doctor_says_when_nobody_would_hear_of_trouble(fresh: Installation) -> None:
    real = {"ENGAGE_PROVIDER": "smtp", "ENGAGE_SMTP_URL": "smtp://127.0.0.1:9", "ENGAGE_SEND_TO": "nobody"}
    found = findings(fresh, **real)
    assert "ENGAGE_ALARM_URL" in found["alarms"]["advice"]
    assert found["sending"]["state"] == "ok"


def test_doctor_says_when_links_lead_where_no_partner_gets(fresh: Installation) -> None:
    real = {"ENGAGE_PROVIDER": "smtp", "ENGAGE_SMTP_URL": "smtp://127.0.0.1:9", "ENGAGE_SEND_TO": "nobody"}
    assert "ENGAGE_PUBLIC_URL" in findings(fresh, **real)["links"]["advice"]
    assert "links" not in findings(fresh, **real, ENGAGE_PUBLIC_URL="https://engage.example.com")
    assert "links" not in findings(fresh)


def test_doctor_says_when_links_and_logins_can_be_read_on_the_way(fresh: Installation) -> None:
    found = findings(fresh, ENGAGE_PUBLIC_URL="http://engage.example.com")["links"]
    assert found["state"] == "warn"
    assert "https://" in found["advice"]
    assert "links" not in findings(fresh, ENGAGE_PUBLIC_URL="http://127.0.0.1:8000"), "it stays on this machine"
