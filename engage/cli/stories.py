"""`stories`: the success stories, whether they may be told, and for how long."""

from dataclasses import asdict

import typer
from rich.table import Table

from engage.cli.context import JsonOption, console, print_json
from engage.clock import utc_now
from engage.pipeline.judging import judge
from engage.pipeline.telling import StoryState, story_states
from engage.settings import Settings

_SOON = 30


def register(app: typer.Typer) -> None:
    app.command()(stories)


def stories(as_json: JsonOption = False) -> None:
    """List the success stories: which may be told, for how long, what the others lack, and which emails tell them."""
    settings = Settings.load()
    found = story_states(judge(settings.campaigns_dir, settings.templates_dir).templates, utc_now().date())
    if as_json:
        print_json([asdict(one) | {"until": one.until and one.until.isoformat()} for one in found])
        return
    if not found:
        typer.echo("There are no stories; write one in email_templates/stories/.")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("story", "partner and customer", "may be told", "in"):
        table.add_column(heading, overflow="fold")
    for one in found:
        table.add_row(one.name, f"{one.partner}\n{one.customer}", _said(one), "\n".join(one.emails))
    console.print(table)


def _said(one: StoryState) -> str:
    if one.lacks:
        return "[yellow]no:[/] " + "; ".join(one.lacks)
    color = "yellow" if one.days_left is not None and one.days_left <= _SOON else "green"
    return f"[{color}]yes[/], through {one.until} ({one.days_left} days left)"
