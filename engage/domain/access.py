"""Who may push into the intake API: keys, what they allow, and how the text of one is made and read. Pure."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class KeyScope(StrEnum):
    """What a key may push: the name of a part of /v1."""

    EVENTS = "events"
    PARTNERS = "partners"
    COMPANIES = "companies"
    STAFF = "staff"
    REFERRALS = "referrals"
    LOGINS = "logins"
    REWARDS = "rewards"


class KeyKind(StrEnum):
    BEARER = "bearer"  # a secret that each request brings in its header
    SIGNED = "signed"  # a secret that signs each request and never travels: Standard Webhooks


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is stored: of its secret no more than a hash, and of a signed one nothing."""

    id: int
    program_id: int
    name: str
    public_id: str
    kind: KeyKind
    secret_hash: str | None
    scopes: frozenset[KeyScope]
    created_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    def opens_with(self, secret: str) -> bool:
        """Whether `secret` is its secret. Takes the same time whatever the secret; a signed key opens with none."""
        return hmac.compare_digest(hash_of(secret), self.secret_hash or _NO_HASH)


_NO_HASH = "-" * 64  # as long as a hash, and none
_BEARER = re.compile(r"ek_([0-9a-f]{16})_([A-Za-z0-9_-]{43})", re.ASCII)


def hash_of(secret: str) -> str:
    """What is kept of the secret part of a key. It holds 256 random bits: nothing slower than SHA-256 is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def bearer_key(public_id: str, secret: str) -> str:
    """The whole key, as it is shown once and as requests bring it."""
    return f"ek_{public_id}_{secret}"


def read_bearer_key(text: str) -> tuple[str, str] | None:
    """The public id and the secret of what may be a key; None for any other text."""
    found = _BEARER.fullmatch(text)
    return (found[1], found[2]) if found else None
