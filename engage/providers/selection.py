"""Makes the provider that the settings name."""

from collections.abc import Callable
from datetime import datetime

from engage.domain.errors import InputError
from engage.providers.protocol import Provider
from engage.providers.sendgrid import SendGridProvider
from engage.providers.sendgrid_activity import SendGridActivity
from engage.providers.smtp import SmtpProvider, parse_smtp_url


def build_provider(
    kind: str,
    *,
    clock: Callable[[], datetime],
    mailbox_url: str = "",
    sendgrid_api_key: str = "",
    sendgrid_host: str = "https://api.sendgrid.com",
    smtp_url: str = "",
) -> Provider:
    """The provider called `kind`; the local mailbox is SendGrid's client pointed at `mailbox_url`, so that the path
    to it is the real one. Raises InputError when `kind` is none or what it needs is missing or wrong.
    """
    if kind == "mailbox":
        return SendGridProvider(mailbox_url, "mailbox", clock, "start the mailbox: `engage up`, or `engage mailbox`")
    if kind == "sendgrid":
        if not sendgrid_api_key:
            raise InputError("the provider sendgrid needs a key", "set ENGAGE_SENDGRID_API_KEY")
        return SendGridProvider(sendgrid_host, sendgrid_api_key, clock)
    if kind == "smtp":
        if not smtp_url:
            raise InputError(
                "the provider smtp needs a server", "set ENGAGE_SMTP_URL=smtp://user:password@smtp.example.com:587"
            )
        return SmtpProvider(parse_smtp_url(smtp_url), clock)
    raise InputError(f"there is no provider '{kind}'", "set ENGAGE_PROVIDER to mailbox, sendgrid or smtp")


def build_records(
    kind: str,
    *,
    clock: Callable[[], datetime],
    mailbox_url: str = "",
    sendgrid_api_key: str = "",
    sendgrid_host: str = "https://api.sendgrid.com",
) -> SendGridActivity | None:
    """The records of the provider called `kind`; None where it has none that can be asked."""
    if kind == "mailbox":
        return SendGridActivity(mailbox_url, "mailbox", clock)
    return SendGridActivity(sendgrid_host, sendgrid_api_key, clock) if kind == "sendgrid" else None
