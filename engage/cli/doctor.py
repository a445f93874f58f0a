"""`doctor`: is everything there that engage needs, and what to do where it is not."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import redis
import typer

from engage.bootstrap import Services
from engage.cli.context import JsonOption, console, print_json, queue_of
from engage.cli.sending import gate_stands, topic_stands
from engage.domain.campaigns import CampaignState
from engage.domain.deliveries import DeliveryState
from engage.domain.errors import AuthoringError, EngageError
from engage.domain.gates import REFUSED, State, state_of
from engage.facts import feed_state
from engage.logs import configure
from engage.pipeline.alarms import STALE
from engage.pipeline.editions import current_and_next
from engage.pipeline.lacking import lacking_emails
from engage.pipeline.library import Library
from engage.providers.sender_domain import sender_records
from engage.settings import Provider, Settings, SettingsError
from engage.store.alarms import unsent_alarms
from engage.store.caps import next_contest
from engage.store.deliveries import counts_by_state, next_due
from engage.store.feedback import last_webhook
from engage.store.holds import held_bursts
from engage.store.programs import program_keys
from engage.store.runs import held_runs
from engage.store.schema import require_schema
from engage.store.topic_pauses import standing_pauses

OK, WARN, FAIL = "ok", "warn", "fail"
_SECONDS = 3
_LATE = timedelta(minutes=5)  # what goes on after a crash, or waits its turn in a burst, is on its way by then
_LOOK_AT = {
    DeliveryState.UNKNOWN: "they may or may not have been sent: engage unknown list shows them, and what to do",
    DeliveryState.DEAD: "nothing comes of them by itself: engage dead list says why, and what to do",
    DeliveryState.RETRY: "the provider did not take them; they are tried again by themselves",
}


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
    if database.state == OK:
        yield from _authored(built)
        yield from _watched(built)
        yield from _stuck(built)
        yield from _sending(built)
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


def _watched(built: Services) -> Iterator[Finding]:
    """How each watched source stands."""
    try:
        standings = built.standings()
    except AuthoringError as error:
        yield Finding("sources", FAIL, _many(len(error.problems), "problem", "problems"), "engage lint lists them", 1)
        return
    except EngageError as error:
        yield Finding("sources", FAIL, error.message, error.hint, error.exit_code)
        return
    for standing in standings:
        name = f"source {standing.source.name}"
        if standing.state == "held":
            dropped = standing.source.kind == "folder"
            advice = "mend it and drop the files again" if dropped else "mend it; it goes on by itself"
            yield Finding(name, FAIL, f"is held: {standing.error}", advice, 1)
        elif standing.state == "failing":
            yield Finding(name, WARN, f"fails: {standing.error}", "it is tried again by itself")
        elif standing.rejected:
            said = "1 rejected row waits" if standing.rejected == 1 else f"{standing.rejected:,} rejected rows wait"
            yield Finding(name, WARN, said, f"engage sources rejects {standing.source.name}")
        else:
            yield Finding(name, OK, "; ".join((f"is {standing.state}", *standing.waits)))


def _stuck(built: Services) -> Iterator[Finding]:
    """Runs, status changes and deliveries that wait for somebody to look at them."""
    with built.database.read() as db:
        counts = counts_by_state(db)
        runs, bursts = len(held_runs(db)), len(held_bursts(db))
    if runs or bursts:
        said = [_many(runs, "run", "runs")] * (runs > 0)
        said += [_many(bursts, "burst of status changes", "bursts of status changes")] * (bursts > 0)
        yield Finding("held", WARN, " and ".join(said), "engage held list says why, and what to do")
    for state, advice in _LOOK_AT.items():
        if counts.get(state):
            yield Finding(
                "deliveries", WARN, f"{counts[state]:,} {'is' if counts[state] == 1 else 'are'} {state}", advice
            )


def _sending(built: Services) -> Iterator[Finding]:
    """Whether mail goes out, and whether anybody would hear of it when it does not."""
    now, settings = built.clock(), built.settings
    with built.database.read() as db:
        gate, topics, programs = built.gate.gate(db), standing_pauses(db), program_keys(db)
        unsent = unsent_alarms(db, now - STALE)
        waiting = [at for at in (next_due(db), next_contest(db)) if at is not None and at < now - _LATE]
    advice = {
        State.PAUSED: "mend what was wrong, then: engage sending resume --why TEXT",
        State.BROKEN: "it goes on by itself when the provider is back",
        State.RESTING: "it goes on by itself",
    }.get(state_of(gate, now), "")
    refused = gate.paused_at is not None and (gate.paused_why or "").startswith(REFUSED)
    state, code = (FAIL, 3) if refused else (WARN if advice else OK, 0)
    if state == OK and waiting:
        said = f"mail has been due since {min(waiting):%Y-%m-%d %H:%M} UTC, and no worker has sent it"
        yield Finding("sending", WARN, said, "see that workers and a scheduler run: engage up, or each by itself")
    else:
        yield Finding("sending", state, gate_stands(gate, now), advice, code)
    for topic in topics:
        name = f"topic {topic.topic} of {programs[topic.program_id]}"
        yield Finding(
            name, WARN, topic_stands(topic), f"engage sending resume --topic {topic.topic} --why TEXT lets it out"
        )
    if settings.alarm_url is None and settings.mails_the_world:
        yield Finding("alarms", WARN, "go to the log only", "set ENGAGE_ALARM_URL, so that somebody hears of them")
    elif settings.alarm_url is not None and unsent:
        said = f"{_many(unsent, 'alarm', 'alarms')} could not be sent yet"
        yield Finding("alarms", WARN, said, "see that ENGAGE_ALARM_URL is right; engage sending lists them")


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
