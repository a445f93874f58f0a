"""SMTP: the contract against a real server, what each answer proves, and mail as other programs read it."""

import email
import email.policy
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.errors import InputError, ServiceUnreachable
from engage.domain.messages import Mailbox, Message, Outcome, SendResult
from engage.providers.protocol import Provider
from engage.providers.smtp import Security, SmtpProvider, SmtpServer, parse_smtp_url
from engage.providers.smtp_mime import mime
from tests.providers.contract import NOW, SOON, ProviderContract, a_message
from tests.providers.servers import (
    ScriptedServer,
    smtp_by_the_byte,
    smtp_then_reset,
)
from tests.providers.servers import SmtpServer as RealServer


def smtp(port: int, user: str = "", security: Security = Security.IF_OFFERED) -> SmtpProvider:
    return SmtpProvider(SmtpServer("127.0.0.1", port, user, "secret", security), lambda: NOW)


class TestContract(ProviderContract):
    refused_address = "550-jane.doe@example.com"
    takes_then_resets = smtp_then_reset
    takes_then_drips = smtp_by_the_byte

    @pytest.fixture(autouse=True)
    def server_port(self) -> Iterator[int]:
        with RealServer() as self.server:
            yield self.server.port

    def provider_for(self, port: int, host: str = "127.0.0.1", tls: bool = False) -> Provider:
        security = Security.TLS if tls else Security.IF_OFFERED
        return SmtpProvider(SmtpServer(host, port, security=security), lambda: NOW)

    def inbox(self) -> list[str]:
        return self.server.ids()


def answering(**answers: str) -> ScriptedServer:
    """A server that answers `mail`, `rcpt`, `data`, `content`, `auth`, ... with what is given, 250 otherwise;
    `greeting` comes first, and an answer of "" closes the connection.
    """

    def script(connection: socket.socket, server: ScriptedServer) -> None:
        connection.sendall(f"{answers.get('greeting', '220 scripted')}\r\n".encode())
        lines = connection.makefile("rb")
        for line in lines:
            verb = line.split()[0].decode().lower().rstrip(":")
            server.requests.append(line)
            if verb == "ehlo":
                connection.sendall(b"250-scripted\r\n250 AUTH PLAIN\r\n")
                continue
            said = answers.get(verb, {"auth": "235 OK", "data": "354 go on", "quit": "221 bye"}.get(verb, "250 OK"))
            if not said:
                return
            connection.sendall(f"{said}\r\n".encode())
            if said.startswith("354"):
                while next(lines) != b".\r\n":
                    pass
                said = answers.get("content", "250 OK")
                if not said:
                    return
                connection.sendall(f"{said}\r\n".encode())

    return ScriptedServer(script)


def send_with(user: str = "", **answers: str) -> SendResult:
    with answering(**answers) as server, closing(smtp(server.port, user)) as provider:
        return provider.send([a_message()], SOON)[0]


@pytest.mark.parametrize(
    ("answers", "outcome", "status"),
    [
        ({"greeting": "421 busy"}, Outcome.RETRY, 421),
        ({"greeting": "554 no service for you"}, Outcome.RETRY, 554),
        ({"mail": "451 later"}, Outcome.RETRY, 451),
        ({"mail": "550 not from you"}, Outcome.DEAD, 550),
        ({"rcpt": "450 greylisted"}, Outcome.RETRY, 450),
        ({"rcpt": "550 no such user"}, Outcome.DEAD, 550),
        ({"data": "451 later"}, Outcome.RETRY, 451),
        ({"data": "554 no"}, Outcome.DEAD, 554),
        ({"content": "452 disk full"}, Outcome.RETRY, 452),
        ({"content": "554 spam"}, Outcome.DEAD, 554),
        ({"mail": ""}, Outcome.RETRY, None),
        ({"rcpt": ""}, Outcome.RETRY, None),
        ({"content": ""}, Outcome.UNKNOWN, None),
        ({"rcpt": "gibberish"}, Outcome.RETRY, None),
        ({"content": "gibberish"}, Outcome.UNKNOWN, None),
    ],
)
def test_what_an_answer_proves(answers: dict[str, str], outcome: Outcome, status: int | None) -> None:
    result = send_with(**answers)
    assert (result.outcome, result.status, result.auth_failed) == (outcome, status, False)
    assert result.detail


@pytest.mark.parametrize("answers", [{"mail": "530 authenticate first"}, {"auth": "535 no"}])
def test_a_server_that_refuses_the_password_blames_no_message(answers: dict[str, str]) -> None:
    result = send_with("engage", **answers)
    assert result.outcome is Outcome.RETRY
    assert result.auth_failed


def test_a_server_that_cannot_look_up_passwords_just_now_is_asked_again() -> None:
    result = send_with("engage", auth="454 temporary failure")
    assert (result.outcome, result.auth_failed) == (Outcome.RETRY, False)


def test_all_messages_of_a_call_go_over_one_connection_even_after_a_refusal() -> None:
    with RealServer() as server, closing(smtp(server.port)) as provider:
        messages = [a_message(1), a_message(2, to="550-x@example.com"), a_message(3, to="450-y@example.com")]
        messages += [a_message(4, subject="refuse the content"), a_message(5)]
        outcomes = [result.outcome for result in provider.send(messages)]
        assert server.connections == 1
    assert outcomes == [Outcome.ACCEPTED, Outcome.DEAD, Outcome.RETRY, Outcome.DEAD, Outcome.ACCEPTED]


def test_after_a_lost_connection_the_next_message_gets_a_new_one() -> None:
    with answering(content="") as server, closing(smtp(server.port)) as provider:
        outcomes = [result.outcome for result in provider.send([a_message(1), a_message(2)], SOON)]
        assert server.connections == 2
    assert outcomes == [Outcome.UNKNOWN, Outcome.UNKNOWN]


def test_credentials_never_go_over_an_open_line_to_another_machine() -> None:
    with answering() as server, closing(smtp(server.port, "engage", Security.STARTTLS)) as provider:
        (result,) = provider.send([a_message()], SOON)
        said = b"".join(server.requests)
    assert result.outcome is Outcome.RETRY
    assert b"AUTH" not in said


def test_a_check_tells_a_refused_password() -> None:
    with (
        answering(auth="535 no") as server,
        closing(smtp(server.port, "engage")) as provider,
        pytest.raises(ServiceUnreachable, match="refuses the user or password"),
    ):
        provider.check(SOON)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        (
            "smtp://me%40example.com:p%3Aw@smtp.example.com",
            SmtpServer("smtp.example.com", 587, "me@example.com", "p:w", Security.STARTTLS),
        ),
        ("smtp://smtp.example.com:25", SmtpServer("smtp.example.com", 25, security=Security.STARTTLS)),
        ("smtps://u:p@smtp.example.com", SmtpServer("smtp.example.com", 465, "u", "p", Security.TLS)),
        ("smtp://localhost:1025", SmtpServer("localhost", 1025, security=Security.IF_OFFERED)),
        ("smtp://[::1]:1025", SmtpServer("::1", 1025, security=Security.IF_OFFERED)),
        ("smtp://relay:25?starttls=never", SmtpServer("relay", 25, security=Security.NONE)),
    ],
)
def test_a_url_says_where_as_whom_and_how(url: str, server: SmtpServer) -> None:
    assert parse_smtp_url(url) == server


@pytest.mark.parametrize(
    "url", ["", "smtp.example.com:587", "http://smtp.example.com", "smtp://", "smtp://h:port", "smtp://h?starttls=no"]
)
def test_a_url_that_cannot_be_read_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(InputError, match="write it as smtp://user:password@"):
        parse_smtp_url(url)


def test_a_password_is_not_shown() -> None:
    assert "hunter2" not in repr(parse_smtp_url("smtp://me:hunter2@smtp.example.com"))
    with pytest.raises(InputError) as caught:
        parse_smtp_url("smtp://me:hunter2@smtp.example.com:x")
    assert "hunter2" not in str(caught.value)


# -- the message itself ------------------------------------------------------------------------------------------------


def read(message: Message) -> EmailMessage:
    parsed = email.message_from_bytes(mime(message, NOW), policy=email.policy.SMTP)
    assert isinstance(parsed, EmailMessage)
    return parsed


def test_text_comes_before_html_and_both_are_as_they_were() -> None:
    parsed = read(a_message())
    assert [part.get_content_type() for part in parsed.iter_parts()] == ["text/plain", "text/html"]
    assert [part.get_content() for part in parsed.iter_parts()] == ["Hello Jané\r\n", "<p>Hello Jané</p>\r\n"]


def test_headers_are_as_they_were() -> None:
    parsed = read(a_message(subject="Grüße: Hooli, “won”"))
    assert parsed["Subject"] == "Grüße: Hooli, “won”"
    assert parsed["From"] == "Acme Partners <program@example.com>"
    assert parsed["To"] == "Jane Doe <jane1@example.com>"
    assert parsed["Reply-To"] == "help@example.com"
    assert parsed["Message-ID"] == "<d-1@example.com>"
    assert parsed["Date"].datetime == NOW


def test_a_long_list_unsubscribe_stays_on_one_line_for_those_who_must_find_its_uri() -> None:
    message = a_message()
    assert f"\r\nList-Unsubscribe: {message.headers['List-Unsubscribe']}\r\n".encode() in mime(message, NOW)


@pytest.mark.parametrize("value", ["one\r\nBcc: all@example.com", "one\nTwo: x", "x" * 1000, "ü"])
def test_a_header_that_is_not_one_line_is_refused(value: str) -> None:
    message = Message("d-1", Mailbox("a@example.com"), Mailbox("b@example.com"), "s", "", "t", headers={"X-A": value})
    with pytest.raises(ValueError, match="X-A"):
        mime(message, NOW)


@pytest.mark.parametrize("subject", ["one\r\nBcc: all@example.com", "one\nTwo: x"])
def test_a_subject_cannot_bring_a_header_of_its_own(subject: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        mime(a_message(subject=subject), NOW)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=300))
def test_every_text_comes_through_in_lines_that_smtp_allows(body: str) -> None:
    message = Message("d-1", Mailbox("a@example.com"), Mailbox("b@example.com"), "s", "<p>x</p>", f"Hello {body}")
    sent = mime(message, NOW)
    assert max(len(line) for line in sent.split(b"\r\n")) <= 998
    assert b"\n" not in sent.replace(b"\r\n", b"")
    text = email.message_from_bytes(sent, policy=email.policy.SMTP).get_body(("plain",))
    assert text is not None
    assert text.get_content().replace("\r\n", "\n").rstrip("\n") == f"Hello {body}".rstrip("\n")


def test_a_single_part_is_sent_as_it_is() -> None:
    message = Message("d-1", Mailbox("a@example.com"), Mailbox("b@example.com"), "s", "", "only text")
    assert read(message).get_content_type() == "text/plain"


def test_an_address_with_letters_beyond_ascii_is_dead_and_its_domain_may_have_them() -> None:
    with RealServer() as server, closing(smtp(server.port)) as provider:
        messages = [a_message(1, to="jané@example.com"), a_message(2, to="jane@bücher.example")]
        results = provider.send(messages, SOON)
    assert [result.outcome for result in results] == [Outcome.DEAD, Outcome.ACCEPTED]
    assert "ASCII" in results[0].detail
    assert b"jane@xn--bcher-kva.example" in server.received[0]


# -- TLS ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 with its key, signed by itself."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path), "-out", f"{path}.crt"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no openssl to make a certificate: {error}")
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
def test_mail_goes_over_tls_to_a_server_that_is_trusted_and_to_no_other(certificate: Path, security: Security) -> None:
    offered = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    offered.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=f"{certificate}.crt")
    with RealServer(offered, starttls=security is Security.STARTTLS) as server:
        target = SmtpServer("127.0.0.1", server.port, security=security)
        with closing(SmtpProvider(target, lambda: NOW, trusting)) as provider:
            assert provider.send([a_message()], SOON)[0].outcome is Outcome.ACCEPTED
        with closing(SmtpProvider(target, lambda: NOW)) as provider:
            assert provider.send([a_message()], SOON)[0].outcome is Outcome.RETRY
    assert server.ids() == ["d-1"]
