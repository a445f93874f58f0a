"""Rewards, from the source's record to the inbox: at the win, after retention, paid, taken back."""

from datetime import datetime, timedelta

from engage.domain.messages import Message
from engage.domain.records import RewardRecord
from tests.support.programme import Programme, button

PORTAL = "https://partners.example.com"


def wins(programme: Programme, name: str, **fields: object) -> datetime:
    """A partner whose referral was won today; returns the day on which a second part of the reward is expected."""
    programme.now += timedelta(days=1)
    programme.feeds_speak()
    programme.joined(name, 300, **fields)
    programme.referred(name, [40], "won", since=0, lead_company="Acme Ltd", amount=2_000_000)
    return programme.now + timedelta(days=182)


def reward(programme: Programme, name: str, part: str, **fields: object) -> list[Message]:
    """What the partner is mailed when the source tells of this part of the reward."""
    of = f"{name}-1-won-0-{programme.now:%y%m%d}" if "referral" not in fields else str(fields.pop("referral"))
    amount = {"win": 50_000, "retention": 150_000}.get(part, 200_000)
    programme.takes(RewardRecord(f"{name}-{part}", name, amount, referral=of, **fields))  # type: ignore[arg-type]
    return [mail for mail in programme.after(minutes=1) if programme.is_to(mail, name)]


def in_two_parts(programme: Programme, name: str, **fields: object) -> tuple[str, datetime, list[Message]]:
    """25 % are earned at the win, the rest is expected half a year later: (the referral, when, the mails)."""
    later = wins(programme, name, **fields)
    of = f"{name}-1-won-0-{programme.now:%y%m%d}"
    programme.takes(
        RewardRecord(f"{name}-retention", name, 150_000, referral=of, stage="retention", expected_at=later), news=True
    )
    due = programme.now + timedelta(days=30)
    return of, later, reward(programme, name, "win", stage="win", earned_at=programme.now, due_at=due, referral=of)


def test_a_reward_is_told_with_its_amount_its_referral_and_the_day_of_payment(programme: Programme) -> None:
    programme.is_now("2026-03-10 10:00")
    wins(programme, "ann")
    (mail,) = reward(
        programme, "ann", "whole", earned_at=programme.now, due_at=programme.now + timedelta(days=30), label="10%"
    )
    assert mail.subject == "You earned $2,000 for Acme Ltd"
    assert "We transfer the amount by April 10, 2026 to the account in your partner profile." in mail.text
    assert "Size of the deal: $20,000" in mail.text
    assert "What can follow" not in mail.text
    assert "2 wins to Silver" in mail.text
    assert button(mail) == ("See your rewards", PORTAL)


def test_of_a_reward_in_parts_the_first_says_what_can_follow_and_when(programme: Programme) -> None:
    programme.is_now("2026-03-20 10:00")
    _, _, (mail,) = in_two_parts(programme, "bea")
    assert mail.subject == "You earned $500 for Acme Ltd"
    assert "The rest, $1,500, is yours on September 19, 2026 if Acme Ltd is still a customer then." in mail.text


def test_the_rest_is_told_when_it_is_earned_and_not_before(programme: Programme) -> None:
    programme.is_now("2026-03-25 10:00")
    of, later, _ = in_two_parts(programme, "cem")
    assert [mail for mail in programme.later("cem", days=20) if "Acme" in mail.subject] == []
    programme.is_now((later + timedelta(hours=1)).strftime("%Y-%m-%d %H:%M"))
    (mail,) = reward(programme, "cem", "retention", stage="retention", earned_at=programme.now, referral=of)
    assert mail.subject == "Acme Ltd stayed, and you earned $1,500"
    assert "is still our customer" in mail.text
    assert "Still to come" not in mail.text


def test_a_german_partner_reads_of_both_parts_in_german(programme: Programme) -> None:
    programme.is_now("2026-10-01 10:00")
    _, _, (mail,) = in_two_parts(programme, "uli", locale="de_DE")
    assert mail.subject == "500 $ Prämie für Sie: Acme Ltd"
    assert "Der Rest, 1.500\xa0$, gehört Ihnen am 2. April 2027, wenn Acme Ltd dann noch Kunde ist." in mail.text
    for english in ("Hello", "earned", "team", "Partner portal"):
        assert english not in mail.text


def test_who_cannot_be_paid_yet_is_told_what_is_missing(programme: Programme) -> None:
    programme.is_now("2026-10-05 10:00")
    wins(programme, "dan", attributes={"tax_form": False, "bank_details": True})
    (mail,) = reward(programme, "dan", "whole", earned_at=programme.now)
    assert "One thing is missing before we can pay: your tax form." in mail.text
    assert "We transfer the amount" not in mail.text


def test_where_nothing_is_known_of_forms_nobody_is_asked_for_them(programme: Programme) -> None:
    programme.is_now("2026-10-10 10:00")
    wins(programme, "eva")
    (mail,) = reward(programme, "eva", "whole", earned_at=programme.now)
    assert "missing" not in mail.text
    assert "and write to you on that day" in mail.text


def test_a_payment_is_announced_on_the_day_on_which_it_is_made(programme: Programme) -> None:
    programme.is_now("2026-10-15 10:00")
    of, later, _ = in_two_parts(programme, "fay")
    paid = {"stage": "win", "earned_at": programme.now, "paid_at": programme.now + timedelta(days=3)}
    programme.now += timedelta(days=3)
    (mail,) = reward(programme, "fay", "win", referral=of, **paid)
    assert mail.subject == "We paid you $500 for Acme Ltd"
    assert "Paid on: Oct 19, 2026" in mail.text
    assert f"The second part, $1,500, is yours on {later:%B} {later.day}, {later.year}" in mail.text


def test_a_reward_that_is_taken_back_is_told_first_plainly_and_with_the_reason(programme: Programme) -> None:
    programme.is_now("2026-11-02 10:00")
    wins(programme, "gus")
    earned = {"earned_at": programme.now}
    (told,) = reward(programme, "gus", "whole", **earned)
    assert "It is confirmed" in told.text
    of = f"gus-1-won-0-{programme.now:%y%m%d}"
    programme.now += timedelta(days=9)
    programme.takes(RewardRecord("gus-whole", "gus", 200_000, referral=of, **earned, reversed_at=programme.now))
    programme.becomes("gus", of, "reopened")
    mails = [mail for mail in programme.after(minutes=1) if programme.is_to(mail, "gus")]
    (mail,) = (one for one in mails if "take back" in one.subject)
    assert mail.subject == "We have to take back a reward of $2,000"
    assert "that we confirmed on November 3, 2026 for Acme Ltd" in mail.text
    assert "This deal is open again: until it is signed, there is nothing to share." in mail.text
    assert "The amount has not been paid, and it will not be." in mail.text
    assert "3 wins to Silver" in mail.text


def test_of_one_that_was_paid_nothing_is_asked_back(programme: Programme) -> None:
    programme.is_now("2026-11-13 10:00")
    wins(programme, "hal", locale="de_DE")
    of = f"hal-1-won-0-{programme.now:%y%m%d}"
    known = {"earned_at": programme.now - timedelta(days=30), "paid_at": programme.now - timedelta(days=12)}
    programme.takes(RewardRecord("hal-whole", "hal", 200_000, referral=of, **known), news=False)
    (mail,) = reward(programme, "hal", "whole", referral=of, **known, reversed_at=programme.now)
    assert mail.subject == "Wir müssen eine Prämie von 2.000 $ zurücknehmen"
    assert "Bitte überweisen Sie nichts zurück" in mail.text
    assert "storniert oder erstattet" in mail.text


def test_rewards_are_mailed_though_everything_else_was_refused(programme: Programme) -> None:
    programme.is_now("2026-11-20 10:00")
    wins(programme, "ida")
    (mail,) = reward(programme, "ida", "whole", earned_at=programme.now)
    assert "List-Unsubscribe" not in mail.headers
    assert "partners.example.com/refer" not in mail.html.replace("partners.example.com/referrals", "")
