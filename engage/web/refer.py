"""The form for referrals by word of mouth: `/refer/{token}`. Four fields, and nothing is stored before it is sent.

What looks like something that we have is shown on a second page, which carries what was written in hidden fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from starlette.datastructures import UploadFile

from engage.bootstrap import Services
from engage.content.wording import wording
from engage.content.words import Words
from engage.pipeline.library import Library
from engage.pipeline.refer_links import PATH, ReferLink, Teller, read_refer_token, teller
from engage.pipeline.referring import (
    LARGEST,
    LARGEST_NEED,
    MOST_A_DAY,
    NEW,
    Told,
    already_stored,
    fresh_form,
    likely_advocates,
    likely_referrals,
    read_form,
    read_told,
    store_told,
    too_many,
    wrong_with,
)
from engage.store.noted import AlikePartner, AlikeReferral
from engage.web.rendering import page, page_of_no_link, words_for

router = APIRouter()

Alike = TypeVar("Alike", AlikeReferral, AlikePartner)

_FORM, _SAME, _ADVOCATE, _EDIT = "form", "same", "known_as", "edit"
"""Beside what is told: the form's id; which referral it is, and which partner told, NEW where it is none that we have;
and that it is to be written again."""


async def _fields(request: Request) -> dict[str, str]:
    """What the form says, each field once."""
    async with request.form(max_files=0, max_fields=20) as form:
        return {name: value for name, value in form.items() if not isinstance(value, UploadFile)}


Fields = Annotated[dict[str, str], Depends(_fields)]


@dataclass(frozen=True, slots=True)
class _Visitor:
    """A request by the holder of a link."""

    request: Request
    services: Services
    library: Library
    link: ReferLink
    teller: Teller
    words: Words
    now: datetime

    @property
    def by_staff(self) -> bool:
        return self.teller.staff is not None


@router.api_route(PATH + "{token}", methods=["GET", "HEAD"], include_in_schema=False)
def ask(request: Request, token: str) -> Response:
    visitor = _visitor(request, token)
    if visitor is None:
        return page_of_no_link(request, "unknown_page.html", token)
    return _expired(visitor) if visitor.teller.expired else _form(visitor, Told())


@router.post(PATH + "{token}", include_in_schema=False)
def take(request: Request, token: str, fields: Fields) -> Response:
    """Stores the referral, or shows what is wrong or what it looks like. The same form twice is one referral."""
    visitor = _visitor(request, token)
    if visitor is None:
        return page_of_no_link(request, "unknown_page.html", token)
    if visitor.teller.expired:
        return _expired(visitor)
    told = read_told(fields)
    name = read_form(visitor.services.signer, visitor.link, fields.get(_FORM, ""), told)
    wrong = wrong_with(told, by_staff=visitor.by_staff)
    if _EDIT in fields:
        return _form(visitor, told)
    if wrong or name is None:  # one whose id was altered on its way is shown once more
        return _form(visitor, told, wrong, 422)
    return _taken(visitor, told, name, fields)


def _visitor(request: Request, token: str) -> _Visitor | None:
    services: Services = request.app.state.services
    link = read_refer_token(services.signer, token)
    if link is None:
        return None
    library, now = services.library(), services.clock()
    with services.database.read() as db:
        who = teller(db, library, link, now)
        if who is None:
            return None
        program = who.scope.program
        if who.partner is None:
            words = library.templates.words(program.locale, program)
        else:
            words = words_for(db, library.templates, program, who.partner.partner_id)
    return _Visitor(request, services, library, link, who, words, now)


def _taken(visitor: _Visitor, told: Told, name: str, fields: dict[str, str]) -> Response:
    services, who = visitor.services, visitor.teller
    same, known_as = fields.get(_SAME, ""), fields.get(_ADVOCATE, "")
    with services.database.read() as db:
        stored = already_stored(db, who, name)
        if stored is not None:
            return _page(visitor, "refer_done.html", stored=stored)
        if too_many(db, who, visitor.now):
            return _page(visitor, "refer_many.html", 429, most=str(MOST_A_DAY))
        referrals = likely_referrals(db, who, told, visitor.now) if same != NEW else []
        advocates = likely_advocates(db, who, told) if visitor.by_staff and known_as != NEW else []
    hidden = {field: value for field in Told.__dataclass_fields__ if (value := getattr(told, field))}
    hidden |= {_FORM: fields[_FORM]}
    if chosen := _chosen(referrals, same):
        return _page(visitor, "refer_known.html", known=chosen, hidden=hidden, stands_at=_status(visitor, chosen))
    if referrals:
        statuses = {one.external_id: _status(visitor, one) for one in referrals}
        return _page(visitor, "refer_same.html", told=told, hidden=hidden, referrals=referrals, statuses=statuses)
    advocate = _chosen(advocates, known_as)
    if advocates and advocate is None:
        return _page(visitor, "refer_who.html", told=told, hidden=hidden | {_SAME: NEW}, advocates=advocates)
    with services.database.write() as db:
        stored, events = store_told(db, visitor.services.signer, who, told, name, visitor.now, advocate)
    services.match_soon(events)
    return _page(visitor, "refer_done.html", stored=stored)


def _chosen(alike: list[Alike], name: str) -> Alike | None:
    """The one that the teller has pointed at; only what is shown to them can be."""
    return next((one for one in alike if one.external_id == name), None)


def _status(visitor: _Visitor, referral: AlikeReferral) -> str:
    return visitor.words(visitor.teller.scope.program.status(referral.status).label)


def _form(visitor: _Visitor, told: Told, wrong: Mapping[str, str] | None = None, status: int = 200) -> Response:
    return _page(
        visitor,
        "refer.html",
        status,
        told=told,
        wrong=wrong or {},
        form=fresh_form(visitor.services.signer, visitor.link),
        largest=LARGEST,
        largest_need=LARGEST_NEED,
    )


def _expired(visitor: _Visitor) -> Response:
    return _page(visitor, "refer_expired.html", 410)


def _page(visitor: _Visitor, name: str, status: int = 200, **values: object) -> Response:
    program, staff = visitor.teller.scope.program, visitor.teller.staff
    known: dict[str, object] = {
        "by_staff": visitor.by_staff,
        "teller": staff.first_name if staff else "",
        "path": PATH + visitor.link.token(visitor.services.signer),
        "write_to": program.brand.reply_to,
        "say": wording(visitor.words.locale, program.zone, program.currency, program.minor_digits),
    }
    return page(visitor.request, name, status, program, visitor.words, **known | values)
