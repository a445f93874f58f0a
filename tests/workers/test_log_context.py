"""Lines of the log say what they are about: which events, deliveries and campaigns."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import dramatiq
import pytest
import structlog
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import Retries

from engage.logs import IDS_SHOWN, configure
from engage.workers.actors import declare_actors
from engage.workers.log_context import OF, SaysWhatItIsAbout
from tests.support.engage import Engage
from tests.support.shipped import copy_shipped


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    written = io.StringIO()
    configure("json")
    for handler in root.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(written)
    yield written
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


def test_whatever_is_logged_in_a_task_names_its_ids_and_nothing_of_the_task_before(lines: io.StringIO) -> None:
    broker = StubBroker(middleware=[SaysWhatItIsAbout()])
    log = structlog.get_logger("engage.test")

    @dramatiq.actor(broker=broker)
    def deliver(ids: list[int]) -> None:  # noqa: ARG001
        log.warning("not_accepted")

    @dramatiq.actor(broker=broker)
    def tidy() -> None:
        log.warning("tidied")

    worker = dramatiq.Worker(broker, worker_threads=1)
    worker.start()
    deliver.send(list(range(500)))
    broker.join("default")
    tidy.send()
    broker.join("default")
    worker.stop()
    said = {line["event"]: line for line in map(json.loads, lines.getvalue().splitlines())}
    assert said["not_accepted"]["task"] == "deliver"
    assert said["not_accepted"]["deliveries"] == list(range(IDS_SHOWN))
    assert said["tidied"]["task"] == "tidy"
    assert "deliveries" not in said["tidied"]


def test_each_task_that_takes_ids_says_what_they_are_of() -> None:
    broker = StubBroker(middleware=[Retries()])
    declare_actors(broker, lambda: None)  # type: ignore[arg-type, return-value]
    assert set(OF) == set(broker.get_declared_actors())


def test_from_the_event_to_the_mail_each_step_is_logged_with_its_ids(
    lines: io.StringIO, sqlite_url: str, tmp_path: Path
) -> None:
    engage = Engage(sqlite_url, tmp_path, *copy_shipped(tmp_path))
    engage.partner("ann")
    engage.refers("ann", "r-1")
    engage.becomes("ann", "r-1", "opportunity")
    engage.work()
    said = {line["event"]: line for line in map(json.loads, lines.getvalue().splitlines())}
    assert said["matched"]["events"]
    assert said["matched"]["campaigns"] == ["referral-became-opportunity"]
    assert said["accepted"]["deliveries"] == said["matched"]["deliveries"]
    assert said["accepted"]["campaigns"] == ["referral-became-opportunity"]
    assert "@" not in lines.getvalue()
