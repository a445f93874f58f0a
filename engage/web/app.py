"""The web application: unsubscribing, health, and (in demo and `engage up`) the local mailbox."""

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from engage.bootstrap import Services
from engage.domain.errors import EngageError, ServiceUnreachable
from engage.web import health, home, unsubscribe
from engage.web.headers import StrictHeaders
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

    app.add_middleware(StrictHeaders)
    return app
