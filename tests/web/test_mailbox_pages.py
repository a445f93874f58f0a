"""The mailbox's pages: what a reader sees, and that no message can do anything to them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from engage.web.mailbox import MailStore, mailbox_app
from tests.providers.servers import HttpServer
from tests.support.browser import Browser

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
MISCHIEF = """<script>document.title = "taken over"; top.document.title = "taken over"</script>"""


@pytest.fixture
def store() -> Iterator[MailStore]:
    store = MailStore()
    yield store
    store.close()


@pytest.fixture
def client(store: MailStore) -> TestClient:
    return TestClient(mailbox_app(store, lambda: NOW), headers={"Authorization": "Bearer SG.key"})


def send(client: TestClient, to: str = "jane@example.com", campaign: str = "tier", **changes: Any) -> str:
    """Puts a message into the mailbox and returns its id."""
    body = {
        "from": {"email": "program@example.com", "name": "Acme Partners"},
        "subject": "One win to Gold",
        "personalizations": [{"to": [{"email": to}]}],
        "content": [
            {"type": "text/plain", "value": "Hello Jane,\n\nyou are one win away."},
            {"type": "text/html", "value": "<html><head><title>x</title></head><body><p>Hello Jane</p></body></html>"},
        ],
        "headers": {"List-Unsubscribe": "<https://example.com/u>"},
        "categories": [campaign],
        **changes,
    }
    answer = client.post("/v3/mail/send", json=body)
    assert answer.status_code == 202, answer.text
    return answer.headers["X-Message-Id"]


def shown(page: str, cls: str) -> list[str]:
    return re.findall(rf'class="{cls}">([^<]*)<', page)


def test_an_empty_mailbox_says_what_will_be_there(client: TestClient) -> None:
    page = client.get("/mailbox").text
    assert "No mail yet" in page
    assert "<form" not in page


def test_the_inbox_shows_the_newest_first_with_sender_subject_preview_and_campaign(client: TestClient) -> None:
    send(client, "first@example.com", "won")
    send(client, "second@example.com", "tier")
    page = client.get("/mailbox").text
    assert shown(page, "to") == ["to second@example.com", "to first@example.com"]
    assert shown(page, "sender") == ["Acme Partners"] * 2
    assert shown(page, "subject") == ["One win to Gold"] * 2
    assert shown(page, "preview") == ["Hello Jane, you are one win away."] * 2
    assert shown(page, "campaign") == ["tier", "won"]
    assert 'datetime="2026-03-02T12:00:00.000000Z"' in page


def test_the_inbox_can_be_filtered_by_campaign_and_recipient(client: TestClient) -> None:
    send(client, "jane@example.com", "won")
    send(client, "noor@example.com", "won & lost")
    assert shown(client.get("/mailbox", params={"campaign": "won & lost"}).text, "to") == ["to noor@example.com"]
    assert shown(client.get("/mailbox", params={"to": "JANE"}).text, "to") == ["to jane@example.com"]
    nothing = client.get("/mailbox", params={"to": "nobody"}).text
    assert "No message matches" in nothing
    assert 'value="nobody"' in nothing


def test_pages_lead_to_older_messages_and_keep_the_filter(client: TestClient) -> None:
    for number in range(51):
        send(client, f"p{number}@example.com", "a b")
    page = client.get("/mailbox", params={"campaign": "a b"}).text
    (link,) = re.findall(r'href="(/mailbox\?[^"]*before=[^"]*)"', page)
    older = client.get(link.replace("&amp;", "&")).text
    assert shown(older, "to") == ["to p0@example.com"]
    assert "campaign=a+b" in link
    assert "Newest" in older


def test_an_inbox_that_has_not_changed_is_not_sent_again(client: TestClient) -> None:
    tag = client.get("/mailbox").headers["ETag"]
    assert client.get("/mailbox", headers={"If-None-Match": tag}).status_code == 304
    send(client)
    assert client.get("/mailbox", headers={"If-None-Match": tag}).status_code == 200


def test_a_message_is_shown_at_two_widths_as_text_with_headers_and_request(client: TestClient) -> None:
    older = send(client)
    message_id = send(client)
    page = client.get(f"/mailbox/{message_id}").text
    assert re.findall(r'<iframe width="(\d+)"', page) == ["375", "640"]
    assert page.count(f'src="/mailbox/{message_id}/html"') == 2
    assert "<pre>Hello Jane,\n\nyou are one win away.</pre>" in page
    assert "<dt>List-Unsubscribe</dt><dd>&lt;https://example.com/u&gt;</dd>" in page
    assert "&#34;categories&#34;: [" in page
    assert f'href="/mailbox/{older}">Older</a>' in page
    assert client.get(f"/mailbox/{message_id}/raw").json()["subject"] == "One win to Gold"


def test_a_message_without_html_has_no_frames_and_one_without_text_has_a_preview(client: TestClient) -> None:
    plain = send(client, content=[{"type": "text/plain", "value": "only text"}])
    assert "<iframe" not in client.get(f"/mailbox/{plain}").text
    send(client, content=[{"type": "text/html", "value": "<style>p{}</style><p>Tom &amp; <b>Jane</b></p>"}])
    assert shown(client.get("/mailbox").text, "preview")[0] == "Tom &amp; Jane"


@pytest.mark.parametrize("part", ["", "/html", "/raw"])
def test_a_message_that_is_gone_is_said_plainly(client: TestClient, part: str) -> None:
    message_id = send(client)
    assert client.delete("/mailbox/messages").status_code == 204
    answer = client.get(f"/mailbox/{message_id}{part}")
    assert answer.status_code == 404
    assert "o such message" in answer.text


def test_links_of_a_message_open_in_a_tab_of_their_own(client: TestClient) -> None:
    page = client.get(f"/mailbox/{send(client)}/html").text
    assert '<head><base target="_blank"><title>' in page


def test_what_a_message_holds_is_text_wherever_it_is_shown(client: TestClient) -> None:
    message_id = send(
        client,
        campaign=MISCHIEF[:200],
        subject=MISCHIEF,
        headers={"X-A": MISCHIEF},
        **{"from": {"email": "a@example.com", "name": MISCHIEF}},
        content=[{"type": "text/plain", "value": MISCHIEF}, {"type": "text/html", "value": MISCHIEF}],
    )
    for path in ("/mailbox", f"/mailbox/{message_id}"):
        assert "<script>" not in client.get(path).text


def test_a_message_opened_outside_its_frame_is_still_sandboxed(client: TestClient) -> None:
    policy = client.get(f"/mailbox/{send(client)}/html").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox allow-popups allow-popups-to-escape-sandbox" in policy
    assert "script" not in policy


@pytest.mark.parametrize("path", ["/mailbox", "/mailbox/static/mailbox.css", "/mailbox/static/mailbox.js"])
def test_the_pages_load_nothing_from_elsewhere(client: TestClient, path: str) -> None:
    send(client)
    assert "//" not in re.sub(r"^\s*//.*$", "", client.get(path).text, flags=re.MULTILINE)


def test_assets_have_fixed_names(client: TestClient) -> None:
    assert client.get("/mailbox/static/page.html").status_code == 404
    assert client.get("/mailbox/static/..%2Fpages.py").status_code == 404


def test_the_mailbox_on_its_own_leads_to_the_inbox(client: TestClient) -> None:
    assert "No mail yet" in client.get("/").text


# -- in a real browser -------------------------------------------------------------------------------------------------


@pytest.mark.chromium
def test_a_script_in_a_message_does_not_run(client: TestClient, store: MailStore, browser: Browser) -> None:
    bad = f"""<body><p id="seen">not taken over</p>{MISCHIEF}<img src="x" onerror="{MISCHIEF[8:50]}"></body>"""
    message_id = send(client, content=[{"type": "text/html", "value": bad}])
    with HttpServer(mailbox_app(store)) as server:
        assert browser.evaluate(f"{server.url}/mailbox/{message_id}", "document.title") == "One win to Gold"
        alone = f"{server.url}/mailbox/{message_id}/html"
        assert browser.evaluate(alone, "document.title + document.getElementById('seen').innerText") == "not taken over"


@pytest.mark.chromium
@pytest.mark.parametrize("width", [320, 375, 800, 1280])
def test_the_pages_fit_every_width(client: TestClient, store: MailStore, browser: Browser, width: int) -> None:
    message_id = send(client, f"{'long' * 15}@{'long' * 15}.example.com", "x" * 200, subject="W" * 300)
    with HttpServer(mailbox_app(store)) as server:
        for path in ("/mailbox", f"/mailbox/{message_id}"):
            needed = browser.evaluate(f"{server.url}{path}", "document.documentElement.scrollWidth", width)
            assert needed <= width, path


@pytest.mark.chromium
def test_new_mail_appears_without_a_reload_but_not_while_someone_reads(
    client: TestClient, store: MailStore, browser: Browser
) -> None:
    send(client, "first@example.com")
    arrives = """fetch('/v3/mail/send', {method: 'POST', headers: {'Content-Type': 'application/json',
        Authorization: 'Bearer x'}, body: JSON.stringify({from: {email: 'a@example.com'}, subject: 's',
        personalizations: [{to: [{email: 'second@example.com'}]}], content: [{type: 'text/plain', value: 't'}]})})"""
    sees = "[...document.querySelectorAll('.to')].map((to) => to.textContent).join()"
    settled = "new Promise((done) => new MutationObserver(done).observe(document.body, {subtree: true, %s: true}))"
    with HttpServer(mailbox_app(store)) as server:
        idle = (
            f"(async () => {{ const seen = {settled % 'childList'}; await {arrives}; await seen; return {sees}; }})()"
        )
        assert browser.evaluate(f"{server.url}/mailbox", idle) == "to second@example.com,to first@example.com"
        reading = (
            f"(async () => {{ document.querySelector('.messages a').focus(); const seen = {settled % 'attributes'}; "
            f"await {arrives}; await seen; const before = document.querySelectorAll('.to').length; "
            "document.getElementById('fresh').click(); return [before, document.querySelectorAll('.to').length]; })()"
        )
        assert browser.evaluate(f"{server.url}/mailbox", reading) == [2, 3]
