"""What is held back, and by whom: sending as a whole, topics, campaigns, runs and bursts of status changes.

Each is let go on, or ended, by whoever may, with a reason that is kept.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import Response

from engage.domain.accounts import Permission
from engage.domain.campaigns import CampaignState
from engage.domain.errors import EngageError, InputError, ServiceUnreachable
from engage.domain.gates import State, stands, state_of
from engage.facts import Scope
from engage.pipeline.holding import Hold, HoldId, HoldKind
from engage.pipeline.pausing import (
    let_campaign_go_on,
    let_topic_go_on,
    pause_campaign,
    pause_sending,
    resume_sending,
    stop_topic,
)
from engage.store.campaign_pauses import standing_campaign_pauses
from engage.store.topic_pauses import standing_pauses
from engage.web.console.asked import LONGEST_WHY, why_of
from engage.web.console.doors import HOME, Allowed, NotAllowed, Visit
from engage.web.console.shell import said, show

HELD = f"{HOME}/held"
_PAUSE, _RESUME = "pause", "resume"

router = APIRouter()

Looking = Annotated[Visit, Depends(Allowed(Permission.SEE_OPERATIONS))]
Operating = Annotated[Visit, Depends(Allowed(Permission.OPERATE))]
OperatingAll = Annotated[Visit, Depends(Allowed(Permission.OPERATE, everywhere=True))]
Pausing = Annotated[Visit, Depends(Allowed(Permission.PAUSE_CAMPAIGNS))]


@router.get(HELD, include_in_schema=False)
def held(visit: Looking) -> Response:
    """All that is held back."""
    return _page(visit)


@router.post(HELD + "/decide", include_in_schema=False)
def decide(visit: Operating) -> Response:
    """Releases or drops those that were ticked: all of them or none."""
    try:
        ids = _chosen(visit)
        why = why_of(visit)
        match visit.form.get("do"):
            case "release":
                decided = visit.services.release(ids, why, visit.actor)
            case "drop":
                decided = visit.services.drop(ids, why, visit.actor)
            case _:
                raise InputError("Say what is to become of them", "press one of the buttons")
    except InputError as error:
        return _page(visit, error)
    return said(visit, HELD, f"{'; '.join(one.message for one in decided)}.")


@router.post(HOME + "/sending/{do}", include_in_schema=False)
def sending(visit: OperatingAll, do: str) -> Response:
    """Pauses all sending, or lets mail out again."""
    services, now = visit.services, visit.now
    try:
        why = why_of(visit)
        if do == _RESUME and not visit.form.get("anyway"):
            _require_provider(visit)
        with services.database.write() as db:
            if _pauses(do):
                pause_sending(db, services.gate, why, visit.actor, now)
            else:
                resume_sending(db, services.gate, why, visit.actor, now)
    except EngageError as error:
        return _page(visit, error)
    if do == _PAUSE:
        return said(visit, HELD, "All sending is paused. What workers are handing over still goes out.")
    return said(visit, HELD, "Sending goes on. Workers that were started with another key would pause it again.")


@router.post(HOME + "/topics/{do}", include_in_schema=False)
def topic(visit: Operating, do: str) -> Response:
    """Pauses a topic, or lets its mail go out again."""
    program, _, name = visit.form.get("topic", "").partition("/")
    scope = _scope(visit, program, Permission.OPERATE)
    try:
        why = why_of(visit)
        with visit.services.database.write() as db:
            act = stop_topic if _pauses(do) else let_topic_go_on
            act(db, scope, name, why, visit.actor, visit.now)
    except InputError as error:
        return _page(visit, error)
    return said(visit, HELD, f"Topic {name} of {program} {'is paused' if do == _PAUSE else 'goes on'}.")


@router.post(HOME + "/campaign-pauses/{do}", include_in_schema=False)
def campaign(visit: Pausing, do: str) -> Response:
    """Pauses a campaign, or lets it go on. `campaign` is program/name, `back` leads to its own page."""
    program, _, name = visit.form.get("campaign", "").partition("/")
    scope = _scope(visit, program, Permission.PAUSE_CAMPAIGNS)
    services = visit.services
    found = services.library().campaigns.get((program, name))
    try:
        why = why_of(visit)
        with services.database.write() as db:
            if not _pauses(do):
                let_campaign_go_on(db, scope, name, why, visit.actor, visit.now)
            elif found is None:
                raise HTTPException(404)
            else:
                pause_campaign(db, scope, found, why, visit.actor, visit.now)
    except InputError as error:
        return _page(visit, error)
    services.shelf.look_again()
    back = f"{HOME}/campaigns/{program}/{name}" if visit.form.get("back") and found is not None else HELD
    if do == _PAUSE:
        return said(visit, back, f"Campaign {name} of {program} is paused: what is due of it waits.")
    return said(visit, back, f"Campaign {name} of {program} goes on: what waited is looked at within 15 minutes.")


def _page(visit: Visit, error: EngageError | None = None) -> Response:
    library, services, now = visit.services.library(), visit.services, visit.now
    scopes = visit.scopes()
    programs = {scope.program_id: key for key, scope in scopes.items()}
    with services.database.read() as db:
        gate = services.gate.gate(db)
        topics = [one for one in standing_pauses(db) if one.program_id in programs]
        campaigns = standing_campaign_pauses(db, list(programs))
    live = sorted(key for key, one in library.campaigns.items() if key[0] in scopes and one.state is CampaignState.LIVE)
    paused = {(programs[one.program_id], one.topic) for one in topics}
    every = sorted((key, name) for key, scope in scopes.items() for name in scope.program.topics)
    told = "" if error is None else f"{error.message}: {error.hint}." if error.hint else f"{error.message}."
    return show(
        visit,
        "held.html",
        409 if error else 200,
        error=told,
        form=visit.form,
        why=visit.form.get("why", "")[:LONGEST_WHY],
        ticked=set(visit.fields("id")),
        held=_held(visit),
        carrier=services.settings.carrier,
        rate=services.settings.provider_rate,
        stands=stands(gate, now),
        state=state_of(gate, now),
        states=State,
        gate=gate,
        topics=topics,
        campaigns=campaigns,
        programs=programs,
        kinds=HoldKind,
        may_all=visit.user.may_everywhere(Permission.OPERATE),
        topics_to_pause=[one for one in every if one not in paused and _may(visit, Permission.OPERATE, one[0])],
        campaigns_to_pause=[one for one in live if _may(visit, Permission.PAUSE_CAMPAIGNS, one[0])],
    )


def _held(visit: Visit) -> list[Hold]:
    return [hold for hold in visit.services.held() if visit.user.sees(hold.program_id)]


def _chosen(visit: Visit) -> list[HoldId]:
    """What was ticked, of what the user sees. Raises InputError for what is not held (any more)."""
    ids = [HoldId.parse(text) for text in visit.fields("id")]
    if not ids:
        raise InputError("Nothing is ticked", "tick what you mean")
    there = {hold.id for hold in _held(visit)}
    if gone := [str(one) for one in ids if one not in there]:
        raise InputError(f"{', '.join(gone)} is not held (any more)", "nothing was decided; see what is held now")
    return ids


def _pauses(do: str) -> bool:
    """Whether an address says `pause`; 404 for what is neither that nor `resume`."""
    if do not in (_PAUSE, _RESUME):
        raise HTTPException(404)
    return do == _PAUSE


def _require_provider(visit: Visit) -> None:
    try:
        visit.services.provider.check()
    except ServiceUnreachable as error:
        raise ServiceUnreachable(f"Nothing was resumed: {error.message}", error.hint) from error


def _scope(visit: Visit, program: str, permission: Permission) -> Scope:
    scope = visit.scopes().get(program)
    if scope is None:
        raise HTTPException(404)
    if not visit.may(permission, scope.program_id):
        raise NotAllowed("Your role does not let you do this in that program. An admin can change that.")
    return scope


def _may(visit: Visit, permission: Permission, program: str) -> bool:
    return visit.may(permission, visit.scopes()[program].program_id)
