"""A year of the shipped programme: nobody is told two things that do not go together, too much, or a wrong number."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import pytest

from engage.content.template import Template
from engage.domain.limits import Per
from engage.domain.programs import StatusKind
from scripts.partners_year import DOC, document
from tests.support.partners_story import write_story
from tests.support.partners_year import HER, Received, Year
from tests.support.year_numbers import Checked, wrong_numbers

pytestmark = pytest.mark.slow

DAY = timedelta(days=1)
HELLO = {"onboarding/welcome", "onboarding/missing_information"}
NEVER = {"nudges/never_referred", "nudges/never_referred_again"}
MISSED = {"nudges/no_login_30_days", "nudges/no_login_again"}
GOOD_NEWS = {"status_updates/won", "tiers/tier_reached", "rewards/earned", "rewards/earned_after_retention"}


@dataclass(frozen=True)
class Lived:
    """The year, every mail of it, and what each was made from, by its text."""

    year: Year
    mails: list[Received]
    made_from: Mapping[str, tuple[Template, Mapping[str, Any]]]

    def of(self, *templates: str) -> list[Received]:
        return [mail for mail in self.mails if mail.template in templates]

    def by_partner(self) -> dict[str, list[Received]]:
        found: dict[str, list[Received]] = {}
        for mail in self.mails:
            found.setdefault(mail.partner, []).append(mail)
        return found

    def is_marketing(self, mail: Received) -> bool:
        return not self.year.life.program.topics[mail.topic].transactional


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory, _sqlite_template: Path) -> Iterator[Lived]:
    folder = tmp_path_factory.mktemp("year")
    shutil.copy(_sqlite_template, folder / "engage.db")
    made_from: dict[str, tuple[Template, Mapping[str, Any]]] = {}
    plain = Template.render

    def noting(self: Template, context: Mapping[str, Any], **options: Any) -> Any:
        rendered = plain(self, context, **options)
        made_from[rendered.text] = self, context
        return rendered

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Template, "render", noting)
        year = Year(f"sqlite:///{folder / 'engage.db'}", folder)
        write_story(year)
        year.lives()
    yield Lived(year, year.received(), made_from)
    year.services.close()


def said(mail: Received) -> str:
    return f"{mail.local:%Y-%m-%d %H:%M} {mail.partner}: {mail.template} ({mail.message.subject})"


# --- what goes together -----------------------------------------------------------------------------------------------


def test_no_lesson_and_no_reminder_to_refer_comes_after_the_first_referral(lived: Lived) -> None:
    wrong = []
    for mail in lived.mails:
        teaches = mail.template.startswith("onboarding/") and mail.template not in HELLO
        first = lived.year.life.first_referral(mail.partner)
        if (teaches or mail.template in NEVER) and first is not None and first <= mail.at:
            wrong.append(said(mail))
    assert wrong == []


def test_nobody_is_missed_who_was_there_or_had_good_news(lived: Lived) -> None:
    wrong = []
    for mail in lived.of(*MISSED):
        seen = lived.year.life.last_login(mail.partner, mail.at)
        mine = lived.by_partner()[mail.partner]
        news = [one for one in mine if one.template in GOOD_NEWS and timedelta() <= mail.at - one.at < 7 * DAY]
        if (seen is not None and mail.at - seen < 30 * DAY) or news:
            wrong.append((said(mail), seen, [said(one) for one in news]))
    assert wrong == []


def test_nobody_is_invited_who_is_there(lived: Lived) -> None:
    joined = {name: person.joined_at for name, person in lived.year.life.people.items()}
    late = [
        said(mail)
        for mail in lived.mails
        if mail.topic == "invitations" and mail.at >= (joined[mail.partner] or mail.at)
    ]
    assert late == []


def test_a_status_is_told_while_it_is_so_and_each_once(lived: Lived) -> None:
    life, seen, wrong = lived.year.life, set(), []
    told_by = {"status_updates/reopened": "reopened", "status_updates/help_wanted": None, "status_updates/daily": None}
    for mail in lived.mails:
        if not mail.template.startswith("status_updates/") or mail.referral is None:
            continue
        status = told_by.get(mail.template, mail.template.removeprefix("status_updates/"))
        if status is None:
            continue
        key = mail.referral, status
        if life.deals[mail.referral].status(mail.at) != status or key in seen:
            wrong.append(said(mail))
        seen.add(key)
    assert wrong == []


def test_nothing_is_asked_or_hoped_about_a_referral_that_is_closed(lived: Lived) -> None:
    life, wrong = lived.year.life, []
    closed = {StatusKind.WON, StatusKind.LOST}
    for mail in lived.of("nudges/stuck_referral", "status_updates/help_wanted"):
        assert mail.referral is not None
        if life.program.status(life.deals[mail.referral].status(mail.at)).kind in closed:
            wrong.append(said(mail))
    for mail in lived.of("nudges/after_a_win"):
        assert mail.referral is not None
        if life.deals[mail.referral].status(mail.at) != "won":
            wrong.append(said(mail))
    assert wrong == []


def test_nobody_is_asked_twice_about_one_referral_within_two_weeks(lived: Lived) -> None:
    asking = ("nudges/stuck_referral", "status_updates/help_wanted")
    wrong, last = [], dict[str, Received]()
    for mail in lived.of(*asking):
        assert mail.referral is not None
        before = last.get(mail.referral)
        if before is not None and mail.at - before.at < 14 * DAY:
            wrong.append((said(before), said(mail)))
        last[mail.referral] = mail
    assert wrong == []


def test_nobody_is_praised_and_told_to_do_better_within_two_weeks(lived: Lived) -> None:
    praise, help_ = {"recognition/top_performer"}, {"nudges/many_referrals_no_wins", "nudges/stalled"}
    wrong = []
    for mine in lived.by_partner().values():
        told = [mail for mail in mine if mail.template in praise | help_]
        for one, other in pairwise(told):
            if (one.template in praise) != (other.template in praise) and other.at - one.at < 14 * DAY:
                wrong.append((said(one), said(other)))
    assert wrong == []


def test_no_tier_is_near_that_is_reached_nor_promised_that_the_pace_does_not_reach(lived: Lived) -> None:
    life, wrong = lived.year.life, []
    assert life.program.tiers is not None
    labels = {tier.key: tier.label for tier in life.program.tiers.steps}
    for mail in lived.of("tiers/near_next_tier", "tiers/tier_reached"):
        brute = life.as_of(mail.at)
        her = life.people[mail.partner].id
        fact = "next_tier" if mail.template.endswith("near_next_tier") else "tier"
        tier = brute.of_tier(her, fact)
        pace = brute.pace(her, brute.of_tier(her, "to_next_tier"))
        reachable = fact == "tier" or (pace is not None and pace >= 1)
        named = labels.get(str(tier), "?") in mail.message.subject or not mail.message.locale.startswith("en")
        if not named or not reachable:
            wrong.append((said(mail), tier, pace))
    reached = [(mail.partner, mail.message.subject, mail.local.year) for mail in lived.of("tiers/tier_reached")]
    assert wrong == []
    assert len(reached) == len(set(reached))


def test_no_two_nudges_tell_one_partner_different_stories_within_two_weeks(lived: Lived) -> None:
    stories = ("never_referred", "no_login", "stalled", "many_referrals", "quarterly", "refer_instead", "resell")
    wrong = []
    for mine in lived.by_partner().values():
        nudges = [
            (mail, next(story for story in stories if story in mail.template))
            for mail in mine
            if mail.template.startswith("nudges/") and any(story in mail.template for story in stories)
        ]
        for (one, story), (other, another) in pairwise(nudges):
            if story != another and other.at - one.at < 14 * DAY:
                wrong.append((said(one), said(other)))
    assert wrong == []


def test_nobody_is_reminded_of_a_bonus_who_has_begun(lived: Lived) -> None:
    wrong = []
    for mail in lived.of("promotions/bonus_reminder"):
        begun = [deal for deal in lived.year.life.of(mail.partner) if mail.at - 14 * DAY < deal.way[0][0] <= mail.at]
        if begun:
            wrong.append(said(mail))
    assert wrong == []


def test_nobody_gets_the_same_mail_twice_within_a_month(lived: Lived) -> None:
    wrong = []
    for mine in lived.by_partner().values():
        seen: dict[tuple[str, str], Received] = {}
        for mail in mine:
            before = seen.get((mail.template, mail.message.subject))
            if before is not None and mail.at - before.at < 30 * DAY and not mail.template.startswith("rewards/"):
                wrong.append((said(before), said(mail)))
            seen[mail.template, mail.message.subject] = mail
    assert wrong == []


# --- how much, and when -----------------------------------------------------------------------------------------------


def test_nobody_gets_more_than_the_caps_in_any_stretch_of_time(lived: Lived) -> None:
    life = lived.year.life
    topics, wrong = life.program.topics, []
    for cap in life.program.frequency_caps:
        if cap.per is Per.COMPANY:
            continue
        for mine in lived.by_partner().values():
            counting = [mail for mail in mine if lived.is_marketing(mail)]
            for mail in counting:
                near = [
                    one
                    for one in counting
                    if mail.at - cap.length < one.at <= mail.at and (topics[one.topic].counts or one is mail)
                ]
                if len(near) > cap.at_most:
                    wrong.append((str(cap), [said(one) for one in near]))
    assert wrong == []


def test_marketing_mail_comes_by_day_and_not_on_holidays(lived: Lived) -> None:
    wrong = []
    for mail in filter(lived.is_marketing, lived.mails):
        zone = lived.year.life.people[mail.partner].zone
        local = mail.at.astimezone(ZoneInfo(zone))
        closed = holidays.country_holidays("DE" if zone.startswith("Europe") else "US", years=local.year)
        if not 8 <= local.hour < 20 or local.date() in closed:
            wrong.append(said(mail))
    assert wrong == []


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_every_number_in_every_mail_is_what_the_facts_were_that_day(lived: Lived) -> None:
    wrong: list[str] = []
    checked = Checked()
    for mail in lived.mails:
        template, context = lived.made_from[mail.message.text]
        wrong += [f"{said(mail)}: {one}" for one in wrong_numbers(lived.year.life, mail, template, context, checked)]
    assert wrong == []
    assert checked.values > 1000
    assert {"facts", "tier", "referral", "reward"} <= checked.names


# --- her year ---------------------------------------------------------------------------------------------------------


def test_her_year_has_all_that_a_year_should_have(lived: Lived) -> None:
    templates = [mail.template for mail in lived.by_partner()[HER]]
    for template in (
        "invitations/adviser",
        "onboarding/welcome",
        "onboarding/target_buyer",
        "status_updates/accepted",
        "status_updates/won",
        "rewards/earned",
        "rewards/earned_after_retention",
        "rewards/paid",
        "nudges/after_a_win",
        "status_updates/help_wanted",
        "tiers/near_next_tier",
        "tiers/tier_reached",
        "nudges/stuck_referral",
        "nudges/no_login_30_days",
        "status_updates/lost",
    ):
        assert template in templates, template


def test_the_doc_is_her_inbox(lived: Lived) -> None:
    assert DOC.read_text(encoding="utf-8") == document(lived.year), "make year"
