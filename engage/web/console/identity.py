"""Asks an OpenID Connect issuer who somebody is (authorization code flow with PKCE), and believes only what it signed.

OpenID Connect Core 1.0, sections 3.1 and 3.1.3.7; RFC 7636; RFC 9700.
"""

import time
import warnings
from dataclasses import dataclass
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import httpx
from authlib.integrations.base_client.errors import OAuthError
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from engage.domain.errors import ServiceUnreachable

with warnings.catch_warnings():  # Authlib would rather have a fork of httpx, and says so on every start
    warnings.simplefilter("ignore", DeprecationWarning)
    from authlib.integrations.httpx_client import OAuth2Client

SIGNED_BY = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures that only the issuer can make. Not by secrets that two share, and not none."""

_SECONDS_TO_ANSWER = 5
_SECONDS_KNOWN = 3600
_LEEWAY = 60
_LONGEST_SUBJECT = 255  # OpenID Connect Core, section 2


class NotProven(Exception):
    """What came back does not prove who somebody is."""


@dataclass(frozen=True, slots=True)
class Identity:
    """`subject` is the issuer's address and its name for somebody, divided by a space."""

    subject: str
    verified_email: str | None


class IdentityProvider:
    """One issuer, to which engage is a confidential client. Safe to use from several threads."""

    def __init__(self, issuer: str, client_id: str, client_secret: str, redirect_url: str) -> None:
        self._issuer, self._client_id, self._secret, self._redirect = issuer, client_id, client_secret, redirect_url
        self._known: tuple[float, dict[str, Any], KeySet] | None = None
        self._lock = Lock()

    def login_url(self, state: str, nonce: str, verifier: str) -> str:
        """Where to send a browser. Raises ServiceUnreachable."""
        about, _ = self._about()
        with self._client() as client:
            url, _ = client.create_authorization_url(
                about["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier
            )
        return str(url)

    def identify(self, code: str, nonce: str, verifier: str) -> Identity:
        """Who came back with this code. Raises NotProven or ServiceUnreachable."""
        about, _ = self._about()
        try:
            with self._client() as client:
                answer = client.fetch_token(
                    about["token_endpoint"], grant_type="authorization_code", code=code, code_verifier=verifier
                )
        except httpx.HTTPError as error:
            raise _away(error) from None
        except (OAuthError, ValueError) as error:
            raise NotProven(f"the issuer gave no token: {type(error).__name__}") from None
        return self._read(str(answer.get("id_token", "")), nonce)

    def _read(self, id_token: str, nonce: str) -> Identity:
        claims = self._verified(id_token)
        rules = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._client_id},
            nonce={"essential": True, "value": nonce},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
        )
        try:
            rules.validate(claims)
        except JoseError as error:
            raise NotProven(f"the token is not for this login: {type(error).__name__}") from None
        audiences = claims["aud"]
        alone = isinstance(audiences, str) or audiences == [self._client_id]
        subject = claims["sub"]
        if not (alone or claims.get("azp") == self._client_id):
            raise NotProven("the token is for somebody else too")
        if not isinstance(subject, str) or not subject or len(subject) > _LONGEST_SUBJECT:
            raise NotProven("the token names nobody")
        email = claims.get("email")
        verified = isinstance(email, str) and claims.get("email_verified") is True
        return Identity(f"{self._issuer} {subject}", str(email).strip().lower() if verified else None)

    def _verified(self, id_token: str) -> dict[str, Any]:
        """What the issuer has signed; its keys are asked for again once, since issuers change them."""
        for again in (False, True):
            _, keys = self._about(again)
            try:
                return dict(jwt.decode(id_token, keys, algorithms=SIGNED_BY).claims)
            except (JoseError, ValueError) as error:
                reason = type(error).__name__
        raise NotProven(f"the issuer did not sign the token: {reason}")

    def _about(self, again: bool = False) -> tuple[dict[str, Any], KeySet]:
        """What the issuer says of itself, and its keys; `again`: not those of earlier."""
        with self._lock:
            if self._known is not None and not again and time.monotonic() - self._known[0] < _SECONDS_KNOWN:
                return self._known[1:]
            about = _fetched(self._issuer.rstrip("/") + "/.well-known/openid-configuration")
            if about.get("issuer") != self._issuer:
                raise ServiceUnreachable("the issuer of OIDC calls itself otherwise", "see ENGAGE_OIDC_ISSUER")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                self._require_safe(about.get(name))
            try:
                keys = KeySet.import_key_set(_fetched(about["jwks_uri"]))  # type: ignore[arg-type]
            except (JoseError, ValueError, KeyError, TypeError) as error:
                raise _away(error) from None
            self._known = (time.monotonic(), about, keys)
            return about, keys

    def _require_safe(self, url: object) -> None:
        """Over TLS, as the issuer itself; a local one for tests over loopback."""
        wanted = urlsplit(self._issuer).scheme
        if not isinstance(url, str) or urlsplit(url).scheme not in ("https", wanted):
            raise ServiceUnreachable("the issuer of OIDC names an address without TLS", "see ENGAGE_OIDC_ISSUER")

    def _client(self) -> OAuth2Client:
        return OAuth2Client(
            self._client_id,
            self._secret,
            scope="openid email",
            redirect_uri=self._redirect,
            code_challenge_method="S256",
            timeout=_SECONDS_TO_ANSWER,
            follow_redirects=False,
        )


def _fetched(url: str) -> dict[str, Any]:
    try:
        answer = httpx.get(url, timeout=_SECONDS_TO_ANSWER, follow_redirects=False)
        answer.raise_for_status()
        found = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise _away(error) from None
    if not isinstance(found, dict):
        raise ServiceUnreachable("the issuer of OIDC does not answer as it should", "see ENGAGE_OIDC_ISSUER")
    return found


def _away(error: Exception) -> ServiceUnreachable:
    return ServiceUnreachable(
        f"the issuer of OIDC failed: {type(error).__name__}", "see that ENGAGE_OIDC_ISSUER answers"
    )
