"""One-click unsubscribe: RFC 8058, section 3.1 and 3.2. No login, no cookie, no redirect."""

from typing import Any

from fastapi import APIRouter, Request, Response

from engage.bootstrap import Services
from engage.pipeline.consent import UnsubscribeLink, read_unsubscribe_token, unsubscribe
from engage.store.consent import is_subscribed
from engage.store.people import survivor_of
from engage.web.rendering import page, page_of_no_link, words_for

router = APIRouter()


@router.api_route("/unsubscribe/{token}", methods=["GET", "HEAD"])
def ask(request: Request, token: str) -> Response:
    """A plain page with a button. A GET must not unsubscribe: mail scanners follow links."""
    services: Services = request.app.state.services
    link = read_unsubscribe_token(services.signer, token)
    shown = _shown(services, link)
    if shown is None:
        return page_of_no_link(request, "unknown_link.html", token)
    assert link is not None, "something is shown of a link only"
    with services.database.read() as db:
        done = not is_subscribed(db, survivor_of(db, link.partner_id), link.address_id, link.topic)
    return page(request, "unsubscribed.html" if done else "unsubscribe.html", **shown)


@router.post("/unsubscribe/{token}")
def stop(request: Request, token: str) -> Response:
    """Unsubscribes, whatever the body says: a mail client's one click or the button on the page. Twice is once."""
    services: Services = request.app.state.services
    link = read_unsubscribe_token(services.signer, token)
    shown = _shown(services, link)
    if link is None or shown is None:
        return page_of_no_link(request, "unknown_link.html", token)
    source = f"{request.client.host if request.client else ''} {request.headers.get('user-agent', '')[:200]}".strip()
    with services.database.write() as db:
        unsubscribe(db, link, services.clock(), how="one-click link", source=source)
    return page(request, "unsubscribed.html", **shown)


def _shown(services: Services, link: UnsubscribeLink | None) -> dict[str, Any] | None:
    """What the page says of the link's topic, in the partner's language; None for a link that was never made here."""
    library = services.library()
    scope = library.scope(link.program_id) if link else None
    if link is None or scope is None:
        return None
    with services.database.read() as db:
        words = words_for(db, library.templates, scope.program, link.partner_id)
    topic = scope.program.topics.get(link.topic)
    return {
        "program": scope.program,
        "words": words,
        "topic": words(topic.label) if topic else link.topic,
        "description": words(topic.description) if topic else "",
    }
