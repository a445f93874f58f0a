"""Promotions: who joins in when, which terms they are told, and that what was told first stays."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engage.domain.messages import Message
from engage.domain.records import AliasRecord
from engage.pipeline.explaining import explain
from engage.pipeline.judging import judge
from engage.pipeline.plan import plan
from engage.store import tables
from tests.support.engage import Engage
from tests.support.journeys import TRIAL, rereads, states, why, write_trial

STEPS = "{at: start}, {send: a}, {at: end - 3d}, {send: b}, {at: end}, {send: c}"
SPRING = '{from: 2026-03-10, through: 2026-03-31, counts: win, bonus: 100, paid_when: "in May"}'
EMAIL = """\
---
subject: "%s {{ promotion.bonus | money }} until {{ promotion.through | date('day') }}"
---
Each {{ promotion.counts }} brings you {{ promotion.bonus | money }}, {{ promotion.paid_when }},
from {{ promotion.from | date("day") }}.
You have {{ promotion.mine.count | plural("win", "wins") }}: {{ promotion.mine.bonus | money }}.
"""


def offers(engage: Engage, promotion: str | None = SPRING, steps: str = STEPS, **keys: str) -> Path:
    for name in "abc":
        (engage.services.settings.templates_dir / f"{name}.md").write_text(EMAIL % name.upper())
    file = write_trial(engage, steps, (), again="never", promotion=promotion, **keys)
    assert judge(engage.services.settings.campaigns_dir, engage.services.settings.templates_dir).problems == ()
    return file


def subjects(mails: Sequence[Message]) -> list[str]:
    return [mail.subject for mail in mails]


def goes_to(engage: Engage, month: int, day: int) -> list[str]:
    """To 09:30 of a day in New York; the subjects of what goes out when it has come."""
    engage.now = datetime(2026, month, day, 13, 30, tzinfo=UTC)
    return subjects(engage.sweeps())


def joins(engage: Engage, name: str = "ann") -> list[str]:
    """The partner enters by the schedule of that day; the subjects of what goes out."""
    engage.partner(name)
    return subjects(engage.runs(TRIAL))


def test_partners_who_are_there_before_it_begins_go_through_all_of_it(engage: Engage) -> None:
    offers(engage)
    assert joins(engage) == []
    assert goes_to(engage, 3, 9) == []
    assert goes_to(engage, 3, 10) == ["A $100 until March 31"]
    assert goes_to(engage, 3, 28) == []
    assert goes_to(engage, 3, 29) == ["B $100 until March 31"]
    assert goes_to(engage, 4, 1) == ["C $100 until March 31"]
    assert states(engage) == ["done"]


def test_who_comes_later_joins_in_where_it_stands_and_nobody_after_its_last_day(engage: Engage) -> None:
    offers(engage)
    goes_to(engage, 3, 15)
    assert joins(engage) == ["A $100 until March 31"]
    goes_to(engage, 3, 30)
    assert joins(engage, "bob") == ["B $100 until March 31"]
    assert len(goes_to(engage, 4, 1)) == 2
    assert joins(engage, "carl") == []
    assert engage.count(tables.enrollments) == 2


def test_a_campaign_that_was_paused_over_an_at_leaves_out_what_is_no_longer_true(engage: Engage) -> None:
    file = offers(engage)
    joins(engage)
    goes_to(engage, 3, 10)
    file.write_text(file.read_text().replace("state: live", "state: paused"))
    rereads(engage)
    assert goes_to(engage, 3, 29) == []
    file.write_text(file.read_text().replace("state: paused", "state: live"))
    rereads(engage)
    assert goes_to(engage, 4, 2) == ["C $100 until March 31"]


def test_terms_stay_as_they_were_told_first(engage: Engage) -> None:
    file = offers(engage)
    goes_to(engage, 3, 12)
    assert joins(engage) == ["A $100 until March 31"]
    better = SPRING.replace("bonus: 100", "bonus: 50").replace("03-31", "04-15")
    file.write_text(file.read_text().replace(SPRING, better))
    rereads(engage)
    goes_to(engage, 3, 13)
    assert joins(engage, "bob") == ["A $50 until April 15"]
    assert goes_to(engage, 3, 29) == ["B $100 until March 31"]
    assert goes_to(engage, 4, 1) == ["C $100 until March 31"]
    assert goes_to(engage, 4, 13) == ["B $50 until April 15"]
    assert goes_to(engage, 4, 16) == ["C $50 until April 15"]


def test_dates_that_are_moved_hold_for_whoever_has_not_been_told_yet(engage: Engage) -> None:
    file = offers(engage)
    assert joins(engage) == []
    file.write_text(file.read_text().replace("from: 2026-03-10", "from: 2026-03-05"))
    rereads(engage)
    engage.services.library()  # as the scheduler asks for it all the time
    assert goes_to(engage, 3, 4) == []
    assert goes_to(engage, 3, 5) == ["A $100 until March 31"]


def test_dates_that_are_moved_back_hold_again(engage: Engage) -> None:
    """The file says what an older version said: nothing new is stored."""
    file = offers(engage)
    assert joins(engage) == []
    text = file.read_text()
    for said in (text.replace("from: 2026-03-10", "from: 2026-03-20"), text):
        file.write_text(said)
        rereads(engage)
        engage.services.library()
        engage.now += timedelta(minutes=1)
        assert engage.sweeps() == []
    assert goes_to(engage, 3, 10) == ["A $100 until March 31"]


def test_nothing_is_promised_by_a_mail_that_does_not_go_out(engage: Engage) -> None:
    file = offers(engage)
    goes_to(engage, 3, 12)
    engage.partner()
    engage.services.run_now(engage.services.library().find(TRIAL))
    assert engage.count(tables.promotion_terms) == 0
    file.write_text(file.read_text().replace("bonus: 100", "bonus: 75"))
    rereads(engage)
    assert subjects(engage.work()) == ["A $75 until March 31"]
    assert engage.count(tables.promotion_terms) == 1


def test_a_mail_shows_what_the_partner_has_earned_by_it_so_far(engage: Engage) -> None:
    offers(engage, steps="{at: start}, {send: a}, {at: end}, {send: c}")
    goes_to(engage, 3, 11)
    engage.partner()
    for name, days_ago in (("before", 2), ("one", 1), ("two", 0)):
        engage.refers("ann", name)
        engage.becomes("ann", name, "won", days_ago=days_ago)
    engage.work()
    (mail,) = engage.runs(TRIAL)
    assert "Each win brings you $100, in May" in mail.text
    assert "You have 2 wins: $200." in mail.text
    engage.now = datetime(2026, 4, 2, 13, 30, tzinfo=UTC)
    engage.refers("ann", "late")
    engage.becomes("ann", "late", "won", days_ago=1)
    engage.work()
    (last,) = [mail for mail in engage.sweeps() if mail.subject.startswith("C")]
    assert "You have 2 wins: $200." in last.text


def test_a_promotion_that_is_taken_out_of_its_file_ends_for_those_inside(engage: Engage) -> None:
    file = offers(engage)
    joins(engage)
    file.write_text(file.read_text().replace(f"promotion: {SPRING}\n", "").replace(STEPS, "{send: d}"))
    (engage.services.settings.templates_dir / "d.md").write_text("---\nsubject: D\n---\nHello\n")
    rereads(engage)
    assert goes_to(engage, 3, 10) == []
    assert why(engage) == ["promotion_over"]


def test_plans_and_explanations_say_that_it_is_over(engage: Engage) -> None:
    offers(engage)
    engage.partner()
    campaign = engage.services.library().find(TRIAL)
    (scope,) = engage.services.library().scopes().values()
    for day, enters, said in ((31, 1, None), (32, 0, "promotion_over")):
        now = datetime(2026, 3, 1, 15, tzinfo=UTC) + timedelta(days=day - 1)
        with engage.services.database.read() as db:
            planned = plan(db, scope, campaign, now)
            explained = explain(db, scope, campaign, "ann", now)
        assert planned.entering == enters
        assert getattr(planned.decisions[0].decision, "reason", None) == said
        assert getattr(explained.decision, "reason", None) == said


def test_what_was_promised_to_a_duplicate_is_promised_to_the_partner_who_stands(engage: Engage) -> None:
    file = offers(engage)
    goes_to(engage, 3, 12)
    assert joins(engage, "twin") == ["A $100 until March 31"]
    engage.partner("ann")
    engage.takes(AliasRecord("partner", "twin", "ann"))
    file.write_text(file.read_text().replace("bonus: 100", "bonus: 50"))
    rereads(engage)
    assert goes_to(engage, 3, 29) == ["B $100 until March 31"]


@pytest.mark.parametrize(
    ("promotion", "steps", "problem"),
    [
        (None, "{at: start}, {send: a}", "'at' is an instant of a promotion, and the campaign has none"),
        (SPRING, "{at: end}, {send: a}, {at: start}", "an 'at' comes before the one above it"),
        (SPRING, "{branch: {if: [{wins: {is: 0}}], then: [{at: end}, {send: a}]}}", "an 'at' stands within 'branch-1'"),
        (SPRING.replace("03-31", "03-09"), "{at: end}, {send: a}", "the promotion is over before it begins"),
        (SPRING.replace("03-31", "03-32"), "{at: end}, {send: a}", "'2026-03-32' is not a date"),
        (SPRING.replace("win", "revenue"), "{at: end}, {send: a}", "unknown thing to count 'revenue'"),
        (SPRING.replace("100", "-1"), "{at: end}, {send: a}", "'bonus' is below 0"),
        (SPRING.replace("2026-03-31", "9999-12-31"), "{at: end}, {send: a}", "beyond the calendar"),
        (SPRING.replace("2026", "9960"), "{at: end + 99999d}, {send: a}", "beyond the calendar"),
        (SPRING, "{at: middle}, {send: a}", "'middle' is no instant of a promotion"),
    ],
)
def test_mistakes_in_a_promotion_are_named(engage: Engage, promotion: str | None, steps: str, problem: str) -> None:
    settings = engage.services.settings
    file = write_trial(engage, "{send: a}", again="never")
    text = file.read_text().replace("[{send: a}]", f"[{steps}]")
    file.write_text(text + (f"promotion: {promotion}\n" if promotion else ""))
    (found, *more) = judge(settings.campaigns_dir, settings.templates_dir).problems
    assert problem in str(found)
    assert more == []
