"""Links and opens: where a click is led, what is kept of it, and whose clicks are no human's."""

import html
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from engage.domain.errors import ServiceUnreachable
from engage.domain.messages import Message, Outcome, SendResult
from engage.pipeline.previewing import preview
from engage.settings import Provider
from engage.store import tables
from engage.store.signs import last_signs
from engage.web.app import build_app
from tests.support.command import EngageCommand
from tests.support.engage import Engage
from tests.support.shipped import copy_shipped

PORTAL = "https://partners.example.com"
OWN = f"{PORTAL}/join?by=ann"
BROWSER = {"User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"}
MAIL = """\
---
subject: Where links lead
---
[The portal]({{ links.portal }}/a?b=c&d=%20e#f), [the same]({{ links.portal }}/a?b=c&d=%20e#f),
[another](http://example.org), [yours]({{ links.share | default('') }}), [us](mailto:us@example.com),
[no longer]({{ links.unsubscribe | default('') }}), [far](https://bücher.example/é).
"""


class Reading:
    """A partner with a mail program, and what engage knows of them."""

    def __init__(self, engage: Engage) -> None:
        self.engage = engage
        self.client = TestClient(build_app(engage.services), raise_server_exceptions=False, follow_redirects=False)

    def mail(self) -> Message:
        """The mail of a campaign to everybody, read some minutes after it came."""
        (mail,) = self.engage.runs("trial")
        self.engage.now += timedelta(minutes=5)
        return mail

    def follows(self, url: str, method: str = "GET", **headers: str) -> tuple[int, str | None]:
        """Status and where it leads to."""
        answer = self.client.request(method, urlsplit(url).path, headers=BROWSER | headers)
        return answer.status_code, answer.headers.get("Location")

    def kept(self) -> list[tuple[str, bool, str | None]]:
        """(kind, by a machine, link) of all that was seen, in order."""
        f = tables.feedback.c
        with self.engage.services.database.read() as db:
            return [tuple(row) for row in db.execute(sa.select(f.kind, f.machine, f.url).order_by(f.id))]


def links_of(mail: Message) -> list[str]:
    return [html.unescape(link) for link in re.findall(r'<a\b[^>]*?\shref="([^"]*)"', mail.html)]


def tracked(mail: Message) -> list[str]:
    """The links of MAIL that lead over engage, in order: the portal, the same, another."""
    labels = ("The portal", "the same", "another")
    found = (re.search(rf'<a\b[^>]*?\shref="([^"]*/c/[^"]*)"[^>]*>{label}</a>', mail.html) for label in labels)
    return [html.unescape(one[1]) for one in found if one]


def picture(mail: Message) -> str:
    (found,) = re.findall(r'<img src="([^"]*/o/[^"]*)"', mail.html)
    return found


def signs(engage: Engage) -> object:
    """Ann's last sign of life."""
    with engage.services.database.read() as db:
        return last_signs(db, [1], engage.now).get(1)


@pytest.fixture
def reading(database_url: str, tmp_path: Path) -> Iterator[Callable[..., Reading]]:
    """Starts engage with a campaign to everybody; `tracking` as program.yaml says it."""
    started: list[Engage] = []

    def begin(tracking: str = "{clicks: true}", more: str = "") -> Reading:
        campaigns, templates = copy_shipped(tmp_path)
        program = campaigns / "program.yaml"
        text = program.read_text().replace("tracking: {clicks: false}", f"tracking: {tracking}\n    {more}")
        program.write_text(text.replace("brand:\n", f"brand:\n      share_url: {PORTAL}/join?by={{partner}}\n", 1))
        when = 'when: {every: "monday 09:00"}\nwhere: {status: {is: active}}\nagain: each slot'
        trial = f"campaign: trial\nstate: live\ntopic: tips\nfor: partner\n{when}\nsteps: [{{send: trial}}]\n"
        (campaigns / "trial.yaml").write_text(trial)
        (templates / "trial.md").write_text(MAIL)
        started.append(Engage(database_url, tmp_path, campaigns, templates))
        assert not started[-1].services.library().problems
        started[-1].partner("ann")
        return Reading(started[-1])

    yield begin
    for running in started:
        running.services.close()


def test_links_lead_over_engage_and_on_to_where_they_led(reading: Callable[..., Reading]) -> None:
    here = reading()
    first, same, other = tracked(here.mail())
    assert first == same, "one address is one link"
    assert here.follows(first) == (302, f"{PORTAL}/a?b=c&d=%20e#f")
    here.engage.now += timedelta(minutes=1)
    assert here.follows(other) == (302, "http://example.org")
    assert here.kept() == [("clicked", False, f"{PORTAL}/a?b=c&d=%20e#f"), ("clicked", False, "http://example.org")]


def test_signed_links_the_own_link_addresses_and_the_plain_text_stay_as_they_are(
    reading: Callable[..., Reading],
) -> None:
    mail = reading().mail()
    others = [link for link in links_of(mail) if "/c/" not in link]
    assert OWN in others
    assert "mailto:us@example.com" in others
    assert any("/unsubscribe/" in link for link in others)
    assert any("example/" in link for link in others), "what could not stand in a header as it is"
    assert "/c/" not in mail.text
    assert f"{PORTAL}/a?b=c&d=%20e#f" in mail.text
    assert "/o/" not in mail.html


def test_links_carry_the_parameters_of_the_program(reading: Callable[..., Reading]) -> None:
    here = reading(more='link_tags: {hosts: [partners.example.com], utm_campaign: "{campaign}"}')
    assert here.follows(tracked(here.mail())[0]) == (302, f"{PORTAL}/a?b=c&d=%20e&utm_campaign=trial#f")


def test_a_program_may_wish_to_know_nothing(reading: Callable[..., Reading]) -> None:
    here = reading("{clicks: false}")
    mail = here.mail()
    assert "/c/" not in mail.html
    assert here.engage.count(tables.links) == 0


def test_links_go_on_leading_where_they_led_when_a_program_no_longer_wishes_to_know(
    reading: Callable[..., Reading],
) -> None:
    here = reading("{clicks: true, opens: true}")
    mail = here.mail()
    program = here.engage.services.settings.campaigns_dir / "program.yaml"
    program.write_text(program.read_text().replace("{clicks: true, opens: true}", "{clicks: false}"))
    assert here.follows(tracked(mail)[0])[0] == 302
    assert here.follows(picture(mail))[0] == 200
    assert here.kept() == []


def test_nothing_is_tracked_at_an_address_that_readers_cannot_open(reading: Callable[..., Reading]) -> None:
    here = reading("{clicks: true, opens: true}")
    services = here.engage.services
    services.settings = services.settings.model_copy(update={"provider": Provider.SMTP})
    assert PORTAL in "".join(links_of(here.mail()))
    services.settings = services.settings.model_copy(update={"public_url": "https://engage.example.com"})
    here.engage.now += timedelta(days=7)
    here.engage.logs_in("ann")
    assert len(tracked(here.mail())) == 3


def test_mail_to_staff_is_not_tracked(reading: Callable[..., Reading]) -> None:
    here = reading("{clicks: true, opens: true}")
    campaigns = here.engage.services.settings.campaigns_dir
    alert = (campaigns / "trial.yaml").read_text().replace("campaign: trial", "campaign: alarm")
    (campaigns / "alarm.yaml").write_text(alert.replace("{send: trial}", "{alert: {to: owner, say: trial}}"))
    file = here.engage.services.settings.templates_dir / "alerts" / "trial.md"
    file.write_text("---\nsubject: Look\n---\n[The portal]({{ links.portal }})\n")
    here.engage.now += timedelta(minutes=1)  # the files are looked at again
    (mail,) = here.engage.runs("alarm")
    assert PORTAL in links_of(mail)
    assert "/c/" not in mail.html
    assert "/o/" not in mail.html


def test_previews_are_not_tracked(reading: Callable[..., Reading]) -> None:
    here = reading("{clicks: true, opens: true}")
    services = here.engage.services
    library = services.library()
    with services.database.write() as db:
        (shown,) = preview(db, library, library.find("trial"), "ann", services.settings.public_url, here.engage.now)
    assert PORTAL in shown.message.html
    assert "/c/" not in shown.message.html
    assert "/o/" not in shown.message.html
    assert here.engage.count(tables.links) == 0


def test_links_of_many_mails_are_stored_by_a_few_statements(reading: Callable[..., Reading]) -> None:
    here = reading()
    mail = here.engage.services.settings.templates_dir / "trial.md"
    mail.write_text(MAIL.replace("/a?b=c", "/a/{{ partner.external_id }}?b=c"))
    for number in range(40):
        here.engage.partner(f"p{number}")
    said: list[str] = []
    engine = here.engage.services.database.engine
    sa.event.listen(engine, "before_cursor_execute", lambda *told: said.append(told[2]))
    here.engage.now += timedelta(minutes=1)  # the files are looked at again
    assert len(here.engage.runs("trial")) == 41
    about_links = [text for text in said if re.search(r"(FROM|INTO) links\b", text)]
    assert len(about_links) <= 4, about_links
    with here.engage.services.database.read() as db:
        kept = list(db.execute(sa.select(tables.links.c.url)).scalars())
    assert f"{PORTAL}/a/p7?b=c&d=%20e#f" in kept
    said.clear()
    here.engage.now += timedelta(days=7)
    here.engage.logs_in("ann")
    assert len(here.engage.runs("trial")) == 41
    assert not [text for text in said if re.search(r"(FROM|INTO) links\b", text)], "what is known is not asked again"


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_the_same_click_is_kept_once(reading: Callable[..., Reading]) -> None:
    here = reading()
    link, *_ = tracked(here.mail())
    for _ in range(3):
        assert here.follows(link)[0] == 302
    assert len(here.kept()) == 1
    here.engage.now += timedelta(minutes=1)
    here.follows(link)
    assert [machine for _, machine, _ in here.kept()] == [False, False], "somebody came back to it"


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        pytest.param("HEAD", {}, id="a look at the head only"),
        pytest.param("GET", {"User-Agent": "Mozilla/5.0 (compatible; bingbot/2.0)"}, id="a crawler"),
        pytest.param("GET", {"User-Agent": "Barracuda Sentinel (EE)"}, id="a scanner"),
        pytest.param("GET", {"User-Agent": ""}, id="nobody"),
        pytest.param("GET", {"Sec-Purpose": "prefetch;prerender"}, id="a browser that fetches ahead"),
    ],
)
def test_machines_are_led_on_and_do_not_count(
    reading: Callable[..., Reading], method: str, headers: dict[str, str]
) -> None:
    here = reading()
    link, *_ = tracked(here.mail())
    assert here.follows(link, method, **headers) == (302, f"{PORTAL}/a?b=c&d=%20e#f")
    assert [machine for _, machine, _ in here.kept()] == [True]


def test_a_click_within_seconds_of_sending_is_a_machines(reading: Callable[..., Reading]) -> None:
    here = reading()
    mail = here.mail()
    here.engage.now -= timedelta(minutes=5) - timedelta(seconds=3)
    here.follows(tracked(mail)[0])
    assert [machine for _, machine, _ in here.kept()] == [True]


def test_clicks_on_all_links_at_once_are_a_machines(reading: Callable[..., Reading]) -> None:
    here = reading()
    mail = here.mail()
    for link in dict.fromkeys(tracked(mail)):
        here.follows(link)
        here.engage.now += timedelta(seconds=1)
    assert [machine for _, machine, _ in here.kept()] == [True, True]
    here.engage.now += timedelta(minutes=1)
    here.follows(tracked(mail)[0])
    assert [machine for _, machine, _ in here.kept()] == [True, True, False], "and the reader, later, is one"


def test_a_human_click_is_a_sign_of_life_and_a_machines_is_none(reading: Callable[..., Reading]) -> None:
    here = reading()
    link, *_ = tracked(here.mail())
    before = signs(here.engage)
    here.follows(link, "HEAD")
    assert signs(here.engage) == before
    here.engage.now += timedelta(minutes=1)
    here.follows(link)
    assert signs(here.engage) == here.engage.now


def test_a_click_proves_that_a_mail_has_arrived_whose_answer_was_lost(reading: Callable[..., Reading]) -> None:
    here = reading()
    here.engage.provider.answers["ann@example.com"] = SendResult(Outcome.UNKNOWN, detail="timed out")
    mail = here.mail()
    assert [state for _, state in here.engage.states()] == ["unknown"]
    here.follows(tracked(mail)[0])
    assert [state for _, state in here.engage.states()] == ["accepted"]


def test_nothing_of_who_clicked_is_kept_but_what_they_call_their_browser(reading: Callable[..., Reading]) -> None:
    here = reading()
    with capture_logs() as logs:
        here.follows(tracked(here.mail())[0], **{"User-Agent": "\x00" + "x" * 5000, "X-Forwarded-For": "203.0.113.9"})
    with here.engage.services.database.read() as db:
        (raw,) = db.execute(sa.select(tables.feedback.c.raw)).scalars()
    assert raw == {"seen_by": "engage", "useragent": "x" * 200}
    assert "203.0.113.9" not in str(logs)


# --- what comes of it -------------------------------------------------------------------------------------------------


def test_clicks_come_to_the_report_and_those_of_machines_apart(
    reading: Callable[..., Reading], run_engage: EngageCommand
) -> None:
    here = reading()
    for name in ("bob", "cleo"):
        here.engage.partner(name)
    here.engage.runs("trial")
    here.engage.now += timedelta(minutes=5)
    by_ann, by_bob, _ = (tracked(mail) for mail in here.engage.provider.messages)
    for link in (by_ann[0], by_ann[2], by_ann[0]):
        here.follows(link)
        here.engage.now += timedelta(minutes=1)
    here.follows(by_ann[0], "HEAD")
    here.follows(by_bob[2], "HEAD")
    settings = here.engage.services.settings
    env = {
        "ENGAGE_DATABASE_URL": here.engage.services.database.url.render_as_string(hide_password=False),
        "ENGAGE_CAMPAIGNS_DIR": str(settings.campaigns_dir),
        "ENGAGE_TEMPLATES_DIR": str(settings.templates_dir),
    }
    ran = run_engage("report", "clicks", "trial", "--json", env=env)
    assert ran.code == 0, ran
    (campaign,) = ran.json()["campaigns"]
    assert campaign == {
        "campaign": "trial",
        "program": "northwind-partners",
        "mails": 3,
        "opened": 0,
        "clicked": 1,
        "by_machines_only": 1,
        "links": [
            {"url": "http://example.org", "clicked": 1, "by_machines_only": 1},
            {"url": f"{PORTAL}/a?b=c&d=%20e#f", "clicked": 1, "by_machines_only": 0},
        ],
    }
    said = run_engage("report", "clicks", env=env).out
    assert re.search(r"trial +3 +1 +33.3% +1 *\n", said), said
    assert "No mail" in run_engage("report", "clicks", "--to", "2026-03-01", env=env).out


# --- opens ------------------------------------------------------------------------------------------------------------


def test_a_picture_tells_of_opens_where_a_program_wishes_it(reading: Callable[..., Reading]) -> None:
    here = reading("{clicks: false, opens: true}")
    mail = here.mail()
    assert "/c/" not in mail.html
    answer = here.client.get(urlsplit(picture(mail)).path, headers=BROWSER)
    assert (answer.status_code, answer.headers["Content-Type"], len(answer.content)) == (200, "image/gif", 43)
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin", "mail is read on other hosts"
    assert here.kept() == [("opened", False, None)]
    assert signs(here.engage) == here.engage.now


def test_mail_privacy_opens_every_mail_and_counts_for_nobody(reading: Callable[..., Reading]) -> None:
    here = reading("{opens: true}")
    here.follows(picture(here.mail()), **{"User-Agent": "Mozilla/5.0"})
    assert here.kept() == [("opened", True, None)]


# --- what is none of ours ---------------------------------------------------------------------------------------------


def test_a_link_that_was_not_made_here_leads_nowhere(reading: Callable[..., Reading]) -> None:
    here = reading("{opens: true}")
    mail = here.mail()
    link, shown = tracked(mail)[0], picture(mail)
    token, other = link.rpartition("/")[2], shown.rpartition("/")[2]
    signer = here.engage.services.signer
    elsewhere = [signer.token("click", payload) for payload in ([1], [1, 99], [99, 1], ["1", 1], [1, 1, 1], [])]
    bad = [token[:-1], token + "A", other, "evil.example.com", "x" * 5000, "%00", *elsewhere]
    answers = [here.client.get(f"/c/{one}", headers=BROWSER) for one in bad]
    answers += [here.client.get(f"/o/{one}", headers=BROWSER) for one in (token, other[:-1], signer.token("open", [9]))]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1, "and nobody learns why"
    assert not [answer for answer in answers if "location" in answer.headers]
    assert here.kept() == []


def test_nothing_may_be_posted_to_a_link(reading: Callable[..., Reading]) -> None:
    here = reading()
    assert here.follows(tracked(here.mail())[0], "POST")[0] == 405


def test_a_link_says_that_it_cannot_lead_on_while_the_database_is_away(
    reading: Callable[..., Reading], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = reading()
    link, *_ = tracked(here.mail())

    def away(*_: object) -> None:
        raise ServiceUnreachable("the database failed", "see that it runs")

    monkeypatch.setattr(here.engage.services.database, "read", away)
    answer = here.client.get(urlsplit(link).path, headers=BROWSER)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert "try again" in answer.text


def test_who_clicks_is_led_on_though_nothing_can_be_kept(
    reading: Callable[..., Reading], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = reading()
    link, *_ = tracked(here.mail())

    def full(*_: object) -> None:
        raise ServiceUnreachable("the disk is full", "make room")

    monkeypatch.setattr(here.engage.services.database, "write", full)
    with capture_logs() as logs:
        assert here.follows(link) == (302, f"{PORTAL}/a?b=c&d=%20e#f")
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == ["click_not_stored"]
