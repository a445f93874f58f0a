"""One-click answers to the questions of mails. No login, no cookie, no redirect."""

from fastapi import APIRouter, Request, Response

from engage.bootstrap import Services
from engage.pipeline.answering import PATH, AnswerLink, Offered, give_answer, offered, read_answer_token
from engage.store.answers import latest_answer
from engage.store.people import survivor_of
from engage.web.rendering import page

router = APIRouter()

_DEFAULT_COLOR = "#1f4b99"


@router.api_route(PATH + "{token}", methods=["GET", "HEAD"])
def ask(request: Request, token: str) -> Response:
    """A page that asks for confirmation. A GET must not answer: mail scanners follow every link there is."""
    services: Services = request.app.state.services
    link = read_answer_token(services.signer, token)
    if link is None:
        return _unknown(request)
    library = services.library()
    with services.database.read() as db:
        shown = offered(db, library, link)
        latest = latest_answer(db, survivor_of(db, link.partner_id), link.question)
    if shown is None:
        return _unknown(request)
    given = latest == (link.answer, link.delivery_id)
    return _page(request, "answered.html" if given else "answer.html", shown)


@router.post(PATH + "{token}")
def answer(request: Request, token: str) -> Response:
    """Stores the answer. Twice is once; another one given later counts instead."""
    services: Services = request.app.state.services
    link = read_answer_token(services.signer, token)
    shown = _stored(services, link) if link else None
    return _page(request, "answered.html", shown) if shown else _unknown(request)


def _stored(services: Services, link: AnswerLink) -> Offered | None:
    library = services.library()  # before the transaction: files that changed are stored in one of their own
    with services.database.write() as db:
        shown = offered(db, library, link)
        if shown is not None:
            give_answer(db, shown.program_id, link, services.clock())
    return shown


def _page(request: Request, name: str, shown: Offered) -> Response:
    brand = shown.program.brand
    return page(request, name, color=brand.color, program=brand.name, answer=shown.label)


def _unknown(request: Request) -> Response:
    return page(request, "unknown_answer.html", 404, color=_DEFAULT_COLOR)
