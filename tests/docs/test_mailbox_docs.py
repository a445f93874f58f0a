"""What docs/mailbox.md shows is taken by a real mailbox, and does what the page says."""

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from engage.web.mailbox import MailStore, Webhooks, mailbox_app
from engage.web.mailbox.events import _KINDS
from engage.web.mailbox.faults import Step
from engage.web.mailbox.webhooks import Recipe
from tests.docs.test_docs import DOCS, code, fenced, table
from tests.providers.servers import HttpServer
from tests.web.test_mailbox_webhooks import PRIVATE, Listener

PAGE = DOCS / "mailbox.md"


@pytest.fixture
def mailbox() -> Iterator[str]:
    listener = Listener()
    with HttpServer(listener.app) as installation:
        webhooks = Webhooks(f"{installation.url}/webhooks/sendgrid", PRIVATE)
        with HttpServer(mailbox_app(MailStore(), webhooks=webhooks)) as server:
            yield server.url


def post(url: str, body: Any) -> int:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        status: int = answer.status
        return status


def endpoint(example: Any) -> str:
    if isinstance(example, list):
        return "faults"
    return "activity" if "available" in example else "webhooks"


def test_every_example_is_taken(mailbox: str) -> None:
    examples = [json.loads(text) for text in fenced(PAGE, "json")]
    assert {endpoint(example) for example in examples} == {"faults", "activity", "webhooks"}
    for example in examples:
        assert post(f"{mailbox}/mailbox/{endpoint(example)}", example) == 200


def test_every_command_with_curl_is_taken(mailbox: str) -> None:
    found = [
        re.search(r"-d '(.*)' http://localhost:8000(/mailbox/\w+)", line)
        for text in fenced(PAGE, "sh")
        for line in text.splitlines()
        if line.startswith("curl")
    ]
    assert len(found) == 4
    for match in found:
        assert match is not None
        assert post(mailbox + match[2], json.loads(match[1])) == 200


def test_every_key_of_a_step_and_of_a_recipe_is_explained(mailbox: str) -> None:
    shown = [row[0] for heading in ("## Faults", "## Webhooks") for row in table(PAGE, heading)]
    text = PAGE.read_text()
    for name in Step.model_fields:
        assert f'"{name}"' in text, name
    for name, field in Recipe.model_fields.items():
        assert f'"{field.alias or name}"' in text, name
    steps = [cell for cell in shown if re.match(r'`"(answer|accept|drop|refuse|drip|delay)', cell)]
    for cell in sorted(steps, key=lambda cell: "refuse" in cell):  # after that one nobody listens for a while
        assert post(f"{mailbox}/mailbox/faults", json.loads(f"{{{code(cell)[0]}}}")) == 200


def test_every_event_is_named() -> None:
    text = PAGE.read_text()
    assert [kind for kind in _KINDS if f"`{kind}`" not in text] == []
