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
from engage.domain.errors import InputError, ServiceUnreachable, UsageError
from engage.domain.gates import Gate, State, state_of
from engage.queueing import NoQueue
from engage.store.alarms import Alarm, last_alarms
from engage.store.programs import program_keys
from engage.store.topic_pauses import TopicPause, lift_pause, standing_pauses

TopicOption = Annotated[str | None, typer.Option("--topic", help="Only this topic's mail, which was paused by itself.")]
AnywayOption = Annotated[bool, typer.Option("--anyway", help="Also when the provider would not take mail now.")]

_ALARMS = 10


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Whether mail goes out; stop it, and let it out again.")
    group.callback(invoke_without_command=True)(show)
    group.command()(pause)
    group.command()(resume)
    app.add_typer(group, name="sending")


def show(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show whether mail goes out and why not, the rate, paused topics and the last alarms."""
    if context.invoked_subcommand is not None:
        return
    with services(queue=NoQueue()) as built:
        carrier, rate, now = built.settings.carrier, built.settings.provider_rate, built.clock()
        with built.database.read() as db:
            gate, alarms = built.gate.gate(db), last_alarms(db, _ALARMS)
            topics, programs = standing_pauses(db), program_keys(db)
    if as_json:
        shown = _gate_json(carrier, rate, gate, now)
        shown["topics"] = [_topic_json(topic, programs) for topic in topics]
        shown["alarms"] = [_alarm_json(alarm) for alarm in alarms]
        print_json(shown)
        return
    console.print(f"Sending by {escape(carrier)} {escape(gate_stands(gate, now))}.")
    if state_of(gate, now) is State.PAUSED:
        console.print('  -> mend what was wrong, then: engage sending resume --why "what it was"')
    console.print(f"The rate is {rate:g} messages a second." if rate else "No rate is set.")
    for topic in topics:
        program = programs[topic.program_id]
        console.print(escape(f"Topic {topic.topic} of {program} {topic_stands(topic)}."))
        console.print(
            escape(f"  -> engage sending resume --topic {topic.topic} --program {program} --why TEXT lets it out")
        )
    if alarms:
        console.print("The last alarms:")
    for alarm in alarms:
        console.print(f"  {alarm.raised_at:%Y-%m-%d %H:%M} UTC  {_fate(alarm)}: {escape(alarm.said)}")


def pause(why: WhyOption, as_json: JsonOption = False) -> None:
    """Stop all sending until somebody resumes it. What is due waits; what a worker is handing over still goes out."""
    with services(queue=NoQueue()) as built:
        now = built.clock()
        with built.database.write() as db:
            new = built.gate.pause(db, why, now)
            gate = built.gate.gate(db)
        if not new:
            raise InputError(f"sending {gate_stands(gate, now)}", "engage sending resume --why TEXT lets it out again")
        _say(built, gate, now, as_json, "All sending is paused.")


def resume(
    why: WhyOption,
    topic: TopicOption = None,
    program: ProgramOption = None,
    anyway: AnywayOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let mail out again: all of it, if the provider would take it now, or one topic's."""
    if program is not None and topic is None:
        raise UsageError("--program goes with --topic", "without --topic the mail of all programs is let out")
    with services(queue=NoQueue()) as built:
        if topic is not None:
            _resume_topic(built, topic, program, why, as_json)
            return
        if not anyway:
            _require_provider(built)
        now = built.clock()
        with built.database.write() as db:
            if not built.gate.resume(db, why, now):
                raise InputError("nothing keeps mail back", "engage sending shows how it stands")
            gate = built.gate.gate(db)
        said = "Sending goes on. Workers that were started with another key would pause it again: restart them."
        _say(built, gate, now, as_json, said)


def _resume_topic(built: Services, topic: str, program: str | None, why: str, as_json: bool) -> None:
    scope = scope_named(library_of(built), program)
    now = built.clock()
    with built.database.write() as db:
        if not lift_pause(db, scope.program_id, topic, why, now):
            paused = [one.topic for one in standing_pauses(db, scope.program_id)]
            there = f"paused are: {', '.join(paused)}" if paused else "no topic is; engage sending shows how it stands"
            raise InputError(f"topic '{topic}' of {scope.program.key} is not paused", there)
    if as_json:
        print_json({"program": scope.program.key, "topic": topic, "state": "resumed"})
    else:
        console.print(f"Topic {escape(topic)} of {escape(scope.program.key)} goes on.")


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
        console.print(said)


def gate_stands(gate: Gate, now: datetime) -> str:
    """How the gate stands, as what is said of "sending"."""
    match state_of(gate, now):
        case State.PAUSED:
            return f"is paused since {gate.paused_at:%Y-%m-%d %H:%M} UTC: {gate.paused_why}"
        case State.BROKEN:
            return f"waits for the provider; one mail is tried from {gate.shut_until:%H:%M:%S} UTC on ({gate.reason})"
        case State.RESTING:
            return f"rests until {gate.shut_until:%H:%M:%S} UTC: {gate.reason}"
        case State.OPEN:
            return "goes on"


def topic_stands(topic: TopicPause) -> str:
    """How a paused topic stands, as what is said of it."""
    return f"is paused since {topic.paused_at:%Y-%m-%d %H:%M} UTC: {topic.reason}"


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
