"""The words that program.yaml brings into the language: keys of programs, topics, statuses, tiers,
attributes and desks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from engage.domain.facts import FactType
from engage.domain.programs import METHODS, PARTNER_STATUSES, Program

ATTRIBUTE_TYPES = (FactType.TEXT, FactType.NUMBER, FactType.BOOLEAN)


@dataclass(frozen=True, slots=True)
class Words:
    """Of all programs together, in the order written; empty where nothing is known, and any word will do."""

    programs: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    desks: tuple[str, ...] = ()
    attribute_types: tuple[FactType, ...] = ATTRIBUTE_TYPES

    @classmethod
    def of(cls, programs: Mapping[str, Program]) -> Self:
        every = programs.values()
        types = _distinct(type_ for program in every for type_ in program.attributes.values())
        return cls(
            programs=tuple(programs),
            topics=_distinct(key for program in every for key in program.topics),
            statuses=_distinct(status.key for program in every for status in program.ladder),
            tiers=_distinct(tier.key for program in every if program.tiers for tier in program.tiers.steps),
            attributes=_distinct(name for program in every for name in program.attributes),
            desks=_distinct(key for program in every for key in program.desks),
            attribute_types=tuple(FactType(type_) for type_ in types) or ATTRIBUTE_TYPES,
        )

    def values_of(self, values: str) -> tuple[str, ...]:
        """The closed list that a fact's values come from, as the catalogue calls it."""
        known = {
            "statuses": self.statuses,
            "partner_statuses": PARTNER_STATUSES,
            "tiers": self.tiers,
            "methods": METHODS,
        }
        return known[values]


def _distinct(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))
