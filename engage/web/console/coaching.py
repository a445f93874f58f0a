"""Coaching alerts: whom to call, why, and what to say; three taps from the list to what became of it."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Response
from sqlalchemy.engine import Connection
from starlette.exceptions import HTTPException

from engage.domain.accounts import Permission
from engage.domain.coaching import CLAIM_LASTS, LONGEST_NOTE, SAID_OF, SNOOZES, AlertState, Outcome
from engage.pipeline.coaching import Turn, claim, owner_named, release, reopen, resolve, sent_to, snooze, words_for
from engage.store.coaching import (
    Alert,
    Whose,
    alerts_about,
    find_alert,
    in_hand,
    owners_waited_for,
    resolved,
    waiting,
    working_with,
)
from engage.web.console.doors import HOME, Allowed, Visit
from engage.web.console.partners import partner_path
from engage.web.console.shell import query, said, show

router = APIRouter()

COACHING = f"{HOME}/coaching"
_ONE = COACHING + "/{alert_id:int}"
A_PAGE = 25
_IN_HAND = 50
_EARLIER = 5
_RESOLVED_WITHIN = timedelta(days=90)
_SHOWN = ("todo", "snoozed", "resolved")
_LARGEST = 2**63

Looking = Annotated[Visit, Depends(Allowed(Permission.SEE_COACHING))]
Coaching = Annotated[Visit, Depends(Allowed(Permission.COACH))]


@dataclass(frozen=True, slots=True)
class Card:
    """An alert as the list shows it. `why` is what its campaign is good for; `may` whether the reader may act on it;
    `working` who (id, name) has an alert about the same partner in hand.
    """

    alert: Alert
    owner: str
    why: str
    holder: int | None
    path: str
    may: bool
    working: tuple[int, str] | None


@router.get(COACHING, include_in_schema=False)
def coaching(visit: Looking) -> Response:
    """What the reader has in hand, and the alerts that wait: their own, unless they ask for others'."""
    ids = _programs(visit)
    params = visit.request.query_params
    shown = params.get("show", "") if params.get("show") in _SHOWN else "todo"
    with visit.services.database.read() as db:
        mine = sent_to(db, visit.services.library(), ids, visit.user.email)
        chosen, whose = _whose(params.get("whose", ""), mine)
        owners = owners_waited_for(db, ids, visit.now)
        after = find_alert(db, ids, _number(params.get("after", "")))
        first = shown == "todo" and after is None
        hand = in_hand(db, ids, visit.user.id, visit.now, _IN_HAND) if first else []
        found = _found(db, visit, ids, shown, whose, after)
        cards = _cards(db, visit, found[:A_PAGE])
        in_hands = _cards(db, visit, hand)
    more = ""
    if len(found) > A_PAGE:
        values = {"whose": chosen, "show": shown, "after": found[A_PAGE - 1].id}
        more = f"{COACHING}?{urlencode(query(values))}"
    return show(
        visit,
        "coaching.html",
        hand=in_hands,
        cards=cards,
        owners=owners,
        has_own=bool(mine),
        chosen=chosen,
        shown=shown,
        outcomes=SAID_OF,
        more=more,
        later=after is not None,
    )


def in_words(visit: Visit) -> str:
    """What waits for the reader, for the page that leads to the list; "" where they may not see it."""
    if not visit.may(Permission.SEE_COACHING):
        return ""
    ids = _programs(visit)
    with visit.services.database.read() as db:
        _, whose = _whose("", sent_to(db, visit.services.library(), ids, visit.user.email))
        to_call = len(_found(db, visit, ids, "todo", whose, None))
        in_hands = len(in_hand(db, ids, visit.user.id, visit.now, _IN_HAND))
    waits = f"More than {A_PAGE} to call" if to_call > A_PAGE else f"{to_call} to call" if to_call else "Nobody to call"
    return f"{waits}, {in_hands} in your hands" if in_hands else waits


@router.get(_ONE, include_in_schema=False)
def alert(visit: Looking, alert_id: int) -> Response:
    """One alert: whom to call, why, what to say, what was said before."""
    ids = _programs(visit)
    with visit.services.database.read() as db:
        found = find_alert(db, ids, _bounded(alert_id))
        if found is None:
            raise HTTPException(404)
        library = visit.services.library()
        mail = words_for(db, library, found, visit.services.settings.public_url, visit.now)
        about = alerts_about(db, found.partner_id, _EARLIER + 1) if found.partner_id is not None else []
        card, *others = _cards(db, visit, [found, *(one for one in about if one.id != found.id)][: _EARLIER + 1])
    return show(
        visit,
        "alert.html",
        card=card,
        alert=found,
        mail=mail,
        others=others,
        partner=_partner(visit, found),
        dial=dial(found.phone),
        mailto=f"mailto:{quote(found.email, safe='@')}" if found.email else "",
        ends=found.claimed_at + CLAIM_LASTS if found.claimed_at is not None else None,
        outcomes=SAID_OF,
        snoozes=SNOOZES,
        longest=LONGEST_NOTE,
    )


@router.post(_ONE + "/claim", include_in_schema=False)
def claims(visit: Coaching, alert_id: int) -> Response:
    """Makes it the reader's own; `from` names the user whom they saw to have it, and take it over from."""
    of = _number(visit.form.get("from", "")) or None
    turn = _turn(visit, alert_id, lambda db, ids: claim(db, ids, alert_id, visit.actor, visit.now, of))
    name = turn.alert.about
    text = f"It is yours. Marketing mail to {name} waits until you resolve it, for {CLAIM_LASTS.days} days at most."
    return said(visit, _path(alert_id), text if turn.done else _lost(turn))


@router.post(_ONE + "/release", include_in_schema=False)
def releases(visit: Coaching, alert_id: int) -> Response:
    turn = _turn(visit, alert_id, lambda db, ids: release(db, ids, alert_id, visit.actor, visit.now))
    text = f"Given back. Others can claim {turn.alert.about} now."
    return said(visit, COACHING, text if turn.done else _lost(turn))


@router.post(_ONE + "/snooze", include_in_schema=False)
def snoozed(visit: Coaching, alert_id: int) -> Response:
    days = _number(visit.form.get("days", ""))
    if days not in SNOOZES:
        raise HTTPException(400)
    turn = _turn(visit, alert_id, lambda db, ids: snooze(db, ids, alert_id, visit.actor, visit.now, days))
    text = f"{turn.alert.about} comes back in {days} {'day' if days == 1 else 'days'}."
    return said(visit, COACHING if turn.done else _path(alert_id), text if turn.done else _lost(turn))


@router.post(_ONE + "/resolve", include_in_schema=False)
def resolves(visit: Coaching, alert_id: int) -> Response:
    try:
        outcome = Outcome(visit.form.get("outcome", ""))
    except ValueError:
        raise HTTPException(400) from None
    note = _note(visit.form.get("note", ""))
    turn = _turn(visit, alert_id, lambda db, ids: resolve(db, ids, alert_id, visit.actor, visit.now, outcome, note))
    text = f"{turn.alert.about}: {SAID_OF[outcome]}. A slip? It stands among what is resolved."
    return said(visit, COACHING if turn.done else _path(alert_id), text if turn.done else _lost(turn))


@router.post(_ONE + "/reopen", include_in_schema=False)
def reopens(visit: Coaching, alert_id: int) -> Response:
    turn = _turn(visit, alert_id, lambda db, ids: reopen(db, ids, alert_id, visit.actor, visit.now))
    text = f"It is open again, and yours. Marketing mail to {turn.alert.about} waits meanwhile."
    return said(visit, _path(alert_id), text if turn.done else _lost(turn))


# --- what the pages are made of ---------------------------------------------------------------------------------------


def _turn(visit: Visit, alert_id: int, change: Callable[[Connection, Collection[int]], Turn | None]) -> Turn:
    """Does it in one transaction. Raises 404 for an alert that the reader is not let see."""
    ids = [id_ for id_ in _programs(visit) if visit.may(Permission.COACH, id_)]
    _bounded(alert_id)
    with visit.services.database.write() as db:
        turn = change(db, ids)
    if turn is None:
        raise HTTPException(404)
    return turn


def _lost(turn: Turn) -> str:
    """Why it was not done: somebody else was quicker."""
    one = turn.alert
    if one.state is AlertState.RESOLVED and one.outcome is not None:
        return f"Nothing was changed: {one.resolver} has resolved it: {SAID_OF[one.outcome]}."
    if one.state is AlertState.CLAIMED:
        return f"Nothing was changed: {one.claimer} has claimed it."
    return "Nothing was changed: the claim is over. Claim it again."


def _found(
    db: Connection, visit: Visit, ids: Collection[int], shown: str, whose: Whose | None, after: Alert | None
) -> list[Alert]:
    if shown == "resolved":
        return resolved(db, ids, whose, visit.now - _RESOLVED_WITHIN, A_PAGE + 1, after=after)
    snoozing = shown == "snoozed"
    but_of = None if snoozing else visit.user.id
    return waiting(db, ids, whose, visit.now, A_PAGE + 1, snoozed=snoozing, but_of=but_of, after=after)


def _whose(asked: str, mine: Whose) -> tuple[str, Whose | None]:
    """Whose alerts are asked for, as the page's address has it and as the store asks for it."""
    if asked == "all" or (asked in ("", "mine") and not mine):
        return "all", None
    staff_id = _number(asked)
    return (str(staff_id), Whose(frozenset({staff_id}))) if staff_id else ("mine", mine)


def _cards(db: Connection, visit: Visit, alerts: Collection[Alert]) -> list[Card]:
    library = visit.services.library()
    workers = working_with(db, {one.partner_id for one in alerts if one.partner_id is not None}, visit.now)
    cards = []
    for one in alerts:
        campaign = library.get(one.program_id, one.campaign)
        why, may = campaign.why if campaign is not None else "", visit.may(Permission.COACH, one.program_id)
        cards.append(
            Card(
                one,
                owner_named(library, one),
                why,
                one.holder(visit.now),
                _path(one.id),
                may,
                workers.get(one.partner_id or 0),
            )
        )
    return cards


def _partner(visit: Visit, one: Alert) -> str:
    """Where the partner's page is; "" of an alert about none, and for who may not see it."""
    scope = visit.services.library().scope(one.program_id)
    if scope is None or one.partner is None or not visit.may(Permission.SEE_PARTNERS, one.program_id):
        return ""
    return partner_path(scope.program.key, one.partner)


def dial(phone: str) -> str:
    """The address that has a telephone call this number: digits and a + only, whatever an import says; "" of none."""
    digits = re.sub(r"[^0-9]", "", phone.partition("x")[0].replace("(0)", ""))
    plus = "+" if phone.strip().startswith("+") else ""
    return f"tel:{plus}{digits}" if len(digits) >= 4 else ""


def _programs(visit: Visit) -> list[int]:
    return [scope.program_id for scope in visit.scopes().values()]


def _path(alert_id: int) -> str:
    return f"{COACHING}/{alert_id}"


def _bounded(alert_id: int) -> int:
    """Raises 404 for a number that no row can have."""
    if alert_id >= _LARGEST:
        raise HTTPException(404)
    return alert_id


def _number(text: str) -> int:
    """What was chosen or typed as a number; 0 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _note(text: str) -> str:
    kept = "".join(char for char in text.replace("\r\n", "\n") if char.isprintable() or char == "\n")
    return kept.strip()[:LONGEST_NOTE]
