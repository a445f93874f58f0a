"""The provider that the settings name is made, or a message says what is missing."""

from contextlib import closing

import pytest

from engage.clock import utc_now
from engage.domain.errors import InputError, ServiceUnreachable
from engage.domain.messages import Outcome
from engage.providers.selection import build_provider
from engage.providers.sendgrid import SendGridProvider
from engage.providers.smtp import SmtpProvider
from engage.web.mailbox import MailStore, mailbox_app
from tests.providers.contract import a_message
from tests.providers.servers import HttpServer, closed_port


def test_mailbox_is_sendgrids_client_pointed_at_the_mailbox() -> None:
    store = MailStore()
    with HttpServer(mailbox_app(store)) as server:
        provider = build_provider("mailbox", clock=utc_now, mailbox_url=server.url)
        with closing(provider):
            assert isinstance(provider, SendGridProvider)
            assert provider.send([a_message()])[0].outcome is Outcome.ACCEPTED
    assert len(store) == 1


def test_a_mailbox_that_does_not_run_is_said_with_how_to_start_it() -> None:
    with (
        closing(build_provider("mailbox", clock=utc_now, mailbox_url=f"http://127.0.0.1:{closed_port()}")) as provider,
        pytest.raises(ServiceUnreachable, match="engage mailbox"),
    ):
        provider.check()


def test_each_kind_is_made_from_what_it_needs() -> None:
    sendgrid = build_provider("sendgrid", clock=utc_now, sendgrid_api_key="SG.key")
    smtp = build_provider("smtp", clock=utc_now, smtp_url="smtp://u:p@smtp.example.com")
    assert isinstance(sendgrid, SendGridProvider)
    assert isinstance(smtp, SmtpProvider)


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("sendgrid", "set ENGAGE_SENDGRID_API_KEY"),
        ("smtp", "set ENGAGE_SMTP_URL"),
        ("pigeon", "set ENGAGE_PROVIDER to mailbox, sendgrid or smtp"),
    ],
)
def test_what_is_missing_is_said_with_the_setting_that_gives_it(kind: str, hint: str) -> None:
    with pytest.raises(InputError, match=hint):
        build_provider(kind, clock=utc_now)
