"""`restored`: says that the database was brought back from a backup, before anything is started on it."""

from datetime import timedelta
from typing import Annotated

import typer

from engage.cli.context import JsonOption, WhyOption, console, instant, print_json, services
from engage.domain.accounts import COMMAND_LINE
from engage.domain.errors import UsageError
from engage.queueing import NoQueue
from engage.store.audit import note
from engage.store.restoring import Restored, calm_down

NameOption = Annotated[
    str, typer.Option("--backup-of", metavar="INSTANT", help="When the backup was made, such as 2026-03-02T03:00.")
]
_FAR = timedelta(days=365)


def register(app: typer.Typer) -> None:
    app.command("restored")(restored)


def restored(backup_of: NameOption, why: WhyOption, as_json: JsonOption = False) -> None:
    """Say that the database was brought back from a backup: nothing that may have gone out since is sent again."""
    with services(queue=NoQueue()) as built:
        now = built.clock()
        backup_at = instant(backup_of, now)
        if not now - _FAR < backup_at <= now:
            raise UsageError(f"a backup of {backup_at:%Y-%m-%d %H:%M} UTC cannot be meant", "say when it was made")
        with built.database.write() as db:
            found = calm_down(db, backup_at, now)
            after = {"backup_at": backup_at.isoformat()} | _json(found)
            note(db, COMMAND_LINE, "database.restored", ["database"], now, after=after, why=why)
    if as_json:
        print_json(_json(found))
        return
    console.print(
        f"Held as unknown, since they may have gone out: {found.mails} mails. engage unknown list shows them."
    )
    console.print(f"Ended: {found.journeys} journeys, {found.runs} runs; {found.events} events are history now.")
    console.print("What sources tell of the time up to now is history, too. You may start workers and the scheduler.")


def _json(found: Restored) -> dict[str, int]:
    return {name: getattr(found, name) for name in ("mails", "journeys", "events", "runs")}
