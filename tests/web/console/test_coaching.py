"""Coaching in the consoles: whom to call, why, what to say; three taps; and who was quicker."""

import re
from datetime import timedelta
from html import unescape

import pytest
import sqlalchemy as sa

from engage.domain.accounts import Role
from engage.store.tables import coaching_alerts
from engage.web.console.coaching import dial
from tests.pipeline.test_coaching import alerted, listed
from tests.pipeline.test_subjects import runs
from tests.support.consoles import Console, MakeConsole
from tests.support.engage import Engage

COACHING = "/console/coaching"


def read(console: Console, path: str = COACHING, status: int = 200) -> str:
    answer = console.get(path)
    assert answer.status_code == status, f"{answer.status_code} {answer.text[:500]}"
    return unescape(answer.text)


def names(text: str) -> list[str]:
    """Whom the cards of a page are about."""
    return re.findall(r'<h3><a href="/console/coaching/\d+">(.+?)</a>', text)


def one(engage: Engage) -> str:
    (alert,) = listed(engage)
    return f"{COACHING}/{alert.id}"


def test_three_taps_from_the_list_to_what_became_of_it(engage: Engage, console: MakeConsole) -> None:
    alerted(engage)
    sam = console("sales", email="sam@example.com")
    assert names(read(sam)) == ["Ann"]
    claimed = sam.follow(sam.post(f"{one(engage)}/claim")).text  # the first tap
    assert 'href="tel:+498912345"' in claimed, "the second tap calls"
    assert "Call Ann." in claimed, "what to say"
    assert "<dt>Referrals, last 90 days</dt><dd>1</dd>" in claimed, "why"
    done = sam.post(f"{one(engage)}/resolve", {"outcome": "talked", "note": "a word with the buyer"})
    assert sam.said(done) == "Ann: Talked, next step agreed. A slip? It stands among what is resolved."
    assert "A slip?" not in read(console("sales"), done.headers["location"]), "it is said to who did it"
    assert names(read(sam)) == []
    assert "a word with the buyer" in read(sam, f"{COACHING}?show=resolved")


def test_a_slip_of_the_thumb_is_taken_back(engage: Engage, console: MakeConsole) -> None:
    alerted(engage)
    sam, eve, path = console("sales"), console("sales"), one(engage)
    assert "Open it again" not in read(sam, path)
    sam.post(f"{path}/resolve", {"outcome": "wrong", "note": "a word with the buyer"})
    assert "Open it again" in read(eve, path)
    opened = sam.post(f"{path}/reopen")
    assert sam.said(opened).startswith("It is open again, and yours.")
    assert ">a word with the buyer</textarea>" in read(sam, path)
    assert names(read(sam)) == ["Ann"]
    assert eve.said(eve.post(f"{path}/reopen")) == f"Nothing was changed: {sam.user.name} has claimed it."


def test_the_list_is_of_alerts_that_were_sent_to_the_reader_unless_they_ask_for_others(
    engage: Engage, console: MakeConsole
) -> None:
    engage.partner("bob", owner=engage.salesperson("eve"))
    engage.refers("bob", "bolt")
    alerted(engage, "ann")
    sam, ops = console("sales", email="sam@example.com"), console("admin")
    assert names(read(sam)) == ["Ann"]
    assert sorted(names(read(sam, f"{COACHING}?whose=all"))) == ["Ann", "Bob"]
    eve = re.search(r'value="(\d+)">Eve<', read(sam))
    assert eve is not None
    assert names(read(sam, f"{COACHING}?whose={eve[1]}")) == ["Bob"]
    assert sorted(names(read(ops))) == ["Ann", "Bob"], "to whom none were sent, everybody's are shown"


def test_the_first_page_says_how_many_wait_for_the_reader(engage: Engage, console: MakeConsole) -> None:
    engage.partner("bob", owner=engage.salesperson("eve"))
    engage.refers("bob", "bolt")
    alerted(engage, *(f"p{n:02}" for n in range(26)))
    sam, eve = console("sales", email="sam@example.com"), console("sales", email="eve@example.com")
    assert "<p>More than 25 to call.</p>" in read(sam, "/console")
    assert "<p>1 to call.</p>" in read(eve, "/console")
    (bobs,) = re.findall(r'href="(/console/coaching/\d+)">Bob<', read(eve))
    eve.post(f"{bobs}/claim")
    assert "<p>Nobody to call, 1 in your hands.</p>" in read(eve, "/console")


def test_of_two_who_claim_the_second_is_told_who_was_quicker(engage: Engage, console: MakeConsole) -> None:
    alerted(engage)
    sam, eve = console("sales"), console("sales")
    path = one(engage)
    assert "It is yours" in sam.said(sam.post(f"{path}/claim"))
    assert eve.said(eve.post(f"{path}/claim")) == f"Nothing was changed: {sam.user.name} has claimed it."
    assert eve.said(eve.post(f"{path}/resolve", {"outcome": "talked"})).endswith(f"{sam.user.name} has claimed it.")
    taken = eve.post(f"{path}/claim", {"from": str(sam.user.id)})
    assert "It is yours" in eve.said(taken), "taken over from whom they saw"
    assert sam.said(sam.post(f"{path}/release")).endswith(f"{eve.user.name} has claimed it.")


def test_what_i_have_claimed_stands_first_whoever_it_was_sent_to(engage: Engage, console: MakeConsole) -> None:
    alerted(engage, "ann", "bob")
    eve = console("sales")
    ann = next(alert.id for alert in listed(engage) if alert.about == "Ann")
    eve.post(f"{COACHING}/{ann}/claim")
    text = read(eve)
    assert names(text) == ["Ann", "Bob"]
    assert text.index("In your hands") < text.index("Waiting")


def test_another_alert_about_the_same_partner_says_who_works_with_them(engage: Engage, console: MakeConsole) -> None:
    alerted(engage, again="each slot")
    engage.now += timedelta(days=1)
    runs(engage)
    sam, eve = console("sales"), console("sales")
    first, second = (alert.id for alert in listed(engage))
    sam.post(f"{COACHING}/{first}/claim")
    assert f"{sam.user.name} works with them" in read(eve, f"{COACHING}/{second}")
    assert "You work with them" in read(sam, f"{COACHING}/{second}")


def test_what_is_snoozed_is_shown_among_the_snoozed_only(engage: Engage, console: MakeConsole) -> None:
    alerted(engage)
    sam, path = console("sales"), one(engage)
    assert sam.said(sam.post(f"{path}/snooze", {"days": "3"})) == "Ann comes back in 3 days."
    assert names(read(sam)) == []
    assert names(read(sam, f"{COACHING}?show=snoozed")) == ["Ann"]
    assert "Snoozed until 5 March" in read(sam, path)
    assert sam.post(f"{path}/snooze", {"days": "400"}).status_code == 400


def test_who_only_looks_finds_no_buttons_and_cannot_act(engage: Engage, console: MakeConsole) -> None:
    alerted(engage)
    reader, path = console(Role.READ_ONLY), one(engage)
    assert "Claim" not in read(reader) + read(reader, path)
    for verb in ("claim", "release", "snooze", "resolve", "reopen"):
        assert reader.post(f"{path}/{verb}", {"outcome": "talked", "days": "3"}).status_code == 403
    assert console(Role.OPS).get(COACHING).status_code == 403


def test_an_alert_of_another_program_is_as_if_it_were_not_there(engage: Engage, console: MakeConsole) -> None:
    alerted(engage)
    stranger, path = console("sales", []), one(engage)
    assert names(read(stranger, f"{COACHING}?whose=all")) == []
    assert stranger.get(path).status_code == 404
    for verb in ("claim", "release", "snooze", "resolve", "reopen"):
        assert stranger.post(f"{path}/{verb}", {"outcome": "talked", "days": "3"}).status_code == 404
    assert listed(engage)[0].claimed_by is None


@pytest.mark.parametrize("path", ["0", "999", "9223372036854775808", "1e3", "x", "-1"])
def test_what_is_no_alert_is_not_found(console: MakeConsole, path: str) -> None:
    sales = console("sales")
    assert sales.get(f"{COACHING}/{path}").status_code == 404
    assert sales.post(f"{COACHING}/{path}/claim").status_code in (404, 405)


def test_odd_questions_get_a_page(engage: Engage, console: MakeConsole) -> None:
    alerted(engage)
    sales = console("sales")
    for asked in ("whose=-1", "whose=999999999999999999999", "whose=%00", "show=x", "after=x", "after=12345"):
        assert sales.get(f"{COACHING}?{asked}").status_code == 200
    assert sales.post(f"{one(engage)}/resolve", {"outcome": "x"}).status_code == 400


def test_a_long_list_goes_on_where_its_page_ended(engage: Engage, console: MakeConsole) -> None:
    alerted(engage, *(f"p{n:02}" for n in range(30)))
    sales, path, seen = console("sales"), COACHING, list[str]()
    while path:
        text = sales.get(path).text
        seen += names(text)
        more = re.search(r'href="([^"]+)">Older', text)
        path = unescape(more[1]) if more else ""
    assert len(seen) == len(set(seen)) == 30


def test_names_companies_and_notes_are_text(engage: Engage, console: MakeConsole) -> None:
    evil = '"><script>alert(1)</script>'
    engage.salesperson("sam")
    alerted(engage)
    engage.partner("ann", owner="sam", first_name=evil, phone="javascript:alert(1)")
    with engage.services.database.write() as db:
        db.execute(sa.update(coaching_alerts).values(evidence=[[evil, evil]], note=evil))
    sales, path = console("sales"), one(engage)
    for text in (sales.get(COACHING).text, sales.get(path).text):
        assert "<script>alert" not in text
        assert 'href="javascript' not in text
        assert "&lt;script&gt;" in text


def test_an_alert_whose_campaign_is_gone_has_its_evidence_still(engage: Engage, console: MakeConsole) -> None:
    alerted(engage)
    with engage.services.database.write() as db:
        db.execute(sa.update(coaching_alerts).values(campaign="gone", delivery_id=999))
    text = read(console("sales"), one(engage))
    assert "<dt>Referrals, last 90 days</dt>" in text
    assert "What to say" not in text


@pytest.mark.parametrize(
    ("phone", "dialled"),
    [
        ("+49 (0)89 123-45", "tel:+498912345"),
        ("089/12345", "tel:08912345"),
        ("555 0100 x12", "tel:5550100"),
        ("", ""),
        ("call me", ""),
        ("javascript:1", ""),
    ],
)
def test_a_number_is_dialled_as_digits_and_nothing_else(phone: str, dialled: str) -> None:
    assert dial(phone) == dialled
