"""`alias`: tells that two external ids name one thing, and lists what was told."""

from collections.abc import Callable
from dataclasses import asdict
from difflib import get_close_matches
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table
from sqlalchemy.engine import Connection

from engage.cli.context import JsonOption, ProgramOption, console, library_of, print_json, scope_named, services
from engage.domain.errors import InputError
from engage.domain.records import ALIAS_KINDS, AliasRecord, Outcome
from engage.facts import Scope
from engage.pipeline.observing import observe
from engage.queueing import NoQueue
from engage.store.aliases import all_aliases, external_ids, own_id
from engage.store.intake import Intake
from engage.store.merging import Merged

SOURCE = "engage alias"


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Say that two external ids name one thing, and list such aliases.", no_args_is_help=True)
    for kind in ALIAS_KINDS:
        group.command(kind, help=f"Make an id another name of a {_WORDS[kind]}; merge the two where both are known.")(
            _command(kind)
        )
    group.command("list")(list_)
    app.add_typer(group, name="alias")


_WORDS = {"partner": "partner", "referral": "referral", "company": "company", "staff": "member of staff"}


def _command(kind: str) -> Callable[..., None]:
    def alias(
        external_id: Annotated[str, typer.Argument(metavar="ID", help="The other id, or the duplicate's.")],
        of: Annotated[str, typer.Option("--of", metavar="ID", help="The id that is known, or of the one that stays.")],
        program: ProgramOption = None,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
        as_json: JsonOption = False,
    ) -> None:
        _tell(AliasRecord(kind, external_id.strip(), of.strip()), program, dry_run=dry_run, as_json=as_json)

    return alias


def list_(program: ProgramOption = None, as_json: JsonOption = False) -> None:
    """List the aliases: which other ids lead to which partner, referral, company or member of staff."""
    with services(queue=NoQueue()) as built:
        scope = scope_named(library_of(built), program)
        with built.database.read() as db:
            found = all_aliases(db, scope.program_id)
    if as_json:
        print_json([asdict(one) | {"since": one.since.isoformat().replace("+00:00", "Z")} for one in found])
        return
    table = Table("kind", "id", "is", "since", "told by", box=None, padding=(0, 2, 0, 0))
    for one in found:
        meaning = f"merged into {one.of}" if one.merged else f"an alias of {one.of}"
        since = f"{one.since:%Y-%m-%d %H:%M}"
        table.add_row(one.kind, escape(one.external_id), escape(meaning), since, escape(one.source))
    if found:
        console.print(table, soft_wrap=False)
    else:
        console.print("There are no aliases.")


def _tell(record: AliasRecord, program: str | None, *, dry_run: bool, as_json: bool) -> None:
    with services(queue=NoQueue()) as built:
        scope = scope_named(library_of(built), program)
        with built.database.write() as db:
            _require_free(db, scope, record)
            rows, now = [[record]], built.clock()
            taken = observe(db, scope, rows, signer=built.signer, source=SOURCE, news=False, now=now)
            if taken.rows[0].outcome is Outcome.REJECTED:
                raise _rejected(db, scope, record, taken.rows[0].reason)
            name = own_id(db, scope.program_id, record.kind, record.external_id) or record.of
            if dry_run:
                db.rollback()
    if as_json:
        print_json(_json(record, taken, name, dry_run))
    else:
        console.print(escape(_said(record, taken, name, dry_run)))


def _require_free(db: Connection, scope: Scope, record: AliasRecord) -> None:
    """Raises InputError for an alias that is another's: by hand rows are merged by their own ids, not by accident."""
    holder = own_id(db, scope.program_id, record.kind, record.external_id)
    wanted = own_id(db, scope.program_id, record.kind, record.of)
    if holder not in (None, record.external_id, wanted) and wanted is not None:
        raise InputError(
            f"'{record.external_id}' is an alias of {_WORDS[record.kind]} '{holder}' already",
            f"to merge the two: engage alias {record.kind} {holder} --of {wanted}",
        )


def _json(record: AliasRecord, taken: Intake, name: str, dry_run: bool) -> dict[str, object]:
    merged = asdict(taken.merged[0]) if taken.merged else None
    return {
        "kind": record.kind,
        "external_id": name,
        "alias": record.of if name == record.external_id else record.external_id,
        "outcome": taken.rows[0].outcome.value,
        "merged": merged,
        "dry_run": dry_run,
    }


def _said(record: AliasRecord, taken: Intake, name: str, dry_run: bool) -> str:
    what = _WORDS[record.kind]
    alias = record.of if name == record.external_id else record.external_id
    if taken.merged:
        merged = taken.merged[0]
        verb = "would be" if dry_run else "is"
        return f"{what} '{merged.merged}' {verb} merged into '{merged.survivor}': {_moved(merged, dry_run)}"
    if taken.rows[0].outcome is Outcome.UNCHANGED:
        return f"'{alias}' is an alias of {what} '{name}' already."
    return f"'{alias}' {'would be' if dry_run else 'is now'} an alias of {what} '{name}'."


def _moved(merged: Merged, dry_run: bool) -> str:
    counts = {
        "referral": merged.referrals,
        "event": merged.events,
        "reward": merged.rewards,
        "partner": merged.partners,
    }
    moved = [f"{count:,} {word}{'' if count == 1 else 's'}" for word, count in counts.items() if count]
    text = f"{', '.join(moved) or 'nothing else'} {'would move' if dry_run else 'moved'}."
    if merged.cancelled:
        mails = f"{merged.cancelled:,} waiting {'message' if merged.cancelled == 1 else 'messages'}"
        text += f" {mails} {'would be ' if dry_run else ''}cancelled: the same goes to '{merged.survivor}'."
    return text


def _rejected(db: Connection, scope: Scope, record: AliasRecord, reason: str) -> InputError:
    message, _, hint = reason.partition("; ")
    if not message.endswith("is known"):
        return InputError(message, hint)
    known = external_ids(db, scope.program_id, record.kind)
    near = [match for name in (record.of, record.external_id) for match in get_close_matches(name, known, n=1)]
    return InputError(message, f"did you mean '{near[0]}'?" if near else hint)
