"""What browsers are forbidden, for whom this host answers, and that pages need nothing of what is forbidden."""

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from engage.bootstrap import Services
from engage.content.colors import contrast
from engage.queueing import NoQueue
from engage.settings import Settings, SettingsError
from engage.web.app import build_app
from engage.web.mailbox import MailStore
from tests.support.command import ROOT
from tests.support.engage import Engage

TEMPLATES = sorted((ROOT / "engage" / "web" / "templates").glob("*.html"))
PATHS = ["/", "/unsubscribe/x", "/nothing", "/readyz", "/static/page.css", "/v1/nothing"]


@pytest.fixture
def web(engage: Engage) -> TestClient:
    return TestClient(build_app(engage.services), follow_redirects=False)


def served(tmp_path: Path, sqlite_url: str, base_url: str = "http://localhost", **settings: str) -> TestClient:
    services = Services(Settings.load(database_url=sqlite_url, data_dir=tmp_path, **settings), NoQueue())
    return TestClient(build_app(services), base_url=base_url)


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_forbids_scripts_frames_and_telling_where_one_came_from(web: TestClient, path: str) -> None:
    headers = web.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "style-src": "'self'",
        "img-src": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert "server" not in headers


def test_pages_are_kept_by_nobody_and_stylesheets_by_everybody(web: TestClient) -> None:
    assert web.get("/unsubscribe/x").headers["cache-control"] == "no-store"
    files = re.findall(r'href="(/static/[^"]+)"', web.get("/").text)
    assert {re.sub(r"\?v=\w+$", "", each) for each in files} == {"/static/page.css", "/static/favicon.svg"}
    for each in files:
        assert re.search(r"\?v=\w+$", each)
        assert web.get(each).headers["cache-control"] == "public, max-age=86400"


def test_https_is_for_ever_where_partners_come_by_https(sqlite_url: str, tmp_path: Path) -> None:
    plain = served(tmp_path, sqlite_url)
    assert "strict-transport-security" not in plain.get("/healthz").headers
    safe = served(tmp_path, sqlite_url, public_url="https://engage.example.com")
    assert safe.get("/healthz").headers["strict-transport-security"] == "max-age=31536000"


def test_the_frame_of_a_mail_in_the_mailbox_is_still_a_frame(engage: Engage) -> None:
    web = TestClient(build_app(engage.services, MailStore()))
    assert "script-src 'self'" in web.get("/mailbox").headers["content-security-policy"]


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "testserver.evil.example", "", "a b", "[::2]"]
)
@pytest.mark.parametrize("path", ["/", "/unsubscribe/x", "/v1/events", "/static/page.css"])
def test_a_host_that_is_not_ours_is_refused(web: TestClient, host: str, path: str) -> None:
    answer = web.get(path, headers={"host": host})
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert not host or host not in answer.text


@pytest.mark.parametrize(
    "host", ["engage.example.com", "ENGAGE.example.com:8443", "a.example.org", "localhost:1", "[::1]"]
)
def test_a_host_that_is_ours_is_answered(sqlite_url: str, tmp_path: Path, host: str) -> None:
    web = served(tmp_path, sqlite_url, public_url="https://engage.example.com", allowed_hosts="other, *.example.org")
    assert web.get("/", headers={"host": host}).status_code == 200


def test_probes_may_ask_by_any_name(web: TestClient) -> None:
    assert [web.get(path, headers={"host": "10.1.2.3"}).status_code for path in ("/healthz", "/readyz")] == [200, 200]


@pytest.mark.parametrize("said", ["https://engage.example.com", "a b", "exa*mple.com", "-"])
def test_what_is_no_host_name_is_said_at_start(tmp_path: Path, said: str) -> None:
    with pytest.raises(SettingsError, match=r"ENGAGE_ALLOWED_HOSTS: .* is no host name"):
        Settings.load(data_dir=tmp_path, allowed_hosts=said)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_no_page_needs_what_the_policy_forbids(template: Path) -> None:
    source = template.read_text()
    assert not re.search(r"<style|<script|\sstyle=|\son\w+=|javascript:|<iframe|\bsrc=[\"']?http", source)


def test_a_brand_has_its_colours_readable_in_light_and_dark(web: TestClient, engage: Engage) -> None:
    (program, *_) = engage.services.library().programs
    css = web.get(f"/brand/{program}.css")
    assert css.headers["content-type"].startswith("text/css")
    pairs = re.findall(r"--act:(#\w{6});--on-act:(#\w{6});--accent:(#\w{6});--on-accent:(#\w{6})", css.text)
    assert len(pairs) == 2
    for act, on_act, accent, on_accent in pairs:
        assert min(contrast(act, on_act), contrast(accent, on_accent)) >= 4.5


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd"]
)
def test_no_file_but_the_stylesheets_can_be_had(web: TestClient, path: str) -> None:
    assert web.get(path).status_code == 404


def test_an_address_below_a_path_has_its_stylesheets_there(sqlite_url: str, tmp_path: Path) -> None:
    web = served(tmp_path, sqlite_url, public_url="https://example.com/engage")
    assert 'href="/engage/static/page.css' in web.get("/").text
