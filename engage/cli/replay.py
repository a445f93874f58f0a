"""`replay`: what the campaigns would have done in a past period, on the history that was imported."""

import csv
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from engage.bootstrap import Services
from engage.cli.context import JsonOption, console, errors, library_of, print_json, services
from engage.domain.campaigns import Campaign, CampaignState
from engage.domain.errors import InputError, UsageError
from engage.domain.programs import Program
from engage.pipeline.compose import Composer
from engage.pipeline.library import Library
from engage.pipeline.replaying import Period, Replay
from engage.providers.files import FileMailbox, file_of
from engage.queueing import NoQueue
from engage.reporting.replays import NotSent, SentMail, Tally, not_sent, sent_mails, tally
from engage.settings import Settings, SettingsError
from engage.signing import Signer
from engage.store.database import Database
from engage.store.past import Past
from engage.store.schema import migrate

_SIGNER = Signer(["replay"])
"""Signs the links in replayed mails, so that none of them does anything to the partners of today."""

MAILS, LIST, WHY_NOT, REPORT = "mails", "mails.csv", "not_sent.csv", "report.json"
_COLUMNS = ("program", "campaign", "step", "partner", "recipient", "occasion", "day", "at", "subject", "locale", "file")
_WHY_NOT_COLUMNS = ("program", "campaign", "step", "whom", "occasion", "phase", "decision", "reason", "until", "at")


def register(app: typer.Typer) -> None:
    app.command()(replay)


def replay(
    first: Annotated[str, typer.Option("--from", help="The first day, such as 2017-10-01.")],
    last: Annotated[str, typer.Option("--to", help="The last day, included.")],
    campaign: Annotated[
        list[str] | None, typer.Option("--campaign", help="Only this one, live or not; may be given again.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="A new folder for the mails and the report.")] = None,
    scratch: Annotated[
        str | None, typer.Option("--scratch", help="URL of an empty database to work in, not a temporary file.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the campaigns would have sent in a past period. Works on a copy and mails nobody."""
    with services(queue=NoQueue(), log_level="ERROR") as built:  # runs that would be held are in the report
        library = library_of(built)
        chosen = _chosen(library, campaign or [])
        if scratch is not None and len(chosen) > 1:
            raise UsageError("--scratch is for one programme at a time", "name campaigns of one with --campaign")
        periods = {key: _period(first, last, library.programs[key], built.clock()) for key in chosen}
        where = _Where(_new_folder(out) if out else None, scratch)
        replays = [
            _replay(built, library, library.programs[key], periods[key], campaigns, where)
            for key, campaigns in chosen.items()
        ]
    months = _months(first, last)
    report = {
        "from": first,
        "to": last,
        "campaigns": [{"program": one.program, **t.as_json(months)} for one in replays for t in one.tallies],
    }
    if where.folder:
        _write(where.folder, report, replays)
    if as_json:
        print_json(report)
    else:
        _print([tally for one in replays for tally in one.tallies], months, where.folder)


@dataclass(frozen=True, slots=True)
class _Where:
    """The folder for what comes out, and the database to work in, if they were given."""

    folder: Path | None
    scratch: str | None

    @property
    def mails(self) -> Path | None:
        return self.folder / MAILS if self.folder else None


@dataclass(frozen=True, slots=True)
class _Replayed:
    """One programme's replay, as it ended."""

    program: str
    tallies: list[Tally]
    mails: list[SentMail]
    not_sent: list[NotSent]


def _chosen(library: Library, names: Sequence[str]) -> dict[str, list[Campaign]]:
    """The named campaigns, or all that are live, by programme."""
    found = [library.find(name) for name in dict.fromkeys(names)]
    live = [campaign for campaign in library.campaigns.values() if campaign.state is CampaignState.LIVE]
    chosen: dict[str, list[Campaign]] = {}
    for campaign in sorted(found or live, key=lambda campaign: (campaign.program, campaign.name)):
        chosen.setdefault(campaign.program, []).append(campaign)
    if not chosen:
        raise InputError("no campaign is live", "name those to replay with --campaign, live or not")
    return chosen


def _replay(
    built: Services, library: Library, program: Program, period: Period, campaigns: Sequence[Campaign], where: _Where
) -> _Replayed:
    with built.database.read() as db:
        past = Past.read(db, program)
    with _scratch_database(where.scratch) as database:
        walk = Replay(database, past, period)
        provider = FileMailbox(where.mails, lambda: walk.now, program.zone)
        composer = Composer(_SIGNER, built.settings.public_url)
        with _progress(program.brand.name, period) as show:
            for instant in walk.walk(library, campaigns, composer, provider):
                show(instant)
        with database.read() as db:
            names = [campaign.name for campaign in campaigns]
            return _Replayed(program.key, tally(db, names, program.zone), sent_mails(db, program.zone), not_sent(db))


@contextmanager
def _scratch_database(url: str | None) -> Iterator[Database]:
    with tempfile.TemporaryDirectory(prefix="engage-replay-") as folder:
        try:
            address = Settings.load(database_url=url or f"sqlite:///{folder}/scratch.db").database_url
        except SettingsError as error:
            raise InputError(error.message.replace("ENGAGE_DATABASE_URL", "--scratch"), "give another URL") from None
        database = Database(address, durable=False)
        try:
            with database.read() as db:
                if sa.inspect(db).get_table_names():
                    raise InputError(f"{database.shown} is not empty", "a replay fills an empty database: give another")
            migrate(database)
            yield database
        finally:
            database.close()


def _period(first: str, last: str, program: Program, now: datetime) -> Period:
    begin, end = _day(first), _day(last)
    if end < begin:
        raise UsageError(f"--to {last} lies before --from {first}", "both days are included")
    if end > now.astimezone(ZoneInfo(program.zone)).date():
        raise UsageError(f"--to {last} lies in the future", "a replay shows what has been; for what comes: engage plan")
    return Period.of_days(begin, end, program.zone)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"'{text}' is not a day", "write it such as 2017-10-01") from None


def _months(first: str, last: str) -> list[str]:
    begin, end = _day(first), _day(last)
    count = (end.year - begin.year) * 12 + end.month - begin.month + 1
    numbers = (begin.year * 12 + begin.month - 1 + offset for offset in range(count))
    return [f"{number // 12:04}-{number % 12 + 1:02}" for number in numbers]


def _new_folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
        used = next(path.iterdir(), None)
    except OSError as error:
        raise InputError(f"{path} cannot be made: {error.strerror}", "give another folder with --out") from None
    if used is not None:
        raise InputError(f"{path} is not empty", "give a new folder with --out, so that no replays are mixed")
    return path


@contextmanager
def _progress(label: str, period: Period) -> Iterator[Callable[[datetime], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    whole = (period.end - period.start).total_seconds()
    with Progress(*columns, console=errors, disable=not errors.is_terminal) as bar:
        task = bar.add_task(label, total=whole)
        yield lambda instant: bar.update(task, completed=(instant - period.start).total_seconds())
        bar.update(task, completed=whole)


def _write(folder: Path, report: dict[str, Any], replays: list[_Replayed]) -> None:
    try:
        (folder / REPORT).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        with (folder / LIST).open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(_COLUMNS)
            for one in replays:
                for mail in one.mails:
                    path = Path(MAILS) / file_of(mail.public_id, mail.campaign, date.fromisoformat(mail.day))
                    told = (mail.campaign, mail.step, mail.partner, mail.recipient, mail.occasion, mail.day)
                    rows.writerow((one.program, *told, mail.at.isoformat(), mail.subject, mail.locale, path))
        with (folder / WHY_NOT).open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(_WHY_NOT_COLUMNS)
            for one in replays:
                for said in one.not_sent:
                    until = said.until.isoformat() if said.until else ""
                    why = (said.phase, said.decision, said.reason, until, said.at.isoformat())
                    rows.writerow((one.program, said.campaign, said.step, said.whom, said.occasion, *why))
    except OSError as error:
        raise InputError(f"{folder} cannot be written to: {error.strerror}", "give another folder with --out") from None


def _print(tallies: list[Tally], months: list[str], folder: Path | None) -> None:
    names = max(len(one.campaign) for one in tallies)
    beside = max((console.width - names - len(" mails alerts ")) // len(" 2017-10"), 3)
    for start in range(0, len(months), beside):
        shown = months[start : start + beside]
        whole = ("mails", "alerts") if shown[-1] == months[-1] else ()
        table = Table("campaign", *shown, *whole, box=None, padding=(0, 1, 0, 0))
        for column in table.columns[1:]:
            column.justify = "right"
        for one in tallies:
            counts = [one.months[month] for month in shown] + [one.sends, one.alerts][: len(whole)]
            table.add_row(one.campaign, *(f"{count:,}" if count else "·" for count in counts))
        console.print(table, soft_wrap=False)
        console.print()
    for one in tallies:
        told = {"not sent": one.skips, "put off": one.defers, "failed": one.failed, "runs held": one.held}
        for what, reasons in told.items():
            for reason, count in sorted(reasons.items()):
                console.print(f"{one.campaign}: {count:,} {what}: {reason}", highlight=False, markup=False)
    if not any(one.sends or one.alerts for one in tallies):
        console.print("Nothing would have been sent. Is there history in this period? engage import brings it.")
    if folder:
        console.print(f"The mails are in {folder / MAILS}, listed in {folder / LIST}.")
