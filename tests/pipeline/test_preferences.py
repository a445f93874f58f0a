"""The preference centre: what a partner chooses there holds from the next mail on, and is kept for an audit."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engage.domain.decisions import Reason, Send, Skip
from engage.domain.programs import Rhythm
from engage.domain.records import AliasRecord
from engage.pipeline.explaining import explain
from engage.pipeline.plan import plan
from engage.pipeline.preferences import BREAKS
from engage.store import tables
from tests.support.engage import Engage
from tests.support.journeys import TRIAL, rereads, write_trial
from tests.support.preferring import Centre, link_in
from tests.support.replays import replayed
from tests.support.topics import GATHER, deliveries, say, say_of_program, wishes

NEWSLETTER = "monthly-newsletter"


def changes(engage: Engage) -> list[tuple[str | None, bool, str, str | None]]:
    """(topic, yes, how, from where) of each recorded change, in order."""
    c = tables.consent_changes.c
    with engage.services.database.read() as db:
        return [tuple(row) for row in db.execute(sa.select(c.topic, c.subscribed, c.how, c.source).order_by(c.id))]


def pending(engage: Engage) -> None:
    """A newsletter to everybody lies there and has not gone out."""
    engage.services.run_now(engage.services.library().find(NEWSLETTER))


@pytest.fixture
def spoken(authored: tuple[Path, Path], start: Callable[[str], Engage]) -> Engage:
    """A program that writes German too, and mails a day's updates. Ann is there, in Boston."""
    say_of_program(authored, "locales: [en_US, de]")
    say(authored, GATHER)
    engage = start("")
    engage.partner(zone="America/New_York")
    return engage


# --- topics -----------------------------------------------------------------------------------------------------------


def test_every_mail_to_a_partner_leads_to_their_settings(engage: Engage) -> None:
    engage.partner()
    (newsletter,) = engage.runs(NEWSLETTER)
    engage.refers("ann", "acme")
    engage.becomes("ann", "acme", "won")
    (status,) = engage.work()
    assert link_in(newsletter) == link_in(status)
    assert Centre(engage, link=link_in(status)).look().on == {"tips", "recognition", "newsletter"}


def test_a_topic_that_is_not_ticked_ends_and_no_other(engage: Engage) -> None:
    engage.partner()
    shown = Centre(engage).save(without=["newsletter"])
    assert (shown.note, shown.on) == ("Your settings are saved.", {"tips", "recognition"})
    assert engage.runs(NEWSLETTER) == []
    assert engage.decisions()[-1] == ("skip", "unsubscribed")


def test_a_topic_that_was_ended_comes_again_once_it_is_ticked(engage: Engage) -> None:
    engage.partner()
    Centre(engage).save(without=["newsletter"])
    engage.now += timedelta(minutes=1)
    Centre(engage).save(with_=["newsletter"])
    assert len(engage.runs(NEWSLETTER)) == 1


def test_a_yes_outweighs_the_no_of_a_colleague_at_the_same_address_each_time(engage: Engage) -> None:
    for name in ("ann", "bob"):
        engage.partner(name, email="office@example.com")
    for _ in range(2):
        Centre(engage, "bob").save(with_=["newsletter"])
        engage.now += timedelta(minutes=1)
        Centre(engage, "bob").save(without=["newsletter"])
        engage.now += timedelta(minutes=1)
        assert "newsletter" not in Centre(engage, "ann").look().on
        Centre(engage, "ann").save(with_=["newsletter"])
        assert "newsletter" in Centre(engage, "ann").look().on
    assert [subscribed for _, subscribed, _, _ in changes(engage)] == [False, True, True, False, True]


def test_what_is_pending_is_cancelled_with_the_no(engage: Engage) -> None:
    engage.partner()
    pending(engage)
    Centre(engage).save(without=["newsletter"])
    assert deliveries(engage) == [(NEWSLETTER, "cancelled", "unsubscribed")]
    assert engage.work() == []


def test_saving_the_page_as_it_is_records_nothing(spoken: Engage) -> None:
    centre = Centre(spoken)
    for _ in range(2):
        assert centre.save().status == 200
    for table in (tables.subscriptions, tables.consent_changes, tables.rhythms, tables.languages, tables.pauses):
        assert spoken.count(table) == 0, table.name


def test_a_change_is_kept_with_when_how_and_from_where(engage: Engage) -> None:
    engage.partner()
    Centre(engage).press("save", agent="Mozilla/5.0 \x07" + "x" * 500, asked=["tips", "newsletter"], topic=["tips"])
    ((topic, subscribed, how, source),) = changes(engage)
    assert (topic, subscribed, how) == ("newsletter", False, "preference centre")
    assert source is not None
    assert source.startswith("testclient Mozilla/5.0 xxx")
    assert len(source) == 200


def test_a_topic_that_the_page_did_not_ask_for_is_left_as_it_is(engage: Engage) -> None:
    engage.partner()
    Centre(engage).press("save", asked=["tips"])
    assert Centre(engage).look().on == {"recognition", "newsletter"}


def test_a_topic_that_asks_for_a_yes_is_not_ticked_until_it_has_one(
    authored: tuple[Path, Path], start: Callable[[str], Engage]
) -> None:
    say(authored, "opt_in: true", topic="newsletter")
    engage = start("")
    engage.partner()
    assert "newsletter" not in Centre(engage).save().on
    assert engage.count(tables.consent_changes) == 0
    assert "newsletter" in Centre(engage).save(with_=["newsletter"]).on
    assert len(engage.runs(NEWSLETTER)) == 1


def test_the_page_says_what_each_topic_brings_and_how_often(
    authored: tuple[Path, Path], start: Callable[[str], Engage]
) -> None:
    say(authored, "frequency: Once a month & never on Fridays", topic="newsletter")
    engage = start("")
    engage.partner()
    text = Centre(engage).look().text
    assert "Once a month, what is new for partners." in text
    assert "Once a month &amp; never on Fridays" in text
    assert "What you earned, and when it is paid." in text


def test_an_address_is_not_shown_in_full(engage: Engage) -> None:
    engage.partner(email="annabelle@example.com")
    text = Centre(engage).look().text
    assert "a•••@example.com" in text
    assert "annabelle" not in text


# --- rhythm -----------------------------------------------------------------------------------------------------------


def test_status_mail_comes_at_once_once_a_day_or_not_at_all(spoken: Engage) -> None:
    centre = Centre(spoken)
    assert centre.look().chosen["often.referral-status"] == "instant"
    assert {("often.referral-status", each) for each in ("instant", "daily", "off")} <= centre.look().offered
    centre.save(**{"often.referral-status": "daily"})
    spoken.refers("ann", "acme")
    spoken.becomes("ann", "acme", "accepted")
    assert spoken.work() == []
    assert ("skip", "gathered") in spoken.decisions()


def test_status_mail_that_is_ended_is_cancelled_where_it_waits(spoken: Engage) -> None:
    spoken.refers("ann", "acme")
    spoken.becomes("ann", "acme", "won")
    task, ids, _ = spoken.queue.waiting.popleft()
    assert task == "match"
    spoken.services.match(ids)
    Centre(spoken).save(**{"often.referral-status": "off"})
    assert deliveries(spoken) == [("referral-won", "cancelled", "opted_out_of_updates")]
    assert spoken.work() == []


def test_a_rhythm_is_kept_with_from_where(spoken: Engage) -> None:
    Centre(spoken).save(**{"often.referral-status": "daily"})
    r = tables.rhythms.c
    with spoken.services.database.read() as db:
        row = db.execute(sa.select(r.topic, r.rhythm, r.how, r.source)).one()
    assert tuple(row) == ("referral-status", "daily", "preference centre", "testclient Mozilla/5.0")


def test_a_daily_mail_is_offered_only_where_there_is_one(engage: Engage) -> None:
    engage.partner()
    assert engage.services.library().programs["northwind-partners"].topics["referral-status"].gather is None
    assert Centre(engage).look().offered == set()
    wishes(engage, "ann", Rhythm.OFF)  # somebody noted it for them: they can take it back
    assert Centre(engage).look().chosen == {"often.referral-status": "off"}
    engage.now += timedelta(minutes=1)
    Centre(engage).save(**{"often.referral-status": "instant"})
    engage.refers("ann", "acme")
    engage.becomes("ann", "acme", "won")
    assert len(engage.work()) == 1


# --- a break ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", BREAKS)
def test_a_break_keeps_marketing_mail_away_for_so_many_days(engage: Engage, days: int) -> None:
    engage.partner(zone="America/New_York")
    shown = Centre(engage).press("pause", days=str(days))
    assert "end-pause" in shown.buttons
    engage.now += timedelta(days=days) - timedelta(hours=12)  # it was ten in the morning; it is eleven at night there
    assert engage.runs(NEWSLETTER) == []
    assert engage.decisions()[-1] == ("skip", "paused_by_partner")
    engage.refers("ann", "acme")
    engage.becomes("ann", "acme", "won")
    assert len(engage.work()) == 1
    engage.now += timedelta(hours=1)
    assert "end-pause" not in Centre(engage).look().buttons
    engage.now += timedelta(days=31)
    assert len(engage.runs(NEWSLETTER)) == 1


def test_a_break_cancels_what_is_pending_of_marketing_and_nothing_else(engage: Engage) -> None:
    engage.partner()
    pending(engage)
    engage.refers("ann", "acme")
    engage.becomes("ann", "acme", "won")
    task, ids, _ = engage.queue.waiting.pop()
    assert task == "match"
    engage.services.match(ids)
    Centre(engage).press("pause", days="30")
    assert [(name, state) for name, state, _ in deliveries(engage)] == [
        (NEWSLETTER, "cancelled"),
        ("referral-won", "pending"),
    ]
    assert deliveries(engage)[0][2] == "paused_by_partner"


def test_what_is_claimed_when_a_break_begins_is_stopped_when_it_is_looked_at_again(engage: Engage) -> None:
    engage.partner()
    pending(engage)
    d = tables.deliveries
    with engage.services.database.write() as db:  # as if a worker had taken it in this moment
        held = dict(db.execute(sa.select(d.c.id, d.c.state)).one()._mapping)
        db.execute(sa.update(d).values(state="claimed"))
    Centre(engage).press("pause", days="30")
    with engage.services.database.write() as db:
        db.execute(sa.update(d).values(state=held["state"]))
    assert engage.work() == []
    assert deliveries(engage) == [(NEWSLETTER, "cancelled", "paused_by_partner")]


def test_the_same_break_twice_on_a_day_is_one(engage: Engage) -> None:
    engage.partner()
    centre = Centre(engage)
    for _ in range(3):
        assert centre.press("pause", days="60").note.startswith("Enjoy the break. It ends by itself on May 1, 2026")
        engage.now += timedelta(minutes=10)
    assert engage.count(tables.pauses) == 1


def test_a_break_can_be_ended(engage: Engage) -> None:
    engage.partner()
    centre = Centre(engage)
    centre.press("pause", days="30")
    engage.now += timedelta(minutes=1)
    shown = centre.press("end-pause")
    assert (shown.note, "end-pause" in shown.buttons) == ("Your break is over.", False)
    assert len(engage.runs(NEWSLETTER)) == 1
    centre.press("end-pause")
    assert engage.count(tables.pauses) == 2


def test_a_journey_goes_on_through_a_break_without_its_marketing_mails(engage: Engage) -> None:
    engage.partner()
    write_trial(engage, "{send: a}, {wait: 7d}, {send: b}, {wait: 40d}, {send: c}")
    assert len(engage.runs(TRIAL)) == 1
    Centre(engage).press("pause", days="30")
    engage.logs_in("ann")
    assert engage.after(days=7, hours=1) == []
    engage.logs_in("ann")
    assert [mail.subject for mail in engage.after(days=40, hours=1)] == ["C"]


def test_plans_and_explanations_know_of_a_break_as_of_any_instant(engage: Engage) -> None:
    engage.partner()
    before, campaign = engage.now, engage.services.library().find(NEWSLETTER)
    engage.now += timedelta(hours=1)
    Centre(engage).press("pause", days="30")
    scope = engage.services.library().scope_of(campaign)
    with engage.services.database.read() as db:
        told = [explain(db, scope, campaign, "ann", at).decision for at in (before, engage.now)]
        planned = plan(db, scope, campaign, engage.now)
    assert told == [Send(), Skip(Reason.PAUSED_BY_PARTNER)]
    assert [one.decision for one in planned.decisions] == [Skip(Reason.PAUSED_BY_PARTNER)]


def test_the_past_is_walked_through_with_the_breaks_and_languages_of_then(spoken: Engage, tmp_path: Path) -> None:
    write_trial(spoken, "{send: a}", where="[{locale: {is: de}}]")
    spoken.now += timedelta(days=1, hours=1)
    Centre(spoken).save(locale="de")  # on Tuesday
    spoken.now += timedelta(days=2)
    Centre(spoken).press("pause", days="30")  # on Thursday
    spoken.now += timedelta(days=2)
    Centre(spoken).press("end-pause")  # on Saturday, after nine
    spoken.now += timedelta(days=2)
    _, mails = replayed(spoken.services, date(2026, 3, 2), date(2026, 3, 9), tmp_path, TRIAL)
    assert [mail.at.day for mail in mails] == [4, 5, 8, 9]


# --- language ---------------------------------------------------------------------------------------------------------


def test_the_language_that_was_chosen_goes_before_what_the_crm_says(spoken: Engage) -> None:
    (spoken.services.settings.templates_dir / "newsletter").mkdir(exist_ok=True)
    german = spoken.services.settings.templates_dir / "newsletter" / "monthly.de.md"
    source = spoken.services.settings.templates_dir / "newsletter" / "monthly.md"
    german.write_text(re.sub(r"^subject: .*$", 'subject: "Auf Deutsch"', source.read_text(), flags=re.MULTILINE))
    rereads(spoken)
    centre = Centre(spoken)
    assert centre.look().chosen["locale"] == "en_US"
    shown = centre.save(locale="de")
    assert shown.chosen["locale"] == "de"
    spoken.partner("ann", locale="en_US", zone="America/New_York")  # imported once more
    (mail,) = spoken.runs(NEWSLETTER)
    assert mail.subject == "Auf Deutsch"
    assert spoken.count(tables.languages) == 1


def test_a_partner_without_a_language_reads_that_of_the_program(spoken: Engage) -> None:
    assert Centre(spoken).look().chosen["locale"] == "en_US"
    spoken.partner("bob", locale="de_AT")
    assert Centre(spoken, "bob").look().chosen["locale"] == "de"


def test_campaigns_can_ask_for_the_language_that_was_chosen(spoken: Engage) -> None:
    spoken.partner("bob", locale="de")
    write_trial(spoken, "{send: a}", where="[{locale: {is: de}}]")
    Centre(spoken).save(locale="de")
    assert {mail.to.email for mail in spoken.runs(TRIAL)} == {"ann@example.com", "bob@example.com"}


# --- what is not theirs to choose -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"do": "save", "asked": "no-such-topic"},
        {"do": "save", "asked": "rewards"},
        {"do": "save", "often.tips": "daily"},
        {"do": "save", "often.referral-status": "hourly"},
        {"do": "save", "locale": "fr"},
        {"do": "pause", "days": "31"},
        {"do": "pause", "days": "a month"},
        {"do": "pause"},
        {"do": "erase"},
        {"List-Unsubscribe": "One-Click"},
        {},
    ],
)
def test_what_is_no_choice_of_the_page_is_refused_and_changes_nothing(spoken: Engage, fields: dict[str, str]) -> None:
    centre = Centre(spoken)
    answer = centre.web.post(centre.link, data=fields | {"topic": "tips"})
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    for table in (tables.consent_changes, tables.rhythms, tables.pauses, tables.languages, tables.suppressions):
        assert spoken.count(table) == 0, table.name


def test_a_form_that_asks_for_one_wrong_thing_changes_none_of_the_others(spoken: Engage) -> None:
    shown = Centre(spoken).press("save", asked=["tips", "newsletter"], locale="fr")
    assert (shown.status, shown.on) == (422, {"tips", "recognition", "newsletter"})


# --- somebody who has moved, was merged or is gone --------------------------------------------------------------------


def test_through_a_link_to_an_old_address_topics_can_be_ended_and_nothing_else(spoken: Engage) -> None:
    old = Centre(spoken)
    spoken.partner("ann", email="ann@new.example", zone="America/New_York")
    shown = old.look()
    assert (shown.on, shown.buttons, shown.offered) == (
        {"tips", "recognition", "newsletter"},
        {"save", "stop-all"},
        set(),
    )
    assert old.save(without=["newsletter"]).on == {"tips", "recognition"}
    assert spoken.runs(NEWSLETTER) == []
    spoken.now += timedelta(minutes=1)
    assert old.press("save", asked=["newsletter"], topic=["newsletter"]).status == 422
    assert old.press("pause", days="30").status == 200
    assert spoken.count(tables.pauses) == 0
    new = Centre(spoken)
    assert "newsletter" in new.save(with_=["newsletter"]).on
    spoken.now += timedelta(minutes=1)
    old.save(without=["newsletter"])  # once more, after the yes at the new address
    assert "newsletter" not in new.look().on


def test_a_link_of_somebody_who_was_merged_means_the_survivor(spoken: Engage) -> None:
    merged = Centre(spoken)
    spoken.partner("bob", email="ann@example.com")
    merged.save(locale="de", **{"often.referral-status": "off"})
    merged.press("pause", days="90")
    spoken.takes(AliasRecord("partner", "ann", "bob"))
    survivor = Centre(spoken, "bob")
    assert survivor.look().chosen == {"often.referral-status": "off", "locale": "de"}
    assert "end-pause" in survivor.look().buttons
    spoken.now += timedelta(minutes=1)
    merged.save(without=["tips"], locale="en_US")
    assert survivor.look().on == {"recognition", "newsletter"}
    assert survivor.look().chosen["locale"] == "en_US"


def test_a_link_of_somebody_who_is_gone_is_answered_as_a_bad_one_is(engage: Engage) -> None:
    engage.partner()
    centre = Centre(engage)
    with engage.services.database.write() as db:
        for table in reversed(tables.metadata.sorted_tables):
            if "partner_id" in table.c or table is tables.partners:
                db.execute(sa.delete(table))
    for method in ("get", "head", "post"):
        gone = getattr(centre.web, method)(centre.link)
        bad = getattr(centre.web, method)(centre.link[:-1])
        assert (gone.status_code, gone.content, dict(gone.headers)) == (404, bad.content, dict(bad.headers))
        for do in ("save", "pause", "stop-all", "start-again") if method == "post" else ():
            assert centre.web.post(centre.link, data={"do": do, "days": "30"}).content == bad.content
