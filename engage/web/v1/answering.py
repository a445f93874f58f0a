"""What is answered: how many records were taken, and what was wrong with the others, each by its place."""

from collections import Counter
from typing import Any

import orjson

from engage.domain.facts import Feed
from engage.domain.records import Outcome, Record, Taken
from engage.store.idempotency import Answer
from engage.store.intake import Intake
from engage.web.v1.models import Sent
from engage.web.v1.problems import not_taken
from engage.web.v1.reading import Read
from engage.web.v1.resources import FEEDS


class Taking:
    """The rows of a body, and their answer. Raises Problem when there are none."""

    def __init__(self, read: Read) -> None:
        if not read.records:
            raise not_taken(read.errors)
        self._read = read
        self.rows: list[tuple[Record, ...]] = [(record,) for _, record in read.records.values()]
        self.feeds: set[Feed] = {feed for _, record in read.records.values() if (feed := FEEDS.get(type(record)))}

    def answer(self, intake: Intake) -> Answer:
        """202 with what became of each; 422 when nothing could be taken."""
        outcomes = Counter(row.outcome for row in intake.rows)
        errors = list(self._read.errors)
        for (place, (sent, _)), row in zip(self._read.records.items(), intake.rows, strict=True):
            if row.outcome is Outcome.REJECTED:
                errors.append(self._read.error(place, _field(sent, row), _reason(row)))
        if outcomes[Outcome.REJECTED] == len(intake.rows):
            problem = not_taken(sorted(errors, key=_place))
            return Answer(problem.status, problem.body.decode())
        accepted, unchanged = outcomes[Outcome.ACCEPTED], outcomes[Outcome.UNCHANGED]
        content = {
            "accepted": accepted,
            "unchanged": unchanged,
            "rejected": self._read.count - accepted - unchanged,
            "problems": sorted(errors, key=_place),
        }
        return Answer(202, orjson.dumps(content).decode())


def _place(error: dict[str, Any]) -> int:
    return int(error.get("index", 0))


def _field(sent: Sent, row: Taken) -> str:
    """The field as it was sent. What is none is an attribute's name."""
    name = sent.renamed.get(row.field, row.field)
    return name if name in type(sent).model_fields or not name else f"attributes.{name}"


def _reason(row: Taken) -> str:
    """Without the advice for whoever imports files."""
    return row.reason.partition("; import ")[0]
