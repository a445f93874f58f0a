"""Invitations: to who referred somebody without being a partner, and to who may want to become one."""

from datetime import timedelta

from engage.domain.messages import Message
from tests.support.programme import NEW_YORK, Programme, button

JOIN = "https://partners.example.com/join?id="


def referred_verbally(programme: Programme, name: str, *companies: str, **fields: object) -> None:
    """Somebody told sam of these companies over coffee, and is no partner yet."""
    programme.salesperson("sam")
    values: dict[str, object] = {"status": "invited", "joined_at": None, "last_name": "Fox", "owner": "sam"}
    programme.partner(name, **(values | fields))
    for company in companies:
        id_ = f"{name}-{company.lower()}"
        lead = {"lead_company": f"{company} Ltd", "method": "verbal", "salesperson": "sam", "amount": 1_200_000}
        programme.refers(name, id_, days_ago=3, **lead)
        programme.becomes(name, id_, "accepted", days_ago=1)
    programme.work()


def test_who_referred_by_word_of_mouth_is_invited_three_times_each_with_another_reason(programme: Programme) -> None:
    programme.is_now("2026-03-10 09:30")
    referred_verbally(programme, "ann", "Acme")
    (first,) = programme.inbox("invite-verbal-referrer", "ann")
    second, third = programme.later("ann", days=30)
    assert [mail.subject for mail in (first, second, third)] == [
        "Acme Ltd: may we keep you posted, and pay you?",
        "Where Acme Ltd stands today",
        "The last email about this: your referral of Acme Ltd",
    ]
    assert "Its status today: Accepted." in first.text
    assert "Partners get 10% of the first year's revenue." in first.text
    assert "[>] Accepted" in second.text
    assert "we estimate the deal at $12,000" in third.text
    for mail in (first, second, third):
        assert (mail.sender.name, mail.reply_to) == ("Sam, Northwind Partners", "sam@example.com")
        assert button(mail)[1].startswith(JOIN + "ann")
        assert "List-Unsubscribe" in mail.headers


def test_it_ends_when_they_register(programme: Programme) -> None:
    programme.is_now("2026-05-12 09:30")
    referred_verbally(programme, "bea", "Acme")
    assert len(programme.inbox("invite-verbal-referrer", "bea")) == 1
    programme.partner("bea", status="active", joined_at=programme.now)
    assert [mail for mail in programme.later("bea", days=30) if "Acme" in mail.subject] == []


def test_it_goes_on_where_the_referral_has_gone_meanwhile(programme: Programme) -> None:
    programme.is_now("2026-07-07 09:30")
    referred_verbally(programme, "cem", "Acme")
    programme.inbox("invite-verbal-referrer", "cem")
    programme.becomes("cem", "cem-acme", "demo")
    second, _ = programme.later("cem", days=30)
    assert "[>] Demo" in second.text


def test_a_referral_that_was_lost_is_no_reason_to_invite(programme: Programme) -> None:
    programme.is_now("2026-08-11 09:30")
    referred_verbally(programme, "dan", "Acme")
    programme.becomes("dan", "dan-acme", "lost")
    assert programme.inbox("invite-verbal-referrer", "dan") == []


def test_nor_is_one_of_long_ago_nor_one_that_came_by_form(programme: Programme) -> None:
    programme.is_now("2026-08-18 09:30")
    referred_verbally(programme, "eva")
    programme.refers("eva", "eva-old", days_ago=90, method="verbal")
    referred_verbally(programme, "fay")
    programme.refers("fay", "fay-form", days_ago=3, method="form")
    programme.runs("invite-verbal-referrer")
    came = programme.after(minutes=5)
    assert [mail for mail in came if programme.is_to(mail, "eva") or programme.is_to(mail, "fay")] == []


def test_who_told_us_of_two_companies_gets_a_call_and_no_mail(programme: Programme) -> None:
    programme.is_now("2026-08-25 09:30")
    referred_verbally(programme, "gus", "Acme", "Bell", phone="+1 555 0100")
    before = len(programme.provider.messages)
    programme.runs("invite-verbal-referrer")
    programme.runs("call-verbal-referrer")
    programme.after(minutes=5)
    came = programme.provider.messages[before:]
    assert [mail for mail in came if programme.is_to(mail, "gus")] == []
    (call,) = (mail for mail in came if "Gus Fox" in mail.subject)
    assert call.to.email == "sam@example.com"
    assert "Acme Ltd: Accepted" in call.text
    assert "Bell Ltd: Accepted" in call.text
    assert button(call) == ("Call Gus", "tel:+15550100")


def test_a_german_is_invited_in_german(programme: Programme) -> None:
    programme.is_now("2026-09-08 09:30")
    referred_verbally(programme, "uli", "Acme", locale="de_DE")
    (first,) = programme.inbox("invite-verbal-referrer", "uli")
    second, third = programme.later("uli", days=30)
    assert first.subject == "Acme Ltd: Dürfen wir Sie auf dem Laufenden halten und bezahlen?"
    assert "Sie haben mir am 5. September von Acme Ltd erzählt" in first.text
    assert second.subject == "Wo Acme Ltd heute steht"
    assert third.subject == "Die letzte E-Mail dazu: Ihre Empfehlung Acme Ltd"


def test_who_tells_us_of_another_one_later_gets_the_call_in_place_of_the_reminders(programme: Programme) -> None:
    programme.is_now("2026-10-20 09:30")
    referred_verbally(programme, "hal", "Acme")
    assert len(programme.inbox("invite-verbal-referrer", "hal")) == 1
    programme.refers("hal", "hal-bell", days_ago=0, method="verbal", lead_company="Bell Ltd")
    before = len(programme.provider.messages)
    programme.runs("call-verbal-referrer")
    programme.after(days=30)
    came = programme.provider.messages[before:]
    assert len([mail for mail in came if "Please call Hal" in mail.subject]) == 1
    assert [mail for mail in came if programme.is_to(mail, "hal")] == []


# -- recruitment -------------------------------------------------------------------------------------------------------

LETTERS = {
    "complementary seller": ("Your customers are ours, and we do not compete", "Wir haben dieselben Kunden"),
    "adviser": ("When a client asks you which software to use", "Wenn Ihre Mandanten fragen"),
    "association": ("Something useful for your members, and for your budget", "Nützlich für Ihre Mitglieder"),
    "consultant": ("Your recommendation, and what becomes of it", "Ihre Empfehlung, und was daraus wird"),
    "reseller": ("For the deals that you would not take on yourself", "Für die Aufträge, die Sie selbst nicht"),
}


def invited(programme: Programme, name: str, kind: str | None, **fields: object) -> None:
    programme.salesperson("sue")
    values: dict[str, object] = {"status": "invited", "joined_at": None, "last_name": "Fox", "owner": "sue"}
    attributes = {"attributes": {"kind": kind}} if kind else {}
    programme.partner(name, **(values | attributes | fields))


def next_tuesday(programme: Programme) -> None:
    local = programme.now.astimezone(NEW_YORK)
    programme.is_now(f"{local + timedelta(days=(1 - local.weekday()) % 7 or 7):%Y-%m-%d} 09:30")


def recruited(programme: Programme, *names: str) -> dict[str, list[Message]]:
    before = len(programme.provider.messages)
    programme.runs("recruitment")
    programme.after(minutes=5)
    return {
        name: [mail for mail in programme.provider.messages[before:] if programme.is_to(mail, name)] for name in names
    }


def test_each_kind_of_partner_gets_its_own_letter_with_four_reasons_and_one_reminder(programme: Programme) -> None:
    next_tuesday(programme)
    names = {f"rec-{place}": kind for place, kind in enumerate(LETTERS)}
    for name, kind in names.items():
        invited(programme, name, kind)
    got = recruited(programme, *names)
    for name, kind in names.items():
        (letter,) = got[name]
        assert letter.subject == LETTERS[kind][0]
        for reason in ("1. ", "2. ", "3. ", "4. "):
            assert f"\n{reason}" in letter.text
        assert "5. " not in letter.text
        assert "10% of the first year's revenue" in letter.text
        assert (letter.sender.name, letter.reply_to) == ("Sue, Northwind Partners", "sue@example.com")
        assert button(letter)[1] == f"{JOIN}{name}"
    before = len(programme.provider.messages)
    programme.later("nobody", days=14)
    came = programme.provider.messages[before:]
    for name in names:
        assert [mail.subject for mail in came if programme.is_to(mail, name)] == ["One name, before you decide"]
    before = len(programme.provider.messages)
    programme.later("nobody", days=30)
    assert all(recruited(programme, name) == {name: []} for name in names), "twice, and then they are left in peace"


def test_each_letter_is_there_in_german(programme: Programme) -> None:
    next_tuesday(programme)
    names = {f"de-{place}": kind for place, kind in enumerate(LETTERS)}
    for name, kind in names.items():
        invited(programme, name, kind, locale="de")
    got = recruited(programme, *names)
    for name, kind in names.items():
        (letter,) = got[name]
        assert letter.subject.startswith(LETTERS[kind][1])
        assert "10 % des Umsatzes im ersten Jahr" in letter.text
        for english in ("Hello", "team", "You receive", "minutes"):
            assert english not in letter.text
    before = len(programme.provider.messages)
    programme.later("nobody", days=14)
    reminders = [mail.subject for mail in programme.provider.messages[before:] if programme.is_to(mail, "de-0")]
    assert reminders == ["Ein Name, bevor Sie sich entscheiden"]


def test_nobody_is_recruited_who_is_a_partner_has_referred_or_is_known_to_no_salesperson(programme: Programme) -> None:
    next_tuesday(programme)
    invited(programme, "act", "adviser", status="active")
    invited(programme, "ref", "adviser")
    programme.refers("ref", "ref-1", days_ago=3, method="verbal")
    programme.partner("own", status="invited", joined_at=None, attributes={"kind": "adviser"})
    invited(programme, "who", None)
    assert recruited(programme, "act", "ref", "own", "who") == {"act": [], "ref": [], "own": [], "who": []}


def test_who_registers_gets_no_reminder(programme: Programme) -> None:
    next_tuesday(programme)
    invited(programme, "reg", "reseller")
    assert len(recruited(programme, "reg")["reg"]) == 1
    programme.partner("reg", status="active", joined_at=programme.now, owner="sue")
    subjects = [mail.subject for mail in programme.later("reg", days=14)]
    assert "One name, before you decide" not in subjects
