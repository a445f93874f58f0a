"""`translations`: which emails and which words are not there in which of the program's locales."""

from collections.abc import Iterable, Sized
from dataclasses import asdict

import typer
from rich.table import Table

from engage.cli.context import JsonOption, console, print_json
from engage.content.wording import language_of
from engage.domain.programs import Program
from engage.pipeline.judging import Judged, judge
from engage.pipeline.saying import Unworded, unworded
from engage.pipeline.translating import Untranslated, untranslated
from engage.settings import Settings


def register(app: typer.Typer) -> None:
    app.command()(translations)


def translations(as_json: JsonOption = False) -> None:
    """Show which emails and words are not there in which of the locales that program.yaml names."""
    settings = Settings.load()
    judged = judge(settings.campaigns_dir, settings.templates_dir)
    found, words = untranslated_of(judged), unworded_of(judged)
    if as_json:
        print_json([*map(asdict, found), *map(asdict, words)])
        return
    for program in judged.programs.values():
        own = [one for one in found if one.program == program.key]
        typer.echo(_said(program, own, [one for one in words if one.program == program.key]))
    if found:
        console.print(_table("email", "write", ((one.email, one.missing, one.email + ".{}.md") for one in found)))
    if words:
        console.print(_table("text", "write it in", ((one.text, one.missing, "_words.{}.yaml") for one in words)))


def untranslated_of(judged: Judged) -> list[Untranslated]:
    return untranslated(judged.programs, judged.campaigns.values(), judged.templates)


def unworded_of(judged: Judged) -> list[Unworded]:
    return unworded(judged.programs, judged.campaigns, judged.templates)


def _said(program: Program, found: list[Untranslated], words: list[Unworded]) -> str:
    if not program.locales:
        return f"{program.key}: program.yaml names no locales; add such as locales: [en, de]"
    locales = ", ".join(program.locales)
    return f"{program.key}: {counted(found, words) or 'no email is'} missing in one of {locales}"


def counted(emails: Sized, texts: Sized) -> str:
    """`1 email is`, `2 emails and 1 text are`; "" of nothing."""
    kinds = [(len(things), word) for things, word in ((emails, "email"), (texts, "text")) if things]
    many = " and ".join(f"{number} {word}{'s' if number > 1 else ''}" for number, word in kinds)
    return f"{many} {'is' if sum(number for number, _ in kinds) == 1 else 'are'}" if kinds else ""


def _table(what: str, where: str, rows: Iterable[tuple[str, tuple[str, ...], str]]) -> Table:
    """A line for each thing that is missing in some locales: what, in which, and the file of each language; programs
    share most of them. `where` heads the files, whose names have `{}` for the language.
    """
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in (what, "not in", where):
        table.add_column(heading, overflow="fold")
    for thing, missing, file in dict.fromkeys(rows):
        files = dict.fromkeys(file.format(language_of(locale)) for locale in missing)
        table.add_row(thing, ", ".join(missing), "\n".join(files))
    return table
