"""`lint`: every error of campaigns and templates at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from engage.cli.context import JsonOption, console, print_json
from engage.cli.schema import outdated
from engage.cli.translations import counted, untranslated_of, unworded_of
from engage.clock import utc_now
from engage.domain.errors import AuthoringError, InputError, Problem
from engage.domain.programs import Program
from engage.pipeline.hints import hints_of
from engage.pipeline.judging import Judged, judge, lint_file
from engage.settings import Settings
from engage.sources import load_sources


def register(app: typer.Typer) -> None:
    app.command()(lint)


def lint(
    path: Annotated[Path | None, typer.Argument(help="A file, or a folder of campaigns; default: everything.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check campaigns and templates: every error at once, as file:line:column: message; hint."""
    settings = Settings.load()
    if path is not None and not path.exists():
        raise InputError(f"{path} does not exist", "name a file or a folder")
    campaigns, templates = settings.campaigns_dir, settings.templates_dir
    if path is not None and path.is_dir() and (path / "program.yaml").exists():
        campaigns = path
    if path is not None and path.is_file() and path.resolve() != settings.sources.resolve():
        problems = lint_file(path, campaigns, templates, utc_now().date())
    else:
        judged = judge(campaigns, templates, today=utc_now().date())
        problems = () if path is not None and path.is_file() else judged.problems
        if path is None or path.is_file():
            problems += _of_sources(settings.sources, judged.programs)
    hints = () if path is not None and path.is_file() else _hints(judged, campaigns)
    if as_json:
        print_json([_json(p, "problem") for p in problems] + [_json(p, "hint") for p in hints])
    else:
        for problem in problems:
            typer.echo(str(problem))
        for one in hints:
            typer.echo(f"hint: {one}")
    if problems:
        raise typer.Exit(1)
    if not as_json:
        console.print("No problems found.")
        emails, texts = {one.email for one in untranslated_of(judged)}, {one.text for one in unworded_of(judged)}
        if path is None and (many := counted(emails, texts)):
            console.print(f"{many} not in all of the program's locales: engage translations")


def _hints(judged: Judged, campaigns: Path) -> tuple[Problem, ...]:
    """What may not do what its author means; of schemas only where there is no problem that they could show."""
    hints = hints_of(judged, utc_now())
    if judged.problems:
        return hints
    message = "this is older than program.yaml and this engage: editors complete and mark by it"
    outdated_ones = [f"{campaigns.name}/{file.relative_to(campaigns).as_posix()}" for file in outdated(campaigns)]
    return hints + tuple(Problem(file, 1, 1, message, "engage schema --write") for file in outdated_ones)


def _json(problem: Problem, level: str) -> dict[str, object]:
    return {
        "level": level,
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "message": problem.message,
        "hint": problem.hint,
    }


def _of_sources(path: Path, programs: Mapping[str, Program]) -> tuple[Problem, ...]:
    """The problems of sources.yaml and the mappings that it names; without a program there is nothing to judge by."""
    try:
        if programs:
            load_sources(path, programs)
    except AuthoringError as error:
        return error.problems
    return ()
