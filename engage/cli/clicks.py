"""`report clicks`: in which mails people clicked, and where."""

from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from engage.cli.context import JsonOption, console, library_of, print_json, services
from engage.cli.periods import Period
from engage.domain.programs import Program
from engage.queueing import NoQueue
from engage.store.clicks import Used, UsedLink, used_links, used_mails

CampaignArgument = Annotated[
    str | None, typer.Argument(help="A campaign's name, to see its links; else all are shown.")
]
FromOption = Annotated[str | None, typer.Option("--from", help="Mails from this day on, such as 2026-01-01.")]
ToOption = Annotated[str | None, typer.Option("--to", help="Mails up to this day, included.")]

Found = tuple[Program, list[Used], list[UsedLink]]


def clicks(
    campaign: CampaignArgument = None, first: FromOption = None, last: ToOption = None, as_json: JsonOption = False
) -> None:
    """Show in how many mails to partners somebody clicked, machines left out; of one campaign, on which links."""
    period = Period(first, last)
    with services(queue=NoQueue()) as built:
        library, now = library_of(built), built.clock()
        wanted = library.find(campaign) if campaign else None
        scopes = [library.scope_of(wanted)] if wanted else list(library.scopes().values())
        found: list[Found] = []
        with built.database.read() as db:
            for scope in scopes:
                name, between = wanted.name if wanted else None, period.of(scope.program, now)
                links = used_links(db, scope.program_id, *between, name) if name else []
                found.append((scope.program, used_mails(db, scope.program_id, *between, name), links))
    if as_json:
        _print_json(found, now)
        return
    for program, used, links in found:
        _print(program, used, links, several=len(found) > 1)
    if not any(used for _, used, _ in found):
        console.print("No mail to a partner went out in these days.")


def _print(program: Program, used: list[Used], links: list[UsedLink], *, several: bool) -> None:
    if not used:
        return
    opens = program.tracking.opens or any(one.opened for one in used)
    table = Table(program.brand.name if several else "campaign", box=None, padding=(0, 2, 0, 0))
    for heading in ("mails", *["opened"] * opens, "clicked", "share", "by machines only"):
        table.add_column(heading, justify="right")
    for one in used:
        counts = [one.mails, *[one.opened] * opens, one.clicked]
        shown = [f"{count:,}" for count in counts]
        table.add_row(one.campaign, *shown, f"{one.clicked / one.mails:.1%}", f"{one.by_machines:,}")
    console.print(table)
    if not program.tracking.clicks:
        console.print(f"{program.key} does not track clicks: write tracking: {{clicks: true}} in its file.")
    if links:
        console.print()
        table = Table("link", box=None, padding=(0, 2, 0, 0))
        for heading in ("clicked", "by machines only"):
            table.add_column(heading, justify="right")
        for link in links:
            table.add_row(link.url, f"{link.clicked:,}", f"{link.by_machines:,}")
        console.print(table)


def _print_json(found: list[Found], now: datetime) -> None:
    campaigns: list[dict[str, Any]] = []
    for program, used, links in found:
        for one in used:
            counts = {"mails": one.mails, "opened": one.opened, "clicked": one.clicked}
            said = {"campaign": one.campaign, "program": program.key, **counts, "by_machines_only": one.by_machines}
            of_links = [
                {"url": link.url, "clicked": link.clicked, "by_machines_only": link.by_machines} for link in links
            ]
            campaigns.append(said | ({"links": of_links} if links else {}))
    print_json({"as_of": now.isoformat().replace("+00:00", "Z"), "campaigns": campaigns})
