"""The mailbox as it really runs: `engage mailbox` and `engage web --with-mailbox` go wrong and report as told."""

import json
import os
import signal
import urllib.request
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from engage.clock import utc_now
from engage.domain.messages import Outcome
from engage.providers.sendgrid import SendGridProvider
from engage.web.mailbox import read_log
from tests.providers.contract import a_message
from tests.support.command import EngageCommand
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow


def ask(url: str, body: Any) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=30):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("command", [("mailbox",), ("web", "--with-mailbox")], ids=" ".join)
def test_it_goes_wrong_as_told_and_what_it_took_is_there_after_it_was_killed(
    run_engage: EngageCommand, unused_port: int, command: tuple[str, ...]
) -> None:
    url = f"http://127.0.0.1:{unused_port}"
    process = run_engage.start(*command, env={"ENGAGE_PORT": str(unused_port)})
    wait_for(lambda: answers(f"{url}/mailbox"), "the mailbox")
    with closing(SendGridProvider(url, "key", utc_now)) as provider:

        def send(number: int) -> Outcome:
            return provider.send([a_message(number)], timedelta(seconds=10))[0].outcome

        ask(f"{url}/mailbox/faults", [{"accept_then_drop": True}, {"drop": True}, {"refuse": 1}])
        assert [send(1), send(2), send(3)] == [Outcome.UNKNOWN, Outcome.UNKNOWN, Outcome.RETRY]
        wait_for(lambda: answers(f"{url}/mailbox"), "the mailbox to listen again")
        assert send(4) is Outcome.ACCEPTED
    os.kill(process.pid, signal.SIGKILL)
    taken = list(read_log(run_engage.folder / "var" / "mailbox"))
    assert [message.custom_args["delivery"] for message in taken] == ["d-1", "d-4"]


def test_the_installation_believes_what_its_mailbox_reports(run_engage: EngageCommand, unused_port: int) -> None:
    url = f"http://127.0.0.1:{unused_port}"
    run_engage.start("web", "--with-mailbox", env={"ENGAGE_PORT": str(unused_port)})
    wait_for(lambda: answers(f"{url}/mailbox"), "the mailbox")
    with closing(SendGridProvider(url, "key", utc_now)) as provider:
        assert provider.send([a_message(1)])[0].outcome is Outcome.ACCEPTED
    told = ask(f"{url}/mailbox/webhooks", {"duplicate": 2, "batch": 2})
    assert (told["events"], told["requests"], told["failed"]) == (4, 2, 0)
    assert set(told["answers"]) <= {"200", "202", "204"}
