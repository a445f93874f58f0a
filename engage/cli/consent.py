"""`consent`: brings in what people said before engage, shows what stands against mailing somebody, lifts it."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from engage.authoring.program_files import is_program_file
from engage.bootstrap import Services
from engage.cli import wishes
from engage.cli.consent_shown import print_shown, shown_json
from engage.cli.context import (
    JsonOption,
    ProgramOption,
    WhyOption,
    console,
    library_of,
    print_json,
    scope_named,
    services,
)
from engage.domain.consent import Refusal, SuppressionReason
from engage.domain.errors import InputError
from engage.domain.records import Outcome
from engage.facts import Scope
from engage.pipeline.consent import foresee, heed, lift
from engage.pipeline.consent_shown import show_consent
from engage.pipeline.library import Library
from engage.pipeline.sendgrid_lists import Translated, translate
from engage.providers.sendgrid_suppressions import SuppressionLists, read_suppressions
from engage.queueing import NoQueue
from engage.settings import Provider
from engage.sources.importing import Counts
from engage.sources.refusals import BATCH, Reading, import_refusals
from engage.store.refusals import Key, Standing

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be taken, and write nothing.")]


def register(app: typer.Typer) -> None:
    consent = typer.Typer(
        name="consent",
        help="Bring in what people said before engage, show who said what, note what they ask for, lift a suppression.",
        no_args_is_help=True,
    )
    consent.command("import")(import_)
    consent.command()(sendgrid)
    consent.command()(show)
    consent.command("lift")(lift_)
    wishes.register(consent)
    app.add_typer(consent)


def import_(
    file: Annotated[Path, typer.Argument(help="A CSV of who said no: docs/consent.md.")],
    program: ProgramOption = None,
    kind: Annotated[str, typer.Option("--kind", help="What every row is, where the file does not say.")] = "",
    topic: Annotated[str, typer.Option("--topic", help="What every row unsubscribes, where the file has none.")] = "",
    date_format: Annotated[
        str | None, typer.Option("--date-format", help="Of the dates, such as %d.%m.%Y; ISO dates are known.")
    ] = None,
    encoding: Annotated[str, typer.Option("--encoding", help="Of the file, such as cp1252.")] = "utf-8",
    rejects: Annotated[Path | None, typer.Option("--rejects", help="Folder for rows that cannot be taken.")] = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Import unsubscribes, bounces, complaints and suppressions. Exits with 1 if a row could not be taken."""
    with services(queue=NoQueue()) as built:
        scope = scope_named(_sound_library(built), program)
        take = _Taking(built, scope, "import", dry_run)
        report = import_refusals(file, Reading(scope.program, kind, topic, encoding, date_format), take, rejects)
        take.finish()
    if as_json:
        told = {**asdict(report.counts), "joined_lines": report.joined, "cancelled": take.cancelled}
        print_json({"file": report.file, **told, "dry_run": dry_run})
    else:
        _print_counts("file", [(report.file, report.counts)])
        take.say()
        if report.joined:
            console.print(f"{report.joined:,} lines were not read as rows: quotes join them. Each counts as rejected.")
        if report.counts.rejected:
            console.print("Rejected rows are of people who said no and can be mailed: mend them and import again.")
            where = f"They are in {report.rejects}" if report.rejects else "To see them and why: --rejects DIR"
            console.print(escape(where))
    if report.counts.rejected:
        raise typer.Exit(1)


def sendgrid(
    program: ProgramOption = None,
    leave_out: Annotated[
        list[int] | None, typer.Option("--leave-out", help="A SendGrid group that is none of this program's mail.")
    ] = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Read SendGrid's suppression lists and groups. Exits with 1 if a group that somebody left has no topic."""
    with services(queue=NoQueue()) as built:
        library = _sound_library(built)
        scope = scope_named(library, program)
        host, lists = _read_sendgrid(built)
        others = _groups_of_others(library, scope)
        said = translate(lists, scope.program, {*(leave_out or ()), *others})
        take = _Taking(built, scope, "sendgrid", dry_run)
        counts = {reading.name: _take(take, reading.refusals, len(reading.rejected)) for reading in said.readings}
        take.finish()
    total = sum(counts.values(), Counts())
    known = {group.id for group in lists.groups}
    missing = {
        topic.key: topic.sendgrid_group
        for topic in scope.program.topics.values()
        if topic.sendgrid_group is not None and topic.sendgrid_group not in known
    }
    unknown = sorted(set(leave_out or ()) - known)
    if as_json:
        print_json(
            {
                "host": host,
                "lists": [{"list": name, **asdict(one)} for name, one in counts.items()],
                "total": asdict(total),
                "cancelled": take.cancelled,
                "unmapped_groups": [{"id": g.id, "name": g.name, "members": len(g.members)} for g in said.unmapped],
                "missing_groups": [{"topic": key, "id": id_} for key, id_ in missing.items()],
                "unknown_left_out": unknown,
                "dry_run": dry_run,
            }
        )
    else:
        _print_counts(f"at {host}", list(counts.items()))
        if total.rejected:
            console.print("Rejected: entries that are not addresses. engage takes no such partner either.")
        take.say()
        _print_groups(said, lists, others)
        for key, id_ in missing.items():
            console.print(escape(f"There is no group {id_} at {host}, which the topic {key} names in program.yaml."))
        for id_ in unknown:
            console.print(f"There is no group {id_} at {host} to leave out.")
    if said.unmapped:
        raise typer.Exit(1)


def show(
    who: Annotated[str, typer.Argument(help="An email address, or a partner's external id.")],
    program: ProgramOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what stands against mailing somebody, since when, and how it came."""
    with services(queue=NoQueue()) as built:
        scope = scope_named(library_of(built), program)
        with built.database.read() as db:
            shown = show_consent(db, scope, who, built.clock())
    if as_json:
        print_json(shown_json(shown))
    else:
        print_shown(shown, who)


def lift_(
    email: Annotated[str, typer.Argument(help="The address that may be mailed again.")],
    why: WhyOption,
    reason: Annotated[
        list[SuppressionReason] | None,
        typer.Option("--reason", help="Which suppression; unless it is named, what a person said is not lifted."),
    ] = None,
    program: ProgramOption = None,
    as_json: JsonOption = False,
) -> None:
    """End the suppression of an address that bounced, was invalid, or waits for somebody to look at it."""
    with services(queue=NoQueue()) as built:
        scope = scope_named(library_of(built), program)
        with built.database.write() as db:
            lifted = lift(db, scope.program_id, email.strip().lower(), reason or (), why, built.clock())
    if as_json:
        print_json({"email": email.strip().lower(), "lifted": lifted})
    else:
        what = " and ".join(one.replace("_", " ") for one in lifted)
        console.print(escape(f"{email} is no longer suppressed: {what}."))
        console.print("SendGrid keeps lists of its own: take the address off them too, or it drops what is sent.")


def _sound_library(built: Services) -> Library:
    """The library, whose programs are those of the files now. Raises InputError if a program file is broken."""
    library = library_of(built)
    broken = next((problem for problem in library.problems if is_program_file(problem.file)), None)
    if broken is not None:
        raise InputError(str(broken), "mend it first: topics and time zone are read from it")
    return library


class _Taking:
    """Takes batches, each in one transaction, or with `dry_run` none of them."""

    def __init__(self, built: Services, scope: Scope, how: str, dry_run: bool) -> None:
        self._built, self._scope, self._how, self._dry_run = built, scope, how, dry_run
        self._foreseen: dict[Key, Standing] = {}
        self._changed = False
        self.cancelled = 0

    def __call__(self, refusals: Sequence[Refusal]) -> Sequence[Outcome]:
        now, program_id = self._built.clock(), self._scope.program_id
        if self._dry_run:
            with self._built.database.read() as db:
                return foresee(db, program_id, refusals, now, self._foreseen).outcomes
        with self._built.database.write() as db:
            heeded = heed(db, program_id, refusals, now, self._how)
        self.cancelled += heeded.cancelled
        self._changed = self._changed or Outcome.ACCEPTED in heeded.outcomes
        return heeded.outcomes

    def finish(self) -> None:
        """Refreshes the planner's statistics, if anything was written."""
        if self._changed:
            self._built.imported(self._scope.program.key, ())

    def say(self) -> None:
        database = escape(self._built.database.shown)
        console.print(f"Nothing was written. It would go into {database}" if self._dry_run else f"into {database}")
        if self.cancelled:
            console.print(f"{self.cancelled:,} mails that were waiting have been cancelled.")


def _take(take: _Taking, refusals: Sequence[Refusal], rejected: int) -> Counts:
    outcomes = [outcome for lot in _lots(refusals) for outcome in take(lot)]
    accepted = outcomes.count(Outcome.ACCEPTED)
    return Counts(len(outcomes) + rejected, accepted, len(outcomes) - accepted, rejected)


def _lots(refusals: Sequence[Refusal]) -> Iterator[Sequence[Refusal]]:
    return (refusals[start : start + BATCH] for start in range(0, len(refusals), BATCH))


def _groups_of_others(library: Library, scope: Scope) -> dict[int, str]:
    """SendGrid's groups that are topics of other programs only, and of which."""
    own = {topic.sendgrid_group for topic in scope.program.topics.values()}
    return {
        topic.sendgrid_group: key
        for key, program in library.programs.items()
        for topic in program.topics.values()
        if topic.sendgrid_group is not None and topic.sendgrid_group not in own
    }


def _read_sendgrid(built: Services) -> tuple[str, SuppressionLists]:
    """The lists, and of whom: of SendGrid where there is a key, whoever carries the mail, else of the mailbox."""
    settings = built.settings
    if settings.sendgrid_api_key is not None:
        key = settings.sendgrid_api_key.get_secret_value()
        return settings.sendgrid_host, read_suppressions(settings.sendgrid_host, key, built.clock)
    if settings.provider is Provider.MAILBOX:
        hint = "start the mailbox: `engage up`; for SendGrid's own lists set ENGAGE_SENDGRID_API_KEY"
        return settings.mailbox_url, read_suppressions(settings.mailbox_url, "mailbox", built.clock, hint)
    raise InputError("SendGrid's lists need a key", "set ENGAGE_SENDGRID_API_KEY")


def _print_counts(what: str, rows: Sequence[tuple[str, Counts]]) -> None:
    table = Table(what, "read", "accepted", "unchanged", "rejected", box=None, padding=(0, 2, 0, 0))
    for name, counts in rows:
        numbers = (counts.read, counts.accepted, counts.unchanged, counts.rejected)
        table.add_row(escape(name), *(f"{n:,}" for n in numbers))
    console.print(table, soft_wrap=False)


def _print_groups(said: Translated, lists: SuppressionLists, others: dict[int, str]) -> None:
    for group in lists.groups:
        if group.members and group.id in others:
            console.print(escape(f"Group {group.id} ({group.name}) is a topic of the program {others[group.id]}:"))
            console.print(escape(f"  -> engage consent sendgrid --program {others[group.id]}"))
    for group in said.unmapped:
        many = f"{len(group.members):,} have" if len(group.members) > 1 else "1 has"
        console.print(escape(f"Group {group.id} ({group.name}): {many} left it, and no topic names it."))
        console.print(
            f"  -> write sendgrid_group: {group.id} at its topic in program.yaml and read again; if it is none of this"
            f" program's mail: --leave-out {group.id}"
        )
