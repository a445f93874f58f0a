"""Passwords: which ones can be chosen, and what is kept of one (argon2id, RFC 9106)."""

import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST, LONGEST = 12, 200
_FEWEST_LETTERS = 6  # different ones
_HASHER = PasswordHasher()  # RFC 9106, section 4: the second recommended option (64 MiB, 3 passes)
_NOBODYS = _HASHER.hash("nobody has this password, and comparing with it takes as long")


def problem_with(password: str, *of_user: str) -> str:
    """What is wrong with a password that somebody chooses, "" for nothing. `of_user`: their address and name.

    Long and not guessed from who one is: nothing is asked of which letters it has (NIST SP 800-63B, section 3.1.1).
    """
    password = _normal(password)
    if len(password) < SHORTEST:
        return f"Choose at least {SHORTEST} characters: a sentence will do."
    if len(password) > LONGEST:
        return f"Choose at most {LONGEST} characters."
    if len(set(password)) < _FEWEST_LETTERS:
        return "That repeats itself too much. A sentence will do."
    rest = password.lower()
    for known in sorted(
        (part for text in of_user for part in (text.lower(), *text.lower().split("@"))), key=len, reverse=True
    ):
        rest = rest.replace(known, "") if known else rest
    if len(rest) < _FEWEST_LETTERS:
        return "That is little more than your name or address, which others know too."
    return ""


def hash_password(password: str) -> str:
    """What is kept. Takes some 50 ms and 64 MiB."""
    return _HASHER.hash(_normal(password))


def fits(password: str, kept: str | None) -> bool:
    """Whether it is the password that `kept` is of. With None it takes as long and is False: the time says nothing."""
    try:
        right = _HASHER.verify(kept or _NOBODYS, _normal(password[: LONGEST + 1]))
    except (VerificationError, InvalidHashError):
        return False
    return right and kept is not None


def is_dated(kept: str) -> bool:
    """Whether it was made with weaker parameters than those of now."""
    return _HASHER.check_needs_rehash(kept)


def _normal(password: str) -> str:
    """One text for all ways to type it (RFC 8265, section 4.2)."""
    return unicodedata.normalize("NFKC", password)
