"""A message as RFC 5322 and MIME write it. Pure."""

import re
from binascii import b2a_qp
from datetime import datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from engage.domain.messages import Mailbox, Message
from engage.providers.addresses import wire_address

_HEADER = re.compile(r"(?=.{1,998}\Z)[!-9;-~]+: [ -~]*")
_LINE_END = re.compile(r"\r\n|\r|\n")


def message_id(message: Message) -> str:
    """`<delivery id@sender's domain>`: bounces that quote it can be traced to the delivery."""
    return f"<{message.id}@{wire_address(message.sender.email).rpartition('@')[2]}>"


def mime(message: Message, now: datetime) -> bytes:
    """The message with CRLF line ends, text before HTML, in 7 bits, lines of at most 998 bytes.

    Raises ValueError when a header has a line end, or an address no form that every mail server takes (letters beyond
    ASCII before the @ are such: RFC 6531 is not spoken everywhere).
    """
    mail = EmailMessage(policy=SMTP)
    mail["From"] = _address(message.sender)
    mail["To"] = _address(message.to)
    mail["Subject"] = message.subject
    mail["Date"] = format_datetime(now)
    if message.reply_to:
        mail["Reply-To"] = _address(Mailbox(message.reply_to))
    parts = [(kind, body) for kind, body in (("plain", message.text), ("html", message.html)) if body]
    if len(parts) == 1:
        _fill(mail, *parts[0])
    else:
        mail["MIME-Version"] = "1.0"
        mail["Content-Type"] = "multipart/alternative"
        for kind, body in parts:
            part = EmailMessage(policy=SMTP)
            _fill(part, kind, body)
            mail.attach(part)
    as_they_are = {"Message-ID": message_id(message), **message.headers}
    return b"".join(_line(name, value) for name, value in as_they_are.items()) + mail.as_bytes()


def _address(mailbox: Mailbox) -> Address:
    try:
        return Address(mailbox.name, addr_spec=wire_address(mailbox.email))
    except (ValueError, IndexError, HeaderParseError) as error:
        raise ValueError("an address cannot be written as mail servers demand: plain ASCII before its @") from error


def _line(name: str, value: str) -> bytes:
    """A header on one line: folded by EmailMessage, a long List-Unsubscribe becomes encoded words that no mailbox
    provider reads (RFC 8058 wants the plain URI).
    """
    line = f"{name}: {value}"
    if not _HEADER.fullmatch(line):
        raise ValueError(f"the header {name!r} is not one line of at most 998 ASCII characters")
    return f"{line}\r\n".encode("ascii")


def _fill(part: EmailMessage, kind: str, body: str) -> None:
    # By hand: EmailMessage.set_content encodes quoted-printable in Python, at several milliseconds a message.
    part["Content-Type"] = f'text/{kind}; charset="utf-8"'
    part["Content-Transfer-Encoding"] = "quoted-printable"
    if "MIME-Version" not in part:
        part["MIME-Version"] = "1.0"
    lines = _LINE_END.sub("\r\n", body.rstrip("\r\n") + "\n")
    part.set_payload(b2a_qp(lines.encode(), istext=True).decode("ascii"))
