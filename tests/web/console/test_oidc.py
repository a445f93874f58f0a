"""Logging in with an organisation's account, at a local issuer: who is let in, and every lie that is not believed."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from joserfc.jwk import OctKey, RSAKey
from pydantic import SecretStr

from engage.domain.accounts import Role
from engage.settings import Settings, SettingsError
from engage.store.accounts import find_user, set_disabled
from engage.web.app import build_app
from tests.providers.servers import HttpServer
from tests.support.consoles import SITE, add_user
from tests.support.engage import Engage
from tests.support.issuer import CLIENT, SECRET, Issuer

ANN = "ann@example.com"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    with HttpServer(made.app) as server:
        made.url = server.url
        yield made


@pytest.fixture
def browser(engage: Engage, issuer: Issuer) -> TestClient:
    update = {"oidc_issuer": issuer.url, "oidc_client_id": CLIENT, "oidc_client_secret": SecretStr(SECRET)}
    engage.services.settings = engage.services.settings.model_copy(update=update)
    return TestClient(build_app(engage.services), base_url=SITE, follow_redirects=False)


def comes_back(browser: TestClient, issuer: Issuer, path: str = "/console/oidc/start") -> httpx.Response:
    return browser.get("/console/oidc/callback" + issuer.lets_in(browser.get(path).headers["location"]))


def is_in(browser: TestClient) -> bool:
    return browser.get("/console/account").status_code == 200


def test_who_was_invited_is_let_in_and_known_again_by_more_than_the_address(
    browser: TestClient, issuer: Issuer, engage: Engage
) -> None:
    add_user(engage.services, Role.ADMIN, email=ANN)
    assert "/console/oidc/start" in browser.get("/console/login").text
    led = browser.get("/console/audit").headers["location"]
    answer = comes_back(browser, issuer, led.replace("/login", "/oidc/start"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/audit")
    assert is_in(browser)
    browser.cookies.clear()
    issuer.claims = {"email": "ann.married@example.com"}
    assert comes_back(browser, issuer).status_code == 303, "the issuer's name for her is the same"
    browser.cookies.clear()
    issuer.claims = {"sub": "u-2"}
    assert comes_back(browser, issuer).status_code == 403, "somebody else who was given her old address is not her"


def test_who_was_not_invited_is_told_so(browser: TestClient, issuer: Issuer) -> None:
    answer = comes_back(browser, issuer)
    assert answer.status_code == 403
    assert "an admin has to invite you" in answer.text
    assert not is_in(browser)


def test_who_is_disabled_stays_outside(browser: TestClient, issuer: Issuer, engage: Engage) -> None:
    ann = add_user(engage.services, Role.ADMIN, email=ANN)
    assert comes_back(browser, issuer).status_code == 303
    with engage.services.database.write() as db:
        set_disabled(db, ann.id, engage.now)
    assert comes_back(browser, issuer).status_code == 403
    assert not is_in(browser)


LIES: list[tuple[str, dict[str, Any]]] = [
    ("an address that nobody verified", {"email_verified": False}),
    ("an address of which it does not say", {"email_verified": None}),
    ("an address that a text verified", {"email_verified": "true"}),
    ("another issuer", {"iss": "https://evil.example"}),
    ("another client", {"aud": "somebody-else"}),
    ("a client among others", {"aud": [CLIENT, "somebody-else"]}),
    ("a token of long ago", {"exp": int(time.time()) - 3600}),
    ("a token that never ends", {"exp": None}),
    ("another login's token", {"nonce": "another"}),
    ("a token of no login", {"nonce": None}),
    ("nobody", {"sub": ""}),
    ("a number", {"sub": 7}),
]


@pytest.mark.parametrize(("lie", "claims"), LIES, ids=[name for name, _ in LIES])
def test_what_does_not_prove_who_somebody_is_lets_nobody_in(
    browser: TestClient, issuer: Issuer, engage: Engage, lie: str, claims: dict[str, Any]
) -> None:
    add_user(engage.services, Role.ADMIN, email=ANN)
    issuer.claims = claims
    assert comes_back(browser, issuer).status_code == 403, lie
    assert not is_in(browser)
    issuer.claims = {}
    assert comes_back(browser, issuer).status_code == 303, "the truth is believed"


@pytest.mark.parametrize("alg", ["another key", "the secret that both know"])
def test_what_the_issuer_did_not_sign_is_not_believed(
    browser: TestClient, issuer: Issuer, engage: Engage, alg: str
) -> None:
    add_user(engage.services, Role.ADMIN, email=ANN)
    if alg == "another key":
        issuer.key = RSAKey.generate_key(2048, {"kid": "one"})
    else:
        issuer.key = OctKey.import_key(SECRET)
        issuer.header = {"alg": "HS256", "kid": "one"}
    assert comes_back(browser, issuer).status_code == 403
    assert not is_in(browser)


def test_the_issuers_new_key_is_learned(browser: TestClient, issuer: Issuer, engage: Engage) -> None:
    add_user(engage.services, Role.ADMIN, email=ANN)
    assert comes_back(browser, issuer).status_code == 303
    issuer.published = issuer.key = RSAKey.generate_key(2048, {"kid": "two"})
    issuer.header = {"alg": "RS256", "kid": "two"}
    assert comes_back(browser, issuer).status_code == 303


def test_only_the_browser_that_began_can_end_it_and_once(browser: TestClient, issuer: Issuer, engage: Engage) -> None:
    """Login CSRF and stolen codes: a link that another began leads nowhere."""
    add_user(engage.services, Role.ADMIN, email=ANN)
    other = TestClient(browser.app, base_url=SITE, follow_redirects=False)
    query = issuer.lets_in(browser.get("/console/oidc/start").headers["location"])
    other.get("/console/oidc/start")
    for stranger in (other, TestClient(browser.app, base_url=SITE, follow_redirects=False)):
        assert stranger.get(f"/console/oidc/callback{query}").status_code == 403
    assert browser.get(f"/console/oidc/callback{query}").status_code == 303
    assert browser.get(f"/console/oidc/callback{query}").status_code == 403


def test_a_login_that_took_too_long_is_begun_anew(browser: TestClient, issuer: Issuer, engage: Engage) -> None:
    add_user(engage.services, Role.ADMIN, email=ANN)
    query = issuer.lets_in(browser.get("/console/oidc/start").headers["location"])
    engage.now += timedelta(minutes=11)
    assert browser.get(f"/console/oidc/callback{query}").status_code == 403


def test_an_issuer_that_is_away_is_said(browser: TestClient, engage: Engage) -> None:
    browser.app.state.identity_provider._issuer = "http://127.0.0.1:9"  # type: ignore[attr-defined]
    assert browser.get("/console/oidc/start").status_code == 503
    with engage.services.database.read() as db:
        assert find_user(db, ANN) is None


def test_without_an_issuer_there_is_no_such_page(engage: Engage) -> None:
    browser = TestClient(build_app(engage.services), base_url=SITE, follow_redirects=False)
    for path in ("/console/oidc/start", "/console/oidc/callback?code=a&state=b"):
        assert browser.get(path).status_code == 404
    assert "oidc" not in browser.get("/console/login").text


@pytest.mark.parametrize(
    "given",
    [
        {"oidc_issuer": "http://login.example.com", "oidc_client_id": "a", "oidc_client_secret": "b"},
        {"oidc_issuer": "https://login.example.com"},
        {"oidc_issuer": "https://login.example.com", "oidc_client_id": "a"},
        {"oidc_client_id": "a"},
    ],
)
def test_an_issuer_that_is_half_set_is_said_at_start(given: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="ENGAGE_OIDC_"):
        Settings.load(**given)
