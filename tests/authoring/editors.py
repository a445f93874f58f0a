"""What an editor sees of a campaign file, and what the schema and the readers say of it."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from engage.authoring import load_campaigns, parse_campaign, parse_programs
from engage.authoring.schema import campaign_schema, further_program_schema, program_schema
from engage.domain.errors import AuthoringError
from engage.domain.facts import CATALOGUE, FactType
from engage.domain.programs import Program
from tests.authoring import texts
from tests.authoring.examples import ROOT

SHIPPED = load_campaigns(ROOT / "campaigns").programs

SAMPLES = {
    **dict.fromkeys(CATALOGUE, "3"),
    **{name: "some" for name, fact in CATALOGUE.items() if fact.type is FactType.TEXT},
    **{
        "status": "active",
        "tier": "gold",
        "next_tier": "gold",
        "previous_tier": "gold",
        "referral_status": "won",
        "method": "form",
    },
    "win_rate": "0.5",
}
"""A value that each fact may have."""
DEMANDED = {
    "rank": "by: wins, ",
    "growth": "by: wins, last: 9d, ",
    "attribute": "name: employees, ",
    "answer": "question: how, ",
}
BESIDE = {
    "last": "9d",
    "previous": "9d",
    "first": "9d",
    "method": "form",
    "by": "wins",
    "name": "sector",
    "question": "how",
}


class Core(yaml.SafeLoader):
    """YAML 1.2 as editors read it: `no` is a text, `2026-11-02` and `09:00` are texts."""

    yaml_implicit_resolvers: dict[str, Any] = {}


Core.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
Core.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), [*"tTfF"])
Core.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), [*"-+0123456789"])
Core.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"),
    [*"-+.0123456789"],
)
# `007` is seven to YAML 1.2, and octal to the loader.
Core.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))


def seen_by_an_editor(source: str) -> Any:
    return yaml.load(source, Loader=Core)


@cache
def validator(kind: str, name: str = "") -> Draft202012Validator:
    programs = {"": {}, "shipped": SHIPPED, "acme": texts.programs()}[name]
    schemas = {"program": program_schema, "further": further_program_schema}
    return Draft202012Validator(schemas[kind]() if kind in schemas else campaign_schema(programs))


def mistakes(judge: Draft202012Validator, source: str) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in judge.iter_errors(seen_by_an_editor(source))]


def accepts(judge: Draft202012Validator, source: str) -> bool:
    """Whether the schema finds nothing wrong; quicker than to list what it finds."""
    return judge.is_valid(seen_by_an_editor(source))


def read_campaign(source: str, programs: Mapping[str, Program]) -> bool:
    """Whether authoring takes the campaign."""
    with suppress(AuthoringError):
        return bool(parse_campaign(source, "campaigns/x.yaml", programs))
    return False


def read_program(source: str) -> bool:
    with suppress(AuthoringError):
        return bool(parse_programs(source, "program.yaml"))
    return False


def read_further(source: str) -> bool:
    """Whether authoring takes it as the file of a further program, beside the shipped ones and a small one."""
    file = re.search("^program: (.*)", source, re.M)
    name = f"campaigns/programs/{file[1].strip() if file else 'x'}.yaml"
    shipped = (ROOT / "campaigns" / "program.yaml").read_text()
    with suppress(AuthoringError):
        small = texts.PROGRAM.removeprefix("programs:\n")
        return bool(parse_programs(f"{shipped.rstrip()}\n{small}", "campaigns/program.yaml", {name: source}))
    return False


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Each value within, and where it stands."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inner:
        yield (*path, key), value
        yield from places(value, (*path, key))


def written(tree: Any) -> str:
    """The tree as a file."""
    return str(yaml.safe_dump(tree, sort_keys=False))
