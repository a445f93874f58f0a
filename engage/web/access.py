"""Who calls the intake API: a bearer key in a header, or the signature of a system that pushes (Standard Webhooks).

Nothing here says which part of a key was wrong, and every comparison of a secret takes the same time.
"""

import hmac
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from standardwebhooks import Webhook

from engage.bootstrap import Services
from engage.domain.access import ApiKey, KeyKind, KeyScope, read_bearer_key
from engage.signing import Signer

TOLERANCE = timedelta(minutes=5)
"""How far the time of a signature may be from ours, as Standard Webhooks has it: an older one may be sent again."""

_PURPOSE = "webhook-secret"
_MOST_SIGNATURES = 8  # one header may carry several, while the sender changes its secret
_LONGEST_HEADER = 512
_LONGEST_TIMESTAMP = 12  # digits of seconds: beyond, no date


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
    Raises Refused with 401, or ServiceUnreachable.
    """
    scheme, _, text = headers.get("authorization", "").partition(" ")
    said = read_bearer_key(text.strip()) if scheme.lower() == "bearer" else None
    if said is None:
        raise _unknown("send a key of engage: Authorization: Bearer ek_…", "Bearer")
    public_id, secret = said
    key = services.keyring.find(public_id, services.clock())
    known = key or _NOBODY  # compared all the same, so that the time says nothing of which ids there are
    if not known.opens_with(secret) or key is None or key.kind is not KeyKind.BEARER:
        raise _unknown("this key is not known, or was revoked", "Bearer")
    return _caller(services, key)


def signed_caller(services: Services, public_id: str, headers: Mapping[str, str], body: bytes) -> Caller:
    """Whose secret signed the request: headers webhook-id, webhook-timestamp and webhook-signature over the raw body.

    The webhook-id is as long as a header may be here, visible ASCII, and the caller's idempotency key.
    As `caller` otherwise.
    """
    key = services.keyring.find(public_id, services.clock())
    known = key is not None and key.kind is KeyKind.SIGNED
    secrets = services.signer.secrets(_PURPOSE, public_id)
    if not _is_signed(secrets, headers, body, services.clock()) or key is None or not known:
        raise _unknown("the signature is not one of this key and of now, or the key was revoked")
    return _caller(services, key)


def webhook_secret(signer: Signer, public_id: str) -> str:
    """The secret of a signed key as Standard Webhooks writes it: `whsec_` and base64. Made of the installation's first
    secret key, and nowhere kept.
    """
    return f"whsec_{b64encode(signer.secrets(_PURPOSE, public_id)[0]).decode()}"


def _is_signed(secrets: tuple[bytes, ...], headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """As Standard Webhooks says (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).

    The library signs, and we compare: its own `verify` reads the machine's clock, takes a time in several spellings and
    a signature in several forms of base64, and raises what it likes on a broken one.
    """
    message, stamp, said = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not all(_is_plain(value) for value in (message, stamp, said.replace(" ", ""))) or " " in message:
        return False
    at = _instant(stamp)
    if at is None or abs(now - at) > TOLERANCE:
        return False
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return False
    right = [Webhook(secret).sign(message, at, text) for secret in secrets]
    brought = said.split(" ")[:_MOST_SIGNATURES]
    matches = [hmac.compare_digest(one, other) for one in right for other in brought]
    return any(matches)


def _is_plain(value: str) -> bool:
    return 0 < len(value) <= _LONGEST_HEADER and value.isascii() and value.isprintable()


def _instant(stamp: str) -> datetime | None:
    if not stamp.isdigit() or len(stamp) > _LONGEST_TIMESTAMP or (stamp[0] == "0" and stamp != "0"):
        return None
    try:
        return datetime.fromtimestamp(int(stamp), UTC)
    except (ValueError, OverflowError):
        return None


def _caller(services: Services, key: ApiKey) -> Caller:
    scope = services.library().scope(key.program_id)
    if scope is None:
        raise Refused(403, "The key does not allow this", "the program of this key is not there any more")
    services.keyring.used(key, services.clock())
    return Caller(key.id, key.program_id, scope.program.key, key.name, key.scopes)


def _unknown(detail: str, scheme: str = "") -> Refused:
    return Refused(401, "Not let in", detail, {"WWW-Authenticate": scheme} if scheme else {})


_NOBODY = ApiKey(0, 0, "", "", KeyKind.BEARER, None, frozenset(), datetime.min.replace(tzinfo=UTC))
