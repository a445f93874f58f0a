"""Nudges, from the schedule to the inbox: who gets which, what it says, and when it says no more."""

from tests.support.programme import Programme, button

REFER = "https://partners.example.com/refer"
PORTAL = "https://partners.example.com"


def test_who_has_not_looked_in_for_a_month_reads_where_their_referrals_stand(programme: Programme) -> None:
    programme.is_now("2026-03-10 10:00")
    programme.logs_in(programme.joined("ann", 300), days_ago=41)
    programme.referred("ann", [60, 70], "proposal")
    programme.referred("ann", [90], "won")
    (mail,) = programme.inbox("no-login-30-days", "ann")
    assert mail.subject == "What your referrals did while you were away"
    assert "You last opened the portal 41 days ago." in mail.text
    assert "Open: 2" in mail.text
    assert "Won: 1" in mail.text
    assert button(mail) == ("See where they stand", PORTAL)


def test_a_second_time_it_is_said_in_other_words_and_a_third_time_not_at_all(programme: Programme) -> None:
    programme.is_now("2026-03-11 10:00")
    programme.logs_in(programme.joined("bea", 300), days_ago=31)
    programme.referred("bea", [60, 70], "proposal")
    subjects = [mail.subject for mail in programme.inbox("no-login-30-days", "bea")]
    for _ in range(2):
        programme.logs_in("bea")
        programme.later("bea", days=1)
        assert programme.inbox("no-login-30-days", "bea") == []
        programme.later("bea", days=30)
        subjects += [mail.subject for mail in programme.inbox("no-login-30-days", "bea")]
    assert subjects == ["What your referrals did while you were away", "2 open referrals, in one minute"]


def test_who_looked_in_overnight_is_not_missed_in_the_morning(programme: Programme) -> None:
    programme.is_now("2026-05-20 10:00")
    programme.logs_in(programme.joined("cem", 300), days_ago=31)
    programme.referred("cem", [60], "proposal")
    programme.runs("no-login-30-days")
    programme.logs_in("cem")
    assert [mail for mail in programme.after(minutes=5) if programme.is_to(mail, "cem")] == []


def test_who_never_referred_is_asked_twice_a_month_apart_and_then_left_alone(programme: Programme) -> None:
    programme.is_now("2026-05-27 10:00")
    programme.logs_in(programme.joined("dan", 70))
    (first,) = programme.inbox("never-referred", "dan")
    assert first.subject == "Who complained to you last?"
    assert "You joined Northwind Partners in March 2026 and have not referred anybody yet." in first.text
    assert button(first) == ("Refer that person", REFER)
    (second,) = programme.later("dan", days=33)
    assert second.subject == "What a first referral really takes"
    assert "For a company that becomes a customer you get 10% of the first year's revenue." in second.text
    assert button(second) == ("Make your first referral", REFER)
    assert programme.inbox("never-referred", "dan") == []


def test_a_first_referral_between_the_two_spares_the_second(programme: Programme) -> None:
    programme.is_now("2026-07-01 10:00")
    programme.logs_in(programme.joined("eva", 70))
    assert len(programme.inbox("never-referred", "eva")) == 1
    programme.referred("eva", [0])
    assert programme.later("eva", days=33) == []


def test_who_said_that_it_is_not_for_them_is_not_asked_again(programme: Programme) -> None:
    asked = programme.services.library().find("never-referred")
    assert "not-for-me" in str(asked.where)


def test_who_began_with_many_and_stopped_is_asked_why_and_their_salesperson_two_weeks_later(
    programme: Programme,
) -> None:
    programme.is_now("2026-08-04 10:00")
    programme.salesperson("sam")
    programme.logs_in(programme.joined("fay", 200, owner="sam"))
    programme.referred("fay", [190, 180, 170, 160, 150], "lost")
    (mail,) = programme.inbox("stalled-after-a-good-start", "fay")
    assert mail.subject == "5 referrals in two months, then none. What changed?"
    assert "5 companies" in mail.text
    assert (mail.sender.name, mail.reply_to) == ("Sam, Northwind Partners", "sam@example.com")
    assert button(mail) == ("Answer in one line", "mailto:sam@example.com")
    (alert,) = programme.later("sam", days=15)
    assert alert.subject == "Fay Fox began well and has stopped: please ask why"
    assert "What would have to be different for the next one?" in alert.text


def test_who_refers_again_is_no_reason_to_call(programme: Programme) -> None:
    programme.is_now("2026-08-25 10:00")
    programme.salesperson("sal")
    programme.logs_in(programme.joined("gus", 200, owner="sal"))
    programme.referred("gus", [190, 180, 170, 160, 150], "lost")
    assert len(programme.inbox("stalled-after-a-good-start", "gus")) == 1
    programme.referred("gus", [0])
    assert programme.later("sal", days=15) == []


def test_many_referrals_without_a_win_bring_advice_and_a_call_two_to_three_weeks_later(programme: Programme) -> None:
    programme.is_now("2026-09-14 09:00")  # a Monday
    programme.salesperson("sue")
    programme.logs_in(programme.joined("hal", 300, owner="sue", phone="+1 555 0100"))
    programme.referred("hal", range(10, 46, 3), "proposal")
    (mail,) = programme.inbox("many-referrals-no-wins", "hal")
    sent = programme.now
    assert mail.subject == "12 referrals in 90 days, no win yet: let us change that"
    assert "12 of your referrals are still open." in mail.text
    assert button(mail) == ("Refer with these in mind", REFER)
    assert programme.later("sue", days=13.9) == []
    (alert,) = programme.later("sue", days=7.2)
    assert 14 <= (programme.now - sent).days <= 22
    assert alert.subject == "Please call Hal Fox: many referrals, no win"
    assert button(alert) == ("Call Hal", "tel:+15550100")


def test_a_win_meanwhile_makes_the_call_unnecessary(programme: Programme) -> None:
    programme.is_now("2026-10-19 09:00")
    programme.salesperson("sid")
    programme.logs_in(programme.joined("ida", 300, owner="sid"))
    first, *_ = programme.referred("ida", range(10, 46, 3), "proposal")
    assert len(programme.inbox("many-referrals-no-wins", "ida")) == 1
    programme.becomes("ida", first, "won")
    assert programme.later("sid", days=22) == []


def test_some_days_after_a_win_a_partner_is_told_whom_to_ask(programme: Programme) -> None:
    programme.is_now("2026-11-17 10:00")
    programme.logs_in(programme.joined("joe", 300))
    programme.referred("joe", [50], "won", since=6, lead_name="Mia Stone")
    (mail,) = programme.inbox("next-referral-after-a-win", "joe")
    assert mail.subject == "Whom does Mia Stone know?"
    assert "signed on November 11, because you introduced us." in mail.text
    assert button(mail) == ("Refer the next company", REFER)
    assert programme.inbox("next-referral-after-a-win", "joe") == []


def test_who_referred_since_the_win_or_wins_often_is_not_told(programme: Programme) -> None:
    programme.is_now("2026-11-18 10:00")
    for name in ("kim", "lea"):
        programme.logs_in(programme.joined(name, 300))
        programme.referred(name, [50], "won", since=6)
    programme.referred("kim", [2])
    programme.referred("lea", [55, 60, 66], "won", since=15)
    programme.runs("next-referral-after-a-win")
    assert [m for m in programme.after(minutes=5) if programme.is_to(m, "kim") or programme.is_to(m, "lea")] == []


def test_a_deal_that_stands_still_is_a_word_to_the_partner_and_ten_days_later_a_task(programme: Programme) -> None:
    programme.is_now("2026-12-03 10:00")  # a Thursday
    programme.salesperson("sky")
    programme.logs_in(programme.joined("max", 300, owner="sky"))
    programme.referred("max", [60], "proposal", since=30, salesperson="sky")
    (mail,) = programme.inbox("referral-stuck", "max")
    assert mail.subject.endswith("Ltd: a word from you could help")
    assert "has stood at Proposal since November 3" in mail.text
    assert "Your contact has our offer and decides on it." in mail.text
    assert button(mail)[0] == "See this referral"
    assert mail.sender.name == "Sky, Northwind Partners"
    (task,) = programme.later("sky", days=11)
    assert "Proposal since November 3, please move or close it" in task.subject


def test_a_deal_that_moved_on_is_no_task(programme: Programme) -> None:
    programme.is_now("2026-12-17 10:00")
    programme.salesperson("stu")
    programme.logs_in(programme.joined("noa", 300, owner="stu"))
    (deal,) = programme.referred("noa", [60], "proposal", since=30, salesperson="stu")
    assert len(programme.inbox("referral-stuck", "noa")) == 1
    programme.becomes("noa", deal, "negotiation")
    assert programme.later("stu", days=11) == []


def test_the_long_tail_gets_four_short_mails_a_year_each_in_its_own_words(programme: Programme) -> None:
    programme.is_now("2027-02-10 10:00")
    programme.logs_in(programme.joined("oli", 400))
    subjects = []
    for month in ("2027-05-10", "2027-08-10", "2027-11-10", "2028-02-10"):
        (mail,) = programme.inbox("quarterly-hello", "oli")
        subjects.append(mail.subject)
        programme.is_now(f"{month} 10:00")
        programme.logs_in("oli")
        programme.later("oli", days=0.1)
    assert subjects == [
        "One question for your next conversation",
        "Three signs that somebody needs us",
        "Is there one name?",
        "What you have with Northwind Partners",
    ]


def test_a_reseller_who_sells_nothing_is_shown_the_lighter_way_once_a_year(programme: Programme) -> None:
    programme.is_now("2028-03-10 11:00")
    programme.salesperson(
        "sia",
    )
    programme.logs_in(programme.joined("pia", 400, owner="sia", attributes={"kind": "reseller"}))
    (mail,) = programme.inbox("resellers-refer-instead", "pia")
    assert mail.subject == "You introduce them, we do the selling"
    assert "You get 10% of the first year's revenue" in mail.text
    assert button(mail) == ("Try it with one company", REFER)
    programme.is_now("2028-04-10 11:00")
    programme.logs_in("pia")
    assert programme.inbox("resellers-refer-instead", "pia") == []
    programme.is_now("2028-05-10 10:00")
    assert programme.inbox("quarterly-hello", "pia") == [], "resellers have a mail of their own"


def test_a_star_referrer_is_invited_to_resell_and_their_salesperson_told(programme: Programme) -> None:
    programme.is_now("2028-06-15 10:00")
    programme.salesperson("sol")
    programme.logs_in(programme.joined("quinn", 400, owner="sol"))
    programme.referred("quinn", [20, 40, 100, 120, 140, 160, 180], "won", amount=1_000_000)
    programme.referred("quinn", [5, 9])
    mails = programme.inbox("star-referrers-resell", "quinn")
    assert [mail.subject for mail in mails] == ["7 wins in a year: have you thought of reselling?"]
    assert "worth $70,000 together" in mails[0].text
    assert button(mails[0]) == ("Arrange twenty minutes", "mailto:sol@example.com")
    told = [mail.subject for mail in programme.provider.messages if programme.is_to(mail, "sol")]
    assert told == ["Quinn Fox may want to resell: expect a call"]
    assert programme.inbox("star-referrers-resell", "quinn") == []


def test_a_partner_who_reads_german_is_written_to_in_german(programme: Programme) -> None:
    programme.is_now("2028-06-20 10:00")
    programme.logs_in(programme.joined("rita", 300, locale="de", zone="Europe/Berlin"), days_ago=41)
    programme.referred("rita", [60, 70], "proposal")
    programme.referred("rita", [90], "won")
    (mail,) = programme.inbox("no-login-30-days", "rita")
    assert (mail.locale, mail.subject) == ("de", "Was Ihre Empfehlungen inzwischen gemacht haben")
    assert "Guten Tag Rita Fox," in mail.text
    assert "Ihr letzter Besuch im Portal ist 41 Tage her." in mail.text
    assert button(mail) == ("Stand ansehen", PORTAL)
