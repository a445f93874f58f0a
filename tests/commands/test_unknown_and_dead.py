"""`unknown` and `dead`: mails that wait for somebody, shown with all that helps to decide, and what is decided."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from engage.domain.messages import Outcome, SendResult
from engage.providers.webhook_signature import load_private_key, new_private_key, shown
from engage.store.feedback import keep_webhook
from tests.commands.saying import assert_said
from tests.support.command import EngageCommand
from tests.support.engage import Engage
from tests.support.installation import Installation

LOST = SendResult(Outcome.UNKNOWN, detail="ServerDisconnectedError: Server disconnected")
REFUSED = SendResult(Outcome.DEAD, status=400, detail="400 content: The content is too long")


class World:
    """An installation whose command is run, and engage in this process, on the same database and files."""

    def __init__(self, installation: Installation, engage: Engage) -> None:
        self.run = installation.run
        self.engage = engage

    def won(self, **answers: SendResult) -> None:
        """Each of these partners has just won a referral, and the provider answers their mail so."""
        for name, answer in answers.items():
            self.engage.provider.answers[f"{name}@example.com"] = answer
            self.engage.refers(self.engage.partner(name), f"{name}-deal")
            self.engage.becomes(name, f"{name}-deal", "won")
        self.engage.work()
        self.engage.provider.answers.clear()

    def goes_on(self) -> list[str]:
        """A scheduler and a worker have their turn; returns whom a mail went to."""
        self.engage.now = datetime.now(UTC) + timedelta(seconds=15)
        self.engage.services.sweep()
        return [message.to.email for message in self.engage.work()]

    def states(self) -> list[str]:
        return [state for _, state in self.engage.states()]


@pytest.fixture
def world(run_engage: EngageCommand, database_url: str) -> Iterator[World]:
    installation = Installation(run_engage, database_url)
    engage = Engage(database_url, installation.folder / "var", installation.campaigns, installation.emails)
    engage.now = datetime.now(UTC)
    yield World(installation, engage)
    engage.services.close()


def test_an_unknown_mail_is_listed_and_sent_again_when_somebody_says_so(world: World) -> None:
    assert world.run("unknown", "list").out == "Nothing is unknown.\n"
    world.won(ann=LOST, bob=LOST)
    listed = world.run("unknown", "list", "--limit", "1").out
    for part in (
        "d-1  referral-won, won, to partner:ann, unknown since ",
        "  'Ann-Deal Ltd signed'; step send-won, occasion ",
        "  ServerDisconnectedError: Server disconnected\n",
        "  attempt 1 at ",
        ": unknown: ServerDisconnectedError",
        "1 of 2 are shown; --limit shows more.",
        "engage unknown resend ID sends it again, and its partner may get it twice",
    ):
        assert part in listed
    assert "ann@example.com" not in listed
    assert "to partner:ann (ann@example.com)" in world.run("unknown", "list", "--addresses").out

    resent = world.run("unknown", "resend", "d-1", "--why", "she never got it")
    assert_said(resent, 0, "1 mail will go out again if it is still right", "the first one reached gets it twice")
    assert world.goes_on() == ["ann@example.com"]
    assert world.states() == ["accepted", "unknown"]


def test_a_script_reads_all_of_an_unknown_mail(world: World) -> None:
    world.won(ann=LOST)
    found = world.run("unknown", "list", "--json").json()
    assert found["total"] == 1
    (one,) = found["deliveries"]
    (attempt,) = one.pop("attempts")
    assert (attempt["number"], attempt["outcome"], attempt["status"]) == (1, "unknown", None)
    assert datetime.fromisoformat(one.pop("since")) == world.engage.now
    assert datetime.fromisoformat(one.pop("expires_at")) > world.engage.now
    assert one.pop("public_id") == world.engage.provider.messages[0].id
    assert one == {
        "id": "d-1",
        "campaign": "referral-won",
        "step": "send-won",
        "template": "won",
        "recipient": "partner:ann",
        "occasion": one["occasion"],
        "subject": "Ann-Deal Ltd signed",
        "reason": "ServerDisconnectedError: Server disconnected",
        "looked_up_at": None,
    }
    with_address = world.run("unknown", "list", "--json", "--addresses").json()["deliveries"]
    assert with_address[0]["email"] == "ann@example.com"


def test_what_was_found_out_is_said(world: World) -> None:
    world.won(ann=LOST, bob=LOST, cyd=LOST)
    sent = world.run("unknown", "settle", "d-1", "d-2", "--sent", "--why", "both are in the activity feed", "--json")
    assert sent.json() == [{"id": "d-1", "state": "accepted"}, {"id": "d-2", "state": "accepted"}]
    dropped = world.run("unknown", "settle", "--campaign", "referral-won", "--not-sent", "--why", "too late")
    assert_said(dropped, 0, "1 mail will not go out any more.")
    assert world.goes_on() == []
    assert world.states() == ["accepted", "accepted", "cancelled"]


def test_what_cannot_be_is_said_and_nothing_is_changed(world: World) -> None:
    world.won(ann=LOST, bob=REFUSED)
    why = ("--why", "because")
    assert_said(
        world.run("unknown", "resend", "d-1", "d-2", *why), 1, "not unknown: d-2 is dead", "nothing was changed"
    )
    assert_said(world.run("unknown", "resend", "d-1", "d-77", *why), 1, "d-77 is not there")
    assert_said(world.run("unknown", "resend", "12", *why), 1, "'12' is not the id of a delivery", "d-12")
    assert_said(world.run("unknown", "resend", "--campaign", "wun", *why), 1, "of campaign 'wun' is unknown")
    assert_said(world.run("unknown", "resend", *why), 2, "say in one way which deliveries")
    assert_said(world.run("unknown", "resend", "d-1", "--all", *why), 2, "say in one way which deliveries")
    assert_said(world.run("unknown", "resend", "d-1"), 2, "--why")
    assert_said(world.run("unknown", "settle", "d-1", *why), 2, "--sent if the provider has them")
    assert world.states() == ["unknown", "dead"]


def test_a_dead_mail_is_listed_by_its_reason_and_tried_again(world: World) -> None:
    world.won(ann=REFUSED, bob=SendResult(Outcome.DEAD, status=400, detail="400 from: not verified"))
    listed = world.run("dead", "list", "--error", "TOO LONG").out
    for part in (
        "d-1  referral-won, won, to partner:ann, dead since ",
        "  400 content: The content is too long\n",
        ": dead: 400 content",
        "engage dead retry ID --why TEXT tries it again",
    ):
        assert part in listed
    assert "d-2" not in listed
    assert_said(
        world.run("dead", "retry", "--error", "too long", "--why", "it is shorter now"), 0, "1 mail will be tried again"
    )
    assert world.goes_on() == ["ann@example.com"]
    dropped = world.run("dead", "drop", "--all", "--why", "old news", "--json")
    assert dropped.json() == [{"id": "d-2", "state": "cancelled"}]
    assert world.states() == ["accepted", "cancelled"]
    assert_said(world.run("dead", "retry", "--all", "--why", "mended"), 1, "no delivery is dead")
    assert world.run("dead", "list").out == "Nothing is dead.\n"


def test_doctor_says_what_waits_and_where_to_look(world: World) -> None:
    world.won(ann=LOST, bob=REFUSED)
    said = {(one["said"], one["advice"]) for one in world.run("doctor", "--json").json() if one["what"] == "deliveries"}
    assert said == {
        ("1 is unknown", "they may or may not have been sent; settle or resend them: engage unknown list"),
        ("1 is dead", "nothing comes of them by itself; retry or drop them: engage dead list"),
    }


def test_doctor_says_when_no_webhook_has_ever_come_in(world: World) -> None:
    sendgrid = {
        "ENGAGE_PROVIDER": "sendgrid",
        "ENGAGE_SENDGRID_API_KEY": "SG.key",
        "ENGAGE_SENDGRID_HOST": "http://127.0.0.1:1",
    }

    def webhooks(env: dict[str, str]) -> list[tuple[str, str]]:
        found = world.run("doctor", "--json", env=env).json()
        return [(one["state"], one["said"]) for one in found if one["what"] == "webhooks"]

    assert webhooks({}) == [], "the mailbox reports only when it is told to"
    ((state, said),) = webhooks(sendgrid)
    assert (state, said.partition(":")[0]) == ("warn", "are all refused")
    ((state, said),) = webhooks(sendgrid | {"ENGAGE_SENDGRID_WEBHOOK_KEY": "SG.key"})
    assert (state, "not a public key as SendGrid shows it" in said) == ("fail", True)
    sendgrid["ENGAGE_SENDGRID_WEBHOOK_KEY"] = shown(load_private_key(new_private_key()))
    ((state, said),) = webhooks(sendgrid)
    assert (state, said.partition(":")[0]) == ("warn", "no webhook has ever come in")
    with world.engage.services.database.write() as db:
        keep_webhook(db, "sendgrid", "[]", datetime.now(UTC) - timedelta(hours=5))
    ((state, said),) = webhooks(sendgrid)
    assert (state, said.rpartition(", ")[2]) == ("ok", "5 hours ago")
