"""`translations`: which emails are not there in which of the program's locales."""

import typer
from rich.table import Table

from engage.cli.context import JsonOption, console, print_json
from engage.content.wording import language_of
from engage.domain.programs import Program
from engage.pipeline.judging import Judged, judge
from engage.pipeline.translating import Untranslated, untranslated
from engage.settings import Settings


def register(app: typer.Typer) -> None:
    app.command()(translations)


def translations(as_json: JsonOption = False) -> None:
    """Show which emails are not there in which of the locales that program.yaml names."""
    settings = Settings.load()
    judged = judge(settings.campaigns_dir, settings.templates_dir)
    found = untranslated_of(judged)
    if as_json:
        fields = ("program", "email", "missing", "campaigns")
        print_json([{name: getattr(one, name) for name in fields} for one in found])
        return
    for program in judged.programs.values():
        typer.echo(_said(program, [one for one in found if one.program == program.key]))
    if found:
        console.print(_table(found))


def untranslated_of(judged: Judged) -> list[Untranslated]:
    return untranslated(judged.programs, judged.campaigns.values(), judged.templates)


def _said(program: Program, found: list[Untranslated]) -> str:
    if not program.locales:
        return f"{program.key}: program.yaml names no locales; add such as locales: [en, de]"
    locales = ", ".join(program.locales)
    many = "1 email is" if len(found) == 1 else f"{len(found)} emails are"
    return f"{program.key}: {many if found else 'no email is'} missing in one of {locales}"


def _table(found: list[Untranslated]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("email", "not in", "write"):
        table.add_column(heading, overflow="fold")
    for one in {(one.email, one.missing): one for one in found}.values():  # programs share emails
        files = dict.fromkeys(f"{one.email}.{language_of(locale)}.md" for locale in one.missing)
        table.add_row(one.email, ", ".join(one.missing), "\n".join(files))
    return table
