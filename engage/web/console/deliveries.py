"""Deliveries: found by partner, campaign, state and error; what waits for somebody is moved, one or many at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.engine import Connection

from engage.domain.accounts import Permission
from engage.domain.deliveries import DeliveryState
from engage.domain.errors import InputError
from engage.facts import Scope
from engage.pipeline.looking_up import values_read
from engage.pipeline.settling import Move, written_id
from engage.queueing import Lane
from engage.reporting.status import MOST
from engage.store.audit import entries
from engage.store.counts import by_hour, hour_of
from engage.store.delivery_lists import CHOICES, Filter, List, Place, Wanted, listed
from engage.store.loads import in_hands, lane_load, outstanding
from engage.store.one_delivery import attempts_of, decisions_of, kept_mail, one_delivery, reports_of
from engage.store.people import partners_known_as
from engage.store.settling import MOST_AT_ONCE, STUCK, Shown, Which, all_shown
from engage.web.console.asked import LONGEST_WHY, asked_for, why_of
from engage.web.console.campaigns import FRAMED
from engage.web.console.doors import HOME, Allowed, Visit
from engage.web.console.reasons import said as reason_said
from engage.web.console.shell import query, said, show

DELIVERIES = f"{HOME}/deliveries"
A_PAGE = 50
_FILTERS = ("state", "program", "campaign", "partner", "error")
_AUDITED = 50
_DELIVERING = (Lane.TRANSACTIONAL, Lane.BULK, Lane.ALERTS)
_DAY = timedelta(days=1)

router = APIRouter()

Looking = Annotated[Visit, Depends(Allowed(Permission.SEE_OPERATIONS))]
Operating = Annotated[Visit, Depends(Allowed(Permission.OPERATE))]

LABELS: Mapping[Wanted, str] = {
    DeliveryState.UNKNOWN: "unknown",
    DeliveryState.DEAD: "dead",
    List.WAITING: "waiting",
    List.RETRY: "waiting for another try",
    List.IN_HANDS: "in workers’ hands",
    DeliveryState.ACCEPTED: "accepted",
    DeliveryState.SKIPPED: "skipped",
    DeliveryState.SUPPRESSED: "suppressed",
    DeliveryState.CANCELLED: "cancelled",
    DeliveryState.EXPIRED: "expired",
    DeliveryState.HELD: "kept, not sent",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A move as a button. `done` follows the number of mails, `grave`: it cannot be taken back."""

    move: Move
    label: str
    done: str
    grave: bool = False


MOVES: Mapping[Wanted, tuple[Choice, ...]] = {
    DeliveryState.DEAD: (
        Choice(Move.RETRY, "Try again", "will be tried again if it is still right."),
        Choice(Move.DROP, "Drop for good", "will never go out.", grave=True),
    ),
    DeliveryState.UNKNOWN: (
        Choice(Move.SENT, "It was sent", "will count as accepted."),
        Choice(Move.NOT_SENT, "It was not sent, and need not be", "will not go out any more."),
        Choice(Move.RESEND, "Send again, perhaps twice", "will go out again if it is still right.", grave=True),
    ),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the page shows: the filter as it stands in the form, what it means. `nobody`: no partner is so called."""

    said: Mapping[str, str]
    filter: Filter
    nobody: bool

    @property
    def which(self) -> Which:
        f = self.filter
        return Which((), f.campaign, f.error, f.partner_ids, f.program_ids)

    @property
    def path(self) -> str:
        shown = urlencode(query(self.said))
        return f"{DELIVERIES}?{shown}" if shown else DELIVERIES


@router.get(DELIVERIES, include_in_schema=False)
def deliveries(visit: Looking) -> Response:
    """The list."""
    return _list(visit)


@router.post(DELIVERIES + "/move", include_in_schema=False)
def move(visit: Operating) -> Response:
    """Moves those that were ticked, or all that were shown; all of them or none."""
    alone = visit.form.get("alone", "")
    try:
        choice, which, shown = _decided(visit)
        why = why_of(visit)
        moved = visit.services.move(choice.move, which, why, visit.actor, shown)
    except InputError as error:
        told = f"{error.message}: {error.hint}." if error.hint else f"{error.message}."
        return _one(visit, alone, told) if alone else _list(visit, told)
    many = "1 mail" if len(moved.ids) == 1 else f"{len(moved.ids):,} mails"
    back = f"{DELIVERIES}/{written_id(_id(alone))}" if alone else _asked_now(visit).path
    return said(visit, back, f"{many} {choice.done}")


@router.get(DELIVERIES + "/{name}", include_in_schema=False)
def delivery(visit: Looking, name: str) -> Response:
    """One delivery, with all that is known of it. `name` is its id, such as d-12."""
    return _one(visit, name)


@router.get(DELIVERIES + "/{name}/mail", include_in_schema=False)
def mail(visit: Looking, name: str) -> Response:
    """The HTML of a mail that is kept, for the frame of the page above: nothing in it can run, or lead anywhere."""
    with visit.services.database.read() as db:
        found = one_delivery(db, _id(name), _program_ids(visit))
        kept = kept_mail(db, found.id) if found is not None else None
    if kept is None:
        raise HTTPException(404)
    return HTMLResponse(kept.html, headers=FRAMED)


# --- the list ---------------------------------------------------------------------------------------------------------


def _list(visit: Visit, error: str = "") -> Response:
    now = visit.now
    with visit.services.database.read() as db:
        asked = _asked(visit, db)
        wanted, program_ids = asked.filter.wanted, asked.filter.program_ids
        found = listed(db, asked.filter, _place(visit.request.query_params.get("after", "")), A_PAGE)
        shown = all_shown(db, wanted, asked.which)[1] if isinstance(wanted, DeliveryState) and wanted in STUCK else None
        loads = [lane_load(db, lane, now, MOST) for lane in _DELIVERING]
        stuck = {state: outstanding(db, state, MOST, program_ids) for state in STUCK}
        hands = in_hands(db, MOST)
        day = _ended(db, program_ids, now)
    programs = {scope.program_id: key for key, scope in visit.scopes().items()}
    return show(
        visit,
        "deliveries.html",
        409 if error else 200,
        asked=asked,
        error=error,
        why=visit.form.get("why", "")[:LONGEST_WHY],
        ticked=set(visit.fields("id")),
        every=visit.form.get("of") == "all",
        page=found,
        path=DELIVERIES,
        next=f"{asked.path}{'&' if '?' in asked.path else '?'}{urlencode({'after': _written(found.next)})}"
        if found.next
        else "",
        moves=MOVES.get(wanted, ()) if visit.may(Permission.OPERATE) else (),
        shown=shown,
        capped=shown is not None and shown.number >= MOST_AT_ONCE,
        labels=LABELS,
        choices=CHOICES,
        stuck=stuck,
        waiting=sum(load.waiting for load in loads),
        due=sum(load.due for load in loads),
        retrying=sum(load.retrying for load in loads),
        hands=hands,
        day=day,
        most=MOST,
        programs=programs,
        campaigns=sorted({name for key, name in visit.services.library().campaigns if key in programs.values()}),
        reason_said=reason_said,
        written=written_id,
    )


def _asked(visit: Visit, db: Connection) -> Asked:
    told = {name: asked_for(visit, name) for name in _FILTERS}
    scopes = {key: scope for key, scope in visit.scopes().items() if told["program"] in ("", key)}
    program_ids = tuple(sorted(scope.program_id for scope in scopes.values()))
    partner_ids = _partners(db, scopes, told["partner"]) if told["partner"] else None
    wanted = next((one for one in CHOICES if one.value == told["state"]), None)
    if wanted is None:
        wanted = List.ANY if partner_ids is not None else _first(db, program_ids)
    found = Filter(wanted, program_ids, told["campaign"] or None, told["error"] or None, partner_ids)
    return Asked(told | {"state": "" if wanted is List.ANY else wanted.value}, found, partner_ids == ())


def _first(db: Connection, program_ids: tuple[int, ...]) -> Wanted:
    """What is shown to whoever asks for no state: what needs somebody, if anything does."""
    for state in (DeliveryState.DEAD, DeliveryState.UNKNOWN):
        if outstanding(db, state, 1, program_ids):
            return state
    return List.WAITING


def _partners(db: Connection, scopes: Mapping[str, Scope], name: str) -> tuple[int, ...]:
    found = [partners_known_as(db, scope.program_id, name) for scope in scopes.values()]
    return tuple(id_ for known in found for _, id_ in known)


def _ended(db: Connection, program_ids: tuple[int, ...], now: datetime) -> dict[str, int]:
    """How many came to which end in the last day, to the hour."""
    found: dict[str, int] = {}
    for one in by_hour(db, program_ids, hour_of(now - _DAY), now):
        found[one.state] = found.get(one.state, 0) + one.number
    return found


def _written(place: Place) -> str:
    return f"{place.at.isoformat() if place.at else ''}~{place.id}"


def _place(text: str) -> Place | None:
    """Where a list goes on; None at its beginning, and for what is no place."""
    at, tilde, id_ = text.partition("~")
    if not tilde or not (id_.isascii() and id_.isdigit() and len(id_) < 19):
        return None
    try:
        instant = datetime.fromisoformat(at) if at else None
    except ValueError:
        return None
    return Place(instant, int(id_)) if instant is None or instant.tzinfo else None


# --- what is decided --------------------------------------------------------------------------------------------------


def _decided(visit: Visit) -> tuple[Choice, Which, Shown | None]:
    """What the form says. Raises InputError when it does not say enough."""
    name, programs = visit.form.get("move", ""), _program_ids(visit)
    choice = next((one for choices in MOVES.values() for one in choices if one.move.name == name), None)
    if choice is None:
        raise InputError("Say what is to become of them", "press one of the buttons")
    if visit.form.get("of") == "all":
        asked = _asked_now(visit)
        if asked.filter.wanted is not choice.move.value[0]:
            raise InputError("That cannot be done with what the list shows", "nothing was changed")
        return choice, asked.which, _shown(visit)
    ids = tuple(dict.fromkeys(_id(one) for one in visit.fields("id")))
    if not ids:
        raise InputError("Nothing is ticked", "tick those that you mean, or choose all that the list shows")
    return choice, Which(ids, program_ids=programs), None


def _asked_now(visit: Visit) -> Asked:
    with visit.services.database.read() as db:
        return _asked(visit, db)


def _shown(visit: Visit) -> Shown:
    number, newest = visit.form.get("shown", ""), visit.form.get("newest", "")
    try:
        return Shown(int(number), datetime.fromisoformat(newest) if newest else None)
    except ValueError:
        raise InputError("That was not sent by this page", "open it again, and try once more") from None


def _program_ids(visit: Visit) -> tuple[int, ...]:
    return tuple(sorted(scope.program_id for scope in visit.scopes().values()))


def _id(name: str) -> int:
    """The number of an id such as d-12, or 12. 404 for what is none."""
    digits = name.removeprefix("d-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise HTTPException(404)
    return int(digits)


# --- one --------------------------------------------------------------------------------------------------------------


def _one(visit: Visit, name: str, error: str = "") -> Response:
    library, id_ = visit.services.library(), _id(name)
    with visit.services.database.read() as db:
        found = one_delivery(db, id_, _program_ids(visit))
        if found is None:
            raise HTTPException(404)
        scope = library.scope(found.program_id)
        assert scope is not None, "it is one of the scopes that the user sees"
        campaign = library.get(found.program_id, found.campaign)
        values = [
            (one, values_read(scope.program, campaign, one.values)) for one in decisions_of(db, found.enrollment_id)
        ]
        return show(
            visit,
            "delivery.html",
            409 if error else 200,
            one=found,
            program_key=scope.program.key,
            error=error,
            why=visit.form.get("why", "")[:LONGEST_WHY],
            moves=MOVES.get(found.state, ()) if visit.may(Permission.OPERATE, found.program_id) else (),
            path=DELIVERIES,
            attempts=attempts_of(db, found.id),
            reports=reports_of(db, found.id),
            decided=values,
            kept=kept_mail(db, found.id) if found.keeps_mail else None,
            changes=entries(db, _AUDITED, of_object=f"delivery:{found.id}"),
            reason_said=reason_said,
            written=written_id,
        )
