"""`schema`: what editors complete and mark campaigns by."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from engage.authoring import load_campaigns
from engage.authoring.program_files import PROGRAM_FILE
from engage.authoring.schema import campaign_schema, further_program_schema, program_schema
from engage.authoring.schema.values import Schema
from engage.domain.errors import InputError
from engage.settings import Settings

FOLDER = "_schema"
"""Beside the campaigns, so that the first line of each leads there; names that begin with _ are no campaigns."""


class Described(StrEnum):
    CAMPAIGN = "campaign"
    PROGRAM = "program"
    FURTHER_PROGRAM = "further_program"


def register(app: typer.Typer) -> None:
    app.command()(schema)


def schema(
    which: Annotated[Described, typer.Argument(help="What to describe.")] = Described.CAMPAIGN,
    write: Annotated[bool, typer.Option("--write", help="Write all, beside the campaigns.")] = False,
) -> None:
    """Print what may stand in a campaign, program.yaml or a further program's file, as JSON Schema for editors."""
    directory = Settings.load().campaigns_dir
    if not write:
        typer.echo(_text(_described(which, directory)), nl=False)
        return
    texts = {directory / FOLDER / f"{each}.json": _text(_described(each, directory)) for each in Described}
    try:
        (directory / FOLDER).mkdir(exist_ok=True)
        for file, text in texts.items():
            file.write_text(text, encoding="utf-8")
            typer.echo(f"Wrote {file}.")
    except OSError as error:
        raise InputError(f"cannot write to {directory / FOLDER}: {error.strerror}", "is it the right folder?") from None


def outdated(directory: Path) -> list[Path]:
    """The schemas beside the campaigns that do not say what may be written there now."""
    there = {directory / FOLDER / f"{each}.json": each for each in Described}
    return [
        file
        for file, each in there.items()
        if file.is_file() and file.read_text(encoding="utf-8", errors="replace") != _text(_described(each, directory))
    ]


def _described(which: Described, directory: Path) -> Schema:
    if which is Described.PROGRAM:
        return program_schema()
    if which is Described.FURTHER_PROGRAM:
        return further_program_schema()
    programs = load_campaigns(directory).programs
    if not programs and (directory / PROGRAM_FILE).exists():
        raise InputError(f"{directory / PROGRAM_FILE} has problems", "engage lint names them")
    return campaign_schema(programs)


def _text(described: Schema) -> str:
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"
