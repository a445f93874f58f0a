"""An OpenID Connect issuer on loopback, as strict as the standard asks; it can be told to lie."""

import base64
import hashlib
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

CLIENT, SECRET = "engage", "a-secret-of-the-client"


class Issuer:
    """`claims` are added to what its tokens say; `key` signs them, `header` is their head."""

    def __init__(self) -> None:
        self.url = ""
        self.published = RSAKey.generate_key(2048, {"kid": "one"})
        self.key: Any = self.published
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "one"}
        self.claims: dict[str, Any] = {}
        self._codes: dict[str, dict[str, str]] = {}
        routes = [
            Route("/.well-known/openid-configuration", self._about),
            Route("/keys", self._keys),
            Route("/token", self._token, methods=["POST"]),
        ]
        self.app = Starlette(routes=routes)

    def lets_in(self, url: str, code: str = "code") -> str:
        """What somebody does who is sent to the issuer and logs in there: the query with which they come back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert (asked["client_id"], asked["response_type"]) == (CLIENT, "code")
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        self._codes[code] = asked
        return f"?code={code}&state={asked['state']}"

    async def _about(self, _request: Request) -> JSONResponse:
        ends = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/keys"}
        return JSONResponse({"issuer": self.url} | {name: self.url + path for name, path in ends.items()})

    async def _keys(self, _request: Request) -> JSONResponse:
        return JSONResponse(KeySet([self.published]).as_dict(private=False))

    async def _token(self, request: Request) -> JSONResponse:
        form = await request.form()
        asked = self._codes.pop(str(form.get("code")), None)  # a code counts once
        verifier = hashlib.sha256(str(form.get("code_verifier")).encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        right = request.headers.get("authorization") == f"Basic {basic}"
        if not right or asked is None or asked["code_challenge"] != challenge:
            return JSONResponse({"error": "invalid_grant"}, 400)
        assert form.get("redirect_uri") == asked["redirect_uri"]
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "sub": "u-1", "iat": now, "exp": now + 60, "nonce": asked["nonce"]}
        claims |= {"email": "Ann@example.com", "email_verified": True} | self.claims
        said = {name: value for name, value in claims.items() if value is not None}
        token = jwt.encode(self.header, said, self.key, algorithms=[self.header["alg"]])
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": token})
