"""Status updates, from a change in the CRM to the inbox: what each stage says, in both languages, and leaves out."""

from datetime import timedelta

import pytest

from engage.domain.messages import Message
from engage.domain.programs import Rhythm
from engage.domain.records import HelpRecord
from tests.support.programme import Programme, button
from tests.support.topics import wishes

STAGES = [
    (
        "accepted",
        "We accepted your referral of Acme Ltd",
        "A salesperson calls your contact within two working days.",
        "A short note to Mia Stone that we are going to call",
    ),
    (
        "qualified",
        "It fits: Acme Ltd is qualified",
        "We agree with your contact on what they need and by when.",
        "You know people there whom we have not met.",
    ),
    (
        "opportunity",
        "Acme Ltd is now an opportunity",
        "We show your contact how our product solves their problem.",
        "We estimate the deal at $12,000.",
    ),
    (
        "demo",
        "Acme Ltd takes a close look at our product",
        "We answer the questions from the demo and prepare an offer.",
        "If you speak with Mia Stone, ask what they liked and what they missed",
    ),
    (
        "proposal",
        "Acme Ltd has our offer",
        "Your contact has our offer and decides on it. It may be quiet for some weeks now.",
        "has an offer from us of $12,000",
    ),
    (
        "negotiation",
        "Acme Ltd: only the terms are left",
        "We settle terms. The signature is the last step. It is not signed yet",
        "By doing nothing. This part is ours, and Sam is on it.",
    ),
    (
        "won",
        "Acme Ltd signed. Thank you!",
        "You get a separate email with the amount and the date.",
        "a deal of $12,000. It began with you, on",
    ),
]
GERMAN = [
    ("accepted", "Ihre Empfehlung Acme Ltd ist angenommen", "Ihr Name wird im ersten Satz fallen."),
    ("qualified", "Acme Ltd und wir passen zusammen", "Das haben Sie richtig gesehen."),
    ("opportunity", "Acme Ltd hat ernsthaftes Interesse", "Wir schätzen den Auftrag auf 12.000\xa0$."),
    ("demo", "Acme Ltd sieht sich unser Produkt genau an", "fragen Sie, was gefallen und was gefehlt hat"),
    ("proposal", "Acme Ltd hat unser Angebot", "Dass man uns überhaupt in Betracht zieht, begann mit Ihnen."),
    ("negotiation", "Acme Ltd: Es geht nur noch um den Vertrag", "Unterschrieben ist noch nicht"),
    ("won", "Acme Ltd hat unterschrieben. Vielen Dank!", "Betrag und Termin schreiben wir Ihnen"),
    ("lost", "Acme Ltd hat sich vorerst dagegen entschieden", "in diesem Jahr ist kein Geld dafür da"),
]
BEFORE = {"negotiation": "proposal", "proposal": "demo", "demo": "opportunity", "opportunity": "qualified"}


def follows(programme: Programme, name: str, *changes: str, **fields: object) -> list[Message]:
    """A partner with one referral, which goes through these statuses an hour apart: all that they are mailed."""
    programme.now += timedelta(days=1)
    programme.feeds_speak()
    programme.salesperson("sam")
    reason = fields.pop("loss_reason", None)
    programme.joined(name, 200, **fields)
    lead = {"lead_company": "Acme Ltd", "lead_name": "Mia Stone", "amount": 1_200_000, "salesperson": "sam"}
    programme.refers(name, f"of-{name}", days_ago=20, **lead)
    got: list[Message] = []
    for status in changes:
        programme.becomes(name, f"of-{name}", status, **({"loss_reason": reason} if status == "lost" else {}))
        got += [mail for mail in programme.after(hours=1) if programme.is_to(mail, name)]
    return got


@pytest.mark.parametrize(("status", "subject", "what_next", "how_to_help"), STAGES, ids=[one[0] for one in STAGES])
def test_each_stage_says_what_happened_what_comes_next_and_how_far_the_next_tier_is(
    programme: Programme, status: str, subject: str, what_next: str, how_to_help: str
) -> None:
    (mail,) = follows(programme, f"ann-{status}", status)
    assert mail.subject == subject
    for said in ("Hello Ann", "Acme Ltd", what_next, how_to_help):
        assert said in mail.text
    assert ("2 wins to Silver" if status == "won" else "3 wins to Silver") in mail.text
    assert button(mail)[1] == f"https://partners.example.com/referrals/of-ann-{status}"


@pytest.mark.parametrize(("status", "subject", "said"), GERMAN, ids=[one[0] for one in GERMAN])
def test_a_german_partner_reads_german_from_the_greeting_to_the_footer(
    programme: Programme, status: str, subject: str, said: str
) -> None:
    mails = follows(programme, f"uli-{status}", status, locale="de_DE", loss_reason="no budget")
    (mail,) = mails
    assert mail.subject == subject
    assert f"Guten Tag Uli-{status.title()} Fox," in mail.text
    assert said in mail.text
    for english in ("Hello", "What happens", " win", "Partner portal", "You receive", "team", "left"):
        assert english not in mail.text


def test_a_partner_who_speaks_neither_reads_english(programme: Programme) -> None:
    (mail,) = follows(programme, "pia", "accepted", locale="pt_BR")
    assert mail.subject == "We accepted your referral of Acme Ltd"


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("no budget", "Budgets come round again."),
        ("chose a competitor", "whoever introduces us before others are asked has the better start"),
        ("bad timing", "When you hear that things have calmed down there, reply to this email"),
        ("no decision", "ask “Who else would have to say yes?” before you introduce us"),
        ("Merged with another firm", "> Merged with another firm"),
        (None, "If you know what was behind it, reply and tell us."),
    ],
)
def test_a_loss_is_told_kindly_with_the_reason_and_what_to_do_with_it(
    programme: Programme, reason: str | None, advice: str
) -> None:
    name = f"lea-{len(reason or '')}"
    (mail,) = follows(programme, name, "lost", loss_reason=reason)
    assert mail.subject == "Acme Ltd has decided against it for now"
    assert "Thank you for the introduction all the same." in mail.text
    assert advice in mail.text
    assert "3 wins to Silver" in mail.text


def test_a_deal_that_was_lost_and_comes_back_is_told_as_the_good_news_it_is(programme: Programme) -> None:
    lost, back = follows(programme, "rex", "lost", "reopened", loss_reason="no decision")
    assert lost.subject == "Acme Ltd has decided against it for now"
    assert back.subject == "Acme Ltd is talking to us again"
    assert "is open again, and it is still yours" in back.text


@pytest.mark.parametrize(
    ("after", "subject"),
    [
        ("reopened", "A correction: Acme Ltd is not signed yet"),
        ("lost", "A correction: Acme Ltd did not become a customer"),
    ],
)
def test_a_win_that_does_not_hold_is_taken_back_in_plain_words(programme: Programme, after: str, subject: str) -> None:
    won, correction = follows(programme, f"wim-{after}", "won", after)
    assert won.subject == "Acme Ltd signed. Thank you!"
    assert correction.subject == subject
    assert "We have to take good news back" in correction.text
    assert "If a reward was announced for it, you get a separate email about that." in correction.text
    assert "3 wins to Silver" in correction.text, "the win counts no more"


@pytest.mark.parametrize(
    ("status", "subject"),
    [
        ("opportunity", "Acme Ltd has gone back a step"),
        ("demo", "Acme Ltd wants another look"),
        ("proposal", "Acme Ltd looks at our offer again"),
    ],
)
def test_a_step_back_is_told_as_one(programme: Programme, status: str, subject: str) -> None:
    further = next(later for later, before in BEFORE.items() if before == status)
    _, back = follows(programme, f"bob-{status}", further, status)
    assert back.subject == subject


def test_what_cannot_be_refused_asks_for_no_further_referral(programme: Programme) -> None:
    statuses = [status for status, *_ in STAGES]
    mails = follows(programme, "kim", *statuses, "reopened", "lost")
    assert len(mails) == len(statuses) + 2
    for mail in mails:
        assert "List-Unsubscribe" not in mail.headers
        assert "partners.example.com/refer" not in mail.html.replace("partners.example.com/referrals", "")


def test_nobody_else_hears_of_it(programme: Programme) -> None:
    assert follows(programme, "ina", "accepted", "won", status="inactive") == []
    assert follows(programme, "ivo", "accepted", "won", status="invited") == []


# -- once a day --------------------------------------------------------------------------------------------------------


def test_who_chose_one_mail_a_day_reads_forty_referrals_at_five_where_they_are(programme: Programme) -> None:
    programme.is_now("2026-05-04 10:00")
    programme.joined("dora", 300, zone="America/Los_Angeles")
    wishes(programme, "dora", Rhythm.DAILY)
    changes = ["accepted"] * 20 + ["demo"] * 16 + ["won"] * 3 + ["lost"]
    for number, status in enumerate(changes):
        programme.refers("dora", f"dora-{number}", days_ago=9, lead_company=f"Lead {number:02}")
        programme.becomes("dora", f"dora-{number}", status)
    assert [mail for mail in programme.after(hours=9.5) if programme.is_to(mail, "dora")] == []
    (mail,) = (mail for mail in programme.after(hours=0.6) if programme.is_to(mail, "dora"))
    assert mail.subject == "News of 40 of your referrals"
    assert "40 of your referrals have moved since we last wrote to you." in mail.text
    assert "3 of them are won. 1 has ended without a deal." in mail.text
    assert all(f"Lead {number:02}" in mail.text for number in range(40))
    assert "Lead 00: Accepted, Lead 01: Accepted, Lead 02: Accepted and 37 more" in mail.html
    assert "8 wins" in mail.text, "Silver is reached by these three, and Gold is next"
    assert button(mail) == ("See your referrals", "https://partners.example.com")


def test_one_referral_a_day_is_spoken_of_as_one(programme: Programme) -> None:
    programme.is_now("2026-05-11 10:00")
    programme.joined("dino", 300, locale="de_DE")
    wishes(programme, "dino", Rhythm.DAILY)
    programme.refers("dino", "dino-1", lead_company="Acme Ltd")
    programme.becomes("dino", "dino-1", "won")
    assert [mail for mail in programme.after(hours=1) if programme.is_to(mail, "dino")] == []
    (mail,) = (mail for mail in programme.after(hours=6.1) if programme.is_to(mail, "dino"))
    assert mail.subject.startswith("Acme Ltd: ")
    assert "bei einer Ihrer Empfehlungen hat sich etwas getan" in mail.text


# -- help us with this deal --------------------------------------------------------------------------------------------


def asks(programme: Programme, name: str) -> list[Message]:
    programme.takes(HelpRecord(f"of-{name}", at=programme.now, by="sam", ask="Could you find out who signs there?"))
    return [mail for mail in programme.after(minutes=1) if programme.is_to(mail, name)]


def test_a_salesperson_asks_for_help_in_their_own_name_and_words(programme: Programme) -> None:
    programme.is_now("2026-06-01 10:00")
    follows(programme, "hugo", "demo")
    (mail,) = asks(programme, "hugo")
    assert mail.subject == "A question about Acme Ltd"
    assert (mail.sender.name, mail.reply_to) == ("Sam, Northwind Partners", "sam@example.com")
    assert "> Could you find out who signs there?" in mail.text
    assert button(mail) == ("Answer Sam", "mailto:sam@example.com")


def test_nobody_is_asked_about_a_deal_that_is_closed(programme: Programme) -> None:
    follows(programme, "hans", "won")
    assert asks(programme, "hans") == []
