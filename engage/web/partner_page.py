"""A partner's own page: `/p/{token}`. Looking at it changes nothing; it works without a script.

Rewards are shown in browsers that confirmed the address once. What a browser holds are two cookies: a number of its
own, and a signed word that it confirmed this address. Neither is of use anywhere else.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.datastructures import UploadFile

from engage.bootstrap import Services
from engage.content.words import Words
from engage.domain.campaigns import EventKind
from engage.pipeline.confirming import (
    KEPT_DAYS,
    Asked,
    Confirmed,
    Typed,
    ask_for_code,
    code_is_open,
    read_browser_token,
    type_code,
)
from engage.pipeline.library import Library
from engage.pipeline.page_links import PATH, Visit, day_number, read_page_token, visit
from engage.pipeline.partner_page import partner_page
from engage.pipeline.preferences import preferences_url
from engage.pipeline.refer_links import PARTNER, refer_url
from engage.pipeline.renewing import want_link
from engage.pipeline.standing_by import answers
from engage.web.rendering import page, page_of_no_link, words_for

router = APIRouter()

_SECONDS_KEPT = KEPT_DAYS * 24 * 60 * 60


async def _fields(request: Request) -> dict[str, str]:
    """What a form says, each field once."""
    async with request.form(max_files=0, max_fields=10) as form:
        return {name: value for name, value in form.items() if not isinstance(value, UploadFile)}


Fields = Annotated[dict[str, str], Depends(_fields)]


@dataclass(slots=True)
class _Visitor:
    """A request for the page of somebody. `browser` is what its cookie holds, "" without one."""

    request: Request
    services: Services
    library: Library
    token: str
    visit: Visit
    words: Words
    now: datetime
    browser: str

    @property
    def browser_hash(self) -> str:
        return hashlib.sha256(self.browser.encode()).hexdigest()

    @property
    def confirmed(self) -> bool:
        """Whether this browser has confirmed the address of the partner."""
        held = self.request.cookies.get(_cookie(self.services, f"confirmed_{self.visit.partner_id}"), "")
        word = read_browser_token(self.services.signer, held) if held and self.browser else None
        return word is not None and word.holds(self.visit, self.browser_hash, self.now)

    def answered(self, kind: EventKind) -> bool:
        return answers(self.library, self.visit.scope.program, kind, self.now)


@router.api_route(PATH + "{token}", methods=["GET", "HEAD"], include_in_schema=False)
@router.api_route(PATH + "{token}/{done}", methods=["GET", "HEAD"], include_in_schema=False)
def show(request: Request, token: str, done: str = "") -> Response:  # noqa: ARG001
    """The page; of a link that has run out, a page that offers a fresh one.

    `done`: a browser that comes back to a page asks again for the address to which its form was sent.
    """
    visitor = _visitor(request, token)
    return _shown(visitor) if visitor else page_of_no_link(request, "unknown_page.html", token)


@router.post(PATH + "{token}/confirm", include_in_schema=False)
def confirm(request: Request, token: str, fields: Fields) -> Response:
    """With a `code` tries it, without one has one mailed."""
    visitor = _visitor(request, token)
    if visitor is None:
        return page_of_no_link(request, "unknown_page.html", token)
    if visitor.visit.expired or visitor.confirmed:
        return _shown(visitor)
    return _typed(visitor, fields["code"]) if "code" in fields else _asked(visitor)


@router.post(PATH + "{token}/hide", include_in_schema=False)
def hide(request: Request, token: str) -> Response:
    """This browser shows no rewards any more, until the address is confirmed in it again."""
    visitor = _visitor(request, token)
    if visitor is None:
        return page_of_no_link(request, "unknown_page.html", token)
    answer = _shown(visitor, confirmed=False, hidden=True)
    _set_cookie(visitor, answer, f"confirmed_{visitor.visit.partner_id}", "")
    return answer


@router.post(PATH + "{token}/renew", include_in_schema=False)
def renew(request: Request, token: str) -> Response:
    """Has a fresh link mailed to the partner. What is answered does not depend on whether one was."""
    visitor = _visitor(request, token)
    if visitor is None:
        return page_of_no_link(request, "unknown_page.html", token)
    if visitor.answered(EventKind.LINK_WANTED):
        with visitor.services.database.write() as db:
            events = want_link(db, visitor.visit, visitor.now)
        visitor.services.match_soon(events)
    return _expired(visitor, wanted=True)


def _visitor(request: Request, token: str) -> _Visitor | None:
    services: Services = request.app.state.services
    link = read_page_token(services.signer, token)
    if link is None:
        return None
    library, now = services.library(), services.clock()
    with services.database.read() as db:
        found = visit(db, library, link, now)
        if found is None:
            return None
        words = words_for(db, library.templates, found.scope.program, found.partner_id)
    browser = request.cookies.get(_cookie(services, "browser"), "")
    return _Visitor(request, services, library, token, found, words, now, browser)


def _asked(visitor: _Visitor) -> Response:
    if not visitor.answered(EventKind.CODE_WANTED):
        return _shown(visitor)
    new = not visitor.browser
    if new:
        visitor.browser = secrets.token_urlsafe(32)
    with visitor.services.database.write() as db:
        asked, events = ask_for_code(db, visitor.visit, visitor.browser_hash, visitor.now)
    visitor.services.match_soon(events)
    answer = _shown(visitor, too_often=asked is Asked.TOO_OFTEN, mailed=asked is Asked.MAILED)
    if new:
        _set_cookie(visitor, answer, "browser", visitor.browser)
    return answer


def _typed(visitor: _Visitor, code: str) -> Response:
    with visitor.services.database.write() as db:
        typed = type_code(db, visitor.services.signer, visitor.visit, visitor.browser_hash, code[:40], visitor.now)
    if typed is not Typed.RIGHT:
        return _shown(visitor, wrong=typed is Typed.WRONG, none_open=typed is Typed.NONE_OPEN)
    answer = _shown(visitor, confirmed=True, welcome=True)
    partner = visitor.visit.partner
    assert partner.address_id is not None, "a code was mailed there"
    word = Confirmed(partner.partner_id, partner.address_id, visitor.browser_hash, day_number(visitor.now))
    _set_cookie(visitor, answer, "browser", visitor.browser)
    _set_cookie(visitor, answer, f"confirmed_{partner.partner_id}", word.token(visitor.services.signer))
    return answer


def _shown(visitor: _Visitor, *, confirmed: bool | None = None, **said: bool) -> Response:
    """The page. `said`: what was just done, or went wrong."""
    if visitor.visit.expired:
        return _expired(visitor, wanted=False)
    services, scope, partner = visitor.services, visitor.visit.scope, visitor.visit.partner
    seen = visitor.confirmed if confirmed is None else confirmed
    number = visitor.request.query_params.get("page", "1")
    wanted = int(number) if number.isascii() and number.isdigit() and len(number) < 5 else 1
    with services.database.read() as db:
        shown = partner_page(db, scope, partner.partner_id, wanted, visitor.words, visitor.now, confirmed=seen)
        waiting = not seen and code_is_open(db, visitor.visit, visitor.browser_hash, visitor.now)
    happened = dict.fromkeys(("mailed", "too_often", "wrong", "none_open", "welcome", "hidden"), False) | said
    return page(
        visitor.request,
        "partner.html",
        200,
        scope.program,
        visitor.words,
        token=visitor.token,
        shown=shown,
        say=shown.wording,
        waiting=waiting,
        can_confirm=partner.email is not None and visitor.answered(EventKind.CODE_WANTED),
        address=masked(partner.email or ""),
        write_to=scope.program.brand.reply_to,
        form_url=refer_url(
            services.signer, services.settings.public_url, PARTNER, scope.program_id, partner.partner_id, visitor.now
        ),
        preferences_url=_preferences(visitor),
        **happened,
    )


def _preferences(visitor: _Visitor) -> str:
    """Where the partner's email settings are; "" without an address that they could be for."""
    services, partner = visitor.services, visitor.visit.partner
    if partner.address_id is None:
        return ""
    whose = (partner.program_id, partner.partner_id, partner.address_id)
    return preferences_url(services.signer, services.settings.public_url, *whose)


def _expired(visitor: _Visitor, *, wanted: bool) -> Response:
    program = visitor.visit.scope.program
    return page(
        visitor.request,
        "partner_expired.html",
        200,
        program,
        visitor.words,
        token=visitor.token,
        wanted=wanted,
        can_renew=visitor.answered(EventKind.LINK_WANTED),
        write_to=program.brand.reply_to,
    )


def masked(email: str) -> str:
    """An address that whoever has it knows again, and nobody else learns: `d•••@example.com`."""
    name, at, host = email.rpartition("@")
    return f"{name[:1]}•••{at}{host}" if at else ""


def _cookie(services: Services, name: str) -> str:
    """A browser keeps `__Host-` from other hosts and from plain http (RFC 6265bis, section 4.1.3.2)."""
    secure = services.settings.public_url.startswith("https://")
    return f"__Host-engage_{name}" if secure else f"engage_{name}"


def _set_cookie(visitor: _Visitor, answer: Response, name: str, value: str) -> None:
    """Sets a cookie that no script reads and no form of another site sends along; an empty one is taken away."""
    answer.set_cookie(
        _cookie(visitor.services, name),
        value,
        max_age=_SECONDS_KEPT if value else 0,
        path="/",
        secure=visitor.services.settings.public_url.startswith("https://"),
        httponly=True,
        samesite="lax",
    )
