"""One's own account: password, second factor, and where one is logged in.

Whoever sits down at somebody's open browser changes none of it: each change takes the password that there is.
"""

from typing import Annotated

import segno
from fastapi import APIRouter, Depends, Response

from engage.domain.access import hash_of
from engage.domain.accounts import Actor
from engage.domain.errors import InputError
from engage.pipeline import second_factors
from engage.pipeline.logins import Entered, anew, change_password, confirm_second_factor
from engage.pipeline.passwords import fits, problem_with
from engage.store.accounts import has_subject, password_of
from engage.store.audit import note
from engage.store.second_factors import remove_factor
from engage.store.sessions import sessions_of
from engage.web.console.doors import HOME, Allowed, Visit, cookie_name, session_token, set_cookie
from engage.web.console.shell import said, show
from engage.web.limits import Limits

router = APIRouter()

PATH = f"{HOME}/account"
_LONGEST_CODE = 40
Mine = Annotated[Visit, Depends(Allowed(None))]


@router.get(PATH, include_in_schema=False)
def account_page(visit: Mine) -> Response:
    return _page(visit)


@router.post(PATH + "/password", include_in_schema=False)
def choose_password(visit: Mine) -> Response:
    """Ends all other sessions, and gives this browser a new one."""
    try:
        _require_password(visit)
        new = visit.form.get("password", "")
        if wrong := problem_with(new, visit.user.email, visit.user.name):
            raise InputError(wrong)
        if new != visit.form.get("again", ""):
            raise InputError("The two new passwords are not the same.")
        with visit.services.database.write() as db:
            if not visit.user.has_password and has_subject(db, visit.user.id):
                raise InputError("You log in with your organisation's account, and need no password.")
            session = change_password(db, visit.user, new, visit.actor.origin or "", visit.now)
    except InputError as error:
        return _page(visit, 422, str(error))
    return _anew(
        visit, said(visit, PATH, "Your password is changed. You are logged in here, and nowhere else."), session
    )


@router.post(PATH + "/second-factor/offer", include_in_schema=False)
def offer_factor(visit: Mine) -> Response:
    try:
        _require_password(visit)
    except InputError as error:
        return _page(visit, 422, str(error))
    with visit.services.database.write() as db:
        second_factors.offer(db, visit.services.signer, visit.user)
    return said(visit, PATH, "Now have your app scan the picture below.")


@router.post(PATH + "/second-factor/confirm", include_in_schema=False)
def confirm_factor(visit: Mine) -> Response:
    """Shows the recovery codes, this once."""
    try:
        code = _code(visit)
    except InputError as error:
        return _page(visit, 429, str(error))
    origin = visit.actor.origin or ""
    with visit.services.database.write() as db:
        done = confirm_second_factor(db, visit.services.signer, visit.user, code, origin, visit.now)
    if done is None:
        return _page(visit, 422, "That is not the code of now. Does your phone show the right time?")
    session, codes = done
    return _anew(visit, show(visit, "recovery.html", codes=codes), session)


@router.post(PATH + "/second-factor/remove", include_in_schema=False)
def remove_second_factor(visit: Mine) -> Response:
    """Takes the password and a code: whoever has but one of them cannot."""
    try:
        _require_password(visit)
        code = _code(visit)
        with visit.services.database.write() as db:
            user, _ = password_of(db, visit.user.id)
            if second_factors.shows(db, visit.services.signer, user, code, visit.now) is None:
                raise InputError("That code does not count, or was used before.")
            remove_factor(db, user.id)
            actor = Actor(user.email, user.id, visit.actor.origin)
            note(db, actor, "user.second-factor", [f"user:{user.id}"], visit.now, after={"set": False})
            session = anew(db, user, visit.actor.origin or "", visit.now)
    except InputError as error:
        return _page(visit, 422, str(error))
    return _anew(visit, said(visit, PATH, "No code is asked for any more."), session)


@router.post(PATH + "/sessions", include_in_schema=False)
def end_others(visit: Mine) -> Response:
    """Logs out everywhere else."""
    with visit.services.database.write() as db:
        session = anew(db, visit.user, visit.actor.origin or "", visit.now)
    return _anew(visit, said(visit, PATH, "You are logged in here, and nowhere else."), session)


def _require_password(visit: Visit) -> None:
    """Raises InputError unless the form brings the password that there is, if there is one."""
    limits: Limits = visit.request.app.state.limits
    if not visit.user.has_password:
        return
    if wait := limits.wait_for_password(visit.user.email):
        raise InputError(f"Too many tries: wait {wait} seconds.")
    with visit.services.database.read() as db:
        _, kept = password_of(db, visit.user.id)
    if not fits(visit.form.get("current", ""), kept):
        raise InputError("That is not your password as it is now.")


def _code(visit: Visit) -> str:
    limits: Limits = visit.request.app.state.limits
    if wait := limits.wait_for_code(visit.user.id):
        raise InputError(f"Too many tries: wait {wait} seconds.")
    return visit.form.get("code", "")[:_LONGEST_CODE]


def _anew(visit: Visit, answer: Response, session: Entered) -> Response:
    set_cookie(answer, visit.services, cookie_name(visit.services), session.token)
    return answer


def _page(visit: Visit, status: int = 200, error: str = "") -> Response:
    services, user = visit.services, visit.user
    here = hash_of(session_token(visit.request, services))
    with services.database.read() as db:
        offered = second_factors.offered(db, services.signer, user)
        left = second_factors.recovery_left(db, user)
        by_identity = has_subject(db, user.id)
        sessions = [(token == here, session) for token, session in sessions_of(db, user.id, visit.now)]
    picture = segno.make(offered[1], error="m").svg_data_uri(scale=4, light="#fff") if offered else ""
    names = "every program" if user.program_ids is None else ", ".join(visit.scopes()) or "no program"
    known = {"offered": offered, "picture": picture, "recovery_left": left, "by_identity": by_identity}
    return show(visit, "account.html", status, error=error, sessions=sessions, names=names, **known)
