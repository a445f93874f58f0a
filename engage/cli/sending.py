"""`sending`: whether mail goes out, why not, and how an operator stops it and lets it out again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.markup import escape

from engage.bootstrap import Services
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
from engage.domain.accounts import COMMAND_LINE
from engage.domain.errors import ServiceUnreachable, UsageError
from engage.domain.gates import Gate, State, stands, state_of
from engage.pipeline.pausing import (
    let_campaign_go_on,
    let_topic_go_on,
    pause_campaign,
    pause_sending,
    resume_sending,
    stop_topic,
)
from engage.queueing import NoQueue
from engage.store.alarms import Alarm, last_alarms
from engage.store.campaign_pauses import CampaignPause, standing_campaign_pauses
from engage.store.programs import program_keys
from engage.store.topic_pauses import TopicPause, standing_pauses

TopicOption = Annotated[str | None, typer.Option("--topic", metavar="NAME", help="Only this topic's mail.")]
CampaignOption = Annotated[str | None, typer.Option("--campaign", metavar="NAME", help="Only this campaign.")]
AnywayOption = Annotated[bool, typer.Option("--anyway", help="Also when the provider would not take mail now.")]

_ALARMS = 10


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Whether mail goes out; stop it, and let it out again.")
    group.callback(invoke_without_command=True)(show)
    group.command()(pause)
    group.command()(resume)
    app.add_typer(group, name="sending")


def show(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show whether mail goes out and why not, the rate, paused topics and campaigns, and the last alarms."""
    if context.invoked_subcommand is not None:
        return
    with services(queue=NoQueue()) as built:
        carrier, rate, now = built.settings.carrier, built.settings.provider_rate, built.clock()
        with built.database.read() as db:
            gate, alarms = built.gate.gate(db), last_alarms(db, _ALARMS)
            topics, campaigns, programs = standing_pauses(db), standing_campaign_pauses(db), program_keys(db)
    if as_json:
        shown = _gate_json(carrier, rate, gate, now)
        shown["topics"] = [_topic_json(topic, programs) for topic in topics]
        shown["campaigns"] = [_campaign_json(one, programs) for one in campaigns]
        shown["alarms"] = [_alarm_json(alarm) for alarm in alarms]
        print_json(shown)
        return
    console.print(f"Sending by {escape(carrier)} {escape(stands(gate, now))}.")
    if state_of(gate, now) is State.PAUSED:
        console.print('  -> mend what was wrong, then: engage sending resume --why "what it was"')
    console.print(f"The rate is {rate:g} messages a second." if rate else "No rate is set.")
    for topic in topics:
        program = programs[topic.program_id]
        console.print(escape(f"Topic {topic.topic} of {program} {topic.stands}."))
        console.print(
            escape(f"  -> engage sending resume --topic {topic.topic} --program {program} --why TEXT lets it out")
        )
    for one in campaigns:
        program = programs[one.program_id]
        console.print(escape(f"Campaign {one.campaign} of {program} {one.stands}."))
        console.print(
            escape(f"  -> engage sending resume --campaign {one.campaign} --program {program} --why TEXT lets it go on")
        )
    if alarms:
        console.print("The last alarms:")
    for alarm in alarms:
        console.print(f"  {alarm.raised_at:%Y-%m-%d %H:%M} UTC  {_fate(alarm)}: {escape(alarm.said)}")


def pause(
    why: WhyOption,
    topic: TopicOption = None,
    campaign: CampaignOption = None,
    program: ProgramOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop all sending until somebody resumes it, or one topic's or one campaign's.

    What is due waits; what a worker is handing over still goes out. All sending is that of the provider and host which
    the settings name: the answer says which.
    """
    _require_one(topic, campaign, program)
    with services(queue=NoQueue()) as built:
        now = built.clock()
        if topic is not None:
            scope = scope_named(library_of(built), program)
            with built.database.write() as db:
                stop_topic(db, scope, topic, why, COMMAND_LINE, now)
            _say_of("topic", topic, scope.program.key, "paused", as_json)
        elif campaign is not None:
            library = library_of(built)
            found = library.find(campaign if program is None else f"{program}/{campaign}")
            scope = library.scope_of(found)
            with built.database.write() as db:
                pause_campaign(db, scope, found, why, COMMAND_LINE, now)
            _say_of("campaign", found.name, scope.program.key, "paused", as_json)
        else:
            with built.database.write() as db:
                pause_sending(db, built.gate, why, COMMAND_LINE, now)
                gate = built.gate.gate(db)
            said = f"All sending by {built.settings.carrier} is paused."
            _say(built, gate, now, as_json, said)


def resume(
    why: WhyOption,
    topic: TopicOption = None,
    campaign: CampaignOption = None,
    program: ProgramOption = None,
    anyway: AnywayOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let mail out again: all of it, if the provider would take it now, or one topic's or one campaign's."""
    _require_one(topic, campaign, program)
    with services(queue=NoQueue()) as built:
        now = built.clock()
        if topic is not None:
            scope = scope_named(library_of(built), program)
            with built.database.write() as db:
                let_topic_go_on(db, scope, topic, why, COMMAND_LINE, now)
            _say_of("topic", topic, scope.program.key, "resumed", as_json)
        elif campaign is not None:
            library = library_of(built)
            # with its program named, a campaign may be there no more
            scope = library.scope_of(library.find(campaign)) if program is None else scope_named(library, program)
            with built.database.write() as db:
                let_campaign_go_on(db, scope, campaign, why, COMMAND_LINE, now)
            _say_of("campaign", campaign, scope.program.key, "resumed", as_json)
        else:
            if not anyway:
                _require_provider(built)
            with built.database.write() as db:
                resume_sending(db, built.gate, why, COMMAND_LINE, now)
                gate = built.gate.gate(db)
            again = "Workers that were started with another key would pause it again: restart them."
            said = f"Sending by {built.settings.carrier} goes on. {again}"
            _say(built, gate, now, as_json, said)


def _require_one(topic: str | None, campaign: str | None, program: str | None) -> None:
    if topic is not None and campaign is not None:
        raise UsageError("--topic and --campaign go one at a time", "name the one or the other")
    if program is not None and topic is None and campaign is None:
        raise UsageError("--program goes with --topic or --campaign", "without them the mail of all programs is meant")


def _say_of(what: str, name: str, program: str, state: str, as_json: bool) -> None:
    if as_json:
        print_json({"program": program, what: name, "state": state})
    else:
        said = "goes on" if state == "resumed" else "is paused"
        console.print(f"{what.title()} {escape(name)} of {escape(program)} {said}.")


def _require_provider(built: Services) -> None:
    try:
        built.provider.check()
    except ServiceUnreachable as error:
        raise ServiceUnreachable(
            f"nothing was resumed: {error.message}", f"{error.hint}; --anyway resumes without asking the provider"
        ) from error


def _say(built: Services, gate: Gate, now: datetime, as_json: bool, said: str) -> None:
    if as_json:
        print_json(_gate_json(built.settings.carrier, built.settings.provider_rate, gate, now))
    else:
        console.print(escape(said))


def _fate(alarm: Alarm) -> str:
    if alarm.sent_at is not None:
        return "sent"
    return "waits to be sent" if alarm.due_at is not None else "in the log only"


def _gate_json(carrier: str, rate: float | None, gate: Gate, now: datetime) -> dict[str, Any]:
    state = state_of(gate, now)
    return {
        "provider": carrier,
        "state": state.value,
        "reason": gate.paused_why if state is State.PAUSED else gate.reason if state is not State.OPEN else None,
        "until": _iso(gate.shut_until) if state in (State.BROKEN, State.RESTING) else None,
        "paused_at": _iso(gate.paused_at),
        "failures_in_a_row": gate.failures,
        "opened_in_a_row": gate.opened,
        "resumed_at": _iso(gate.resumed_at),
        "resumed_why": gate.resumed_why,
        "rate": rate,
    }


def _topic_json(topic: TopicPause, programs: Mapping[int, str]) -> dict[str, Any]:
    return {
        "program": programs[topic.program_id],
        "topic": topic.topic,
        "paused_at": _iso(topic.paused_at),
        "reason": topic.reason,
    }


def _campaign_json(pause: CampaignPause, programs: Mapping[int, str]) -> dict[str, Any]:
    return {
        "program": programs[pause.program_id],
        "campaign": pause.campaign,
        "paused_at": _iso(pause.paused_at),
        "reason": pause.why,
    }


def _alarm_json(alarm: Alarm) -> dict[str, Any]:
    return {
        "kind": alarm.kind,
        "said": alarm.said,
        "raised_at": _iso(alarm.raised_at),
        "tries": alarm.tries,
        "due_at": _iso(alarm.due_at),
        "sent_at": _iso(alarm.sent_at),
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at is not None else None
