"""Tiers, from the schedule to the inbox: the numbers in the mail are those of the day, and no doubtful win counts."""

from engage.domain.records import ReferralRecord
from tests.support.programme import WINDOW, Programme, button

REFER = "https://partners.example.com/refer"
PORTAL = "https://partners.example.com"


def in_doubt(programme: Programme, partner: str, referral: str) -> None:
    programme.takes(ReferralRecord(referral, partner, reversal_pending=True), news=False)


def test_near_the_next_tier_a_partner_reads_what_is_missing_and_how_long_there_is(programme: Programme) -> None:
    programme.is_now("2026-04-07 09:00")
    programme.logs_in(programme.joined("ann", 400))
    programme.referred("ann", [30, 60], "won")
    programme.referred("ann", [10, 12], "demo")
    (mail,) = programme.inbox("near-next-tier", "ann")
    assert mail.subject == "1 win to Silver"
    assert "You are 1 win away from Silver." in mail.text
    assert "At the pace of your last three months there will be about 5 wins more before the period ends" in mail.text
    assert "268 days left" in mail.text
    assert "2 wins in 2026" in mail.text
    assert "2 of your referrals are open." in mail.text
    assert button(mail) == ("See your open referrals", PORTAL)
    assert programme.inbox("near-next-tier", "ann") == [], "once for each tier and year"


def test_a_win_in_doubt_is_missing_too_and_the_mail_says_so(programme: Programme) -> None:
    programme.is_now("2026-04-14 09:00")
    programme.logs_in(programme.joined("bea", 400))
    *_, last = programme.referred("bea", [30, 40, 50], "won")
    in_doubt(programme, "bea", last)
    (mail,) = programme.inbox("near-next-tier", "bea")
    assert mail.subject == "1 win to Silver"
    assert "1 win of yours is still being checked and not counted here." in mail.text


def test_a_tier_out_of_reach_at_the_present_pace_is_not_held_out(programme: Programme) -> None:
    programme.is_now("2026-05-19 09:00")
    programme.logs_in(programme.joined("cem", 400))
    programme.referred("cem", [100, 120], "won")
    assert programme.inbox("near-next-tier", "cem") == []


def test_a_tier_is_told_in_the_week_in_which_it_is_reached_with_what_it_brings(programme: Programme) -> None:
    programme.is_now("2026-05-27 09:00")
    programme.logs_in(programme.joined("dan", 400))
    programme.referred("dan", [30, 60, 90], "won", amount=1_500_000, since=2)
    (mail,) = programme.inbox("tier-reached", "dan")
    assert mail.subject == "You have reached Silver"
    assert "With 3 wins in 2026 you have reached Silver." in mail.text
    assert "12% of the first year's revenue and a named contact in sales" in mail.text
    assert "$45,000" in mail.text
    assert button(mail) == ("See your tier", PORTAL)
    programme.is_now("2026-05-28 09:00")
    assert programme.inbox("tier-reached", "dan") == []


def test_a_tier_that_a_pending_reversal_takes_away_is_not_promised_not_even_at_the_last_moment(
    programme: Programme,
) -> None:
    programme.is_now("2026-06-03 09:00")
    programme.logs_in(programme.joined("eva", 400))
    *_, last = programme.referred("eva", [30, 60, 90], "won", since=2)
    programme.runs("tier-reached")
    in_doubt(programme, "eva", last)
    programme.now += WINDOW
    assert [mail for mail in programme.sweeps() if programme.is_to(mail, "eva")] == []


def test_who_is_about_to_lose_last_years_tier_reads_what_keeps_it(programme: Programme) -> None:
    programme.is_now("2026-10-20 09:00")
    programme.salesperson("sam")
    programme.logs_in(programme.joined("fay", 600, owner="sam"))
    programme.referred("fay", [300, 310, 320], "won")  # in 2025
    programme.referred("fay", [120], "won")
    programme.referred("fay", [20], "proposal")
    (mail,) = programme.inbox("tier-at-risk", "fay")
    assert mail.subject == "2 wins to keep Silver"
    assert "You reached Silver in 2025" in mail.text
    assert "So far in 2026: 1 win" in mail.text
    assert "Days left: 72" in mail.text
    assert (mail.sender.name, mail.reply_to) == ("Sam, Northwind Partners", "sam@example.com")
    assert button(mail) == ("See your open referrals", PORTAL)
    assert programme.inbox("near-next-tier", "fay") == [], "to keep a tier and to come near it are not said at once"


def test_who_keeps_it_at_the_present_pace_is_not_alarmed(programme: Programme) -> None:
    programme.is_now("2026-10-27 09:00")
    programme.logs_in(programme.joined("gus", 600))
    programme.referred("gus", [310, 320, 330], "won")
    programme.referred("gus", [20, 40], "won")
    assert programme.inbox("tier-at-risk", "gus") == []


def test_who_was_higher_last_year_is_not_congratulated_on_less(programme: Programme) -> None:
    programme.is_now("2026-10-29 09:00")
    programme.logs_in(programme.joined("hal", 600))
    programme.referred("hal", range(310, 326, 2), "won")  # gold in 2025
    programme.referred("hal", [20, 40, 60], "won", since=2)
    assert programme.inbox("tier-reached", "hal") == []


def test_a_german_partner_reads_it_in_german_down_to_the_numbers(programme: Programme) -> None:
    programme.is_now("2026-11-03 09:00")
    programme.logs_in(programme.joined("ida", 600, locale="de", zone="Europe/Berlin"))
    programme.referred("ida", [320, 330, 340], "won")
    programme.referred("ida", [120, 130], "won")
    programme.referred("ida", [20], "proposal")
    (mail,) = programme.inbox("tier-at-risk", "ida")
    assert mail.subject == "Silber behalten: Es fehlt 1 Abschluss"
    assert "Bisher im Jahr 2026: 2 Abschlüsse" in mail.text
    assert button(mail)[0] == "Offene Empfehlungen ansehen"


def test_when_the_period_has_ended_it_is_added_up(programme: Programme) -> None:
    programme.is_now("2027-01-06 10:00")
    programme.logs_in(programme.joined("joe", 600))
    programme.referred("joe", [40, 80, 120], "won", amount=1_000_000)
    programme.referred("joe", [30, 60], "lost")
    programme.referred("joe", [20], "demo")
    (mail,) = programme.inbox("tier-period-summary", "joe")
    assert mail.subject == "6 referrals and 3 wins in 2026. Thank you"
    assert "Worth together: $30,000" in mail.text
    assert "Your tier at the end: Silver" in mail.text
    assert "1 referral of yours is still open." in mail.text
    assert button(mail) == ("Begin with one name", REFER)
