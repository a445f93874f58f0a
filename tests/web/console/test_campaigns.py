"""Campaigns as marketing sees them: what is said of each, its steps drawn, whom it would mail, its mails in a frame."""

import html
import re
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engage.domain.accounts import Role, User
from engage.domain.campaigns import WaitStep
from engage.domain.decisions import Reason
from engage.policy.guards import GUARDS
from engage.store import tables
from engage.web.app import build_app
from engage.web.console import plans, reasons
from tests.support.consoles import Console, MakeConsole, add_user, begin_session
from tests.support.engage import ROOT, Engage

QUIET = "no-login-30-days"


@pytest.fixture
def path(engage: Engage) -> str:
    return f"/console/campaigns/{engage.program}"


def quiet_partner(engage: Engage, name: str = "ann", **fields: object) -> str:
    """Somebody who meets the condition of `no-login-30-days`."""
    engage.partner(name, **fields)
    engage.logs_in(name, days_ago=40)
    return name


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


# -- the list ----------------------------------------------------------------------------------------------------------


def test_each_campaign_is_listed_with_its_state_and_its_next_run(console: MakeConsole) -> None:
    page = text_of(console("marketing").get("/console/campaigns").text)
    assert "no-login-30-days" in page
    assert "live" in page
    assert re.search(r"no-login-30-days .*? live (Mon|Tue|Wed|Thu|Fri) \d+ Mar 2026, \d\d:\d\d", page)
    assert "on events" in page


def test_what_went_out_lately_comes_from_the_counts(console: MakeConsole, engage: Engage) -> None:
    program_id = engage.services.library().program_ids[engage.program]
    hour = engage.now.replace(minute=0)
    row = {"program_id": program_id, "campaign": QUIET, "state": "accepted", "number": 1234}
    long_ago = {"hour": hour - timedelta(days=29), "number": 9_000}
    with engage.services.database.write() as db:
        db.execute(sa.insert(tables.delivery_counts), [row | {"hour": hour}, row | long_ago])
    assert "1,234" in console("marketing").get("/console/campaigns").text


def test_campaigns_of_another_program_are_as_if_they_were_not_there(console: MakeConsole, path: str) -> None:
    outsider = console("marketing", programs=[])
    assert QUIET not in outsider.get("/console/campaigns").text
    for rest in ("", "/plan", "/as?partner=ann", "/mail?partner=ann"):
        assert outsider.get(f"{path}/{QUIET}{rest}").status_code == 404


def test_who_may_not_see_campaigns_is_refused(console: MakeConsole, path: str) -> None:
    sales = console(Role.SALES)
    for page in ("/console/campaigns", "/console/calendar", f"{path}/{QUIET}", f"{path}/{QUIET}/plan"):
        assert sales.get(page).status_code == 403


def test_a_campaign_that_is_not_there_is_not_found(console: MakeConsole, path: str) -> None:
    marketing = console("marketing")
    assert marketing.get(f"{path}/nothing").status_code == 404
    assert marketing.get(f"/console/campaigns/nowhere/{QUIET}").status_code == 404


# -- one campaign ------------------------------------------------------------------------------------------------------


def test_a_campaign_says_in_words_whom_it_is_for_and_when(console: MakeConsole, path: str) -> None:
    page = text_of(console("marketing").get(f"{path}/many-referrals-no-wins").text)
    assert "referrals in the last 90 days: at least 10" in page
    assert "wins in the last 90 days: none" in page
    assert "every monday 09:00" in page
    assert "again after 60 days" in page


def test_the_steps_are_drawn_with_how_many_stand_at_each(console: MakeConsole, engage: Engage, path: str) -> None:
    file = next(engage.services.settings.campaigns_dir.rglob("many_referrals_no_wins.yaml"))
    file.write_text(file.read_text().replace("  - alert:", "  - wait: 14d\n  - alert:"))
    engage.now += timedelta(minutes=1)
    engage.partner("ann")
    _stands_inside(engage, "many-referrals-no-wins", "ann")
    page = console("marketing").get(f"{path}/many-referrals-no-wins").text
    drawing = page[page.index("<svg") : page.index("</svg>")]
    assert "Wait 14 days" in drawing
    assert "Alert to the owner" in drawing
    assert "1 here" in drawing


def _stands_inside(engage: Engage, campaign: str, partner: str) -> None:
    """Puts a partner to the campaign's first wait."""
    library = engage.services.library()
    found = library.find(campaign)
    wait = next(step for step in found.steps if isinstance(step, WaitStep))
    with engage.services.database.write() as db:
        p = tables.partners.c
        partner_id = db.execute(sa.select(p.id).where(p.external_id == partner)).scalar_one()
        program_id, version_id = library.program_ids[engage.program], library.version_of(found)
        mine = {"program_id": program_id, "campaign": campaign, "version_id": version_id, "key": "test"}
        o = tables.occasions
        occasion = db.execute(sa.insert(o).returning(o.c.id), mine | {"occurred_at": engage.now}).scalar_one()
        there = {"state": "active", "step": wait.id, "reached_at": engage.now, "due_at": engage.now + timedelta(days=3)}
        row = mine | there | {"occasion_id": occasion, "partner_id": partner_id, "entered_at": engage.now}
        db.execute(sa.insert(tables.enrollments), row)


def test_an_older_version_can_be_drawn_and_no_version_of_another_campaign(
    console: MakeConsole, engage: Engage, path: str
) -> None:
    library = engage.services.library()
    older, other = library.version_of(library.find(QUIET)), library.version_of(library.find("many-referrals-no-wins"))
    file = next(engage.services.settings.campaigns_dir.rglob("no_login_30_days.yaml"))
    file.write_text(file.read_text().replace("steps:\n", "steps:\n  - wait: 5d\n"))
    engage.now += timedelta(minutes=1)
    marketing = console("marketing")
    assert "Wait 5 days" in marketing.get(f"{path}/{QUIET}").text
    assert "Wait 5 days" not in _drawn(marketing.get(f"{path}/{QUIET}?version={older}").text)
    assert "Wait 5 days" in _drawn(marketing.get(f"{path}/{QUIET}?version={other}").text)


def _drawn(page: str) -> str:
    return page[page.index("<svg") : page.index("</svg>")]


def test_a_campaign_is_paused_from_its_page_and_goes_on_again(console: MakeConsole, engage: Engage, path: str) -> None:
    marketing, page = console("marketing"), f"{path}/{QUIET}"
    assert "/console/campaign-pauses/pause" in marketing.get(page).text
    form = {"campaign": f"{engage.program}/{QUIET}", "back": "1", "why": "the offer has changed"}
    said = marketing.follow(marketing.post("/console/campaign-pauses/pause", form)).text
    assert "is paused since 2026-03-02 15:00 UTC: the offer has changed" in text_of(said)
    assert "/console/campaign-pauses/resume" in said
    marketing.post("/console/campaign-pauses/resume", form)
    assert "is paused since" not in marketing.get(page).text
    assert "/console/campaign-pauses/" not in console("read-only").get(page).text, "who may not is not offered it"


# -- the plan ----------------------------------------------------------------------------------------------------------


def test_the_page_asks_for_the_plan_only_once_it_is_there(console: MakeConsole, path: str) -> None:
    page = console("marketing").get(f"{path}/{QUIET}").text
    assert f'hx-get="{path}/{QUIET}/plan" hx-trigger="load"' in page
    assert f'href="{path}/{QUIET}/plan"' in page, "and without scripts one asks for it"


def test_a_plan_says_who_would_get_it_and_why_not_the_others(console: MakeConsole, engage: Engage, path: str) -> None:
    quiet_partner(engage, "ann")
    quiet_partner(engage, "bob", email=None)
    engage.partner("cleo")
    engage.logs_in("cleo", days_ago=1)
    marketing = console("marketing")
    page = marketing.get(f"{path}/{QUIET}/plan")
    said = text_of(page.text)
    assert "Goes out: 1" in said
    assert "ann@example.com" in said
    assert f"1 {reasons.said(Reason.NO_ADDRESS)}" in said
    assert "cleo" not in said
    assert "Made 2026-03-02 15:00:00 UTC" in said
    part = marketing.get(f"{path}/{QUIET}/plan", headers={"HX-Request": "true"}).text
    assert "<html" not in part
    assert "ann@example.com" in part


def test_a_feed_that_is_heard_now_is_not_silent_on_the_day_of_the_run(
    console: MakeConsole, engage: Engage, path: str
) -> None:
    program = engage.services.settings.campaigns_dir / "program.yaml"
    text = program.read_text()
    assert re.search(r"logins: \w+", text), "the small programme says how long logins may be silent"
    program.write_text(re.sub(r"logins: \w+", "logins: 1h", text))
    quiet_partner(engage, "ann")
    engage.partner("bob")
    engage.logs_in("bob", days_ago=0)
    said = text_of(console("marketing").get(f"{path}/{QUIET}/plan").text)
    assert "Goes out: 1" in said


def test_a_plan_is_kept_for_some_minutes(console: MakeConsole, engage: Engage, path: str) -> None:
    marketing = console("marketing")
    quiet_partner(engage, "ann")
    assert "ann@example.com" in marketing.get(f"{path}/{QUIET}/plan").text
    quiet_partner(engage, "bob")
    engage.now += timedelta(minutes=4)
    assert "bob@example.com" not in marketing.get(f"{path}/{QUIET}/plan").text
    engage.now += timedelta(minutes=2)
    assert "bob@example.com" in marketing.get(f"{path}/{QUIET}/plan").text


def test_a_plan_decides_about_so_many_and_says_how_many_more_there_are(
    console: MakeConsole, engage: Engage, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "DECIDED", 2)
    for name in ("ann", "bob", "cleo"):
        quiet_partner(engage, name)
    said = text_of(console("marketing").get(f"{path}/{QUIET}/plan").text)
    assert "Would enter 3" in said
    assert "of the first 2; nothing is decided about 1 more" in said


def test_a_plan_that_takes_too_long_is_given_up(
    console: MakeConsole, engage: Engage, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "TAKES_AT_MOST", timedelta(seconds=-1))
    monkeypatch.setattr("engage.store.database._STEPS", 1)
    quiet_partner(engage, "ann")
    assert "takes longer than usual" in console("marketing").get(f"{path}/{QUIET}/plan").text


def test_the_plan_of_a_paused_campaign_says_that_nobody_gets_anything(
    console: MakeConsole, engage: Engage, path: str
) -> None:
    file = next(engage.services.settings.campaigns_dir.rglob("no_login_30_days.yaml"))
    file.write_text(file.read_text().replace("state: live", "state: paused"))
    engage.now += timedelta(minutes=1)
    quiet_partner(engage, "ann")
    assert "The campaign is paused: nobody gets anything" in console("marketing").get(f"{path}/{QUIET}/plan").text


# -- as one partner ----------------------------------------------------------------------------------------------------


def test_as_a_partner_one_sees_whether_they_would_get_it_with_the_values_and_the_mail(
    console: MakeConsole, engage: Engage, path: str
) -> None:
    quiet_partner(engage, "ann")
    engage.partner("cleo")
    engage.logs_in("cleo")  # the feed is heard
    page = console("marketing").get(f"{path}/{QUIET}/as?partner=ann@example.com")
    said = text_of(page.text)
    assert re.search(r"Yes \. On the run of \w+ \d+ Mar 2026", said)
    assert re.search(r"yes days since login: at least 30 \(found: 4\d\)", said)
    assert "Ann" in said
    assert re.search(r'<iframe class="mail" sandbox="" [^>]*src="[^"]*/mail\?partner=ann', page.text)


def test_as_a_partner_who_does_not_meet_the_condition_one_sees_what_does_not_hold(
    console: MakeConsole, engage: Engage, path: str
) -> None:
    engage.partner("cleo")
    engage.logs_in("cleo", days_ago=3)
    said = text_of(console("marketing").get(f"{path}/{QUIET}/as?partner=cleo").text)
    assert f"No : {reasons.said(Reason.CONDITION_NO_LONGER_HOLDS)}" in said
    assert re.search(r"no days since login: at least 30 \(found: \d\)", said)


def test_a_partner_who_is_not_known_is_said_to_be_so(console: MakeConsole, path: str) -> None:
    page = console("marketing").get(f"{path}/{QUIET}/as?partner=%3Cscript%3Ealert(1)%3C/script%3E")
    assert page.status_code == 200
    assert "There is no partner" in page.text
    assert "<script>alert" not in page.text


def test_the_mail_stands_in_a_frame_of_its_own_in_which_nothing_can_run(
    console: MakeConsole, engage: Engage, path: str
) -> None:
    quiet_partner(engage, "ann", first_name="<script>alert(1)</script>")
    marketing = console("marketing")
    mail = marketing.get(f"{path}/{QUIET}/mail?partner=ann&mail=0")
    assert mail.status_code == 200
    policy = mail.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "frame-ancestors 'self'" in policy
    assert "script-src" not in policy
    assert mail.headers["x-frame-options"] == "SAMEORIGIN"
    assert "<script>alert(1)" not in mail.text
    around = marketing.get(f"{path}/{QUIET}/as?partner=ann")
    assert "frame-ancestors 'none'" in around.headers["content-security-policy"]
    assert around.headers["x-frame-options"] == "DENY"
    assert "<script>alert(1)" not in around.text


@pytest.mark.parametrize("number", ["7", "-1"])
def test_a_mail_that_the_campaign_does_not_have_is_not_found(
    console: MakeConsole, engage: Engage, path: str, number: str
) -> None:
    quiet_partner(engage, "ann")
    marketing = console("marketing")
    assert marketing.get(f"{path}/{QUIET}/mail?partner=ann&mail={number}").status_code == 404
    assert marketing.get(f"{path}/{QUIET}/as?partner=ann&mail={number}").status_code == 200


def test_looking_sends_and_writes_nothing(console: MakeConsole, engage: Engage, path: str) -> None:
    quiet_partner(engage, "ann")
    marketing = console("marketing")

    def rows() -> list[int]:
        with engage.services.database.read() as db:
            kept = (tables.enrollments, tables.deliveries, tables.decisions, tables.links, tables.runs)
            return [db.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in kept]

    before = rows()
    for rest in ("", "/plan", "/as?partner=ann", "/mail?partner=ann"):
        assert marketing.get(f"{path}/{QUIET}{rest}").status_code == 200
    assert marketing.get("/console/calendar").status_code == 200
    assert rows() == before


# -- words -------------------------------------------------------------------------------------------------------------


def test_each_reason_and_each_guard_has_words() -> None:
    assert set(reasons.SAID) >= set(Reason)
    assert set(reasons.ASKED) >= {guard.__name__ for guard in GUARDS}


def test_every_campaign_that_is_shipped_can_be_said_and_drawn(sqlite_url: str, tmp_path: Path) -> None:
    engage = Engage(sqlite_url, tmp_path, ROOT / "campaigns", ROOT / "email_templates")
    marketing = Console(build_app(engage.services), engage.services, *_marketing(engage))
    for program, name in engage.services.library().campaigns:
        page = marketing.get(f"/console/campaigns/{program}/{name}")
        assert page.status_code == 200, name
        assert 'class="flow"' in page.text
    assert marketing.get("/console/campaigns").status_code == 200
    assert marketing.get("/console/calendar").status_code == 200
    engage.services.close()


def _marketing(engage: Engage) -> tuple[User, str]:
    user = add_user(engage.services, Role.MARKETING)
    return user, begin_session(engage.services, user)
