"""YAML files become campaigns and programs, or problems that name file, line, column and what to write instead."""

from engage.authoring.campaigns import parse_campaign, parse_version
from engage.authoring.document import Node, read_document
from engage.authoring.facts import parse_fact_ref
from engage.authoring.folder import Authored, load_campaigns
from engage.authoring.programs import parse_programs

__all__ = [
    "Authored",
    "Node",
    "load_campaigns",
    "parse_campaign",
    "parse_fact_ref",
    "parse_programs",
    "parse_version",
    "read_document",
]
