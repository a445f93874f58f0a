"""Logging in with one's organisation's account (OpenID Connect): for users whom an admin has invited."""

import hmac
import secrets

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from engage.bootstrap import Services
from engage.pipeline.logins import enter_by_identity
from engage.web.console.doors import HOME, cookie_name, set_cookie, where_to
from engage.web.console.entrance import entered
from engage.web.console.identity import IdentityProvider, NotProven
from engage.web.console.shell import frame
from engage.web.origin import origin_of

router = APIRouter()
log = structlog.get_logger(__name__)

START, CALLBACK = f"{HOME}/oidc/start", f"{HOME}/oidc/callback"
_COOKIE, _PURPOSE = "oidc", "console-oidc"
_SECONDS = 600
_LONGEST_NEXT = 200
_NOBODY = (
    "Your organisation knows you, and engage does not: an admin has to invite you, by the address that you have there."
)
_UNPROVEN = "That did not work out. Begin the login anew."


def provider_of(services: Services) -> IdentityProvider | None:
    """The issuer that is set, if one is."""
    s = services.settings
    if not s.oidc_issuer or s.oidc_client_secret is None:
        return None
    secret = s.oidc_client_secret.get_secret_value()
    return IdentityProvider(s.oidc_issuer, s.oidc_client_id, secret, s.public_url + CALLBACK)


@router.get(START, include_in_schema=False)
def start(request: Request) -> Response:
    """Leads to the issuer. A cookie of this browser holds what has to come back with it."""
    services, provider = _both(request)
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    to = where_to(services, request.query_params.get("next", ""))
    kept: list[str | int] = [
        state,
        nonce,
        verifier,
        int(services.clock().timestamp()),
        to if len(to) <= _LONGEST_NEXT else HOME,
    ]
    answer = RedirectResponse(provider.login_url(state, nonce, verifier), 303)
    set_cookie(answer, services, cookie_name(services, _COOKIE), services.signer.token(_PURPOSE, kept))
    return answer


@router.get(CALLBACK, include_in_schema=False)
def callback(request: Request) -> Response:
    """Where the issuer leads back to. Only the browser that began can end it, and once."""
    services, provider = _both(request)
    held = services.signer.read(_PURPOSE, request.cookies.get(cookie_name(services, _COOKIE), ""))
    state, code = (request.query_params.get(name, "") for name in ("state", "code"))
    if held is None or not hmac.compare_digest(str(held[0]).encode(), state.encode()) or not code:
        return _refused(request, _UNPROVEN)
    _, nonce, verifier, begun, to = held
    if int(services.clock().timestamp()) - int(begun) > _SECONDS:
        return _refused(request, _UNPROVEN)
    try:
        identity = provider.identify(code, str(nonce), str(verifier))
    except NotProven as error:
        log.warning("identity_not_proven", reason=str(error))
        return _refused(request, _UNPROVEN)
    with services.database.write() as db:
        session = enter_by_identity(db, identity.subject, identity.verified_email, origin_of(request), services.clock())
    if session is None:
        return _refused(request, _NOBODY)
    answer = entered(request, services, session, str(to))
    set_cookie(answer, services, cookie_name(services, _COOKIE), "")
    return answer


def _both(request: Request) -> tuple[Services, IdentityProvider]:
    provider: IdentityProvider | None = request.app.state.identity_provider
    if provider is None:
        raise HTTPException(404)
    return request.app.state.services, provider


def _refused(request: Request, text: str) -> Response:
    services: Services = request.app.state.services
    answer = frame(request, "no.html", 403, services.clock(), heading="You are not logged in", text=text)
    set_cookie(answer, services, cookie_name(services, _COOKIE), "")
    return answer
