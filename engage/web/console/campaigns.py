"""Campaigns as marketing sees them: what each has done and does next, its steps drawn, whom its next run would mail."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import HTMLResponse

from engage.domain.accounts import Permission
from engage.domain.campaigns import Campaign
from engage.domain.deliveries import DeliveryState
from engage.domain.errors import EngageError
from engage.facts import Scope
from engage.pipeline.ahead import next_run
from engage.pipeline.clocks import on_their_clocks
from engage.pipeline.explaining import explain
from engage.pipeline.library import Library
from engage.pipeline.previewing import Previewed, preview
from engage.reporting.figures import Figures, figures_of
from engage.slots import Slot
from engage.store.campaign_pauses import standing_campaign_pauses
from engage.store.coming import counted_since, last_runs, versions_seen
from engage.store.journeys import Inside, inside
from engage.store.runs import Run
from engage.web.console import phrases, reasons
from engage.web.console.doors import Allowed, Visit
from engage.web.console.flow import draw, listed
from engage.web.console.plans import Busy, Plans, is_planned
from engage.web.console.shell import show

router = APIRouter()

_PATH = "/console/campaigns"
_ONE = _PATH + "/{program}/{name}"
_LATELY = timedelta(days=28)
_VERSIONS = 20
_LONGEST = 320  # of what names somebody: an address
_ORDER = {state: number for number, state in enumerate(("live", "paused", "draft", "ended"))}

Seer = Annotated[Visit, Depends(Allowed(Permission.SEE_CAMPAIGNS))]

_SAYS: dict[str, Any] = {"phrases": phrases, "reason": reasons.said, "asked": reasons.asked}


@dataclass(frozen=True, slots=True)
class Row:
    """One campaign of the list. `lately`: mails that went out in the last 28 days."""

    campaign: Campaign
    scope: Scope
    next: Slot | None
    last: Run | None
    lately: int
    figures: Figures | None


@router.get(_PATH, include_in_schema=False)
def campaigns(visit: Seer) -> Response:
    """All campaigns, the live ones first."""
    library, scopes = visit.services.library(), visit.scopes()
    ids = [scope.program_id for scope in scopes.values()]
    with visit.services.database.read() as db:
        lately = counted_since(db, ids, visit.now - _LATELY, [DeliveryState.ACCEPTED])
        runs = last_runs(db, ids)
        figures = figures_of(db, ids)
    rows = []
    for (program, name), campaign in library.campaigns.items():
        if (scope := scopes.get(program)) is not None:
            key = scope.program_id, name
            coming = next_run(campaign, scope.program, visit.now)
            rows.append(Row(campaign, scope, coming, runs.get(key), lately[key], figures.get(key)))
    rows.sort(key=lambda one: (one.campaign.program, _ORDER[one.campaign.state], one.campaign.name))
    problems = library.problems if visit.user.program_ids is None else ()
    return show(visit, "campaigns.html", rows=rows, many=len(scopes) > 1, problems=problems, **_SAYS)


@router.get(_ONE, include_in_schema=False)
def campaign(visit: Seer, program: str, name: str, version: int | None = None) -> Response:
    """One campaign; with `version`, its steps as an older version of it has them."""
    library = visit.services.library()
    found = _find(visit, library, program, name)
    if found is None:
        return _missing(visit)
    one, scope = found
    with visit.services.database.read() as db:
        standing = inside(db, scope.program_id, one.name)
        versions = versions_seen(db, scope.program_id, one.name, _VERSIONS)
        known = {id_ for id_, _, _ in versions} | {at.version_id for at in standing}
        older = library.versions(db, {version} & known) if version is not None else {}
        run = last_runs(db, [scope.program_id]).get((scope.program_id, one.name))
        figures = figures_of(db, [scope.program_id]).get((scope.program_id, one.name))
        pauses = standing_campaign_pauses(db, [scope.program_id])
        lately = counted_since(db, [scope.program_id], visit.now - _LATELY, [DeliveryState.ACCEPTED])
    current = library.version_of(one)
    drawn_id = version if version is not None and version in older else current
    drawn = older.get(drawn_id, one)
    here = _here(standing, drawn_id)
    return show(
        visit,
        "campaign.html",
        one=one,
        scope=scope,
        next=next_run(one, scope.program, visit.now),
        run=run,
        figures=figures,
        lately=lately[scope.program_id, one.name],
        drawing=draw(drawn, scope.program, here),
        steps=listed(drawn, scope.program, here),
        drawn_id=drawn_id,
        current=current,
        versions=versions,
        inside={id_: sum(at.count for at in standing if at.version_id == id_) for id_ in known},
        problems=[problem for problem in library.problems if problem.file == one.path],
        planned=is_planned(one),
        pause=next((each for each in pauses if each.campaign == one.name), None),
        **_SAYS,
    )


@router.get(_ONE + "/plan", include_in_schema=False)
def plan(visit: Seer, program: str, name: str) -> Response:
    """Whom the next run would mail: a part of the campaign's page, or, without scripts, a page of its own."""
    library = visit.services.library()
    found = _find(visit, library, program, name)
    if found is None:
        return _missing(visit)
    one, scope = found
    plans: Plans = visit.request.app.state.plans
    outlook, busy = None, False
    try:
        outlook = plans.of(visit.services, library, one)
    except Busy:
        busy = True
    part = bool(visit.request.headers.get("hx-request"))
    template = "_plan.html" if part else "plan.html"
    values: dict[str, Any] = {
        "outlook": outlook,
        "busy": busy,
        "part": part,
        "own_clocks": on_their_clocks(one),
        "shown": _SHOWN,
    }
    return show(visit, template, one=one, scope=scope, **values, **_SAYS)


_SHOWN = 50
"""So many names of a plan are on its page."""


@router.get(_ONE + "/as", include_in_schema=False)
def as_partner(visit: Seer, program: str, name: str, partner: str = "", mail: int = 0) -> Response:
    """Whether one partner would get it, with each value behind that, and its mails as they would read them."""
    library = visit.services.library()
    found = _find(visit, library, program, name)
    if found is None:
        return _missing(visit)
    one, scope = found
    whom, slot, now = partner.strip()[:_LONGEST], next_run(one, scope.program, visit.now), visit.now
    explanation, mails, problem, hint = None, list[Previewed](), "", ""
    if whom:
        with visit.services.database.read() as db:
            try:
                at = slot.at if slot is not None else now
                explanation = explain(db, scope, one, whom, at, heard_at=now)
                mails = preview(db, library, one, whom, visit.services.settings.public_url, now)
            except EngageError as error:
                problem, hint = error.message, "" if explanation is not None else error.hint
    return show(
        visit,
        "as_partner.html",
        one=one,
        scope=scope,
        slot=slot,
        whom=whom,
        explanation=explanation,
        mails=mails,
        shown=mails[min(max(mail, 0), len(mails) - 1)] if mails else None,
        number=min(max(mail, 0), max(len(mails) - 1, 0)),
        problem=problem,
        hint=hint,
        **_SAYS,
    )


@router.get(_ONE + "/mail", include_in_schema=False)
def mail_alone(visit: Seer, program: str, name: str, partner: str = "", mail: int = 0) -> Response:
    """One mail's own HTML, for the frame of the page above, under a policy of its own: nothing in it can run."""
    library = visit.services.library()
    found = _find(visit, library, program, name)
    if found is None:
        return _missing(visit)
    one, _ = found
    with visit.services.database.read() as db:
        try:
            mails = preview(db, library, one, partner.strip()[:_LONGEST], visit.services.settings.public_url, visit.now)
        except EngageError:
            return _missing(visit)
    if not 0 <= mail < len(mails):
        return _missing(visit)
    return HTMLResponse(mails[mail].message.html, headers=FRAMED)


FRAMED = {
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; font-src data:; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
}
"""A mail's own styles and pictures, as its reader sees them; no script, no form, no plugin, no way out of its frame.
`sandbox` makes it a stranger to us also where it is opened alone."""


def _find(visit: Visit, library: Library, program: str, name: str) -> tuple[Campaign, Scope] | None:
    """The campaign, if the user is let into its program."""
    scope, campaign = visit.scopes().get(program), library.campaigns.get((program, name))
    return (campaign, scope) if scope is not None and campaign is not None else None


def _missing(visit: Visit) -> Response:
    text = "There is no such campaign, or it is in a program that you are not let into."
    return show(visit, "no.html", 404, heading="Not here", text=text)


def _here(standing: Sequence[Inside], version_id: int) -> dict[str, int]:
    """How many stand at each step of a version."""
    return {one.step: one.count for one in standing if one.version_id == version_id}
