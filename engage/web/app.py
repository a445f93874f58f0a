"""The web application: unsubscribing, answers, webhooks, health, and (in demo and `engage up`) the local mailbox."""

from fastapi import FastAPI

from engage.bootstrap import Services, mailbox_webhook_key
from engage.providers.webhook_signature import load_private_key
from engage.settings import Settings
from engage.web import (
    answers,
    brands,
    errors,
    health,
    home,
    hooks,
    links,
    metrics,
    partner_page,
    preferences,
    refer,
    unsubscribe,
    v1,
    webhooks,
)
from engage.web.assets import Assets
from engage.web.bodies import BoundedForms
from engage.web.console import (
    account,
    audit,
    calendar,
    campaigns,
    coaching,
    deliveries,
    doors,
    entrance,
    held,
    oidc,
    overview,
    partners,
    privacy,
    shell,
    stories,
    users,
)
from engage.web.console.plans import Plans
from engage.web.headers import StrictHeaders
from engage.web.hosts import KnownHosts
from engage.web.limits import LimitedPages, Limits
from engage.web.mailbox import MailStore, Webhooks, build_router
from engage.web.tracing import Traced


def build_app(services: Services, mailbox: MailStore | None = None) -> FastAPI:
    """The application. With `mailbox`, SendGrid's API and /mailbox are served beside it."""
    # A redirect from a link with a / too much would lead to whatever host the request names, and loses one clicks.
    app = FastAPI(title="engage", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.services = services
    app.state.mailbox = mailbox
    app.state.identity_provider = oidc.provider_of(services)
    app.state.limits = limits = Limits(services)
    app.state.plans = Plans()
    app.state.metrics = measured = metrics.Metrics(services.status)
    app.include_router(home.router)
    app.include_router(health.router)
    app.include_router(metrics.build_router(measured, services))
    app.include_router(brands.router)
    app.mount("/static", Assets())
    app.include_router(unsubscribe.router)
    app.include_router(preferences.router)
    app.include_router(answers.router)
    app.include_router(partner_page.router)
    app.include_router(refer.router)
    app.include_router(overview.router)
    app.include_router(privacy.router)  # before the page of a partner, whose id may have slashes
    app.include_router(campaigns.router)
    app.include_router(deliveries.router)
    app.include_router(held.router)
    app.include_router(calendar.router)
    app.include_router(links.build_router(services))
    app.include_router(webhooks.build_router(services))
    app.include_router(hooks.build_router(services))
    app.include_router(v1.build_router(services))
    app.include_router(oidc.router)
    app.include_router(users.router)
    app.include_router(audit.router)
    app.include_router(account.router)
    app.include_router(entrance.router)
    app.include_router(partners.router)
    app.include_router(stories.router)
    app.include_router(coaching.router)
    if mailbox is not None:
        app.include_router(build_router(mailbox, services.clock, webhooks_of(services.settings)))

    errors.install(app)
    doors.install(app, shell.refused)
    app.add_middleware(BoundedForms)
    app.add_middleware(LimitedPages, limits=limits)
    app.add_middleware(errors.Contained)
    app.add_middleware(metrics.CountedIntake, metrics=measured)
    app.add_middleware(Traced)
    app.add_middleware(KnownHosts, settings=services.settings)
    app.add_middleware(StrictHeaders, secure=services.settings.public_url.startswith("https://"))
    return app


def webhooks_of(settings: Settings) -> Webhooks:
    """Where the mailbox reports to: this installation, signed with the key that it believes."""
    return Webhooks(f"{settings.public_url}/webhooks/sendgrid", load_private_key(mailbox_webhook_key(settings)))
