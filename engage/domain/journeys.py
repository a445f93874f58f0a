"""A journey: the steps of a campaign as a way that can be walked from any of them. Pure."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from engage.domain.campaigns import AtStep, BranchStep, MailStep, Step, WaitStep


class JourneyState(StrEnum):
    """Where an enrollment stands."""

    ACTIVE = "active"  # it waits at a step
    DONE = "done"  # it has come to its end
    STOPPED = "stopped"  # `stop_when` held, or the campaign is no longer there, or whom it concerned
    REACHED = "reached"  # its goal was reached


@dataclass(frozen=True, slots=True)
class Node:
    """A step with the id of the one that follows; None: the end. Of a branch, `follows` is where `otherwise` begins."""

    step: Step
    follows: str | None
    then: str | None = None


@dataclass(frozen=True, slots=True)
class Path:
    """All steps of a campaign, those within branches too, by id."""

    first: str | None
    nodes: dict[str, Node]

    def mails(self) -> Iterator[MailStep]:
        """Every step that a delivery can come of, in the order written."""
        return (node.step for node in self.nodes.values() if isinstance(node.step, MailStep))

    def mails_next(self, at: str) -> Iterator[MailStep]:
        """Those that may be called for between the wait `at` and whatever is waited for after it."""
        return (step for step, wait in self.mails_from(self.nodes[at].follows) if wait is None)

    def mails_from(self, first: str | None) -> Iterator[tuple[MailStep, WaitStep | AtStep | None]]:
        """All from the step `first` on, each with what is waited for last before it; None: it is called for at once.

        Of several ways to one mail, the one with the fewest waits counts.
        """
        ahead: deque[tuple[str | None, WaitStep | AtStep | None]] = deque([(first, None)])
        seen: set[str] = set()
        while ahead:
            id_, wait = ahead.popleft()
            if id_ is None or id_ in seen:
                continue
            seen.add(id_)
            node = self.nodes[id_]
            if isinstance(node.step, WaitStep | AtStep):
                ahead.append((node.follows, node.step))
                continue
            if isinstance(node.step, MailStep):
                yield node.step, wait
            ahead.extendleft([(node.follows, wait), (node.then, wait)])

    @property
    def waits(self) -> bool:
        """Whether anybody can be waiting at a step of it."""
        return any(not isinstance(node.step, MailStep | BranchStep) for node in self.nodes.values())


def path_of(steps: Sequence[Step]) -> Path:
    """The way through these steps."""
    nodes: dict[str, Node] = {}
    first = _lay(steps, None, nodes)
    return Path(first, nodes)


def _lay(steps: Sequence[Step], after: str | None, nodes: dict[str, Node]) -> str | None:
    """Lays the steps so that the last leads to `after`; returns the id of the first, `after` if there is none."""
    for number, step in enumerate(steps):
        follows = steps[number + 1].id if number + 1 < len(steps) else after
        if isinstance(step, BranchStep):
            nodes[step.id] = Node(step, None)  # keeps its place in the order written
            then = _lay(step.then, follows, nodes)
            otherwise = _lay(step.otherwise, follows, nodes)
            nodes[step.id] = Node(step, otherwise, then)
        else:
            nodes[step.id] = Node(step, follows)
    return steps[0].id if steps else after


@dataclass(frozen=True, slots=True)
class Position:
    """Where an enrollment stands: the step that comes next, and when. Of an ended one there is neither."""

    state: JourneyState
    step: str | None = None
    due_at: datetime | None = None


def every_step(steps: Sequence[Step]) -> Iterator[Step]:
    """The steps and those within branches, in the order written."""
    for step in steps:
        yield step
        if isinstance(step, BranchStep):
            yield from every_step(step.then)
            yield from every_step(step.otherwise)
