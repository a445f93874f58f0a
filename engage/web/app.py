"""The web application: unsubscribing, health, and (in demo and `engage up`) the local mailbox."""

import secrets
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from engage.bootstrap import Services
from engage.domain.errors import EngageError, ServiceUnreachable
from engage.web import health, home, unsubscribe
from engage.web.mailbox import MailStore, build_router


def build_app(services: Services, mailbox: MailStore | None = None) -> FastAPI:
    """The application. With `mailbox`, SendGrid's API and /mailbox are served beside it."""
    app = FastAPI(title="engage", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.services = services
    app.state.mailbox = mailbox
    app.include_router(home.router)
    app.include_router(health.router)
    app.include_router(unsubscribe.router)
    if mailbox is not None:
        app.include_router(build_router(mailbox, services.clock))

    @app.exception_handler(EngageError)
    def explain(_request: Request, error: EngageError) -> Response:
        status = 503 if isinstance(error, ServiceUnreachable) else 500
        return JSONResponse({"title": "engage cannot answer now", "status": status}, status)

    @app.middleware("http")
    async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        """Strict headers on every page that does not set its own."""
        request.state.nonce = secrets.token_urlsafe(16)
        response = await call_next(request)
        policy = (
            f"default-src 'none'; style-src 'nonce-{request.state.nonce}'; form-action 'self'; frame-ancestors 'none'"
        )
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers.setdefault("Referrer-Policy", "no-referrer")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        return response

    return app
