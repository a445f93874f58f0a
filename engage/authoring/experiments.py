"""Reads who is held out of campaigns, and whom a campaign is restricted to while it is rolled out."""

import re
from decimal import Decimal

from engage.authoring.conditions import ConditionReader
from engage.authoring.reader import Fields
from engage.domain.campaigns import Only
from engage.domain.programs import Topic

CAMPAIGN_KEYS = ("holdout", "only")
"""The keys of a campaign that are read here; a program has `control_group`."""

PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,4})?) ?%")


def read_control_group(fields: Fields) -> float:
    """`control_group: 5%`: of a program's partners, those who get no marketing mail at all."""
    return _share(fields, "control_group", 0.0)


def read_holdout(fields: Fields, topic: Topic | None) -> float:
    """`holdout: 10%`: of those who enter the campaign, those who are not mailed."""
    if "holdout" not in fields:
        return 0.0
    if topic is not None and topic.transactional:
        message = f"topic '{topic.key}' is transactional: its mail is owed to partners and cannot be held out"
        fields.reader.problem(fields["holdout"], message, "take holdout out")
    return _share(fields, "holdout", 0.0)


def read_only(fields: Fields, conditions: ConditionReader) -> Only | None:
    """`only: {where: [...], partners: [p1, p2], share: 10%}`: at least one of the three."""
    if "only" not in fields:
        return None
    reader = fields.reader
    known_problems = len(reader.problems)
    within = reader.fields(fields["only"], "only", (), ("where", "partners", "share"))
    if not within.nodes and len(reader.problems) == known_problems:
        reader.problem(fields["only"], "'only' restricts the campaign to nobody in particular", "add share: 10%")
    partners = None
    if "partners" in within:
        partners = frozenset(reader.text(node, "a partner's id") for node in within.items("partners"))
    return Only(
        where=conditions.read(within["where"]) if "where" in within else None,
        partners=partners,
        share=_share(within, "share", 1.0),
    )


def _share(fields: Fields, key: str, default: float) -> float:
    return fields.reader.parsed(fields[key], f"'{key}'", _percent, default) if key in fields else default


def _percent(text: str) -> float:
    found = PERCENT.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is not a share; write per cent, such as 10%")
    percent = Decimal(found[1])
    if percent > 100:
        raise ValueError(f"{text} is more than everybody; write 0% to 100%")
    return float(percent / 100)
