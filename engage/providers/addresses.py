"""Addresses as they go over the wire, and as they must not get into logs and results."""

import re

import idna

from engage.domain.messages import Message

_ADDRESS = re.compile(r"[^\s<>\"'()\[\]{},;:=]*@[^\s<>\"'()\[\]{},;:=]*")
_MASK = "(address)"
_LONGEST = 300


def wire_address(email: str) -> str:
    """`email` with its domain in ASCII (RFC 5890), as mail servers demand.

    Raises ValueError for a domain that has no ASCII form. A local part outside ASCII stays as it is.
    """
    local, at, domain = email.rpartition("@")
    if domain.isascii():
        return email
    return f"{local}{at}{idna.encode(domain, uts46=True).decode('ascii')}"


def without_personal_data(text: str, message: Message | None = None) -> str:
    """What a server said, in one line of at most 300 characters, without any address or the recipient's name."""
    if message is not None:
        for own in (message.to.email, _wire_address_or_same(message.to.email), message.to.name):
            if len(own) > 1:
                text = re.sub(rf"(?<!\w){re.escape(own)}(?!\w)", _MASK, text, flags=re.IGNORECASE)
    text = "".join(char if char.isprintable() else " " for char in text)  # databases take no NUL and no half character
    line = " ".join(_ADDRESS.sub(_MASK, text).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _wire_address_or_same(email: str) -> str:
    try:
        return wire_address(email)
    except ValueError:
        return email
