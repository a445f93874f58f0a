"""Partners in the consoles: found at once; and the page that answers why they got, or did not get, what."""

import re
from datetime import timedelta
from html import unescape

import pytest

from engage.domain.decisions import Reason
from engage.domain.records import PartnerRecord
from engage.store.consent import change_subscription
from engage.store.people import address_ids, partners_known_as
from engage.web.console.reasons import SAID
from tests.pipeline.test_coaching import alerted, listed
from tests.support.consoles import Console, MakeConsole
from tests.support.engage import Engage
from tests.support.journeys import TRIAL, write_trial


def read(console: Console, path: str, status: int = 200) -> str:
    answer = console.get(path)
    assert answer.status_code == status, f"{answer.status_code} {answer.text[:500]}"
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.text)))


def page_of(engage: Engage, partner: str, **query: str) -> str:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return f"/console/partners/{engage.program}/{partner}?{asked}"


def test_somebody_is_found_by_name_company_or_how_an_address_begins(engage: Engage, console: MakeConsole) -> None:
    engage.partner("ann", last_name="Weber")
    engage.partner("bob")
    sales = console("sales")
    for text in ("WEB", "ann web", "ann@ex"):
        found = read(sales, f"/console/partners?q={text}")
        assert "Ann Weber" in found
        assert "bob@example.com" not in found
    assert "Nobody is called that" in read(sales, "/console/partners?q=50%25")


def test_an_id_or_a_whole_address_leads_on_to_the_page_at_once(engage: Engage, console: MakeConsole) -> None:
    engage.partner("ann")
    engage.partner("annie")
    for text in ("ann", "ann@example.com", "ANN@example.com"):
        answer = console("sales").get(f"/console/partners?q={text}")
        assert answer.headers["location"] == f"/console/partners/{engage.program}/ann"


def test_a_long_list_goes_on_where_its_page_ended(engage: Engage, console: MakeConsole) -> None:
    engage.takes(*(PartnerRecord(f"p{n:03}", first_name=f"Nobody{n:03}") for n in range(60)), news=False)
    ops, path, seen = console("ops"), "/console/partners?q=nobody", list[str]()
    while path:
        text = ops.get(path).text
        seen += re.findall(r"Nobody\d+", text)
        more = re.search(r'href="(/console/partners\?[^"]+)">More', text)
        path = unescape(more[1]) if more else ""
    assert seen == [f"Nobody{n:03}" for n in range(60)]


def test_who_may_see_one_program_finds_nobody_of_another(engage: Engage, console: MakeConsole) -> None:
    engage.partner("ann")
    stranger = console("sales", programs=[])
    assert "ann@example.com" not in read(stranger, "/console/partners")
    assert "Nobody is called that" in read(stranger, "/console/partners?q=ann")
    read(stranger, page_of(engage, "ann"), 404)
    assert "ann@example.com" in read(console("sales", programs=[engage.program]), page_of(engage, "ann"))


@pytest.mark.parametrize("path", ["nobody", "%00", "..%2F..", "a%2Fb"])
def test_who_is_not_there_is_not_there(engage: Engage, console: MakeConsole, path: str) -> None:
    engage.partner("ann")
    read(console("sales"), f"/console/partners/{engage.program}/{path}", 404)


def test_an_id_with_a_slash_has_a_page(engage: Engage, console: MakeConsole) -> None:
    engage.partner("de/42")
    found = console("sales").get("/console/partners?q=de/42")
    assert "de/42@example.com" in read(console("sales"), found.headers["location"])


def test_why_not_is_answered_with_the_value_that_was_found(engage: Engage, console: MakeConsole) -> None:
    write_trial(engage, "{send: a}", where="[referrals: {last: 90d, at_least: 3}]")
    engage.partner("ann")
    engage.refers("ann", "acme")
    said = read(console("marketing"), page_of(engage, "ann", campaign=TRIAL))
    assert "They would not get it: the campaign's condition does not hold for them." in said
    assert "referrals in the last 90 days: at least 3 found: 1" in said
    engage.refers("ann", "bolt")
    engage.refers("ann", "coil")
    assert "They would get it: nothing stands against it." in read(
        console("sales"), page_of(engage, "ann", campaign=TRIAL)
    )


def test_it_is_answered_as_of_the_end_of_any_day(engage: Engage, console: MakeConsole) -> None:
    write_trial(engage, "{send: a}", where="[days_since_login: {more_than: 10}]")
    engage.partner("ann")
    engage.logs_in("ann", days_ago=12)
    day = engage.now - timedelta(days=1)
    before, on = (f"{day - timedelta(days=1):%Y-%m-%d}", f"{day:%Y-%m-%d}")
    marketing = console("marketing")
    for asked, found in ((before, "no days since login: more than 10 found: 10"), (on, "more than 10 found: 11")):
        assert found in read(marketing, page_of(engage, "ann", campaign=TRIAL, on=asked))


@pytest.mark.parametrize("on", ["tomorrow", "2026-13-01", "0001-01-01", "9999-12-31", "2026-10-01T25:00"])
def test_a_day_that_is_none_is_said_to_be_none(engage: Engage, console: MakeConsole, on: str) -> None:
    engage.partner("ann")
    assert "no day that engage can look at" in read(console("sales"), page_of(engage, "ann", on=on))


def test_facts_of_another_day_stand_beside_those_of_today(engage: Engage, console: MakeConsole) -> None:
    engage.partner("ann")
    engage.refers("ann", "acme", days_ago=3)
    past = f"{engage.now - timedelta(days=30):%Y-%m-%d}"
    text = console("sales").get(page_of(engage, "ann", on=past)).text
    assert re.search(r'<th scope="row">Referrals</th><td>1</td><td><strong>0</strong></td>', text)
    assert re.search(r'<th scope="row">Status</th><td>active</td><td><span class="soft">active</span></td>', text)


def test_what_was_sent_and_what_was_decided_stands_there_with_the_values(engage: Engage, console: MakeConsole) -> None:
    write_trial(engage, "{send: a}", where="[referrals: {last: 90d, at_least: 1}]")
    engage.partner("ann")
    engage.refers("ann", "acme")
    engage.services.run_now(engage.services.library().find(TRIAL))
    engage.sweeps()
    said = read(console("sales"), page_of(engage, "ann"))
    assert f"{TRIAL} sent" in said
    assert "Referrals, last 90 days 1" in said
    assert re.search(rf"UTC A {TRIAL} · send-a · [\w ]+ sent", said), "the mail, by its subject"
    assert "/console/deliveries/" not in console("sales").get(page_of(engage, "ann")).text
    assert "/console/deliveries/d-1" in console("ops").get(page_of(engage, "ann")).text


def test_a_mail_that_did_not_go_out_says_why(engage: Engage, console: MakeConsole) -> None:
    write_trial(engage, "{send: a}", where="[status: {is: active}]")
    engage.partner("ann", email=None)
    engage.services.run_now(engage.services.library().find(TRIAL))
    engage.sweeps()
    said = read(console("sales"), page_of(engage, "ann", campaign=TRIAL))
    assert "No mail at all: there is no email address." in said
    assert f"{TRIAL} not sent there is no email address" in said


def test_what_happened_goes_on_page_by_page(engage: Engage, console: MakeConsole) -> None:
    write_trial(engage, "{send: a}", again="each slot")
    engage.partner("ann")
    for _ in range(33):
        engage.services.run_now(engage.services.library().find(TRIAL))
        engage.after(days=1)
    sales = console("sales")
    for name, part_of, least in (
        ("entries_before", "happened", r"entered (\d{4}[\d: -]+) UTC"),
        ("mails_before", "sent", r'"at">([\d: -]+) UTC'),
    ):
        path, seen = page_of(engage, "ann"), list[str]()
        while path:
            text = sales.get(path).text
            part = text.partition(f'id="{part_of}"')[2].partition("<h2")[0]
            seen += re.findall(least, part)
            older = re.search(rf'href="([^"#]+{name}=[^"#]+)#{part_of}">Older', part)
            path = unescape(older[1]) if older else ""
        assert len(seen) == len(set(seen)) == 33
        assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize("cursor", ["x", "2026-10-01.5", "2026-10-01T00:00:00+00:00.x", "9" * 60, ".1"])
def test_a_place_in_a_list_that_is_none_is_its_beginning(engage: Engage, console: MakeConsole, cursor: str) -> None:
    engage.partner("ann")
    read(console("sales"), page_of(engage, "ann", entries_before=cursor, mails_before=cursor))
    read(console("sales"), f"/console/partners?after={cursor}")


def test_consent_says_which_topics_may_be_sent_since_when_and_how_it_came(engage: Engage, console: MakeConsole) -> None:
    engage.partner("ann")
    program_id = engage.services.library().program_ids[engage.program]
    with engage.services.database.write() as db:
        ((_, id_),) = partners_known_as(db, program_id, "ann")
        address = address_ids(db, ["ann@example.com"])["ann@example.com"]
        change_subscription(
            db, program_id, id_, address, "tips", subscribed=False, now=engage.now, how="link", source="a browser"
        )
    said = read(console("sales"), page_of(engage, "ann"))
    assert re.search(rf"no no: refused {engage.now:%Y-%m-%d %H:%M:%S} UTC", said)
    assert re.search(r"no to tips link a browser", said)


def test_alerts_about_them_stand_there_and_who_works_with_them(engage: Engage, console: MakeConsole) -> None:
    alerted(engage)
    sam = console("sales", email="sam@example.com")
    (alert,) = listed(engage)
    assert "has claimed an alert" not in read(sam, page_of(engage, "ann"))
    sam.post(f"/console/coaching/{alert.id}/claim")
    page = page_of(engage, "ann")
    assert f"No marketing mail: {sam.user.name} has claimed an alert and works with them." in read(sam, page)
    assert f"/console/coaching/{alert.id}" in sam.get(page).text
    assert "/console/coaching/" not in console("ops").get(page).text, "who sees no coaching"


def test_values_behind_a_decision_are_read_in_their_units(engage: Engage, console: MakeConsole) -> None:
    write_trial(engage, "{send: a}", where="[revenue: {at_least: 500}]")
    engage.partner("ann")
    engage.becomes("ann", "acme", "won", amount=123456, submitted_at=engage.now - timedelta(days=3))
    engage.services.run_now(engage.services.library().find(TRIAL))
    engage.sweeps()
    assert "Revenue $1,234.56 Occasion" in read(console("sales"), page_of(engage, "ann"))


def test_a_name_cannot_become_markup(engage: Engage, console: MakeConsole) -> None:
    engage.partner("ann", first_name="<script>alert(1)</script>", last_name='"><img src=x onerror=alert(1)>')
    for path in (page_of(engage, "ann"), "/console/partners?q=<script>alert"):
        text = console("sales").get(path).text
        assert "<script>alert" not in text
        assert "<img" not in text


def test_every_reason_has_its_sentence() -> None:
    assert {str(reason) for reason in Reason} <= set(SAID)
