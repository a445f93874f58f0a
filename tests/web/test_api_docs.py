"""`/openapi.json` and `/docs`: valid, complete, and nothing from outside."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from engage.web.v1 import build_router
from engage.web.v1.openapi import describe
from tests.support.engage import Engage
from tests.support.intake_api import Pusher
from tests.support.shipped import copy_shipped


@pytest.fixture
def crm(sqlite_url: str, tmp_path: Path) -> Iterator[Pusher]:
    engage = Engage(sqlite_url, tmp_path, *copy_shipped(tmp_path))
    yield Pusher(engage)
    engage.services.close()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_every_route_is_described_and_every_example_is_as_its_schema_says_and_is_taken(crm: Pusher) -> None:
    document = crm.client.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    served = {
        (method.lower(), route.path.replace(":path}", "}"))
        for route in build_router(crm.engage.services).routes
        if getattr(route, "path", "").startswith("/v1/")
        for method in route.methods
    }
    assert {(method, path) for method, path, _ in operations(document)} == served
    # in the order in which records name one another
    for method, path, operation in sorted(operations(document), key=lambda one: one[2]["tags"] == ["events"]):
        body = operation["requestBody"]["content"]["application/json"]
        for example in body["examples"].values():
            schema = body["schema"] | {"components": document["components"]}
            jsonschema.Draft202012Validator(schema).validate(example["value"])
            if operation["security"] == [{"key": []}]:
                filled = path
                for parameter in operation["parameters"]:
                    if parameter["in"] == "path":
                        filled = filled.replace(f"{{{parameter['name']}}}", parameter["example"])
                answer = getattr(crm, method)(filled, example["value"])
                assert answer.status_code == 202, answer.text
                taken = {**document["components"]["schemas"]["Taken"], "components": document["components"]}
                jsonschema.Draft202012Validator(taken).validate(answer.json())


def test_the_page_loads_nothing_from_outside_and_runs_nothing_inline(crm: Pusher) -> None:
    page = crm.client.get("/docs")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    named = re.findall(r'(?:src|href)="(?!data:,")([^"]+)"', page.text)
    assert named
    assert all(address.startswith("/") for address in named)
    assert all(crm.client.get(address).status_code == 200 for address in named)
    assert not re.search(r"<script(?![^>]*src=)|style=|<style", page.text)
    start = crm.client.get("/static/docs/start.js").text
    assert "http" not in start
    assert "validatorUrl: null" in start, "else it would ask a server elsewhere for a badge"
    assert crm.client.get("/static/docs/LICENSE").status_code == 200


def test_the_page_pushes_to_where_it_was_opened(crm: Pusher) -> None:
    """It may connect to no other host, and an installation has several names: localhost is one, 127.0.0.1 another."""
    assert crm.client.get("/openapi.json").json()["servers"] == [{"url": "/"}]
    assert describe("https://example.com/engage")["servers"] == [{"url": "/engage"}]
