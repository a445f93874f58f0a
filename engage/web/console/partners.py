"""Partners: found by name, address or id; and the page of one, which answers why they got, or did not get, what."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.engine import Connection
from starlette.exceptions import HTTPException

from engage.domain.accounts import Permission
from engage.domain.campaigns import Campaign
from engage.domain.errors import InputError
from engage.domain.facts import Subject
from engage.facts import Scope
from engage.pipeline.consent_shown import Shown, show_consent
from engage.pipeline.explaining import explain
from engage.pipeline.library import Library
from engage.pipeline.looking_up import (
    explained_campaigns,
    instant_on,
    partner_facts,
    standing_against,
    topic_standings,
)
from engage.pipeline.naming import somebody_named
from engage.store.coaching import alerts_about, working_with
from engage.store.partners_seen import Profile, mails_of, profile, search
from engage.store.people import partners_known_as
from engage.store.runs import last_run
from engage.store.so_far import campaigns_ever, entries_of, last_entries, so_far
from engage.web.console.consent_words import changes_shown
from engage.web.console.doors import HOME, Allowed, Visit
from engage.web.console.partner_words import entry_shown, mail_shown
from engage.web.console.shell import query, show
from engage.web.console.why_words import Answer, Asked, answer
from engage.web.rendering import root_of

PARTNERS = f"{HOME}/partners"
A_PAGE = 25
MAILS = 15
ENTRIES = 10
OF_ONE_CAMPAIGN = 5
CHANGES = 30
ALERTS = 5
_LONGEST = 200

router = APIRouter()

Looking = Annotated[Visit, Depends(Allowed(Permission.SEE_PARTNERS))]


def partner_path(program: str, external_id: str) -> str:
    """Where a partner's page is, below the root."""
    return f"{PARTNERS}/{quote(program, safe='')}/{quote(external_id, safe='')}"


@router.get(PARTNERS, include_in_schema=False)
def partners(visit: Looking) -> Response:
    """Who matches; whoever is named by id or address is led to at once."""
    scopes = visit.scopes()
    text, key = _asked(visit, "q"), _asked(visit, "program")
    within = {name: scope for name, scope in scopes.items() if key in ("", name)}
    keys = {scope.program_id: name for name, scope in within.items()}
    after = _after(_asked(visit, "after"))
    with visit.services.database.read() as db:
        exact = _named(db, within, text) if text and after is None else []
        if len(exact) == 1:
            return RedirectResponse(root_of(visit.request) + partner_path(*exact[0]), 303)
        found = search(db, list(keys), text, A_PAGE + 1, after)
    shown = found[:A_PAGE]
    rows = [(one, keys[one.program_id], partner_path(keys[one.program_id], one.external_id)) for one in shown]
    more = ""
    if len(found) > A_PAGE:
        last = f"{shown[-1].program_id}.{shown[-1].external_id}"
        more = f"{PARTNERS}?{urlencode(query({'q': text, 'program': key, 'after': last}))}"
    programs = sorted(scopes) if len(scopes) > 1 else ()
    return show(visit, "partners.html", rows=rows, q=text, chosen=key, programs=programs, more=more)


@router.get(PARTNERS + "/{program}/{external_id:path}", include_in_schema=False)
def partner(visit: Looking, program: str, external_id: str) -> Response:
    """The page of one partner."""
    scope = visit.scopes().get(program)
    if scope is None or not external_id.isprintable():
        raise HTTPException(404)
    with visit.services.database.read() as db:
        known = partners_known_as(db, scope.program_id, external_id)
        if external_id not in dict(known):
            if len(known) == 1:  # by an alias: a changed id, or a duplicate that was merged
                to = root_of(visit.request) + partner_path(program, known[0][0])
                return RedirectResponse(to, 303)
            raise HTTPException(404)
        who = profile(db, dict(known)[external_id])
        return _page(visit, db, scope, who)


def _page(visit: Visit, db: Connection, scope: Scope, who: Profile) -> Response:
    library, now, program = visit.services.library(), visit.now, scope.program
    asked = _question(visit, scope)
    campaigns = explained_campaigns(library, program)
    names = sorted({*campaigns_ever(db, scope.program_id), *(one.name for one in campaigns)})
    consent = show_consent(db, scope, who.external_id, now)
    entries = entries_of(
        db, scope.program_id, names, who.id, now, ENTRIES + 1, _cursor(_asked(visit, "entries_before"))
    )
    mails = mails_of(db, who.id, MAILS + 1, _cursor(_asked(visit, "mails_before")))
    last = last_entries(db, scope.program_id, names, who.id)
    known = {one.name: one for one in campaigns}
    path = partner_path(program.key, who.external_id)
    changes = changes_shown(consent, who.external_id)
    return show(
        visit,
        "partner.html",
        who=who,
        theirs=program,
        path=path,
        asked=asked,
        answer=_answer(db, library, scope, who, asked, now),
        campaigns=[(one, *last.get(one.name, (0, None))) for one in campaigns],
        against=_against(db, consent, who, now),
        alerts=alerts_about(db, who.id, ALERTS) if visit.may(Permission.SEE_COACHING) else (),
        topics=topic_standings(program, consent, who.external_id),
        language=consent.languages.get(who.external_id),
        changes=changes[:CHANGES],
        more_changes=len(changes) > CHANGES,
        facts=partner_facts(db, library, scope, who.id, now, asked.at),
        entries=[entry_shown(one, program, known.get(one.campaign)) for one in entries[:ENTRIES]],
        older_entries=_older(
            visit, path, "entries_before", [(e.entered.at, e.id) for e in entries], ENTRIES, "happened"
        ),
        mails=[mail_shown(one, program) for one in mails[:MAILS]],
        older_mails=_older(visit, path, "mails_before", [(one.created_at, one.id) for one in mails], MAILS, "sent"),
    )


def _against(db: Connection, consent: Shown, who: Profile, now: datetime) -> list[str]:
    """What keeps all mail, or all marketing mail, from the partner."""
    found = standing_against(consent, who.external_id, who.status, who.email)
    if who.id in (working := working_with(db, [who.id], now)):
        found.append(f"No marketing mail: {working[who.id][1]} has claimed an alert and works with them.")
    return found


def _question(visit: Visit, scope: Scope) -> Asked:
    """What is asked in the page's address: of which campaign, as of which day."""
    campaign, day = _asked(visit, "campaign"), _asked(visit, "on")
    if not day:
        return Asked(campaign, "", None, "")
    try:
        return Asked(campaign, day, instant_on(day, scope.program, visit.now), "")
    except (ValueError, OverflowError):
        return Asked(campaign, day, None, "This is no day that engage can look at: write one such as 2026-10-01.")


def _answer(db: Connection, library: Library, scope: Scope, who: Profile, asked: Asked, now: datetime) -> Answer | None:
    """Why the partner would, or would not, get the campaign that is asked about, and what became of it so far."""
    campaign = library.get(scope.program_id, asked.campaign) if asked.campaign else None
    if campaign is None or campaign.subject is Subject.STAFF:
        return None
    as_of, name = asked.at or now, _whom(campaign, who)
    if not name:
        return answer(campaign, scope.program, as_of, None, (), "The campaign is for companies, and they have none.")
    try:
        found = explain(db, scope, campaign, name, as_of)
    except InputError as error:
        return answer(campaign, scope.program, as_of, None, (), f"{error.message}.")
    _, whom = somebody_named(db, scope, campaign.subject, name)
    entries = so_far(db, scope.program_id, campaign.name, campaign.subject, whom, as_of, OF_ONE_CAMPAIGN)
    run = last_run(db, scope.program_id, campaign.name, as_of)
    return answer(campaign, scope.program, as_of, found, entries, "", run)


def _whom(campaign: Campaign, who: Profile) -> str:
    return who.company_id if campaign.subject is Subject.COMPANY else who.external_id


def _named(db: Connection, scopes: Mapping[str, Scope], text: str) -> list[tuple[str, str]]:
    """(program, external id) of those whose id, former id or address this is."""
    return [
        (key, external_id)
        for key, scope in scopes.items()
        for external_id, _ in partners_known_as(db, scope.program_id, text)
    ]


def _asked(visit: Visit, name: str) -> str:
    """A value of the page's address, in one line."""
    given = visit.request.query_params.get(name, "")
    return "".join(char for char in given if char.isprintable()).strip()[:_LONGEST]


@dataclass(frozen=True, slots=True)
class Older:
    """Where a list goes on, or begins again; "" where it does not."""

    older: str
    newest: str


def _older(visit: Visit, path: str, name: str, rows: list[tuple[datetime, int]], most: int, part: str) -> Older:
    kept = {key: _asked(visit, key) for key in ("campaign", "on", "entries_before", "mails_before")}
    first = f"{path}?{urlencode(query(kept | {name: ''}))}#{part}" if kept[name] else ""
    if len(rows) <= most:
        return Older("", first)
    at, id_ = rows[most - 1]
    cursor = f"{at.isoformat()}.{id_}"
    return Older(f"{path}?{urlencode(query(kept | {name: cursor}))}#{part}", first)


def _cursor(text: str) -> tuple[datetime, int] | None:
    """Where a page of a list ended; None for the first, and for what is none."""
    at, _, id_ = text.rpartition(".")
    try:
        instant = datetime.fromisoformat(at)
        return (instant, int(id_)) if instant.tzinfo and len(id_) < 19 else None
    except ValueError:
        return None


def _after(text: str) -> tuple[int, str] | None:
    program_id, dot, external_id = text.partition(".")
    digits = program_id.isascii() and program_id.isdigit() and len(program_id) < 19
    return (int(program_id), external_id) if dot and digits else None
