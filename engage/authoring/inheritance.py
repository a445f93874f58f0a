"""Programs that inherit: what a program does not say its parent says, and its parent's campaigns are its own too."""

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass, replace

from engage.authoring.campaigns import parse_campaign
from engage.authoring.document import Mapping, Node, Scalar
from engage.authoring.reader import Reader, did_you_mean
from engage.domain.campaigns import Campaign, CampaignKey
from engage.domain.errors import AuthoringError, Problem
from engage.domain.programs import Program

INHERITS, WITHOUT = "inherits", "without"
KEYS = (INHERITS, WITHOUT)
"""What a program says of its parent; neither is inherited."""


@dataclass(frozen=True, slots=True)
class Inheriting:
    """A program's node with all that it inherits, and the keys of those it inherits from, the nearest first."""

    node: Node
    ancestors: tuple[str, ...]


def inheriting(reader: Reader, written: Sequence[tuple[Scalar, Node]]) -> dict[str, Inheriting]:
    """Each program as it is with its parent's keys."""
    own = {key.text: node for key, node in written}
    parents = {key: parent for key, node in own.items() if (parent := _parent(node)) is not None}
    roots = [key for key in own if key not in parents]
    found: dict[str, Inheriting] = {}
    for key in own:
        ancestors = tuple(_ancestors(key, parents))
        if parent := parents.get(key):
            others = [name for name in own if name != key]
            if parent.text not in own:
                reader.problem(parent, f"unknown program '{parent.text}'", did_you_mean(parent.text, others))
            elif key in ancestors:
                reader.problem(parent, f"'{key}' inherits from itself", "take one 'inherits' out")
        if (key, *ancestors)[-1] not in roots:
            ancestors = tuple(roots[:1])  # so that one mistake is not reported again at each key that is missing
        node = own[key]
        for ancestor in ancestors:
            node = _over(own[ancestor], node, leaving=KEYS)
        found[key] = Inheriting(node, ancestors)
    return found


def _parent(node: Node) -> Scalar | None:
    entries = node.entries if isinstance(node, Mapping) else ()
    value = next((value for key, value in entries if key.text == INHERITS), None)
    return value if isinstance(value, Scalar) and not value.empty else None


def _ancestors(key: str, parents: AbstractMapping[str, Scalar]) -> list[str]:
    """The nearest first; up to where it comes round again, if it does."""
    found: list[str] = []
    while key in parents and parents[key].text not in found:
        key = parents[key].text
        found.append(key)
    return found


def _over(parent: Node, child: Node, leaving: Iterable[str] = ()) -> Node:
    """The child's word over the parent's: keys are put together at every depth, lists and texts are replaced."""
    if not isinstance(parent, Mapping) or not isinstance(child, Mapping):
        return child
    said = {key.text: value for key, value in child.entries}
    kept = [
        (key, _over(value, said[key.text]) if key.text in said else value)
        for key, value in parent.entries
        if key.text not in leaving
    ]
    known = {key.text for key, _ in kept}
    return replace(child, entries=(*kept, *(entry for entry in child.entries if entry[0].text not in known)))


def inherited(
    campaigns: AbstractMapping[CampaignKey, Campaign], programs: AbstractMapping[str, Program]
) -> tuple[dict[CampaignKey, Campaign], list[Problem]]:
    """The campaigns that programs have of their ancestors, read anew with the program's own topics, statuses and tiers.

    A campaign of the program's own with the same name replaces the inherited one. What does not fit the program is a
    problem of the campaign's file.
    """
    found: dict[CampaignKey, Campaign] = {}
    problems: list[Problem] = []
    for program in programs.values():
        for campaign in _of_ancestors(campaigns, programs, program):
            try:
                read = parse_campaign(campaign.source, campaign.path, programs, program.key)
            except AuthoringError as error:
                said = f"in program '{program.key}', which inherits it: "
                problems += [replace(problem, message=said + problem.message) for problem in error.problems]
            else:
                found[read.key] = read
    return found, problems


def names_of(
    campaigns: AbstractMapping[CampaignKey, Campaign], programs: AbstractMapping[str, Program], program: Program
) -> list[str]:
    """The names of a program's campaigns, its own and those it inherits."""
    own = [name for key, name in campaigns if key == program.key]
    return [*own, *(campaign.name for campaign in _of_ancestors(campaigns, programs, program))]


def _of_ancestors(
    campaigns: AbstractMapping[CampaignKey, Campaign], programs: AbstractMapping[str, Program], program: Program
) -> list[Campaign]:
    """Nearest first: each program on the way may leave campaigns out, or have one of the same name of its own."""
    taken = {name for key, name in campaigns if key == program.key} | set(program.without)
    found = []
    for ancestor in program.ancestors:
        own = [campaign for (key, _), campaign in campaigns.items() if key == ancestor]
        found += [campaign for campaign in own if campaign.name not in taken]
        taken |= {campaign.name for campaign in own} | set(programs[ancestor].without)
    return found
