"""A campaign file: what it reads as, and what is said of mistakes in it."""

from datetime import date, timedelta

import pytest

from engage.authoring import parse_campaign
from engage.authoring.campaigns import KEYS
from engage.authoring.steps import MOST_STEPS
from engage.domain.campaigns import (
    Again,
    AgainKind,
    AlertStep,
    CampaignState,
    CatchUp,
    Conversion,
    EventKind,
    EventTrigger,
    Goal,
    ScheduleTrigger,
    SendStep,
    Text,
    WaitStep,
    texts_of,
)
from engage.domain.errors import AuthoringError
from engage.domain.facts import Subject
from engage.domain.journeys import every_step, path_of
from tests.authoring.texts import PROGRAM, campaign, campaign_text, problems, programs

EVENT = "when: {event: referral.status_changed, to: demo}"

NUDGE = """\
# Ten referrals and no win.
campaign: many-referrals-no-wins
why: They need help with the buyer and the ask.
state: live
program: acme
topic: tips
for: partner
when: {every: "monday and thursday 09:00"}
where:
  - referrals: {last: 90d, at_least: 10}
again: after 60d
catch_up: all
stop_when:
  - wins: {last: 14d, at_least: 1}
goal: win within 30d
send_within: 12h
max_audience: 500
starts: 2026-11-02
ends: 2027-01-31
steps:
  - send: nudges/many_referrals_no_wins
  - alert: {to: owner, say: buyer_and_ask}
    id: call-them
"""


def test_every_key_of_a_campaign_is_read() -> None:
    read = campaign(NUDGE)

    assert (read.name, read.program, read.topic) == ("many-referrals-no-wins", "acme", "tips")
    assert read.why == "They need help with the buyer and the ask."
    assert read.state is CampaignState.LIVE
    assert read.subject is Subject.PARTNER
    assert read.trigger == ScheduleTrigger("0 9 * * 1,4", "monday and thursday 09:00")
    assert read.again == Again(AgainKind.AFTER, timedelta(days=60))
    assert read.catch_up is CatchUp.ALL
    assert read.where is not None
    assert read.stop_when is not None
    assert read.goal == Goal(Conversion.WIN, timedelta(days=30))
    assert read.send_within == timedelta(hours=12)
    assert read.max_audience == 500
    assert (read.starts, read.ends) == (date(2026, 11, 2), date(2027, 1, 31))
    assert read.steps == (
        SendStep("send-nudges-many_referrals_no_wins", (Text("nudges/many_referrals_no_wins"),)),
        AlertStep("call-them", Text("alerts/buyer_and_ask"), "owner"),
    )
    assert (read.path, read.source) == ("campaigns/x.yaml", NUDGE)


def test_steps_know_where_they_name_their_template() -> None:
    texts = [text for step in path_of(campaign(NUDGE).steps).mails() for text in texts_of(step)]
    assert [(text.place.line, text.place.column) for text in texts] == [(21, 11), (22, 29)]


def test_an_event_campaign_needs_five_keys() -> None:
    read = campaign(campaign_text(for_="for: referral", when=EVENT, again=None))

    assert read.subject is Subject.REFERRAL
    assert read.trigger == EventTrigger(EventKind.STATUS_CHANGED, ("demo",))
    assert read.state is CampaignState.DRAFT
    assert (read.where, read.again, read.stop_when, read.starts, read.ends) == (None,) * 5
    assert read.max_audience is None


def test_a_schedule_catches_up_with_the_latest_slot_unless_it_says_otherwise() -> None:
    assert campaign(campaign_text()).catch_up is CatchUp.LATEST
    assert campaign(campaign_text(catch_up="catch_up: skip")).catch_up is CatchUp.SKIP


def test_a_campaign_belongs_to_the_first_program_unless_it_names_another() -> None:
    two = programs(PROGRAM + PROGRAM.replace("programs:\n", "").replace("  acme:", "  bolt:"))

    assert parse_campaign(campaign_text(), "x.yaml", two).program == "acme"
    assert parse_campaign(campaign_text(program="program: bolt"), "x.yaml", two).program == "bolt"


def test_what_is_not_said_of_sending_in_time_comes_from_the_topic() -> None:
    assert campaign(campaign_text(topic="topic: status")).send_within == timedelta(days=1)


JOURNEY = """\
steps:
  - send: nudges/a
  - wait: 14d
  - branch:
      if:
        - wins: {last: 14d, is: 0}
      then:
        - send: nudges/b
        - wait: {until: next weekday 09:00}
        - alert: {to: owner, say: c}
      else: []
  - wait: {until: monday 10:30}
    id: till-monday
  - send: nudges/d
"""


def test_steps_within_branches_have_ids_that_are_their_own() -> None:
    steps = campaign(campaign_text(steps=JOURNEY)).steps

    assert [step.id for step in every_step(steps)] == [
        "send-nudges-a",
        "wait-1",
        "branch-1",
        "send-nudges-b",
        "wait-2",
        "alert-c",
        "till-monday",
        "send-nudges-d",
    ]
    waits = [step for step in every_step(steps) if isinstance(step, WaitStep)]
    assert [(step.lasting, step.until, step.written) for step in waits] == [
        (timedelta(days=14), None, ""),
        (None, "0 9 * * 1-5", "next weekday 09:00"),
        (None, "30 10 * * 1", "monday 10:30"),
    ]


@pytest.mark.parametrize(
    ("to", "statuses"), [("won", ("won",)), ("[demo, won]", ("demo", "won")), ("[won, won]", ("won",))]
)
def test_statuses_are_one_word_or_a_list(to: str, statuses: tuple[str, ...]) -> None:
    text = campaign_text(for_="for: referral", when=f"when: {{event: referral.status_changed, to: {to}}}", again=None)

    assert campaign(text).trigger == EventTrigger(EventKind.STATUS_CHANGED, statuses)


@pytest.mark.parametrize("again", ["never", "each slot", "each episode", "each tier period", "after 2w"])
def test_each_way_of_saying_again(again: str) -> None:
    read = campaign(campaign_text(again=f"again: {again}", where="where:\n  - wins: {is: 0}")).again

    assert read is not None
    assert again.startswith(read.kind)


def test_the_hash_names_what_a_file_says_not_how_it_looks() -> None:
    first = campaign(campaign_text(why="why: To help."))
    rearranged = campaign('# new\nwhy: "To help."\n\n' + campaign_text().replace("x}]", "x }]"))
    other = campaign(campaign_text(why="why: To sell."))

    assert first.content_hash == rearranged.content_hash
    assert first.content_hash != other.content_hash


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ({"topic": None}, ["1:1: the campaign has no 'topic'; add it"]),
        ({"topic": "topic:"}, ["2:1: 'topic' has no value; write one, or take the key out"]),
        ({"topic": "topic: tipps"}, ["2:8: unknown topic 'tipps'; did you mean 'tips'?"]),
        ({"topik": "topik: tips"}, ["7:1: unknown key 'topik' in the campaign; did you mean 'topic'?"]),
        ({"campaign": "campaign: My Nudge"},
         ["1:11: 'My Nudge' cannot be a campaign's name; "
          "use at most 64 lower-case letters, digits, '-' and '_', such as near-next-tier"]),
        ({"campaign": "campaign: [x]"},
         ["1:11: a campaign's name must be a text; write it on one line; quotes help where it holds ': ' or '#'"]),
        ({"state": "state: alive"}, ["7:8: unknown state 'alive'; did you mean 'live'?"]),
        ({"program": "program: acne"}, ["7:10: unknown program 'acne'; did you mean 'acme'?"]),
        ({"for_": "for: partners"}, ["3:6: unknown subject 'partners'; did you mean 'partner'?"]),
        ({"again": None}, ["4:7: a schedule needs 'again'; "
                           "add again: never, each slot, each episode, each tier period or after 60d"]),
        ({"again": "again: each episode"},
         ["5:8: without 'where' an episode never ends; add where, or write another again"]),
        ({"again": "again: each slott"}, ["5:8: unknown again 'each slott'; did you mean 'each slot'?"]),
        ({"again": "again: monthly"},
         ["5:8: unknown again 'monthly'; write never, each slot, each episode, each tier period or after 60d"]),
        ({"again": "again: after two months"},
         ["5:8: 'two months' is not a duration; write a number and w, d, h or m, such as 90d or 12h"]),
        ({"for_": "for: referral", "when": EVENT},
         ["5:8: 'again' belongs to a schedule: each event is its own occasion; take it out"]),
        ({"when": "when: monday 09:00"},
         ["4:7: when must be keys with values; the keys are event, to, every, cron, clock"]),
        ({"when": "when: {}"}, ["4:7: 'when' names one of event, every and cron; such as {every: \"monday 09:00\"}"]),
        ({"when": "when: {cron: 0 9 * * 1, every: day 09:00}"},
         ["4:7: 'when' names one of event, every and cron; such as {every: \"monday 09:00\"}"]),
        ({"when": "when: {evry: day 09:00}"}, ["4:8: unknown key 'evry' in when; did you mean 'every'?"]),
        ({"when": "when: {every: day 09:00, to: won}"}, ["4:30: 'to' belongs to an event; take it out"]),
        ({"when": "when: {every: mondy 09:00}"}, ["4:15: 'mondy' is not a day; did you mean 'monday'?"]),
        ({"when": "when: {cron: 0 0 31 2 *}"}, ["4:14: '0 0 31 2 *' never comes due; no month has that day"]),
        ({"when": "when: {event: referral.status_change}", "for_": "for: referral", "again": None},
         ["4:15: unknown event 'referral.status_change'; did you mean 'referral.status_changed'?"]),
        ({"when": "when: {event: referral.status_changed, to: wonn}", "for_": "for: referral", "again": None},
         ["4:44: unknown status 'wonn'; did you mean 'won'?"]),
        ({"when": "when: {event: partner.logged_in, to: won}", "again": None},
         ["4:38: 'to' belongs to referral.status_changed; take it out"]),
        ({"when": "when: {event: reward.earned}", "for_": "for: referral", "again": None},
         ["3:6: 'reward.earned' does not concern a referral; write for: reward or partner"]),
        ({"send_within": "send_within: 3 days"},
         ["7:14: '3 days' is not a duration; write a number and w, d, h or m, such as 90d or 12h"]),
        ({"send_within": "send_within: 999999999d"},
         ["7:14: a duration has at most five digits, and '999999999d' more; write a shorter one, such as 90d"]),
        ({"catch_up": "catch_up: lates"}, ["7:11: unknown catch_up 'lates'; did you mean 'latest'?"]),
        ({"catch_up": "catch_up: 3d"}, ["7:11: unknown catch_up '3d'; known are skip, latest, all"]),
        ({"for_": "for: referral", "when": EVENT, "again": None, "catch_up": "catch_up: all"},
         ["6:11: 'catch_up' belongs to a schedule: no event is missed; take it out"]),
        ({"max_audience": "max_audience: 0"}, ["7:15: 'max_audience' must be at least 1; write one such as 500"]),
        ({"max_audience": "max_audience: -5"},
         ["7:15: 'max_audience' must be a whole number from 0; write one such as 10"]),
        ({"max_audience": "max_audience: 1,000"},
         ["7:15: 'max_audience' must be a number, not '1,000'; write 1000"]),
        ({"max_audience": "max_audience: all"},
         ["7:15: 'max_audience' must be a number, not 'all'; write digits only, such as 10 or 2500.50"]),
        ({"for_": "for: referral", "when": EVENT, "again": None, "max_audience": "max_audience: 500"},
         ["6:15: 'max_audience' belongs to a schedule: an event concerns one partner; take it out; "
          "program.yaml limits bursts of events, with limits: {status_changes_per_hour: 1000}"]),
        ({"starts": "starts: 02.11.2026"},
         ["7:9: '02.11.2026' is not a date; write year-month-day, such as 2026-11-02"]),
        ({"starts": "starts: 2026-02-30"},
         ["7:9: '2026-02-30' is not a date; write year-month-day, such as 2026-11-02"]),
        ({"starts": "starts: 2026-11-02", "ends": "ends: 2026-11-01"},
         ["8:7: the campaign ends before it starts; swap 'starts' and 'ends'"]),
        ({"steps": "steps: []"}, ["6:8: 'steps' is an empty list; take it out or fill it"]),
        ({"steps": "steps: {send: x}"}, ["6:8: 'steps' must be a list; begin each item with '- '"]),
        ({"steps": "steps: [send]"}, ["6:9: a step is a key with a value; such as - send: nudges/hello"]),
        ({"steps": "steps: [{sent: x}]"}, ["6:10: unknown step 'sent'; did you mean 'send'?"]),
        ({"steps": "steps: [{id: x}]"},
         ["6:9: a step without what it does; known are send, wait, at, branch, alert, ask"]),
        ({"steps": "steps: [{send: x}, {wait: a while}]"},
         ["6:27: 'a while' is not a duration; write a number and w, d, h or m, such as 90d or 12h"]),
        ({"steps": "steps: [{send: x}, {wait: until next day 09:00}]"},
         ["6:27: 'until next day 09:00' is not a duration; write wait: {until: next day 09:00}"]),
        ({"steps": "steps: [{send: x}, {wait: 0d}]"},
         ["6:27: '0d' is not a duration; write a number and w, d, h or m, such as 90d or 12h"]),
        ({"steps": "steps: [{send: x}, {wait: {until: next weekday}}]"},
         ["6:35: 'weekday' names no day and time; write 'day 09:00', 'weekday 09:00', 'monday and thursday 09:00', "
          "'1st 09:00' or 'hour', with hours from 00 to 23"]),
        ({"steps": "steps: [{send: x}, {wait: {till: next day 09:00}}]"},
         ["6:28: unknown key 'till' in wait; did you mean 'until'?"]),
        ({"steps": "steps: [{wait: 3d}]"},
         ["6:8: the steps send nothing; add one such as - send: nudges/hello"]),
        ({"steps": "steps: [{branch: {if: [{wins: {is: 0}}], then: [{wait: 3d}]}}]"},
         ["6:8: the steps send nothing; add one such as - send: nudges/hello"]),
        ({"steps": "steps: [{branch: {if: [{winns: {is: 0}}], then: [{send: x}]}}]"},
         ["6:25: unknown fact 'winns'; did you mean 'wins'?"]),
        ({"steps": "steps: [{branch: {then: [{send: x}]}}]"}, ["6:18: branch has no 'if'; add it"]),
        ({"steps": "steps: [{branch: {if: [{wins: {is: 0}}]}}]"}, ["6:18: branch has no 'then'; add it"]),
        ({"steps": "steps: [{branch: {if: [{wins: {is: 0}}], then: [{send: x}], otherwise: []}}]"},
         ["6:61: unknown key 'otherwise' in branch; known are if, then, else"]),
        ({"steps": "steps: [{branch: {if: [{wins: {is: 0}}], then: [{send: x}], else: [{send: x}]}}]"},
         ["6:68: two steps have the id 'send-x'; give one of them an id: of its own"]),
        ({"steps": "steps: [{wait: 1d}, {send: x, id: wait-1}]"},
         ["6:21: two steps have the id 'wait-1'; give one of them an id: of its own"]),
        ({"goal": "goal: win"},
         ["7:7: 'win' is not a goal; write one of login, referral, win, revenue and a time, such as win within 30d"]),
        ({"goal": "goal: fame within 30d"},
         ["7:7: nobody can reach 'fame'; write one of login, referral, win, revenue"]),
        ({"goal": "goal: win within a month"},
         ["7:7: 'win within a month' is not a goal; "
          "write one of login, referral, win, revenue and a time, such as win within 30d"]),
        ({"goal": "goal: win within month"},
         ["7:7: 'month' is not a duration; write a number and w, d, h or m, such as 90d or 12h"]),
        ({"steps": "steps: [{send: x}, {send: x}]"},
         ["6:20: two steps have the id 'send-x'; give one of them an id: of its own"]),
        ({"steps": "steps: [{send: x.md}]"},
         ["6:16: 'x.md' is not the name of a template; "
          "write its path below the templates folder without '.md', such as nudges/hello"]),
        ({"steps": "steps: [{send: ../x}]"},
         ["6:16: '../x' is not the name of a template; "
          "write its path below the templates folder without '.md', such as nudges/hello"]),
        ({"steps": "steps: [{alert: {to: ownr, say: x}}]"},
         ["6:22: unknown receiver of alerts 'ownr'; did you mean 'owner'?"]),
        ({"steps": "steps: [{alert: {to: marketing, say: x}}]"},
         ["6:22: unknown receiver of alerts 'marketing'; known are owner, salesperson"]),
        ({"steps": "steps: [{alert: {to: owner}}]"}, ["6:17: alert has no 'say'; add it"]),
    ],
)  # fmt: skip
def test_a_mistake_names_its_place_and_the_way_out(parts: dict[str, str | None], found: list[str]) -> None:
    assert problems(campaign_text(**parts)) == found


def test_a_campaign_of_endless_steps_is_refused() -> None:
    branch = "{branch: {if: [{wins: {is: 0}}], then: [%s]}}"

    def with_steps(many: int) -> list[str]:
        sends = [f"{{send: x, id: s{number}}}" for number in range(many - 1)]
        return problems(campaign_text(steps=f"steps: [{branch % ', '.join(sends)}]"))

    assert with_steps(MOST_STEPS) == []
    assert with_steps(MOST_STEPS + 1) == ["6:8: a campaign has at most 100 steps, and this one 101; make two of it"]


def test_all_problems_of_a_file_are_found_at_once() -> None:
    text = campaign_text(topic="topic: tipps", for_="for: partner", where="where:\n  - winns: {is: 1}", again=None)

    assert problems(text) == [
        "2:8: unknown topic 'tipps'; did you mean 'tips'?",
        "4:7: a schedule needs 'again'; add again: never, each slot, each episode, each tier period or after 60d",
        "7:5: unknown fact 'winns'; did you mean 'wins'?",
    ]


def test_a_file_that_says_nothing() -> None:
    assert problems("# later\n") == [f"1:1: the campaign must be keys with values; the keys are {', '.join(KEYS)}"]


def test_again_by_tier_period_needs_tiers_whose_period_ends() -> None:
    text = campaign_text(again="again: each tier period")
    endless = PROGRAM.replace("period: quarter", "period: always")
    without = PROGRAM[: PROGRAM.index("    tiers:")] + PROGRAM[PROGRAM.index("    topics:") :]

    with pytest.raises(AuthoringError) as first:
        parse_campaign(text, "x.yaml", programs(endless))
    with pytest.raises(AuthoringError) as second:
        parse_campaign(text, "x.yaml", programs(without))

    assert str(first.value) == "x.yaml:5:8: the tiers' period has no end; write again: never, or give tiers a period"
    assert str(second.value) == "x.yaml:5:8: program 'acme' has no tiers; add tiers to program.yaml"


def test_a_key_that_is_nearly_right_is_reported_once() -> None:
    assert problems(campaign_text(again="Again: never")) == [
        "5:1: unknown key 'Again' in the campaign; did you mean 'again'?"
    ]
    assert problems(campaign_text(steps="step: [{send: nudges/x}]")) == [
        "6:1: unknown key 'step' in the campaign; did you mean 'steps'?"
    ]
