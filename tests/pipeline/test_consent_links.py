"""Links by which partners say what they want: looking at them changes nothing, and they work for ever."""

import hashlib
import random
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from engage.domain.messages import Message
from engage.settings import secret_keys
from engage.signing import Signer
from engage.store import tables
from engage.web.app import build_app
from tests.pipeline.test_answering import CAMPAIGN, EMAIL, links
from tests.support.engage import Engage
from tests.support.journeys import rereads
from tests.support.preferring import Centre, link_in

LOOKS = 1000
SCANNERS = (
    "Mozilla/5.0 (compatible; Microsoft SafeLinks)",
    "Mozilla/5.0 (Windows NT 10.0) Mimecast-URL-Scanner/1.0",
    "Mozilla/5.0 (compatible; proofpoint; +https://proofpoint.com)",
    "Mozilla/5.0 (compatible; Barracuda Sentinel (EE))",
    "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
    "Mozilla/5.0 (compatible; bingpreview/1.0b)",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (via ggpht.com GoogleImageProxy)",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "WhatsApp/2.23.20.0",
    "Mozilla/5.0 (X11; Linux x64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0 Safari/537.36",
    "python-requests/2.31.0",
    "curl/8.5.0",
    "Zscaler/1.0",
    "Sophos Email Appliance",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "",
)
HEADERS = (
    {},
    {"purpose": "prefetch"},
    {"sec-purpose": "prefetch;prerender"},
    {"x-purpose": "preview"},
    {"accept": "*/*"},
)
QUERIES = ("", "?do=stop-all", "?List-Unsubscribe=One-Click", "?do=pause&days=30", "?utm_source=mail", "?_method=POST")


def unsubscribe_path(mail: Message) -> str:
    return urlsplit(mail.headers["List-Unsubscribe"].strip("<>")).path


def digest(engage: Engage) -> str:
    """Of every row of every table."""
    said = hashlib.sha256()
    with engage.services.database.read() as db:
        for table in tables.metadata.sorted_tables:
            rows = sorted(repr(tuple(row)) for row in db.execute(sa.select(table)))
            said.update(f"{table.name} {len(rows)}\n".encode() + "\n".join(rows).encode())
    return said.hexdigest()


@pytest.fixture
def mail(engage: Engage) -> Message:
    """A newsletter to Ann."""
    engage.partner()
    (newsletter,) = engage.runs("monthly-newsletter")
    return newsletter


def answer_paths(engage: Engage) -> list[str]:
    """The links of a mail that asks something."""
    settings = engage.services.settings
    (settings.campaigns_dir / "mood.yaml").write_text(CAMPAIGN)
    (settings.templates_dir / "surveys").mkdir()
    (settings.templates_dir / "surveys" / "mood.md").write_text(EMAIL)
    rereads(engage)
    (asking,) = engage.runs("how-is-it-going")
    return links(asking)


def looks(paths: list[str]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """(method, path, headers) of a thousand visits, of which the first are one of each kind."""
    chance = random.Random(8058)
    for number in range(LOOKS):
        path = paths[number % len(paths)] + chance.choice(QUERIES)
        agent = SCANNERS[number % len(SCANNERS)]
        method = chance.choices(("GET", "HEAD", "OPTIONS"), (6, 3, 1))[0]
        yield method, path, {"user-agent": agent, **chance.choice(HEADERS)}


def test_a_thousand_visits_of_scanners_change_not_one_row(engage: Engage, mail: Message) -> None:
    paths = [link_in(mail), unsubscribe_path(mail), *answer_paths(engage)]
    web = TestClient(build_app(engage.services), follow_redirects=False)
    before = digest(engage)
    found = [web.request(method, path, headers=headers).status_code for method, path, headers in looks(paths)]
    assert (len(found), set(found)) == (LOOKS, {200, 405}), "pages, and no OPTIONS"
    assert digest(engage) == before
    assert web.post(paths[1]).status_code == 200
    assert digest(engage) != before, "a change is seen"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_only_a_post_does_anything(engage: Engage, mail: Message, method: str) -> None:
    web = TestClient(build_app(engage.services))
    before = digest(engage)
    for path in (link_in(mail), unsubscribe_path(mail)):
        assert web.request(method, path).status_code == 405
    assert digest(engage) == before


@pytest.mark.parametrize(
    "sent",
    [
        {"data": {"List-Unsubscribe": "One-Click"}},
        {"files": {"List-Unsubscribe": (None, "One-Click")}},
        {"content": b"List-Unsubscribe=One-Click"},
        {"content": b""},
    ],
    ids=["form", "multipart", "bare", "empty"],
)
def test_one_click_takes_no_login_no_cookie_and_no_second_step(
    engage: Engage, mail: Message, sent: dict[str, object]
) -> None:
    path = unsubscribe_path(mail)
    for _ in range(2):
        answer = TestClient(build_app(engage.services), follow_redirects=False).post(path, **sent)  # type: ignore[arg-type]
        assert (answer.status_code, answer.headers.get("set-cookie")) == (200, None)
    assert "newsletter" not in Centre(engage).look().on
    assert engage.count(tables.consent_changes) == 1


def test_who_unsubscribed_and_chose_it_again_can_unsubscribe_again(engage: Engage, mail: Message) -> None:
    web, path = TestClient(build_app(engage.services)), unsubscribe_path(mail)
    web.post(path)
    engage.now = engage.now.replace(hour=16)
    Centre(engage).save(with_=["newsletter"])
    assert "<button" in web.get(path).text
    engage.now = engage.now.replace(hour=17)
    web.post(path)
    assert "newsletter" not in Centre(engage).look().on
    assert engage.count(tables.consent_changes) == 3


def test_the_pages_after_unsubscribing_lead_to_the_preference_centre(engage: Engage, mail: Message) -> None:
    web = TestClient(build_app(engage.services))
    for page in (web.get(unsubscribe_path(mail)), web.post(unsubscribe_path(mail))):
        assert link_in(mail) in page.text


def test_links_that_are_out_work_as_long_as_their_key_is_listed(engage: Engage, mail: Message) -> None:
    (old,) = secret_keys(engage.services.settings)
    paths = [link_in(mail), unsubscribe_path(mail)]
    for keys, status in ((["new", old], 200), (["newest", "new", old], 200), (["newest", "new"], 404)):
        vars(engage.services)["signer"] = Signer(keys)
        web = TestClient(build_app(engage.services))
        assert [web.get(path).status_code for path in paths] == [status, status]
        assert [web.post(path, data={"do": "save"}).status_code for path in paths] == [status, status]


def test_a_link_leads_to_no_other_page(engage: Engage, mail: Message) -> None:
    preferences, unsubscribe = link_in(mail).rpartition("/")[2], unsubscribe_path(mail).rpartition("/")[2]
    web = TestClient(build_app(engage.services))
    assert web.post(f"/unsubscribe/{preferences}").status_code == 404
    assert web.post(f"/preferences/{unsubscribe}", data={"do": "stop-all"}).status_code == 404
    assert engage.count(tables.consent_changes) == engage.count(tables.suppressions) == 0
