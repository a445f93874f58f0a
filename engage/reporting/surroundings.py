"""What an installation rests on: its files, its sources and feeds, what reports to it and who hears of alarms. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from engage.reporting.status import FeedStatus, Problem, ProblemKind, Severity, SourceStatus, Status
from engage.reporting.words import listed, many

_MACHINERY, _CAMPAIGNS = "/console/machinery", "/console/campaigns"


@dataclass(frozen=True, slots=True)
class MissingEdition:
    """An email that is to go out from `at` on and is not there; `file` is below the templates folder."""

    program: str
    program_id: int
    campaign: str
    file: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Noted:
    """What the files and settings say is wrong. `campaigns`, `sources`: why they could not be read at all, or "".

    `broken`: how many problems lint has with files that are newer than what runs. `hears`: webhooks are believed, so
    that some should have come. `alarmed`: somebody hears of alarms. `redis`: why Redis does not answer, or "".
    """

    campaigns: str = ""
    sources: str = ""
    broken: int = 0
    editions: Sequence[MissingEdition] = ()
    hears: bool = False
    alarmed: bool = True
    redis: str = ""


def surroundings_of(found: Status, noted: Noted) -> Iterator[Problem]:
    yield from _redis(noted)
    yield from _files(noted)
    yield from _sources(found.sources, found.at)
    yield from _feeds(found.feeds)
    yield from _editions(noted.editions)
    yield from _reporting(found, noted)


def _redis(noted: Noted) -> Iterator[Problem]:
    if noted.redis:
        yield Problem(
            ProblemKind.REDIS_AWAY,
            Severity.ERROR,
            "Redis",
            f"does not answer, and nothing wakes workers: {noted.redis}",
            "start it, and see that ENGAGE_REDIS_URL is right; nothing is lost, all goes on by itself",
            path=f"{_MACHINERY}#processes",
            command="engage doctor",
        )


def _files(noted: Noted) -> Iterator[Problem]:
    broken = ProblemKind.CAMPAIGNS_BROKEN
    if noted.campaigns:
        yield Problem(broken, Severity.ERROR, "campaigns", noted.campaigns, "mend the files", command="engage lint")
    elif noted.broken:
        said = f"{many(noted.broken, 'problem', 'problems')}; what passed last still runs"
        yield Problem(
            broken,
            Severity.WARNING,
            "campaigns and templates",
            said,
            "mend the files",
            path=_CAMPAIGNS,
            command="engage lint",
        )
    if noted.sources:
        yield Problem(
            ProblemKind.SOURCES_UNREADABLE,
            Severity.ERROR,
            "sources",
            noted.sources,
            "mend sources.yaml; what made sense last is watched on",
            command="engage lint",
        )


def _sources(sources: Sequence[SourceStatus], now: datetime) -> Iterator[Problem]:
    for source in sources:
        if (found := _of_source(source)) is None:
            continue
        kind, severity, said, advice = found
        yield Problem(
            kind,
            severity,
            f"source {source.name}",
            said,
            advice,
            now - source.lag if source.lag is not None and kind is not ProblemKind.SOURCE_REJECTS else None,
            f"{_MACHINERY}#sources",
            f"engage sources rejects {source.name}" if kind is ProblemKind.SOURCE_REJECTS else "engage sources",
            source.program_id,
        )


def _of_source(source: SourceStatus) -> tuple[ProblemKind, Severity, str, str] | None:
    if source.state == "held":
        advice = "mend it and drop the files again" if source.kind == "folder" else "mend it; it goes on by itself"
        return ProblemKind.SOURCE_HELD, Severity.ERROR, f"is held: {source.error}", advice
    if source.state == "failing":
        return ProblemKind.SOURCE_FAILING, Severity.WARNING, f"fails: {source.error}", "it is tried again by itself"
    if source.rejected:
        said = many(source.rejected, "rejected row waits", "rejected rows wait")
        return ProblemKind.SOURCE_REJECTS, Severity.NOTE, said, "see why, and mend the rows or the mapping"
    return None


def _feeds(feeds: Sequence[FeedStatus]) -> Iterator[Problem]:
    path, command = f"{_MACHINERY}#sources", "engage doctor"
    for program, id_ in {one.program: one.program_id for one in feeds}.items():
        never = [one.feed for one in feeds if one.program == program and one.heard_at is None]
        if never:
            about = f"{'feed' if len(never) == 1 else 'feeds'} {listed(never)} of {program}"
            said = f"{'was' if len(never) == 1 else 'were'} never connected"
            advice = "import them, or campaigns that rest on them stay held"
            yield Problem(
                ProblemKind.FEED_SILENT, Severity.NOTE, about, said, advice, path=path, command=command, program_id=id_
            )
    for feed in feeds:
        if feed.heard_at is not None and not feed.fresh:
            yield Problem(
                ProblemKind.FEED_SILENT,
                Severity.WARNING,
                f"feed {feed.feed} of {feed.program}",
                f"is stale: last heard {feed.heard_at:%Y-%m-%d %H:%M} UTC",
                "see why its source is silent; campaigns that rest on it are held",
                path=path,
                command=command,
                program_id=feed.program_id,
            )


def _editions(editions: Sequence[MissingEdition]) -> Iterator[Problem]:
    for one in editions:
        yield Problem(
            ProblemKind.EDITION_MISSING,
            Severity.WARNING,
            f"edition of {one.program}/{one.campaign}",
            f"is not there and goes out from {one.at:%Y-%m-%d %H:%M} UTC on",
            f"write email_templates/{one.file}",
            path=f"{_CAMPAIGNS}/{one.program}/{one.campaign}",
            program_id=one.program_id,
        )


def _reporting(found: Status, noted: Noted) -> Iterator[Problem]:
    if noted.hears and found.last_webhook is None:
        said = "no webhook has ever come in: bounces, complaints and lost answers stay unseen"
        advice = "set up the provider's event webhook: docs/feedback.md"
        yield Problem(
            ProblemKind.WEBHOOKS_NEVER, Severity.WARNING, "webhooks", said, advice, path=f"{_MACHINERY}#provider"
        )
    if noted.alarmed and found.counts.alarms_unsent:
        said = f"{many(found.counts.alarms_unsent, 'alarm', 'alarms')} could not be sent yet"
        advice = "see that ENGAGE_ALARM_URL is right"
        yield Problem(
            ProblemKind.ALARMS_UNSENT,
            Severity.WARNING,
            "alarms",
            said,
            advice,
            path=_MACHINERY,
            command="engage sending",
        )
