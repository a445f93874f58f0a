"""Draws the steps of a campaign: where each box and line of the picture is. Pure; a template makes the SVG of it.

Steps stand below each other, the two ways of a branch beside each other. Waits that follow each other are one box.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engage.domain.campaigns import AtStep, BranchStep, Campaign, Step, WaitStep
from engage.domain.programs import Program
from engage.web.console.phrases import Said, step_said, trigger_said

WIDTH = 216
"""Of a box, in the picture's units: pixels, while there is room for it."""

_GAP, _APART, _EDGE = 26, 20, 8
_LINE, _PADDING = 18, 10
_LETTERS, _LINES = 29, 3
_BYPASS = 40
"""The width of a way on which nothing happens."""


@dataclass(frozen=True, slots=True)
class Box:
    """`kind` is a class of the drawing; `lines` its text, the first `titles` in bold; `here` how many stand there."""

    x: int
    y: int
    height: int
    kind: str
    lines: tuple[str, ...]
    titles: int
    here: int = 0

    def line_at(self, number: int) -> int:
        """The baseline of a line of its text."""
        return self.y + _PADDING + 13 + number * _LINE


@dataclass(frozen=True, slots=True)
class Way:
    """A line through these points, with what is said where it begins. `arrow`: it ends at a box."""

    points: tuple[tuple[int, int], ...]
    label: str = ""
    arrow: bool = True

    @property
    def path(self) -> str:
        return " ".join(f"{x},{y}" for x, y in self.points)


@dataclass(frozen=True, slots=True)
class Drawing:
    width: int
    height: int
    boxes: tuple[Box, ...]
    ways: tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A step in the list beside the picture: how deep it stands in branches, on which way, and how many are there."""

    id: str
    depth: int
    way: str
    said: Said
    here: int


def listed(campaign: Campaign, program: Program, here: Mapping[str, int]) -> list[Listed]:
    """The same as text, for who cannot see the picture, or wants to know more than fits into a box."""
    return list(_listed(campaign.steps, campaign, program, here, 0, ""))


def _listed(
    steps: Sequence[Step], campaign: Campaign, program: Program, here: Mapping[str, int], depth: int, way: str
) -> Iterator[Listed]:
    for step in steps:
        yield Listed(step.id, depth, way, step_said(step, campaign, program), here.get(step.id, 0))
        if isinstance(step, BranchStep):
            yield from _listed(step.then, campaign, program, here, depth + 1, "yes")
            yield from _listed(step.otherwise, campaign, program, here, depth + 1, "no")


def draw(campaign: Campaign, program: Program, here: Mapping[str, int]) -> Drawing:
    """`here`: how many stand at each step, by the step's id."""
    pen = _Pen(campaign, program, here)
    width = max(pen.width(campaign.steps), WIDTH) + 2 * _EDGE
    start = Said("start", "Start", trigger_said(campaign, program))
    at = pen.box(width // 2, _EDGE, start, 0)
    at, way = pen.steps(campaign.steps, width // 2, at, "")
    end = pen.box(width // 2, pen.to_next(width // 2, at, way), Said("end", "End"), 0)
    return Drawing(width, end + _EDGE, tuple(pen.boxes), tuple(pen.ways))


class _Pen:
    """Puts boxes and lines down from top to bottom."""

    def __init__(self, campaign: Campaign, program: Program, here: Mapping[str, int]) -> None:
        self.campaign, self.program, self.here = campaign, program, here
        self.boxes: list[Box] = []
        self.ways: list[Way] = []

    def width(self, steps: Sequence[Step]) -> int:
        """How wide a way with these steps is."""
        return max((self._width(step) for step in steps), default=_BYPASS)

    def _width(self, step: Step) -> int:
        if not isinstance(step, BranchStep):
            return WIDTH
        return max(WIDTH, self.width(step.then) + self.width(step.otherwise) + _APART)

    def box(self, middle: int, y: int, said: Said, here: int) -> int:
        """Puts a box there; returns where it ends."""
        more = textwrap.wrap(said.more, _LETTERS, max_lines=_LINES, placeholder=" …") if said.more else []
        title = textwrap.wrap(said.title, _LETTERS, max_lines=2, placeholder=" …")
        height = (len(title) + len(more)) * _LINE + 2 * _PADDING
        self.boxes.append(Box(middle - WIDTH // 2, y, height, said.kind, (*title, *more), len(title), here))
        return y + height

    def to_next(self, middle: int, y: int, label: str) -> int:
        """Draws the line to the box below; returns where that begins."""
        end = y + _GAP + (_LINE if label else 0)
        self.ways.append(Way(((middle, y), (middle, end)), label))
        return end

    def steps(self, steps: Sequence[Step], middle: int, y: int, label: str) -> tuple[int, str]:
        """Draws the steps below `y`; returns where they end, and what is still to be said of the line that follows."""
        for said, here, branch in self._drawn(steps):
            y = self.box(middle, self.to_next(middle, y, label), said, here)
            label = ""
            if branch is not None:
                y = self._branch(branch, middle, y)
        return y, label

    def _drawn(self, steps: Sequence[Step]) -> Iterator[tuple[Said, int, BranchStep | None]]:
        """What the boxes say, and how many stand at each."""
        waits: list[str] = []
        waiting = 0
        for number, step in enumerate(steps):
            said, here = step_said(step, self.campaign, self.program), self.here.get(step.id, 0)
            if isinstance(step, WaitStep | AtStep):
                waits.append(said.title if not waits else said.title.replace("Wait", "then", 1))
                waiting += here
                after = steps[number + 1] if number + 1 < len(steps) else None
                if isinstance(step, WaitStep) and isinstance(after, WaitStep):
                    continue
                yield Said("wait", waits[0], " ".join(waits[1:])), waiting, None
                waits, waiting = [], 0
            else:
                yield said, here, step if isinstance(step, BranchStep) else None

    def _branch(self, branch: BranchStep, middle: int, y: int) -> int:
        """Draws both ways of a branch and where they meet again; returns where that is."""
        widths = self.width(branch.then), self.width(branch.otherwise)
        left = middle - (widths[0] + widths[1] + _APART) // 2
        columns = left + widths[0] // 2, left + widths[0] + _APART + widths[1] // 2
        top, ends = y + _GAP // 2, []
        for column, steps, label in zip(columns, (branch.then, branch.otherwise), ("yes", "no"), strict=True):
            self.ways.append(Way(((middle, y), (middle, top), (column, top)), arrow=False))
            ends.append((column, *self.steps(steps, column, top, label)))
        meeting = max(end + (_GAP if label else 0) for _, end, label in ends) + _GAP // 2
        for column, end, label in ends:
            self.ways.append(Way(((column, end), (column, meeting), (middle, meeting)), label, arrow=False))
        return meeting
