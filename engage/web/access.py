"""Who calls the intake API: a bearer key in a header, or the signature of a system that pushes (Standard Webhooks).

Nothing here says which part of a key was wrong, and every comparison of a secret takes the same time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from engage.bootstrap import Services
from engage.domain.access import ApiKey, KeyKind, KeyScope, read_bearer_key
from engage.sources.standard_webhooks import is_signed


class Refused(Exception):
    """A request that is not let in: `status`, and what to say of it. `headers` go with the answer."""

    def __init__(self, status: int, title: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status, self.title, self.detail, self.headers = status, title, detail, dict(headers or {})


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose key a request brought."""

    key_id: int
    program_id: int
    program: str
    name: str
    scopes: frozenset[KeyScope]

    def require(self, scope: KeyScope) -> None:
        """Raises Refused with 403 unless the key may push this."""
        if scope not in self.scopes:
            detail = f"this key has no scope '{scope}'; make one that has: engage key create NAME --scope {scope}"
            raise Refused(403, "The key does not allow this", detail)


def caller(services: Services, headers: Mapping[str, str]) -> Caller:
    """Whose bearer key it is that the request brings as `Authorization: Bearer ek_…`.

    `headers` are looked up by names in lower case. Asks the database at most every few seconds: call it in a thread.
    Raises Refused with 401 or 403, or ServiceUnreachable.
    """
    scheme, _, text = headers.get("authorization", "").partition(" ")
    said = read_bearer_key(text.strip(" ")) if scheme.lower() == "bearer" else None
    if said is None:
        raise _unknown("send a key of engage: Authorization: Bearer ek_…", "Bearer")
    public_id, secret = said
    key = services.keyring.find(public_id, services.clock()) or _NOBODY  # compared all the same: the time says nothing
    if not key.opens_with(secret):
        raise _unknown("this key is not known, or was revoked", "Bearer")
    return _caller(services, key)


def signed_caller(services: Services, public_id: str, headers: Mapping[str, str], body: bytes) -> Caller:
    """Whose secret signed the request: headers webhook-id, webhook-timestamp and webhook-signature over the raw body.

    The webhook-id is then visible ASCII of at most 512 characters. As `caller` otherwise.
    """
    key = services.keyring.find(public_id, services.clock()) or _NOBODY
    signed = is_signed(services.signer, public_id, headers, body, services.clock())
    if not signed or key.kind is not KeyKind.SIGNED:
        raise _unknown("the signature is not one of this key and of now, or the key was revoked")
    return _caller(services, key)


def _caller(services: Services, key: ApiKey) -> Caller:
    scope = services.library().scope(key.program_id)
    if scope is None:
        raise Refused(403, "The key does not allow this", "the program of this key is not there any more")
    services.keyring.used(key, services.clock())
    return Caller(key.id, key.program_id, scope.program.key, key.name, key.scopes)


def _unknown(detail: str, scheme: str = "") -> Refused:
    return Refused(401, "Not let in", detail, {"WWW-Authenticate": scheme} if scheme else {})


_NOBODY = ApiKey(0, 0, "", "", KeyKind.BEARER, None, frozenset(), datetime.min.replace(tzinfo=UTC))
