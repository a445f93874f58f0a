"""A partner's own page: what it shows, to whom, for how long, and what it takes to see rewards on it."""

import html
import re
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from httpx import Response

from engage.domain.consent import SuppressionReason
from engage.domain.messages import Message
from engage.domain.records import AliasRecord, PartnerRecord, RewardRecord, StaffRecord
from engage.pipeline.page_links import PATH, PageLink, day_number, read_page_token
from engage.pipeline.previewing import preview
from engage.store import tables
from engage.web.app import build_app
from engage.web.partner_page import masked
from tests.support.at_once import at_once
from tests.support.engage import Engage
from tests.support.shipped import ROOT

TOPIC = """\
      account:
        kind: transactional
        label: Your access
        ignore_older_than: 1h
        send_within: 1h
"""
AGENTS = ("curl/8", "Mozilla/5.0 (compatible; SafeLinks)", "GoogleImageProxy", "Barracuda Sentinel (EE)")


@pytest.fixture
def authored(authored: tuple[Path, Path]) -> tuple[Path, Path]:
    """The small programme with the campaigns that mail codes and links, in English and German."""
    campaigns, templates = authored
    for source, target in ((ROOT / "campaigns", campaigns), (ROOT / "email_templates", templates)):
        (target / "service").mkdir()
        for name in ("confirm_address", "new_link"):
            for file in (source / "service").glob(f"{name}.*"):
                shutil.copy(file, target / "service")
    shutil.copy(ROOT / "email_templates" / "_words.de.yaml", templates)
    program = campaigns / "program.yaml"
    text = program.read_text().replace("    topics:\n", f"    topics:\n{TOPIC}")
    text = text.replace("      mark: N\n", "").replace(
        "      color:", "      share_url: https://partners.example.com/r/{partner}\n      color:", 1
    )
    program.write_text(text)
    return authored


@pytest.fixture
def web(engage: Engage) -> TestClient:
    assert engage.services.library().problems == ()
    return browser(engage)


def browser(engage: Engage) -> TestClient:
    """A browser of its own: with no cookies yet."""
    return TestClient(build_app(engage.services))


def link_to(engage: Engage, partner: str = "ann", days_ago: int = 0) -> str:
    """The path of the link as a mail of that day has it."""
    p = tables.partners.c
    with engage.services.database.read() as db:
        row = db.execute(sa.select(p.id, p.program_id, p.address_id).where(p.external_id == partner)).one()
    link = PageLink(row.program_id, row.id, row.address_id, day_number(engage.now) - days_ago)
    return PATH + link.token(engage.services.signer)


def path_in(mail: Message) -> str:
    found = re.search(r"https?://[^/\s]+(/p/\S+)", mail.text)
    assert found, mail.text
    return found[1]


def said(reply: Response) -> str:
    """What stands on a page, as one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", reply.text.partition("<body>")[2])).split())


def earns(engage: Engage, partner: str = "ann") -> None:
    """Two rewards: $1,234 to be paid in ten days, $77.50 paid a month ago."""
    engage.refers(partner, "acme")
    due = engage.now + timedelta(days=10)
    earned = engage.now - timedelta(days=40)
    engage.takes(
        RewardRecord("w1", partner, 123_400, referral="acme", label="First year", earned_at=engage.now, due_at=due),
        RewardRecord("w2", partner, 7_750, label="Bonus", earned_at=earned, paid_at=engage.now - timedelta(days=30)),
        news=False,
    )


def wanted(engage: Engage) -> int:
    """How many codes and links were asked for."""
    with engage.services.database.read() as db:
        kinds = db.execute(sa.select(tables.events.c.kind)).scalars().all()
    return sum(kind.endswith("_wanted") for kind in kinds)


def code_in(mails: list[Message]) -> str:
    (mail,) = mails
    (code,) = set(re.findall(r"\b\d{6}\b", mail.text))
    return code


def confirms(engage: Engage, web: TestClient, link: str) -> Response:
    web.post(f"{link}/confirm")
    reply = web.post(f"{link}/confirm", data={"code": code_in(engage.work())})
    assert "This browser shows your rewards from now on" in said(reply)
    return reply


# --- the link ---------------------------------------------------------------------------------------------------------


def test_every_mail_to_a_partner_has_the_link_at_its_foot_and_no_mail_to_staff(engage: Engage, web: TestClient) -> None:
    engage.partner(owner=engage.salesperson())
    engage.becomes("ann", "acme", "won", lead_company="Acme Ltd")
    (mail,) = engage.work()
    assert "Your referrals and rewards: " in mail.text
    assert f'href="{engage.services.settings.public_url}{path_in(mail)}"' in mail.html
    assert "Acme Ltd" in said(web.get(path_in(mail)))
    for number in range(12):
        engage.refers("ann", f"r{number}", days_ago=number)
    alerts = [mail for mail in engage.runs("many-referrals-no-wins") if mail.to.email == "sam@example.com"]
    alerts += [mail for mail in engage.after(days=15) if mail.to.email == "sam@example.com"]
    assert all("/p/" not in alert.text + alert.html for alert in alerts)


def test_looking_at_the_page_changes_nothing(engage: Engage, web: TestClient) -> None:
    earns(engage, engage.partner())
    stored = [engage.count(table) for table in tables.metadata.sorted_tables]
    for agent in AGENTS:
        for link in (link_to(engage), link_to(engage, days_ago=90), link_to(engage) + "/confirm", PATH + "bad"):
            for ask in (web.get, web.head):
                ask(link, headers={"user-agent": agent})
    assert [engage.count(table) for table in tables.metadata.sorted_tables] == stored
    assert engage.work() == []
    assert not web.cookies


def test_a_link_leads_to_the_page_for_thirty_days_and_then_says_that_it_has_run_out(
    engage: Engage, web: TestClient
) -> None:
    engage.refers(engage.partner(), "acme")
    assert "Acme Ltd" in said(web.get(link_to(engage, days_ago=30)))
    old = web.get(link_to(engage, days_ago=31))
    assert (old.status_code, "This link has run out" in said(old), "Acme" in old.text) == (200, True, False)


def test_a_fresh_link_is_mailed_to_the_partner_once_in_ten_minutes_and_the_answer_is_the_same(
    engage: Engage, web: TestClient
) -> None:
    engage.refers(engage.partner(), "acme")
    old = link_to(engage, days_ago=40)
    first = web.post(f"{old}/renew")
    (mail,) = engage.work()
    assert (mail.to.email, "on its way" in said(first)) == ("ann@example.com", True)
    assert "Acme Ltd" in said(web.get(path_in(mail)))
    again = web.post(f"{old}/renew")
    assert (again.text, engage.work()) == (first.text, [])
    engage.now += timedelta(minutes=11)
    assert web.post(f"{old}/renew").text == first.text
    assert len(engage.work()) == 1


def test_a_suppressed_address_is_answered_the_same_and_mailed_nothing(engage: Engage, web: TestClient) -> None:
    old = link_to(engage, engage.partner(), days_ago=40)
    expected = web.post(f"{old}/renew").text
    engage.work()
    engage.now += timedelta(hours=1)
    suppress(engage, "ann@example.com")
    assert web.post(f"{old}/renew").text == expected
    web.post(f"{link_to(engage)}/confirm")
    assert engage.work() == []


def suppress(engage: Engage, email: str) -> None:
    with engage.services.database.write() as db:
        id_ = db.execute(sa.select(tables.addresses.c.id).where(tables.addresses.c.email == email)).scalar_one()
        row = {"address_id": id_, "reason": SuppressionReason.BOUNCE, "created_at": engage.now}
        db.execute(sa.insert(tables.suppressions).values(row))


def test_a_link_that_was_mailed_to_an_address_of_before_is_renewed_at_the_new_one(
    engage: Engage, web: TestClient
) -> None:
    engage.refers(engage.partner(), "acme")
    before = link_to(engage)
    engage.partner(email="new@example.com")
    seen = web.get(before)
    assert ("This link has run out" in said(seen), "Acme" in seen.text) == (True, False)
    web.post(f"{before}/renew")
    (mail,) = engage.work()
    assert mail.to.email == "new@example.com"
    assert "Acme Ltd" in said(web.get(path_in(mail)))


def test_links_of_somebody_who_was_merged_lead_to_the_page_of_who_stays(engage: Engage, web: TestClient) -> None:
    engage.refers(engage.partner("ann2", email="ann2@example.com"), "bolt")
    engage.refers(engage.partner("ann"), "acme")
    link, old = link_to(engage, "ann2"), link_to(engage, "ann2", days_ago=40)
    engage.takes(AliasRecord("partner", "ann2", "ann"), news=False)
    assert {"Acme Ltd", "Bolt Ltd"} <= set(re.findall(r"\w+ Ltd", said(web.get(link))))
    web.post(f"{old}/renew")
    assert [mail.to.email for mail in engage.work()] == ["ann@example.com"]
    earns(engage, "ann")
    assert "$1,234" in said(confirms(engage, web, link))
    assert "$1,234" in said(web.get(link_to(engage, "ann")))


def test_a_forged_a_foreign_and_a_link_of_somebody_who_is_gone_get_one_answer(engage: Engage, web: TestClient) -> None:
    good = link_to(engage, engage.partner())
    token = good.removeprefix(PATH)
    signer, found = engage.services.signer, read_page_token(engage.services.signer, token)
    assert found is not None
    gone = PageLink(found.program_id, found.partner_id + 99, found.address_id, found.issued).token(signer)
    foreign = PageLink(found.program_id + 9, found.partner_id, found.address_id, found.issued).token(signer)
    other = signer.token("answer", [found.program_id, found.partner_id, found.address_id, found.issued])
    bad = (token[:-1], f"x{token}", "x", "a" * 5000, gone, foreign, other)
    answers = {
        (reply.status_code, reply.text)
        for one in bad
        for reply in (
            web.get(PATH + one),
            web.post(f"{PATH}{one}/confirm"),
            web.post(f"{PATH}{one}/confirm", data={"code": "123456"}),
            web.post(f"{PATH}{one}/renew"),
            web.post(f"{PATH}{one}/hide"),
        )
    }
    assert len(answers) == 1
    assert answers.pop()[0] == 404
    assert (wanted(engage), engage.count(tables.confirmations)) == (0, 0)
    assert web.get(good).status_code == 200
    assert "preview" in said(web.get(PATH + "preview")).lower()


# --- what it shows ----------------------------------------------------------------------------------------------------


def test_each_referral_stands_on_its_ladder_with_days_and_what_comes_next(engage: Engage, web: TestClient) -> None:
    engage.partner(zone="America/New_York")
    engage.refers("ann", "acme", days_ago=9, lead_name="Marcus Oyelaran", salesperson=engage.salesperson())
    engage.becomes("ann", "acme", "accepted", days_ago=7)
    engage.becomes("ann", "acme", "qualified", days_ago=2)
    page = said(web.get(link_to(engage)))
    assert "Acme Ltd Qualified Marcus Oyelaran · referred on Feb 21, 2026 · Sam works on it" in page
    assert "What comes next: We agree with your contact on what they need and by when." in page
    assert "Step 3 of 8, since Feb 28, 2026" in page
    assert "Submitted Feb 21, 2026 Accepted Feb 23, 2026 Qualified Feb 28, 2026 Opportunity Demo" in page


def test_the_newest_come_first_and_twenty_to_a_page_whatever_page_is_asked_for(engage: Engage, web: TestClient) -> None:
    engage.partner()
    for number in range(45):
        engage.refers("ann", f"r{number:02}", days_ago=number)
    link = link_to(engage)

    def on(page: str) -> list[str]:
        return [name.lower() for name in re.findall(r"<h3>(\w+) Ltd</h3>", web.get(f"{link}?page={page}").text)]

    assert on("1") == on("") == on("0") == on("-3") == on("x") == on("९") == [f"r{n:02}" for n in range(20)]
    assert on("3") == on("9999") == [f"r{n:02}" for n in range(40, 45)]
    assert on("9" * 400) == on("1")
    assert "Page 2 of 3" in said(web.get(f"{link}?page=2"))


def test_who_has_nothing_yet_is_told_how_to_begin(engage: Engage, web: TestClient) -> None:
    page = said(web.get(link_to(engage, engage.partner())))
    assert "You have not referred anybody yet" in page
    assert "Page 1" not in page
    assert "https://partners.example.com/r/ann" in page


def test_the_tier_says_how_much_is_missing(engage: Engage, web: TestClient) -> None:
    engage.refers(engage.partner(), "acme")
    engage.becomes("ann", "acme", "won")
    page = said(web.get(link_to(engage)))
    assert "Your tier Registered" in page
    assert "2 wins to Silver 1 win so far Silver at 3 wins" in page


def test_the_page_speaks_the_partners_language(engage: Engage, web: TestClient) -> None:
    earns(engage, engage.partner(locale="de"))
    reply = web.get(link_to(engage))
    assert 'lang="de"' in reply.text
    assert "Guten Tag, Ann" in said(reply)
    assert "Wie es weitergeht:" in said(reply)
    web.post(f"{link_to(engage)}/confirm")
    (mail,) = engage.work()
    assert mail.subject == "Ihr Code für Northwind Partners"
    shown = web.post(f"{link_to(engage)}/confirm", data={"code": code_in([mail])})
    assert "1.234 $" in said(shown).replace("\xa0", " ")


def test_nothing_of_anybody_else_is_on_the_page(engage: Engage, web: TestClient) -> None:
    """Every text of everybody else holds a word that is nowhere on ann's page, confirmed or not."""
    canary = "Canary"
    engage.takes(StaffRecord("sam", name="Sam Hill", email="sam@example.com"), news=False)
    engage.partner(phone="+1 617 555 0142")
    earns(engage)
    for number, partner in enumerate(("bob", "cat", "dan")):
        fields = {
            "first_name": f"{canary}First",
            "last_name": f"{canary}Last",
            "email": f"{canary}{number}@example.com",
        }
        engage.takes(PartnerRecord(partner, status="active", joined_at=engage.now, **fields), news=False)
        for referral in ("one", "two"):
            name = f"{canary}-{partner}-{referral}"
            engage.refers(partner, name, lead_company=f"{canary} Ltd", lead_name=f"{canary} Lead", salesperson="sam")
            engage.becomes(partner, name, "won")
            reward = RewardRecord(
                f"{name}-w", partner, 999_900, referral=name, label=f"{canary} Bonus", earned_at=engage.now
            )
            engage.takes(reward, news=False)
    assert any(canary in mail.subject for mail in engage.work())
    before = web.get(link_to(engage))
    after = confirms(engage, web, link_to(engage))
    assert "$1,234" in said(after)
    for page in (before.text, after.text):
        assert canary.lower() not in page.lower()
        assert "9,999" not in page
        assert "555" not in page
    assert [web.get(link_to(engage, partner)).text.count("$") for partner in ("bob", "cat", "dan")] == [0, 0, 0]


def test_a_page_of_twenty_referrals_takes_no_more_statements_than_one_of_two(engage: Engage, web: TestClient) -> None:
    engage.refers(engage.partner("ann"), "acme")
    engage.refers("ann", "bolt")
    engage.partner("bob")
    for number in range(20):
        engage.refers("bob", f"r{number}")
        engage.becomes("bob", f"r{number}", "accepted")
    counts = []
    for partner in ("ann", "bob"):
        link, asked = link_to(engage, partner), []
        web.get(link)
        engine = engage.services.database.engine
        note = lambda *_, asked=asked: asked.append(1)  # noqa: E731
        sa.event.listen(engine, "before_cursor_execute", note)
        web.get(link)
        sa.event.remove(engine, "before_cursor_execute", note)
        counts.append(len(asked))
    assert counts[0] == counts[1]


# --- rewards ----------------------------------------------------------------------------------------------------------


def test_rewards_are_shown_once_the_address_is_confirmed_and_in_that_browser_only(
    engage: Engage, web: TestClient
) -> None:
    earns(engage, engage.partner())
    link = link_to(engage)
    assert "$" not in said(web.get(link)).replace("$0", "")
    assert "Emails get passed on" in said(web.get(link))
    shown = said(confirms(engage, web, link))
    assert "On its way to you $1,234 Paid so far $77.50" in shown
    assert "First year Acme Ltd $1,234 to be paid on Mar 12, 2026" in shown
    assert "Bonus $77.50 paid on Jan 31, 2026" in shown
    assert "$1,234" in said(web.get(link_to(engage, days_ago=3))), "any link of theirs"
    assert "$" not in said(browser(engage).get(link)), "whoever the mail was forwarded to"


def test_whether_a_win_has_its_reward_is_not_told_before_either(engage: Engage, web: TestClient) -> None:
    engage.refers(engage.partner(), "acme", status="won", status_at=engage.now)
    comes_next = "We work out your reward"
    assert comes_next not in said(web.get(link_to(engage)))
    assert comes_next in said(confirms(engage, web, link_to(engage)))
    engage.takes(RewardRecord("w1", "ann", 10_000, referral="acme", earned_at=engage.now), news=False)
    assert comes_next not in said(web.get(link_to(engage)))
    assert comes_next not in said(browser(engage).get(link_to(engage)))  # nor that it is still to be worked out


def test_what_is_expected_and_what_was_taken_back_says_so_and_does_not_add_up(engage: Engage, web: TestClient) -> None:
    engage.partner()
    later, ago = engage.now + timedelta(days=150), engage.now - timedelta(days=90)
    engage.takes(
        RewardRecord("w1", "ann", 10_000, label="Later", expected_at=later),
        RewardRecord("w2", "ann", 20_000, label="Gone", earned_at=ago, reversed_at=engage.now - timedelta(days=1)),
        RewardRecord("w3", "ann", 30_000, label="Open", earned_at=ago, due_at=ago),
        news=False,
    )
    shown = said(confirms(engage, web, link_to(engage)))
    assert "On its way to you $300 Paid so far $0 May still come $100" in shown
    assert "Open $300 earned on Dec 2, 2025" in shown
    assert "Later $100 expected on Jul 30, 2026" in shown
    assert "Gone $200 taken back on Mar 1, 2026" in shown


def test_subjects_of_mails_wait_for_the_confirmation_too(engage: Engage, web: TestClient) -> None:
    engage.refers(engage.partner(), "acme")
    engage.takes(RewardRecord("w1", "ann", 123_400, referral="acme", label="Win", earned_at=engage.now))
    (mail,) = engage.work()
    assert "$1,234" in mail.subject
    before = said(web.get(link_to(engage)))
    assert "Lately by email Your rewards Mar 2, 2026" in before
    assert "$" not in before
    assert mail.subject in said(confirms(engage, web, link_to(engage)))
    assert "Your code for" not in said(web.get(link_to(engage)))


def test_the_field_for_the_code_is_there_when_somebody_comes_back_from_their_inbox(
    engage: Engage, web: TestClient
) -> None:
    link = link_to(engage, engage.partner())
    assert 'name="code"' not in web.get(link).text
    asked = web.post(f"{link}/confirm")
    assert "Six digits are on their way to a•••@example.com." in said(asked)
    assert 'name="code"' in web.get(link).text
    assert 'name="code"' in web.get(f"{link}/confirm").text
    assert 'name="code"' not in browser(engage).get(link).text


def test_a_code_is_of_no_use_in_another_browser_or_for_another_partner(engage: Engage, web: TestClient) -> None:
    earns(engage, engage.partner())
    engage.partner("bob")
    link, other = link_to(engage), browser(engage)
    web.post(f"{link}/confirm")
    code = code_in(engage.work())
    other.post(f"{link}/confirm")
    engage.work()
    assert "That is not the code" in said(other.post(f"{link}/confirm", data={"code": code}))
    assert "no code for this browser" in said(browser(engage).post(f"{link}/confirm", data={"code": code}))
    assert "no code for this browser" in said(web.post(f"{link_to(engage, 'bob')}/confirm", data={"code": code}))
    assert "$1,234" in said(web.post(f"{link}/confirm", data={"code": f" {code[:3]}-{code[3:]} "}))


def test_five_tries_and_the_code_is_void(engage: Engage, web: TestClient) -> None:
    earns(engage, engage.partner())
    link = link_to(engage)
    web.post(f"{link}/confirm")
    code = code_in(engage.work())
    wrong = "000000" if code != "000000" else "111111"
    replies = [said(web.post(f"{link}/confirm", data={"code": wrong})) for _ in range(5)]
    assert ["That is not the code" in reply for reply in replies] == [True, True, True, True, False]
    assert "no code for this browser" in replies[-1]
    late = said(web.post(f"{link}/confirm", data={"code": code}))
    assert ("no code for this browser" in late, "$" in late) == (True, False)


def test_many_tries_at_once_are_no_more_than_five(engage: Engage, web: TestClient) -> None:
    link = link_to(engage, engage.partner())
    web.post(f"{link}/confirm")
    engage.work()
    cookies, guesses = dict(web.cookies), iter(range(24))
    browsers = [TestClient(web.app, cookies=cookies) for _ in range(24)]
    at_once(browsers, lambda one: one.post(f"{link}/confirm", data={"code": f"{next(guesses):06}"}))
    with engage.services.database.read() as db:
        assert db.execute(sa.select(tables.confirmations.c.tries)).scalar_one() == 5


def test_a_code_is_good_for_a_quarter_of_an_hour_and_mailed_no_later(engage: Engage, web: TestClient) -> None:
    link = link_to(engage, engage.partner())
    web.post(f"{link}/confirm")
    engage.now += timedelta(minutes=14)
    (mail,) = engage.work()
    engage.now += timedelta(minutes=1)
    assert "no code for this browser" in said(web.post(f"{link}/confirm", data={"code": code_in([mail])}))
    web.post(f"{link}/confirm")
    engage.now += timedelta(minutes=16)
    assert (engage.work(), engage.states()[-1]) == ([], ("partner:ann", "expired"))


def test_a_preview_of_the_code_shows_digits_that_are_none(engage: Engage) -> None:
    engage.partner()
    library = engage.services.library()
    with engage.services.database.read() as db:
        (shown,) = preview(db, library, library.find("confirm-address"), "ann", "https://e.example.com", engage.now)
    assert "Your code: 123456" in shown.message.text
    assert shown.notes[0] == "six digits stand in for a code: nobody has asked for one"
    assert "https://e.example.com/p/preview" in shown.message.text


def test_three_codes_an_hour_are_mailed_however_many_browsers_ask(engage: Engage, web: TestClient) -> None:
    link = link_to(engage, engage.partner())
    for _ in range(5):
        web.post(f"{link}/confirm")
    assert len(engage.work()) == 1, "a button that is pressed twice is one mail"
    replies = []
    for _ in range(3):
        engage.now += timedelta(minutes=1)
        replies.append(said(browser(engage).post(f"{link}/confirm")))
    assert len(engage.work()) == 2
    assert "You have had several codes already" in replies[-1]
    assert "on their way" not in replies[-1]
    engage.now += timedelta(hours=1)
    web.post(f"{link}/confirm")
    assert len(engage.work()) == 1


def test_many_who_ask_at_once_are_mailed_three_codes(engage: Engage, web: TestClient) -> None:
    link = link_to(engage, engage.partner())
    others = [TestClient(web.app) for _ in range(8)]
    at_once(others, lambda one: one.post(f"{link}/confirm"))
    assert (engage.count(tables.confirmations), wanted(engage), len(engage.work())) == (3, 3, 3)


def test_nobody_is_mailed_more_than_ten_codes_or_ten_links_a_day(engage: Engage, web: TestClient) -> None:
    engage.partner()
    link, old = link_to(engage), link_to(engage, days_ago=40)
    mailed = 0
    for _ in range(14):
        engage.now += timedelta(minutes=25)
        web.post(f"{link}/confirm")
        web.post(f"{old}/renew")
        mailed += len(engage.work())
    assert mailed == 20
    engage.now += timedelta(days=1)
    web.post(f"{link}/confirm")
    assert len(engage.work()) == 1


def test_each_of_two_codes_is_good_until_it_is_typed(engage: Engage, web: TestClient) -> None:
    earns(engage, engage.partner())
    link = link_to(engage)
    web.post(f"{link}/confirm")
    first = code_in(engage.work())
    engage.now += timedelta(minutes=2)
    web.post(f"{link}/confirm")
    second = code_in(engage.work())
    assert first != second
    assert "$1,234" in said(web.post(f"{link}/confirm", data={"code": first}))


def test_a_browser_forgets_after_half_a_year_with_another_address_or_when_told_to(
    engage: Engage, web: TestClient
) -> None:
    earns(engage, engage.partner())
    confirms(engage, web, link_to(engage))
    engage.now += timedelta(days=180)
    assert "$1,234" in said(web.get(link_to(engage)))
    engage.now += timedelta(days=1)
    assert "$" not in said(web.get(link_to(engage)))
    confirms(engage, web, link_to(engage))
    engage.partner(email="new@example.com")
    assert "$" not in said(web.get(link_to(engage)))
    confirms(engage, web, link_to(engage))
    hidden = web.post(f"{link_to(engage)}/hide")
    assert "Your rewards are hidden in this browser." in said(hidden)
    assert "$" not in said(hidden) + said(web.get(link_to(engage)))


def test_an_invited_partner_gets_a_code_too_and_is_told_to_register(
    engage: Engage, web: TestClient, authored: tuple[Path, Path]
) -> None:
    program = authored[0] / "program.yaml"
    join = "https://partners.example.com/join?id={partner}"
    program.write_text(program.read_text().replace("      share_url:", f"      register_url: {join}\n      share_url:"))
    engage.now += timedelta(seconds=2)
    engage.partner(status="invited")
    page = confirms(engage, web, link_to(engage))
    assert "You are not registered yet" in said(page)
    assert 'href="https://partners.example.com/join?id=ann"' in page.text
    assert "Your tier" not in said(page)


def test_neither_the_code_nor_what_the_browser_holds_is_stored(engage: Engage, web: TestClient) -> None:
    link = link_to(engage, engage.partner())
    web.post(f"{link}/confirm")
    code = code_in(engage.work())
    held = web.cookies["engage_browser"]
    with engage.services.database.read() as db:
        stored = [str(row) for table in tables.metadata.sorted_tables for row in db.execute(sa.select(table))]
    assert not [row for row in stored if code in row or held in row]


def test_without_a_live_campaign_the_page_says_whom_to_write_to(
    engage: Engage, web: TestClient, authored: tuple[Path, Path]
) -> None:
    engage.partner()
    for file in (authored[0] / "service").glob("*.yaml"):
        file.write_text(file.read_text().replace("state: live", "state: paused"))
    engage.now += timedelta(seconds=2)
    page = web.get(link_to(engage))
    assert "They are not shown here. Ask us how they stand: partner-desk@example.com" in said(page)
    assert "/confirm" not in page.text
    web.post(f"{link_to(engage)}/confirm")
    old = web.post(f"{link_to(engage, days_ago=40)}/renew")
    assert "Or write to us: partner-desk@example.com" in said(old)
    assert wanted(engage) == 0


@pytest.mark.parametrize(
    ("public_url", "name", "flags"),
    [
        ("https://engage.example.com", "__Host-engage_browser", {"httponly", "path=/", "samesite=lax", "secure"}),
        ("http://testserver", "engage_browser", {"httponly", "path=/", "samesite=lax"}),
    ],
)
def test_cookies_are_kept_from_scripts_and_from_other_hosts(
    engage: Engage, public_url: str, name: str, flags: set[str]
) -> None:
    engage.services.settings = engage.services.settings.model_copy(update={"public_url": public_url})
    web = TestClient(build_app(engage.services), base_url=public_url)
    earns(engage, engage.partner())
    asked = web.post(f"{link_to(engage)}/confirm")
    (cookie,) = asked.headers.get_list("set-cookie")
    assert cookie.partition("=")[0] == name
    said_flags = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {flag for flag in said_flags if not flag.startswith(("max-age", "expires"))} == flags
    reply = web.post(f"{link_to(engage)}/confirm", data={"code": code_in(engage.work())})
    assert all(flags <= {part.strip().lower() for part in c.split(";")} for c in reply.headers.get_list("set-cookie"))
    assert "$1,234" in said(web.get(link_to(engage)))
    assert web.get(link_to(engage)).headers["cache-control"] == "no-store"


def test_forms_that_are_none_are_refused_without_an_error(engage: Engage, web: TestClient) -> None:
    link = f"{link_to(engage, engage.partner())}/confirm"
    kind = {"content-type": "multipart/form-data; boundary=x"}
    replies = [
        web.post(link, content=b"\xff\xfe%%%", headers={"content-type": "application/x-www-form-urlencoded"}),
        web.post(link, content=b"not a form", headers=kind),
        web.post(link, files={"code": ("x.txt", b"123456")}),
        web.post(link, data={f"f{number}": "x" for number in range(50)}),
        web.post(link, data={"code": "٣٤٥٦٧٨"}),
        web.post(link, data={"code": "1" * 60_000}),
        web.post(link, content=b"{}", headers={"content-type": "application/json"}),
    ]
    assert all(reply.status_code < 500 for reply in replies), [reply.status_code for reply in replies]


@pytest.mark.parametrize(
    ("email", "expected"),
    [("dana@example.com", "d•••@example.com"), ("d@x", "d•••@x"), ("", ""), ('"a@b"@x.org', '"•••@x.org')],
)
def test_an_address_is_known_to_whoever_has_it(email: str, expected: str) -> None:
    assert masked(email) == expected
