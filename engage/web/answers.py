"""One-click answers to the questions of mails. No login, no cookie, no redirect, no script."""

from fastapi import APIRouter, Request, Response

from engage.bootstrap import Services
from engage.pipeline.answering import PATH, AnswerLink, Offered, give_answer, offered, read_answer_token
from engage.web.rendering import page, page_of_no_link, words_for

router = APIRouter()


@router.api_route(PATH + "{token}", methods=["GET", "HEAD"])
def ask(request: Request, token: str) -> Response:
    """A page that asks for confirmation. A GET must not answer: mail scanners follow every link there is."""
    services: Services = request.app.state.services
    link = read_answer_token(services.signer, token)
    shown = _shown(services, link) if link else None
    if link is None or shown is None:
        return page_of_no_link(request, "unknown_answer.html", token)
    return _page(request, services, "answered.html" if shown.given else "answer.html", shown, link.partner_id)


@router.post(PATH + "{token}")
def answer(request: Request, token: str) -> Response:
    """Stores the answer. Twice is once; another one given later counts instead."""
    services: Services = request.app.state.services
    link = read_answer_token(services.signer, token)
    shown = _stored(services, link) if link else None
    if link is None or shown is None:
        return page_of_no_link(request, "unknown_answer.html", token)
    return _page(request, services, "answered.html", shown, link.partner_id)


def _shown(services: Services, link: AnswerLink) -> Offered | None:
    library = services.library()
    with services.database.read() as db:
        return offered(db, library, link)


def _stored(services: Services, link: AnswerLink) -> Offered | None:
    library = services.library()  # before the transaction: files that changed are stored in one of their own
    with services.database.write() as db:
        shown = offered(db, library, link)
        if shown is not None:
            give_answer(db, shown.mail.program_id, link, services.clock())
    return shown


def _page(request: Request, services: Services, name: str, shown: Offered, partner_id: int) -> Response:
    """The page in the partner's language, with the subject of the mail that asked as the question, as far as it can
    still be composed."""
    library = services.library()
    with services.database.read() as db:
        (mail,) = services.composer.compose(db, library, [shown.mail], services.clock(), folding=False)
        words = words_for(db, library.templates, shown.program, partner_id)
    question = mail.message.subject if mail.message else ""
    return page(
        request,
        name,
        program=shown.program,
        words=words,
        answer=words(shown.label),
        before=words(shown.before),
        question=question,
    )
