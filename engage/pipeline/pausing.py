"""What people stop and let go on: all sending, a topic, a campaign. The audit log keeps who did it, and why.

A pause is there for all processes at once, except a campaign's, which each sees at its next look at the library
(pipeline.shelf). What a worker is handing over still goes out. Each function raises InputError, and changes nothing,
when there is nothing to pause or to let go on.
"""

from datetime import datetime

from sqlalchemy.engine import Connection

from engage.domain.accounts import Actor
from engage.domain.campaigns import Campaign, CampaignState
from engage.domain.errors import InputError
from engage.domain.gates import stands
from engage.facts import Scope
from engage.pipeline.gating import Gatekeeper
from engage.store.audit import note
from engage.store.campaign_pauses import begin_pause, end_pause, standing_campaign_pauses
from engage.store.topic_pauses import lift_pause, pause_topic, standing_pauses

PAUSED, GOES_ON = {"state": "paused"}, {"state": "goes on"}


def pause_sending(db: Connection, gate: Gatekeeper, why: str, actor: Actor, now: datetime) -> None:
    """Everything waits until somebody resumes."""
    if not gate.pause(db, why, now):
        said = f"sending {stands(gate.gate(db), now)}"
        raise InputError(said, "engage sending resume --why TEXT lets it out again")
    note(db, actor, "sending.pause", [_of(gate)], now, before=GOES_ON, after=PAUSED, why=why)


def resume_sending(db: Connection, gate: Gatekeeper, why: str, actor: Actor, now: datetime) -> None:
    """Lets mail out again, whatever keeps it back: a pause, the breaker, or the provider's wish to be left alone."""
    before = {"state": stands(gate.gate(db), now)}
    if not gate.resume(db, why, now):
        raise InputError("nothing keeps mail back", "engage sending shows how it stands")
    note(db, actor, "sending.resume", [_of(gate)], now, before=before, after=GOES_ON, why=why)


def _of(gate: Gatekeeper) -> str:
    return f"provider:{gate.provider}"


def stop_topic(db: Connection, scope: Scope, topic: str, why: str, actor: Actor, now: datetime) -> None:
    """The topic's mail waits; alerts to staff do not."""
    if topic not in scope.program.topics:
        raise InputError(f"{scope.program.key} has no topic '{topic}'", f"it has: {', '.join(scope.program.topics)}")
    if not pause_topic(db, scope.program_id, topic, why, now):
        (standing,) = [one for one in standing_pauses(db, scope.program_id) if one.topic == topic]
        raise InputError(f"topic '{topic}' of {scope.program.key} {standing.stands}", "nothing was changed")
    _note(db, actor, "topic.pause", f"topic:{topic}", scope.program_id, why, now)


def let_topic_go_on(db: Connection, scope: Scope, topic: str, why: str, actor: Actor, now: datetime) -> None:
    """The topic's mail goes out again."""
    if not lift_pause(db, scope.program_id, topic, why, now):
        paused = [one.topic for one in standing_pauses(db, scope.program_id)]
        there = f"paused are: {', '.join(paused)}" if paused else "no topic is; engage sending shows how it stands"
        raise InputError(f"topic '{topic}' of {scope.program.key} is not paused", there)
    _note(db, actor, "topic.resume", f"topic:{topic}", scope.program_id, why, now)


def pause_campaign(db: Connection, scope: Scope, campaign: Campaign, why: str, actor: Actor, now: datetime) -> None:
    """The campaign is as if its file said `state: paused`. It is one of the scope's program."""
    if not begin_pause(db, scope.program_id, campaign.name, why, now):
        (standing,) = [one for one in standing_campaign_pauses(db, [scope.program_id]) if one.campaign == campaign.name]
        raise InputError(f"campaign '{campaign.name}' {standing.stands}", "nothing was changed")
    if campaign.state is not CampaignState.LIVE:
        said = f"campaign '{campaign.name}' is not live: its file says `state: {campaign.state}`"
        raise InputError(said, "there is nothing to pause")
    _note(db, actor, "campaign.pause", f"campaign:{campaign.name}", scope.program_id, why, now)


def let_campaign_go_on(db: Connection, scope: Scope, campaign: str, why: str, actor: Actor, now: datetime) -> None:
    """The campaign is what its file says. It may be one that is there no more."""
    if not end_pause(db, scope.program_id, campaign, why, now):
        paused = [one.campaign for one in standing_campaign_pauses(db, [scope.program_id])]
        there = f"paused are: {', '.join(paused)}" if paused else "none is, but by its file"
        raise InputError(f"campaign '{campaign}' of {scope.program.key} is not paused by anybody", there)
    _note(db, actor, "campaign.resume", f"campaign:{campaign}", scope.program_id, why, now)


def _note(db: Connection, actor: Actor, action: str, object_: str, program_id: int, why: str, now: datetime) -> None:
    before, after = (GOES_ON, PAUSED) if action.endswith(".pause") else (PAUSED, GOES_ON)
    note(db, actor, action, [object_], now, program_id=program_id, before=before, after=after, why=why)
