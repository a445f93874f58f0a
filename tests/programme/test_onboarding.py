"""First steps: one journey from registering to the first referral, and what ends it."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from fastapi.testclient import TestClient

from engage.domain.messages import Message
from engage.domain.records import PartnerRecord
from engage.web.app import build_app
from tests.support.programme import NEW_YORK, Programme, answered, button

REFER, PORTAL = "https://partners.example.com/refer", "https://partners.example.com"
TEACHING = [
    ("Welcome to Northwind Partners", ("Look around your portal", PORTAL)),
    ("Three people you already know", ("Refer one of them", REFER)),
    ("How to ask without selling", ("Introduce somebody", REFER)),
    ("Five ways to refer. Choose the one you would really use", ("Refer with the form", REFER)),
    ("What we do with a name that you give us", ("Refer a company", REFER)),
    ("What a good year with us looks like", ("Make a start", REFER)),
    ("One name is enough", ("Send one name", REFER)),
]
QUESTION = "What keeps you from a first referral?"


def registers(programme: Programme, name: str, local: str, **fields: object) -> list[Message]:
    """A partner registers now, as the portal tells it: what they are mailed within the hour."""
    programme.is_now(local)
    values: dict[str, object] = {"email": f"{name}@example.com", "first_name": name.title(), "last_name": "Fox"}
    values |= {"status": "active", "joined_at": programme.now} | fields
    programme.takes(PartnerRecord(name, **values))  # type: ignore[arg-type]
    got = [*programme.after(minutes=6), *programme.after(minutes=6)]
    return [mail for mail in got if programme.is_to(mail, name)]


def lives(programme: Programme, name: str, days: int) -> list[tuple[datetime, Message]]:
    """What arrives in so many days, each with the time at which it did, where New York is."""
    found: list[tuple[datetime, Message]] = []
    first = programme.now.astimezone(NEW_YORK)
    for day in range(days + 1):
        for hour, minute in ((9, 30), (9, 36), (14, 30), (19, 0)):
            at = (first + timedelta(days=day)).replace(hour=hour, minute=minute)
            if at.astimezone(UTC) <= programme.now:
                continue
            programme.now = at.astimezone(UTC)
            if minute == 36:
                programme.feeds_speak()
            found += [(at, mail) for mail in programme.sweeps() if programme.is_to(mail, name)]
    return found


def _later(programme: Programme) -> str:
    return f"{programme.now.astimezone(NEW_YORK) + timedelta(minutes=10):%Y-%m-%d %H:%M}"


def subjects(mails: Sequence[tuple[datetime, Message]]) -> list[str]:
    return [mail.subject for _, mail in mails]


def test_eight_mails_one_after_the_other_on_working_mornings_never_more_than_two_in_seven_days(
    programme: Programme,
) -> None:
    programme.salesperson("sam")
    (welcome,) = registers(programme, "ann", "2026-03-11 14:00", owner="sam")  # a Wednesday
    welcomed = programme.now.astimezone(NEW_YORK)
    mails = [(welcomed, welcome), *lives(programme, "ann", 75)]
    assert subjects(mails) == [*(subject for subject, _ in TEACHING), QUESTION]
    for (_, mail), (_, shown) in zip(mails, TEACHING, strict=False):
        assert button(mail) == shown
    times = [at for at, _ in mails]
    for at in times[1:]:
        assert at.weekday() < 5
        assert (at.hour, at.minute) == (9, 36)
    for place, at in enumerate(times):
        assert sum(at <= other < at + timedelta(days=7) for other in times[place:]) <= 2
    assert (times[-1] - times[0]).days < 60


def test_the_welcome_comes_from_the_partners_own_salesperson(programme: Programme) -> None:
    programme.salesperson("sue")
    (mail,) = registers(programme, "bea", "2026-06-02 10:00", owner="sue")
    assert (mail.sender.name, mail.reply_to) == ("Sue, Northwind Partners", "sue@example.com")
    assert "I am Sue, and from today I am your contact at Northwind Partners." in mail.text
    assert "You earn when they sign: 10% of the first year's revenue." in mail.text


def test_without_a_salesperson_it_comes_from_the_programme_and_speaks_of_nobody(programme: Programme) -> None:
    (mail,) = registers(programme, "cem", "2026-06-03 10:00")
    assert (mail.sender.name, mail.reply_to) == ("Northwind Partners", "partner-desk@example.com")
    assert "From today you are a partner of Northwind Partners." in mail.text
    assert " I " not in mail.text


def test_only_what_is_known_to_be_missing_is_asked_for(programme: Programme) -> None:
    registers(programme, "dan", "2026-06-04 10:00", attributes={"tax_form": False, "bank_details": True})
    registers(programme, "eva", "2026-06-04 10:30", attributes={"tax_form": False, "bank_details": False})
    registers(programme, "fay", "2026-06-04 11:00", attributes={"tax_form": True, "bank_details": True})
    before = len(programme.provider.messages)
    lives(programme, "nobody", 6)
    came = programme.provider.messages[before:]
    (dan,) = (mail for mail in came if programme.is_to(mail, "dan"))
    (eva,) = (mail for mail in came if programme.is_to(mail, "eva"))
    (fay,) = (mail for mail in came if programme.is_to(mail, "fay"))
    assert dan.subject == "Your tax form, so that we can pay you"
    assert "bank details" not in dan.text
    assert eva.subject == "Two details, so that we can pay you"
    assert button(eva) == ("Complete your profile", PORTAL)
    assert fay.subject == "Three people you already know"


def test_the_first_referral_ends_it_at_once(programme: Programme) -> None:
    registers(programme, "gus", "2026-06-15 10:00")
    assert subjects(lives(programme, "gus", 5)) == ["Three people you already know"]
    programme.refers("gus", "gus-1", days_ago=0)
    assert lives(programme, "gus", 60) == []


def test_who_registers_after_a_referral_by_word_of_mouth_is_welcomed_and_not_taught(programme: Programme) -> None:
    programme.is_now("2026-09-01 10:00")
    programme.partner("hal", status="invited", joined_at=None)
    programme.refers("hal", "hal-1", days_ago=5, method="verbal")
    (welcome,) = registers(programme, "hal", "2026-09-01 11:00", attributes={"tax_form": False})
    assert "already in your portal" in welcome.text
    assert "They stop with your first referral" not in welcome.text
    assert subjects(lives(programme, "hal", 40)) == ["Your tax form, so that we can pay you"]


def test_what_holds_them_up_decides_what_they_get_and_whoever_says_no_is_left_in_peace(programme: Programme) -> None:
    programme.is_now("2026-10-19 08:00")
    names = ("ida", "jan", "kim", "leo", "mia")
    programme.salesperson("sal")
    for name in names:
        registers(programme, name, "2026-10-19 10:00" if name == "ida" else _later(programme), owner="sal")
    before, questions = len(programme.provider.messages), dict[str, Message]()
    while len(questions) < len(names):
        lives(programme, "nobody", 1)
        questions = {mail.to.email: mail for mail in programme.provider.messages[before:] if "/answer/" in mail.html}
    assert {mail.subject for mail in questions.values()} == {QUESTION}
    for place, name in enumerate(names[:4]):
        answered(programme, questions[f"{name}@example.com"], place)
    before = len(programme.provider.messages)
    lives(programme, "nobody", 30)
    got = {
        name: [m.subject for m in programme.provider.messages[before:] if programme.is_to(m, name)] for name in names
    }
    assert got == {
        "ida": ["Nobody comes to mind? Try these four doors"],
        "jan": ["Words to copy, for the moment when you ask"],
        "kim": ["A referral that takes you ten seconds"],
        "leo": [],
        "mia": [],
    }
    (alert,) = (mail for mail in programme.provider.messages[before:] if programme.is_to(mail, "sal"))
    assert alert.subject == "Please call Jan Fox: wants to refer, does not know how to ask"
    assert "“I do not know what to say.”" in alert.text


def test_a_german_partner_learns_in_german_and_answers_in_german(programme: Programme) -> None:
    (welcome,) = registers(programme, "uli", "2027-01-12 10:00", locale="de_DE")
    mails = [(programme.now, welcome), *lives(programme, "uli", 60)]
    assert subjects(mails) == [
        "Willkommen bei Northwind Partners",
        "Drei Menschen, die Sie längst kennen",
        "Fragen, ohne zu verkaufen",
        "Fünf Wege, uns zu empfehlen. Welcher passt zu Ihnen?",
        "Was wir mit einem Namen tun, den Sie uns geben",
        "So sieht ein gutes Jahr mit uns aus",
        "Ein Name genügt",
        "Was hält Sie von einer ersten Empfehlung ab?",
    ]
    for _, mail in mails:
        assert "Guten Tag Uli Fox," in mail.text
        for english in ("Hello", "Partner portal", "You receive", "team", "Unsubscribe", "wins"):
            assert english not in mail.text
    for answer in ("Mir fällt niemand ein", "Ich weiß nicht, was ich sagen soll", "Mir fehlt die Zeit"):
        assert answer in mails[-1][1].text


def test_who_refuses_first_steps_gets_no_more_of_them_and_can_do_so_in_each(programme: Programme) -> None:
    (welcome,) = registers(programme, "ned", "2027-04-05 10:00")
    link = welcome.headers["List-Unsubscribe"].strip("<>")
    web = TestClient(build_app(programme.services))
    assert web.post(re.sub(r"^https?://[^/]+", "", link)).status_code == 200
    assert lives(programme, "ned", 60) == []


def test_who_was_imported_as_having_joined_long_ago_is_not_welcomed(programme: Programme) -> None:
    assert registers(programme, "old", "2027-07-05 10:00", joined_at=programme.now - timedelta(days=400)) == []


def test_who_is_not_active_yet_is_not_welcomed(programme: Programme) -> None:
    assert registers(programme, "inv", "2027-07-06 10:00", status="invited") == []
