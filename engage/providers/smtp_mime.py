"""A message as RFC 5322 and MIME write it. Pure."""

import re
from binascii import b2a_qp
from datetime import datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.policy import SMTP
from email.utils import format_datetime
from functools import lru_cache

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
    as_they_are = {"Message-ID": message_id(message), **message.headers}
    lines = [_line(name, value) for name, value in as_they_are.items()]
    lines += [_address_line("From", message.sender), _address_line("To", message.to)]
    lines += [_folded("Subject", message.subject), _folded("Date", format_datetime(now))]
    if message.reply_to:
        lines.append(_address_line("Reply-To", Mailbox(message.reply_to)))
    return b"".join(lines) + b"MIME-Version: 1.0\r\n" + _body(message)


def _body(message: Message) -> bytes:
    parts = [_part(kind, body) for kind, body in (("plain", message.text), ("html", message.html)) if body]
    if len(parts) < 2:
        return parts[0] if parts else _part("plain", "")
    # as quoted-printable writes "=" as "=3D", no part can hold the boundary; the same mail has the same bytes
    boundary = f"=_{message.id}".encode("ascii")
    head = b'Content-Type: multipart/alternative; boundary="' + boundary + b'"\r\n\r\n'
    return head + b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"


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


@lru_cache(maxsize=1024)
def _address_line(name: str, mailbox: Mailbox) -> bytes:
    return _folded(name, _address(mailbox))


def _folded(name: str, value: str | Address) -> bytes:
    """A header in the form of RFC 5322, letters beyond ASCII encoded. Raises ValueError for one with a line end."""
    return SMTP.fold_binary(*SMTP.header_store_parse(name, value))


def _part(kind: str, body: str) -> bytes:
    # By hand: EmailMessage encodes quoted-printable in Python, at several milliseconds a message.
    head = f'Content-Type: text/{kind}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
    lines = _LINE_END.sub("\r\n", body.rstrip("\r\n") + "\n")
    return head.encode("ascii") + b2a_qp(lines.encode(), istext=True)
