"""`consent rhythm` and `consent agree`: what partners ask for by phone or mail, noted for them."""

from typing import Annotated

import typer
from rich.markup import escape

from engage.cli.context import (
    JsonOption,
    ProgramOption,
    WhyIfAnyOption,
    WhyOption,
    console,
    library_of,
    print_json,
    scope_named,
    services,
)
from engage.domain.programs import Rhythm
from engage.pipeline.wishes import agree, set_rhythm
from engage.queueing import NoQueue

PartnerArgument = Annotated[str, typer.Argument(help="The partner's external id or email address.")]
TopicArgument = Annotated[str, typer.Argument(help="The topic's key in program.yaml.")]

_SAID = {
    Rhythm.INSTANT: "gets {topic} at once from now on",
    Rhythm.DAILY: "gets {topic} once a day from now on",
    Rhythm.OFF: "gets no {topic} any more",
}


def register(consent: typer.Typer) -> None:
    consent.command("rhythm")(rhythm_)
    consent.command("agree")(agree_)


def rhythm_(
    partner: PartnerArgument,
    topic: TopicArgument,
    rhythm: Annotated[Rhythm, typer.Argument(help="instant, daily or off.")],
    why: WhyIfAnyOption = None,
    program: ProgramOption = None,
    as_json: JsonOption = False,
) -> None:
    """Note how often a partner wants a topic's updates: at once, once a day, or not at all."""
    with services(queue=NoQueue()) as built:
        scope = scope_named(library_of(built), program)
        with built.database.write() as db:
            how = f"command: {why}" if why else "command"
            known, news = set_rhythm(db, scope, partner, topic, rhythm, built.clock(), how)
    if as_json:
        print_json({"partner": known, "topic": topic, "rhythm": rhythm, "changed": news})
        return
    said = f"{known} {_SAID[rhythm].format(topic=topic)}."
    console.print(escape(said if news else f"Nothing changes: {said}"))


def agree_(
    partner: PartnerArgument,
    topic: TopicArgument,
    why: WhyOption,
    program: ProgramOption = None,
    as_json: JsonOption = False,
) -> None:
    """Note a partner's yes to a topic. It is meant for the address that they have now."""
    with services(queue=NoQueue()) as built:
        scope = scope_named(library_of(built), program)
        with built.database.write() as db:
            known, email, news = agree(db, scope, partner, topic, built.clock(), why)
    if as_json:
        print_json({"partner": known, "topic": topic, "email": email, "changed": news})
        return
    said = f"{known} said yes to {topic} at {email}."
    console.print(escape(said if news else f"Nothing changes: {said}"))
