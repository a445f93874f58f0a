"""One-click unsubscribe: RFC 8058, section 3.1 and 3.2. No login, no cookie, no redirect."""

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from engage.bootstrap import Services
from engage.pipeline.consent import UnsubscribeLink, has_refused, read_unsubscribe_token, unsubscribe
from engage.pipeline.library import Library
from engage.pipeline.preferences import Addressee, addressee, preferences_url
from engage.web.origin import origin_of
from engage.web.rendering import page, page_of_no_link

router = APIRouter()

_HOW = "one-click link"


@router.api_route("/unsubscribe/{token}", methods=["GET", "HEAD"], include_in_schema=False)
def ask(request: Request, token: str) -> Response:
    """A plain page with a button. A GET must not unsubscribe: mail scanners follow links."""
    visitor = _visitor(request, token)
    if visitor is None:
        return page_of_no_link(request, "unknown_page.html", token)
    with visitor.services.database.read() as db:
        done = has_refused(db, visitor.link)
    return _page(visitor, "unsubscribed.html" if done else "unsubscribe.html")


@router.post("/unsubscribe/{token}", include_in_schema=False)
def stop(request: Request, token: str) -> Response:
    """Unsubscribes, whatever the body says: a mail client's one click or the button on the page. Twice is once."""
    visitor = _visitor(request, token)
    if visitor is None:
        return page_of_no_link(request, "unknown_page.html", token)
    services = visitor.services
    with services.database.write() as db:
        unsubscribe(db, visitor.link, services.clock(), how=_HOW, source=origin_of(request))
    return _page(visitor, "unsubscribed.html")


@dataclass(frozen=True, slots=True)
class _Visitor:
    """A request with the link of a mail to somebody who is there."""

    request: Request
    services: Services
    library: Library
    link: UnsubscribeLink
    who: Addressee


def _visitor(request: Request, token: str) -> _Visitor | None:
    services: Services = request.app.state.services
    link = read_unsubscribe_token(services.signer, token)
    if link is None:
        return None
    library = services.library()
    with services.database.read() as db:
        who = addressee(db, library, link.program_id, link.partner_id, link.address_id)
    return _Visitor(request, services, library, link, who) if who else None


def _page(visitor: _Visitor, name: str) -> Response:
    """What is said of the link's topic, in the partner's language."""
    services, link, program = visitor.services, visitor.link, visitor.who.program
    words = visitor.library.templates.words(visitor.who.locale, program)
    topic = program.topics.get(link.topic)
    return page(
        visitor.request,
        name,
        program=program,
        words=words,
        topic=words(topic.label) if topic else link.topic,
        description=words(topic.description) if topic else "",
        preferences=preferences_url(
            services.signer, services.settings.public_url, link.program_id, link.partner_id, link.address_id
        ),
    )
