"""`doctor`: is everything there that engage needs, and what to do where it is not."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime

import redis
import typer

from engage.bootstrap import Services
from engage.cli.context import JsonOption, console, print_json, queue_of
from engage.domain.campaigns import CampaignState
from engage.domain.errors import AuthoringError, EngageError
from engage.facts import feed_state
from engage.logs import configure
from engage.pipeline.editions import current_and_next
from engage.pipeline.lacking import lacking_emails
from engage.pipeline.library import Library
from engage.providers.sender_domain import sender_records
from engage.reporting.status import ProblemKind, Severity, Status
from engage.settings import Provider, Settings, SettingsError
from engage.store.feedback import last_webhook
from engage.store.schema import require_schema

OK, WARN, FAIL = "ok", "warn", "fail"
_SECONDS = 3
_OF_SOURCES = (ProblemKind.SOURCE_HELD, ProblemKind.SOURCE_FAILING, ProblemKind.SOURCE_REJECTS)
_OF_SENDING = (
    ProblemKind.SENDING_PAUSED,
    ProblemKind.PROVIDER_AWAY,
    ProblemKind.PROVIDER_RESTS,
    ProblemKind.MAIL_LATE,
)
_CODES = {ProblemKind.SENDING_PAUSED: 3, ProblemKind.SOURCE_HELD: 1}
"""The exit code that a problem leads to, where it is one that fails."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`code` is the exit code that a failure leads to."""

    what: str
    state: str
    said: str
    advice: str = ""
    code: int = 0


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(as_json: JsonOption = False) -> None:
    """Check database, Redis, provider, feeds, campaigns, templates and the sender's domain; say what to do."""
    settings = Settings.load()
    configure(settings.log_format.value, "CRITICAL")
    findings = list(_examine(Services(settings, queue_of(settings))))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            color = {OK: "green", WARN: "yellow", FAIL: "red"}[finding.state]
            console.print(f"[{color}]{finding.state:>4}[/]  {finding.what}: {finding.said}")
            if finding.advice:
                console.print(f"      -> {finding.advice}")
    raise typer.Exit(max((finding.code for finding in findings), default=0))


def _examine(built: Services) -> Iterator[Finding]:
    database = _tried("database", lambda: require_schema(built.database), "answers and has the schema")
    yield database
    yield _redis(built.settings)
    yield _tried("provider", built.provider.check, f"{built.settings.provider} takes mail")
    yield Finding("recipients", OK, f"ENGAGE_SEND_TO is {built.settings.send_to}")
    if built.settings.leads_nowhere:
        said = f"lead to {built.settings.public_url}, which partners cannot open: nobody can unsubscribe"
        advice = "set ENGAGE_PUBLIC_URL to where they reach engage; clicks are not tracked until then"
        yield Finding("links", WARN, said, advice)
    elif built.settings.links_unguarded:
        said = f"lead to {built.settings.public_url}, unencrypted: whoever listens reads partners' links and logins"
        yield Finding("links", WARN, said, "end TLS before engage, and write https:// in ENGAGE_PUBLIC_URL")
    if database.state == OK:
        yield from _authored(built)
        stands = built.status()
        yield from _watched(built, stands)
        yield from _found(stands, ProblemKind.HELD)
        yield from _found(stands, ProblemKind.UNKNOWN, ProblemKind.DEAD, ProblemKind.RETRYING)
        yield from _sending(built, stands)
        yield from _webhooks(built)
    built.close()


def _tried(what: str, check: Callable[[], object], said: str) -> Finding:
    try:
        answer = check()
    except EngageError as error:
        return Finding(what, FAIL, error.message, error.hint, error.exit_code)
    return Finding(what, OK, answer if isinstance(answer, str) else said)


def _redis(settings: Settings) -> Finding:
    if settings.redis_url is None:
        return Finding(
            "Redis", WARN, "ENGAGE_REDIS_URL is not set", "engage up starts a server of its own; else set it"
        )
    try:
        client = redis.Redis.from_url(settings.redis_url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS)
        policy = client.config_get("maxmemory-policy").get("maxmemory-policy", "")
    except redis.RedisError as error:
        return Finding("Redis", FAIL, f"does not answer: {error}", "see that it runs and ENGAGE_REDIS_URL is right", 3)
    if policy != "noeviction":
        return Finding("Redis", WARN, f"may evict messages ({policy})", "set maxmemory-policy to noeviction")
    return Finding("Redis", OK, "answers")


def _authored(built: Services) -> Iterator[Finding]:
    try:
        library = built.library()
    except AuthoringError as error:
        yield Finding("campaigns", FAIL, _many(len(error.problems), "problem", "problems"), "engage lint lists them", 1)
        return
    except EngageError as error:
        yield Finding("campaigns", FAIL, error.message, error.hint, error.exit_code)
        return
    if library.problems:
        said = f"{_many(len(library.problems), 'problem', 'problems')}; what passed last still runs"
        yield Finding("campaigns and templates", FAIL, said, "engage lint lists them", 1)
    else:
        said = f"{len(library.campaigns)} campaigns and {len(library.templates.names)} emails pass lint"
        yield Finding("campaigns and templates", OK, said)
    yield from _editions(library, built.clock())
    for key, program_id in library.program_ids.items():
        scope = library.scope(program_id)
        assert scope is not None
        for feed in scope.program.feeds:
            with built.database.read() as db:
                state = feed_state(db, scope, feed, built.clock())
            name = f"feed {feed} of {key}"
            if not state.connected:
                advice = "import it, or campaigns that rest on it stay held"
                yield Finding(name, WARN, "was never connected", advice)
            elif not state.fresh:
                advice = "see why its source is silent; campaigns that rest on it are held"
                yield Finding(name, WARN, f"is stale: last heard {state.last_heard:%Y-%m-%d %H:%M} UTC", advice)
            else:
                yield Finding(name, OK, f"last heard {state.last_heard:%Y-%m-%d %H:%M} UTC")
        with built.database.read() as db:
            lacking = lacking_emails(db, library, scope)
        for (campaign, email), many in sorted(lacking.items()):
            said = f"{many:,} inside {'waits' if many == 1 else 'wait'} for email '{email}', which is not there"
            advice = f"older steps of it send it: write email_templates/{email}.md again, or end the campaign"
            yield Finding(f"campaign {campaign} of {key}", WARN, said, advice)
        for record in sender_records(scope.program.brand.from_email):
            name = f"{record.name} of {scope.program.brand.from_email.rpartition('@')[2]}"
            if record.found:
                yield Finding(name, OK, "is published")
            else:
                said = "is not published" if record.found is False else "is not known"
                yield Finding(name, WARN, said, record.advice)


def _watched(built: Services, stands: Status) -> Iterator[Finding]:
    """How each watched source stands."""
    try:
        built.sources()
    except AuthoringError as error:
        yield Finding("sources", FAIL, _many(len(error.problems), "problem", "problems"), "engage lint lists them", 1)
        return
    except EngageError as error:
        yield Finding("sources", FAIL, error.message, error.hint, error.exit_code)
        return
    for source in stands.sources:
        wrong = list(_found(stands, *_OF_SOURCES, about=f"source {source.name}"))
        yield from wrong or [Finding(f"source {source.name}", OK, "; ".join((f"is {source.state}", *source.waits)))]


def _found(stands: Status, *kinds: ProblemKind, about: str | None = None) -> Iterator[Finding]:
    """What is wrong of these kinds."""
    for one in stands.problems:
        if one.kind in kinds and about in (None, one.about):
            failed = one.kind is ProblemKind.SOURCE_HELD or one.severity is Severity.ERROR
            code = _CODES.get(one.kind, 0) if failed else 0
            advice = f"{one.advice}: {one.command}" if one.command else one.advice
            yield Finding(one.about, FAIL if code else WARN, one.said, advice, code)


def _sending(built: Services, stands: Status) -> Iterator[Finding]:
    """Whether mail goes out, and whether anybody would hear of it when it does not."""
    wrong = list(_found(stands, *_OF_SENDING))
    yield from wrong or [Finding("sending", OK, stands.provider.stands)]
    yield from _found(stands, ProblemKind.TOPIC_PAUSED, ProblemKind.CAMPAIGN_PAUSED)
    if built.settings.alarm_url is None and built.settings.mails_the_world:
        yield Finding("alarms", WARN, "go to the log only", "set ENGAGE_ALARM_URL, so that somebody hears of them")
    yield from _found(stands, ProblemKind.ALARMS_UNSENT)


def _editions(library: Library, now: datetime) -> Iterator[Finding]:
    """Whether the email of the next slot is there, of campaigns that send another one each month."""
    for campaign in library.on_schedules():
        if campaign.state is not CampaignState.LIVE:
            continue
        for edition in current_and_next(library, campaign, now):
            if edition.at <= now:
                continue
            what = f"edition of {campaign.program}/{campaign.name}"
            when = f"goes out from {edition.at:%Y-%m-%d %H:%M} UTC on"
            if edition.there:
                yield Finding(what, OK, f"{edition.email} is there and {when}")
            else:
                said = f"{edition.email} is not there and {when}"
                yield Finding(what, WARN, said, f"write email_templates/{edition.file}")


def _webhooks(built: Services) -> Iterator[Finding]:
    """Whether SendGrid tells us what became of our mails."""
    if built.settings.provider is not Provider.SENDGRID:
        return
    try:
        believed = built.webhook_keys
    except SettingsError as error:
        yield Finding("webhooks", FAIL, error.message, error.hint, 1)
        return
    if not believed:
        said = "are all refused: ENGAGE_SENDGRID_WEBHOOK_KEY is not set"
        yield Finding("webhooks", WARN, said, "set up SendGrid's event webhook: docs/feedback.md")
        return
    with built.database.read() as db:
        last = last_webhook(db)
    if last is None:
        what = "no webhook has ever come in: bounces, complaints and lost answers stay unseen"
        yield Finding("webhooks", WARN, what, "set up SendGrid's event webhook: docs/feedback.md")
        return
    hours = int((built.clock() - last).total_seconds() // 3600)
    ago = _many(hours, "hour", "hours") if hours < 48 else _many(hours // 24, "day", "days")
    yield Finding("webhooks", OK, f"the last came in {last:%Y-%m-%d %H:%M} UTC, {ago} ago")


def _many(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"
