"""Logging in and out: by a password, a one-time link, with a second factor; and what does not let anybody in."""

import re
import threading
from datetime import timedelta
from typing import Literal
from urllib.parse import unquote

import httpx
import pyotp
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.testclient import TestClient

from engage.domain.accounts import LinkPurpose, Role, User
from engage.pipeline import second_factors
from engage.pipeline.logins import change_password, enter_by_link, new_link
from engage.pipeline.passwords import hash_password
from engage.store.accounts import set_disabled
from engage.store.audit import entries
from engage.web.app import build_app
from engage.web.buckets import Rate
from tests.support.consoles import SITE, MakeConsole, add_user, begin_session
from tests.support.engage import Engage

PASSWORD = "seven horses in the rain"
HASH = hash_password(PASSWORD)
ANN = "ann@example.com"


@pytest.fixture
def ann(engage: Engage) -> User:
    return add_user(engage.services, Role.ADMIN, email=ANN, password_hash=HASH)


@pytest.fixture
def browser(app: FastAPI) -> TestClient:
    return TestClient(app, base_url=SITE, follow_redirects=False)


def csrf_of(page: httpx.Response) -> str:
    (found,) = set(re.findall(r'name="csrf" value="(\w+)"', page.text))
    return found


def sends(browser: TestClient, path: str, origin: str | None = SITE, **fields: str) -> httpx.Response:
    """Opens the page and sends its form, as somebody does who looks at it."""
    page = browser.get(path)
    headers = {"Origin": origin} if origin else {}
    return browser.post(path, data={"csrf": csrf_of(page)} | fields, headers=headers)


def logs_in(
    browser: TestClient, email: str = ANN, password: str = PASSWORD, path: str = "/console/login"
) -> httpx.Response:
    return sends(browser, path, email=email, password=password)


def is_in(browser: TestClient) -> bool:
    return browser.post("/console/logout").status_code == 403  # known, and without the token


def link_for(engage: Engage, user: User, purpose: LinkPurpose) -> str:
    with engage.services.database.write() as db:
        token, _ = new_link(db, user, purpose, engage.now)
    return f"/console/link/{token}"


def app_of(engage: Engage, user: User) -> tuple[pyotp.TOTP, list[str]]:
    """Sets the user's second factor: their app, and the recovery codes."""
    with engage.services.database.write() as db:
        second_factors.offer(db, engage.services.signer, user)
        found = second_factors.offered(db, engage.services.signer, user)
        assert found is not None
        app = pyotp.TOTP(found[0])
        codes = second_factors.confirm(db, engage.services.signer, user, app.at(engage.now), engage.now)
    assert codes is not None
    engage.now += timedelta(minutes=1)  # the code of then was used
    return app, codes


# -- by password -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("ann")
def test_the_right_password_lets_in_until_one_logs_out(browser: TestClient, engage: Engage) -> None:
    answer = logs_in(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console")
    assert is_in(browser)
    with engage.services.database.read() as db:
        assert [(entry.action, entry.actor) for entry in entries(db, 10)] == [("user.login", ANN)]


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("email", [ANN, "nobody@example.com", "", "'; --", "a" * 400])
def test_a_wrong_password_is_answered_alike_whoever_it_is_of(browser: TestClient, email: str) -> None:
    answer = logs_in(browser, email, "another one, and a long one")
    assert answer.status_code == 401
    assert "do not belong together" in answer.text
    assert not is_in(browser)


def test_users_who_are_disabled_or_have_no_password_are_answered_as_if_it_were_wrong(
    browser: TestClient, engage: Engage, ann: User
) -> None:
    with engage.services.database.write() as db:
        set_disabled(db, ann.id, engage.now)
    add_user(engage.services, Role.OPS, email="ben@example.com")
    for email in (ANN, "ben@example.com"):
        answer = logs_in(browser, email)
        assert answer.status_code == 401
        assert "do not belong together" in answer.text


@pytest.mark.usefixtures("ann")
def test_an_address_may_be_written_as_people_write_it(browser: TestClient) -> None:
    assert logs_in(browser, " Ann@Example.COM ").status_code == 303


@pytest.mark.usefixtures("ann")
def test_an_unknown_address_takes_a_look_at_a_password_too(
    browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes time is argon2: it is asked once, whoever is named."""
    looked: list[str] = []

    class Counting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002
            looked.append(str(password))
            return super().verify(hash, password)

    monkeypatch.setattr("engage.pipeline.passwords._HASHER", Counting())
    logs_in(browser, ANN, "wrong")
    logs_in(browser, "nobody@example.com", "wrong")
    assert looked == ["wrong", "wrong"]


@pytest.mark.usefixtures("ann")
def test_after_ten_tries_an_account_waits_whoever_tries_and_whether_it_exists(app: FastAPI) -> None:
    for email in (ANN, "nobody@example.com"):
        answers = [
            logs_in(
                TestClient(app, base_url=SITE, client=(f"192.0.2.{at}", 5000), follow_redirects=False), email, "wrong"
            )
            for at in range(12)
        ]
        assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
        assert int(answers[-1].headers["retry-after"]) <= 60
    right = TestClient(app, base_url=SITE, client=("192.0.2.99", 5000), follow_redirects=False)
    assert logs_in(right).status_code == 429


def test_after_many_tries_an_address_waits_whatever_account_it_tries(
    browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engage.web.limits._LOGINS_OF_ADDRESS", Rate(0.001, 3))
    answers = [logs_in(browser, f"{n}@example.com", "wrong").status_code for n in range(5)]
    assert answers == [401] * 3 + [429] * 2


# -- sessions ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("ann")
def test_a_session_that_another_chose_is_not_the_one_that_one_gets(browser: TestClient, engage: Engage) -> None:
    """Session fixation: whatever cookie the browser was given, the login makes a new one, and the old one is over."""
    mallory = add_user(engage.services, Role.SALES, email="mallory@example.com")
    planted = begin_session(engage.services, mallory)
    browser.get("/console/login")  # as somebody who is not logged in: for the page's cookie
    visitor = dict(browser.cookies)
    for chosen in ("chosen-by-mallory", planted):
        browser.cookies.clear()
        for name, value in visitor.items():
            browser.cookies.set(name, value)
        fresh = TestClient(browser.app, base_url=SITE, follow_redirects=False)
        csrf = csrf_of(fresh.get("/console/login"))
        fresh.cookies.set("engage_session", chosen)
        given = {"csrf": csrf, "email": ANN, "password": PASSWORD}
        answer = fresh.post("/console/login", data=given, headers={"Origin": SITE})
        assert answer.status_code == 303
        assert f"engage_session={chosen}" not in answer.headers["set-cookie"]
        old = TestClient(browser.app, base_url=SITE, follow_redirects=False)
        old.cookies.set("engage_session", chosen)
        assert not is_in(old)


@pytest.mark.usefixtures("ann")
def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(browser: TestClient) -> None:
    cookie = logs_in(browser).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie
    assert "domain" not in cookie
    assert "max-age" not in cookie, "it ends with the browser"


def test_by_https_the_cookie_is_bound_to_this_host(engage: Engage, ann: User) -> None:  # noqa: ARG001
    https = "https://engage.example.com"
    engage.services.settings = engage.services.settings.model_copy(update={"public_url": https})
    browser = TestClient(build_app(engage.services), base_url=https, follow_redirects=False)
    page = browser.get("/console/login")
    given = {"csrf": csrf_of(page), "email": ANN, "password": PASSWORD}
    cookie = browser.post("/console/login", data=given, headers={"Origin": https}).headers["set-cookie"]
    assert cookie.startswith("__Host-engage_session=")
    assert "; Secure" in cookie


@pytest.mark.usefixtures("ann")
def test_a_session_ends_after_twelve_hours_without_use_and_after_fourteen_days_with_it(
    browser: TestClient, engage: Engage
) -> None:
    logs_in(browser)
    start = engage.now
    while engage.now < start + timedelta(days=13):
        engage.now += timedelta(hours=11)
        assert is_in(browser), engage.now - start
    engage.now = start + timedelta(days=14)
    assert not is_in(browser)
    logs_in(browser)
    engage.now += timedelta(hours=12)
    assert not is_in(browser)


def test_a_session_ends_at_once_when_its_user_is_disabled(console: MakeConsole, engage: Engage) -> None:
    ben = console("ops")
    assert is_in(ben.client)
    with engage.services.database.write() as db:
        set_disabled(db, ben.user.id, engage.now)
    assert not is_in(ben.client)


def test_an_old_cookie_is_worth_nothing_after_a_logout(console: MakeConsole) -> None:
    ben = console("ops")
    answer = ben.post("/console/logout")
    assert answer.headers["location"] == "/console/login"
    ben.client.cookies.set("engage_session", ben.token)
    assert not is_in(ben.client)


def test_old_cookies_are_worth_nothing_after_a_change_of_password(console: MakeConsole, engage: Engage) -> None:
    ben = console("ops")
    with engage.services.database.write() as db:
        entered = change_password(db, ben.user, "another sentence of mine", "test", engage.now)
    assert not is_in(ben.client)
    ben.client.cookies.set("engage_session", entered.token)
    assert is_in(ben.client)


# -- where one goes on to ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("ann")
def test_one_goes_on_to_the_page_that_one_asked_for(browser: TestClient) -> None:
    led = browser.get("/console/campaigns?program=partners").headers["location"]
    assert led.startswith("/console/login?next=")
    assert logs_in(browser, path=led).headers["location"] == "/console/campaigns?program=partners"


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/console/../../evil",
        "/console/%2e%2e/evil",
        "/console\r\nSet-Cookie: a=b",
        "/unsubscribe/x",
        "/consoles",
        "javascript:alert(1)",
    ],
)
@pytest.mark.parametrize("signed", [False, True])
def test_nobody_is_led_to_anywhere_but_the_consoles(
    browser: TestClient, engage: Engage, wanted: str, signed: bool
) -> None:
    token = engage.services.signer.token("console-next", [wanted]) if signed else wanted
    page = browser.get("/console/login", params={"next": token})
    given = {"csrf": csrf_of(page), "email": ANN, "password": PASSWORD}
    answer = browser.post("/console/login", params={"next": token}, data=given, headers={"Origin": SITE})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console")
    assert "evil" not in unquote(page.text)


# -- the second factor -------------------------------------------------------------------------------------------------


def test_with_a_second_factor_the_password_alone_opens_nothing(browser: TestClient, engage: Engage, ann: User) -> None:
    app, _ = app_of(engage, ann)
    assert logs_in(browser).headers["location"] == "/console/second-factor"
    half = browser.cookies["engage_session"]
    assert browser.post("/console/logout").headers["location"] == "/console/second-factor"
    answer = sends(browser, "/console/second-factor", code=app.at(engage.now))
    assert answer.headers["location"] == "/console"
    assert is_in(browser)
    assert browser.cookies["engage_session"] != half
    browser.cookies.set("engage_session", half)
    assert browser.post("/console/logout").headers["location"] == "/console/login", "half a session is used up"


def test_half_a_session_lasts_ten_minutes(browser: TestClient, engage: Engage, ann: User) -> None:
    app_of(engage, ann)
    logs_in(browser)
    engage.now += timedelta(minutes=10)
    assert browser.get("/console/second-factor").headers["location"] == "/console/login"


def test_each_code_of_the_app_counts_once_and_only_around_its_time(
    browser: TestClient, engage: Engage, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engage.web.limits._CODES_OF_ACCOUNT", Rate(1, 100))
    app, _ = app_of(engage, ann)

    def with_code(code: str) -> int:
        browser.cookies.clear()
        logs_in(browser)
        return sends(browser, "/console/second-factor", code=code).status_code

    now = engage.now
    assert with_code(app.at(now - timedelta(seconds=90))) == 401
    assert with_code(app.at(now + timedelta(seconds=90))) == 401
    assert with_code(app.at(now)) == 303
    assert with_code(app.at(now)) == 401, "it was used"
    assert with_code(app.at(now - timedelta(seconds=30))) == 401, "and so are those before it"
    assert with_code(app.at(now + timedelta(seconds=30))) == 303, "a clock may be half a minute fast"
    assert with_code("") == 401
    assert with_code("000000 OR 1=1") == 401


def test_a_recovery_code_counts_once(browser: TestClient, engage: Engage, ann: User) -> None:
    _, codes = app_of(engage, ann)
    assert len(set(codes)) == second_factors.RECOVERY_CODES
    logs_in(browser)
    assert sends(browser, "/console/second-factor", code=codes[3].upper().replace("-", " ")).status_code == 303
    browser.cookies.clear()
    logs_in(browser)
    assert sends(browser, "/console/second-factor", code=codes[3]).status_code == 401
    with engage.services.database.read() as db:
        assert second_factors.recovery_left(db, ann) == second_factors.RECOVERY_CODES - 1


def test_codes_cannot_be_tried_one_after_the_other(browser: TestClient, engage: Engage, ann: User) -> None:
    app, _ = app_of(engage, ann)
    logs_in(browser)
    tried = [sends(browser, "/console/second-factor", code=f"{n:06}").status_code for n in range(5)]
    assert tried == [401] * 5
    browser.cookies.clear()
    logs_in(browser)  # a new login does not give new tries
    assert sends(browser, "/console/second-factor", code=app.at(engage.now)).status_code == 429


# -- one-time links ----------------------------------------------------------------------------------------------------


def test_a_link_lets_in_once_and_looking_at_it_does_not_use_it_up(
    browser: TestClient, app: FastAPI, engage: Engage, ann: User
) -> None:
    path = link_for(engage, ann, LinkPurpose.LOGIN)
    for _ in range(3):  # previews of chats and scanners of mails look too
        assert ANN in browser.get(path).text
    assert sends(browser, path).headers["location"] == "/console"
    assert is_in(browser)
    again = TestClient(app, base_url=SITE, follow_redirects=False)
    assert again.get(path).status_code == 404


def test_of_many_who_use_a_link_at_once_one_gets_in(engage: Engage, ann: User) -> None:
    token = link_for(engage, ann, LinkPurpose.LOGIN).rpartition("/")[2]
    entered: list[bool] = []

    def use() -> None:
        with engage.services.database.write() as db:
            entered.append(enter_by_link(db, token, None, "test", engage.now) is not None)

    threads = [threading.Thread(target=use) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(entered) == [False] * 5 + [True]


def test_a_link_to_reset_takes_a_new_password_and_ends_all_sessions(
    browser: TestClient, app: FastAPI, engage: Engage, ann: User
) -> None:
    elsewhere = TestClient(app, base_url=SITE, follow_redirects=False)
    logs_in(elsewhere)
    path = link_for(engage, ann, LinkPurpose.RESET)
    new = "a cold day in november"
    assert sends(browser, path, password="short", again="short").status_code == 422
    assert sends(browser, path, password=ANN, again=ANN).status_code == 422
    assert sends(browser, path, password=new, again=new + "!").status_code == 422
    assert is_in(elsewhere), "until it is used"
    assert sends(browser, path, password=new, again=new).status_code == 303
    assert is_in(browser)
    assert not is_in(elsewhere)
    other = TestClient(app, base_url=SITE, follow_redirects=False)
    assert logs_in(other).status_code == 401
    assert logs_in(other, password=new).status_code == 303


def test_a_link_to_reset_does_not_lead_around_the_second_factor(browser: TestClient, engage: Engage, ann: User) -> None:
    app_of(engage, ann)
    path = link_for(engage, ann, LinkPurpose.RESET)
    new = "a cold day in november"
    assert sends(browser, path, password=new, again=new).headers["location"] == "/console/second-factor"
    assert not is_in(browser)


@pytest.mark.parametrize("purpose", list(LinkPurpose))
def test_links_that_are_old_replaced_of_the_disabled_or_made_up_lead_nowhere(
    browser: TestClient, engage: Engage, ann: User, purpose: LinkPurpose
) -> None:
    replaced = link_for(engage, ann, purpose)
    path = link_for(engage, ann, purpose)
    page = browser.get(path)
    with engage.services.database.write() as db:
        set_disabled(db, ann.id, engage.now)
    new = {"csrf": csrf_of(page), "password": "a cold day in november", "again": "a cold day in november"}
    for one in (path, replaced, "/console/link/x", path[:-1]):
        assert browser.get(one).status_code == 404
        assert browser.post(one, data=new, headers={"Origin": SITE}).status_code == 404
    with engage.services.database.write() as db:
        set_disabled(db, ann.id, None)
    assert browser.get(path).status_code == 200
    engage.now += timedelta(days=3)
    assert browser.get(path).status_code == 404


# -- who asks ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("origin", ["https://evil.example", "null", None, "http://testserver.evil.example", ""])
def test_a_login_that_another_site_asks_for_is_refused(browser: TestClient, origin: str | None) -> None:
    """Login CSRF: a stranger's page cannot log somebody in as the stranger."""
    answer = sends(browser, "/console/login", origin, email=ANN, password=PASSWORD)
    assert answer.status_code == 403
    assert "engage_session" not in browser.cookies


@pytest.mark.usefixtures("ann")
def test_a_login_without_the_token_of_its_page_is_refused(browser: TestClient, app: FastAPI) -> None:
    other = TestClient(app, base_url=SITE, follow_redirects=False)
    of_another = csrf_of(other.get("/console/login"))
    browser.get("/console/login")
    for csrf in ("", "0" * 64, of_another):
        given = {"csrf": csrf, "email": ANN, "password": PASSWORD}
        assert browser.post("/console/login", data=given, headers={"Origin": SITE}).status_code == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", None])
def test_a_change_that_another_site_asks_for_is_refused(console: MakeConsole, origin: str | None) -> None:
    ben = console("ops")
    headers = {"Origin": origin} if origin else {}
    answer = ben.client.post("/console/logout", data={"csrf": ben.csrf}, headers=headers)
    assert answer.status_code == 403
    assert is_in(ben.client)


def test_a_change_with_another_sessions_token_is_refused(console: MakeConsole) -> None:
    ben, eve = console("ops"), console("ops")
    for csrf in ("", eve.csrf, ben.csrf[:-1]):
        assert ben.post("/console/logout", {"csrf": csrf}).status_code == 403
    assert ben.post("/console/logout", headers={"x-csrf-token": eve.csrf}).status_code == 403
    assert ben.post("/console/logout").status_code == 303


@pytest.mark.parametrize("path", ["/console/login", "/console/link/x", "/console/logout"])
def test_a_host_that_is_not_ours_is_refused(browser: TestClient, path: str) -> None:
    for host in ("evil.example", "testserver.evil.example", ""):
        answer = browser.get(path, headers={"host": host})
        assert answer.status_code == 400
        assert "location" not in answer.headers
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/console/login", "/console/link/x"])
def test_no_page_can_be_framed_and_none_runs_what_is_not_ours(browser: TestClient, path: str) -> None:
    headers = browser.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["frame-ancestors"] == "'none'"
    assert headers["x-frame-options"] == "DENY"
    assert policy["script-src"] == policy["form-action"] == "'self'"
    assert (policy["default-src"], policy["base-uri"]) == ("'none'", "'none'")
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "same-origin", "with no-referrer browsers name no origin of forms"
