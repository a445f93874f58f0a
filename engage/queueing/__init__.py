"""The port through which the pipeline asks for work to be done: enqueue by name. Knows no broker."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol


class Lane(StrEnum):
    """The queues of work. A newsletter (bulk) never holds up a status update (transactional)."""

    EVENTS = "events"
    TRANSACTIONAL = "transactional"
    BULK = "bulk"
    ALERTS = "alerts"
    UPKEEP = "upkeep"
    SOURCES = "sources"
    FEEDBACK = "feedback"


class Queue(Protocol):
    """Wakes a worker. The database is the truth: a hint that is lost is found by the sweeper."""

    def enqueue(self, task: str, ids: Sequence[int], lane: Lane) -> None:
        """Asks for `task` to be done with `ids`, soon. Never raises: a broker that is down only costs time."""


class NoQueue:
    """A queue that wakes nobody: for commands that run without Redis. The sweeper finds what they leave."""

    def enqueue(self, task: str, ids: Sequence[int], lane: Lane) -> None:
        """Does nothing."""
