"""Marketing mails of a dispatch window compete for the room that frequency caps leave."""

from datetime import timedelta
from itertools import pairwise, permutations
from pathlib import Path

import pytest
import sqlalchemy as sa

from engage.domain.messages import Outcome, SendResult
from engage.pipeline.shelf import LOOK_EVERY
from engage.store import tables
from tests.support.caps import DAY, ONE_A_DAY, TWO_A_WEEK, Begin, Capped, campaigns_of
from tests.support.replays import replayed
from tests.support.schema import prepare

# --- who wins ---------------------------------------------------------------------------------------------------------


def test_of_five_campaigns_the_first_two_in_the_order_go_out(capped: Begin) -> None:
    engage = capped(TWO_A_WEEK, order=["gold", "silver", "bronze"])
    names = [engage.campaign(name) for name in ("zinc", "bronze", "gold", "iron", "silver")]
    engage.partner("ann")
    engage.enters(*names)
    assert engage.work() == [], "they wait for the window to end"
    assert campaigns_of(engage.passes()) == ["gold", "silver"]
    skipped = dict.fromkeys(("bronze", "iron", "zinc"), "frequency_cap")
    assert engage.reasons() == {"gold": "accepted", "silver": "accepted", **skipped}


@pytest.mark.postgres
def test_whatever_the_order_in_which_campaigns_are_evaluated_the_same_win(postgres_url: str, tmp_path: Path) -> None:
    winners = set()
    for number, names in enumerate(permutations(["a", "b", "c", "d"])):
        if number % 5:
            continue
        url = postgres_url if not number else f"sqlite:///{tmp_path / str(number)}.db"
        if number:
            prepare(url)
        folder = tmp_path / f"run{number}"
        folder.mkdir()
        engage = Capped(url, folder, TWO_A_WEEK, "at_most: 3, per: company, in: 7d", order=["c", "a"])
        for name in ("a", "b", "c", "d"):
            engage.campaign(name)
        for name in ("ann", "bob", "cy"):
            engage.partner(name, company=None if name == "cy" else "acme")
        engage.enters(*names)
        winners.add(tuple(sorted((went.to, went.campaign) for went in engage.passes())))
        engage.services.close()
    assert len(winners) == 1
    ((*found,),) = winners
    assert [campaign for to, campaign in found if to.startswith("cy")] == ["a", "c"]
    assert len([to for to, _ in found if not to.startswith("cy")]) == 3


def test_those_not_in_the_order_come_after_it_by_name(capped: Begin) -> None:
    engage = capped(ONE_A_DAY, order=["last"])
    for name in ("alpha", "beta", "last"):
        engage.campaign(name)
    engage.partner("ann")
    engage.partner("bob")
    engage.enters("alpha", "beta", "last")
    assert campaigns_of(engage.passes()) == ["last", "last"]


def test_a_window_that_has_been_decided_is_not_decided_again(capped: Begin) -> None:
    engage = capped(ONE_A_DAY, order=["gold", "iron"])
    engage.campaign("iron")
    engage.campaign("gold")
    engage.partner("ann")
    engage.enters("iron")
    assert campaigns_of(engage.passes()) == ["iron"]
    engage.enters("gold")
    assert engage.passes() == []


def test_who_may_not_be_mailed_takes_no_room(capped: Begin) -> None:
    engage = capped(ONE_A_DAY, order=["gold", "iron"])
    engage.campaign("gold", more="stop_when:\n  - days_since_login: {at_most: 1}")
    engage.campaign("iron")
    engage.partner("ann")
    engage.logs_in("ann", days_ago=2)
    engage.enters("gold", "iron")
    engage.logs_in("ann")
    assert campaigns_of(engage.passes()) == ["iron"]
    assert engage.reasons() == {"gold": "stopped", "iron": "accepted"}


def test_a_program_without_caps_sends_at_once(capped: Begin) -> None:
    engage = capped()
    engage.campaign("gold")
    engage.partner("ann")
    engage.enters("gold")
    assert [mail.category for mail in engage.work()] == ["gold"]


def test_the_decision_says_which_cap_and_who_took_the_room(capped: Begin) -> None:
    engage = capped(ONE_A_DAY, order=["gold", "iron"])
    engage.campaign("iron")
    engage.campaign("gold")
    engage.partner("ann")
    engage.enters("iron", "gold")
    engage.passes()
    c = tables.decisions.c
    with engage.services.database.read() as db:
        (row,) = db.execute(sa.select(c.decision, c.reason, c["values"]).where(c.phase == "contest"))
    assert tuple(row) == (
        "skip",
        "frequency_cap",
        {"cap": "at most 1 per partner in 1d", "place": 2, "taken_by": ["gold"]},
    )


# --- what counts ------------------------------------------------------------------------------------------------------


def test_unknown_counts_as_used_and_proven_unsent_does_not(capped: Begin) -> None:
    engage = capped(ONE_A_DAY)
    engage.campaign("gold")
    engage.campaign("iron")
    for name in ("ann", "bob"):
        engage.partner(name)
    engage.timed.answers["ann@example.com"] = SendResult(Outcome.UNKNOWN, status=500, detail="500")
    engage.timed.answers["bob@example.com"] = SendResult(Outcome.DEAD, status=400, detail="400")
    engage.enters("gold")
    engage.passes()
    engage.timed.answers.clear()
    engage.enters("iron")
    assert [went.to for went in engage.passes()] == ["bob@example.com"]


def test_status_mail_is_exempt_and_does_not_count_unless_its_topic_says_so(capped: Begin) -> None:
    engage = capped(ONE_A_DAY, order=["gold"])
    engage.campaign("gold")
    won = engage.folder / "campaigns" / "won.yaml"
    won.write_text(
        "campaign: won\nstate: live\ntopic: referral-status\nfor: referral\n"
        "when: {event: referral.status_changed, to: won}\nsteps:\n  - send: gold\n"
    )
    engage.refers(engage.partner("ann"), "deal")
    engage.refers("ann", "other")
    engage.becomes("ann", "deal", "won")
    engage.becomes("ann", "other", "won")
    assert len(engage.work()) == 2, "no cap holds them, and at once"
    engage.enters("gold")
    assert campaigns_of(engage.passes()) == ["gold"], "they have used up no slot"
    program = engage.folder / "campaigns" / "program.yaml"
    text = program.read_text()
    program.write_text(text.replace("      referral-status:\n", "      referral-status:\n        counts: true\n"))
    engage.now += 2 * DAY
    engage.refers("ann", "third")
    engage.becomes("ann", "third", "won")
    assert len(engage.work()) == 1
    engage.enters("gold")
    engage.now += DAY * 5  # the slot of next Monday
    engage.refers("ann", "fourth")
    engage.becomes("ann", "fourth", "won")
    assert len(engage.work()) == 1
    engage.enters("gold")
    assert engage.passes() == []


@pytest.mark.parametrize("per", ["company", "address", "program"])
def test_two_partners_share_what_their_company_address_or_program_may_get(capped: Begin, per: str) -> None:
    engage = capped(f"at_most: 1, per: {per}, in: 7d")
    engage.campaign("gold")
    engage.partner("ann", company="acme", email="desk@example.com")
    engage.partner("bob", company="acme", email="desk@example.com" if per == "address" else "bob@example.com")
    engage.enters("gold")
    engage.enters("gold")
    assert len(engage.passes()) == 1


def test_a_cap_of_one_topic_leaves_the_others_alone(capped: Begin) -> None:
    engage = capped("at_most: 1, per: partner, in: 7d, topic: tips")
    engage.campaign("tip-one")
    engage.campaign("tip-two")
    engage.campaign("news", topic="newsletter")
    engage.partner("ann")
    engage.enters("tip-one", "tip-two", "news")
    assert campaigns_of(engage.passes()) == ["news", "tip-one"]


def test_what_does_not_count_takes_no_room_but_has_to_find_some(capped: Begin) -> None:
    quiet = "      quiet: {kind: marketing, label: Quiet, counts: false}\n"
    engage = capped(ONE_A_DAY, order=["first", "gold", "late"], topics=quiet)
    engage.campaign("first", topic="quiet")
    engage.campaign("gold")
    engage.campaign("late", topic="quiet")
    engage.partner("ann")
    engage.enters("first", "gold", "late")
    assert campaigns_of(engage.passes()) == ["first", "gold"]
    assert engage.reasons()["late"] == "frequency_cap"


def test_mails_that_went_out_before_there_were_caps_count(capped: Begin) -> None:
    engage = capped()
    engage.campaign("gold")
    engage.campaign("iron")
    engage.partner("ann")
    engage.enters("gold")
    assert len(engage.work()) == 1
    program = engage.folder / "campaigns" / "program.yaml"
    program.write_text(program.read_text() + f"    frequency_caps:\n      - {{{ONE_A_DAY}}}\n")
    engage.now += timedelta(hours=1)
    engage.enters("iron")
    assert engage.passes() == []


# --- who loses --------------------------------------------------------------------------------------------------------


def test_a_deferred_mail_goes_out_in_the_first_window_with_room(capped: Begin) -> None:
    engage = capped(ONE_A_DAY, order=["gold"])
    engage.campaign("gold")
    engage.campaign("iron", "defer")
    engage.partner("ann")
    engage.enters("gold", "iron")
    (first,) = engage.passes()
    (second,) = engage.after(2 * DAY)
    assert (first.campaign, second.campaign) == ("gold", "iron")
    assert first.at + DAY <= second.at < first.at + DAY + timedelta(minutes=16)


@pytest.mark.slow
def test_a_deferred_mail_never_goes_out_after_send_within(capped: Begin) -> None:
    engage = capped(ONE_A_DAY, order=["gold"])
    engage.campaign("gold")
    engage.campaign("iron", "defer", within="23h")
    engage.partner("ann")
    engage.enters("gold", "iron")
    assert campaigns_of(engage.after(3 * DAY)) == ["gold"]
    assert engage.reasons()["iron"] == "frequency_cap"


@pytest.mark.slow
def test_several_deferred_mails_go_out_one_after_another_by_rank(capped: Begin) -> None:
    engage = capped(ONE_A_DAY, order=["a", "b", "c"])
    for name in ("c", "b", "a"):
        engage.campaign(name, "defer", within="5d")
    engage.partner("ann")
    engage.enters("c", "b", "a")
    log = engage.after(4 * DAY)
    assert [went.campaign for went in log] == ["a", "b", "c"]
    assert all(later.at - earlier.at >= DAY for earlier, later in pairwise(log))


def test_what_waits_for_quiet_hours_competes_when_they_are_over(capped: Begin) -> None:
    engage = capped(ONE_A_DAY, order=["gold", "iron"])
    engage.campaign("gold", more='send_window: {from: "12:00", to: "13:00"}')
    engage.campaign("iron")
    engage.partner("ann")
    engage.enters("gold", "iron")
    assert campaigns_of(engage.passes()) == ["iron"], "gold is not there yet"
    assert engage.after(timedelta(hours=3)) == []
    assert engage.reasons()["gold"] == "frequency_cap"


def test_whoever_moves_to_where_the_hours_are_open_competes_in_the_window_of_now(capped: Begin) -> None:
    engage = capped(ONE_A_DAY, order=["gold", "iron"])
    engage.campaign("gold")
    engage.campaign("iron", more='send_window: {from: "12:00", to: "13:00"}')
    engage.partner("ann")
    engage.partner("bob")
    engage.enters("iron")
    assert engage.passes() == [], "it is ten in the morning"
    engage.now += timedelta(minutes=3)
    for name in ("ann", "bob"):
        engage.partner(name, zone="America/Sao_Paulo")  # where it is past twelve
    engage.now += timedelta(seconds=11)
    engage.services.sweep()
    assert engage.work() == [], "others may yet come due in this window"
    engage.enters("gold")
    assert campaigns_of(engage.passes()) == ["gold", "gold"]


def test_room_is_free_again_when_its_holder_is_cancelled(capped: Begin) -> None:
    engage = capped(ONE_A_DAY, order=["gold", "iron"])
    engage.campaign("gold")
    engage.campaign("iron")
    engage.partner("ann")
    engage.enters("gold")
    engage.passes_without_sending()
    d = tables.deliveries.c
    with engage.services.database.write() as db:
        assert db.execute(sa.select(d.state, d.reserved_at.is_not(None))).one() == ("pending", True)
        db.execute(sa.update(tables.deliveries).values(state="cancelled"))
    engage.queue.waiting.clear()
    engage.enters("iron")
    assert campaigns_of(engage.passes()) == ["iron"]


@pytest.mark.guard("reservation")
def test_who_has_won_keeps_the_room_until_it_has_gone_out(capped: Begin) -> None:
    engage = capped(ONE_A_DAY)
    engage.campaign("gold")
    engage.campaign("iron")
    engage.partner("ann")
    engage.enters("iron")
    engage.passes_without_sending()
    engage.enters("gold")
    engage.passes_without_sending()
    assert engage.reasons() == {"iron": "pending", "gold": "frequency_cap"}
    assert campaigns_of(engage.work_all()) == ["iron"]


# --- held out ---------------------------------------------------------------------------------------------------------


def test_who_is_held_out_neither_wins_nor_frees_room(capped: Begin) -> None:
    engage = capped(ONE_A_DAY, order=["gold", "iron"])
    engage.campaign("gold", more="holdout: 99%")
    engage.campaign("iron")
    partners = [engage.partner(f"p{number}") for number in range(20)]
    engage.enters("gold", "iron")
    log = engage.passes()
    assert 0 < len(partners) - len(log) <= len(partners)
    assert "iron" not in campaigns_of(log), "gold is first for everybody, mailed or not"
    d = tables.deliveries.c
    with engage.services.database.read() as db:
        ghosts = db.execute(sa.select(d.state, d.reason, d.counts_at.is_not(None)).where(d.held_out)).all()
    assert set(ghosts) == {("skipped", "held_out", True)}


def test_who_is_in_the_control_group_is_said_to_be_in_it(capped: Begin) -> None:
    engage = capped(ONE_A_DAY)
    engage.campaign("gold")
    path = engage.folder / "campaigns" / "program.yaml"
    path.write_text(path.read_text() + "    control_group: 50%\n")
    engage.now += LOOK_EVERY
    partners = [engage.partner(f"p{number}") for number in range(20)]
    engage.enters("gold")
    sent = len(engage.passes())
    assert 0 < sent < len(partners)
    d, said = tables.deliveries.c, tables.decisions.c
    with engage.services.database.read() as db:
        ghosts = db.execute(sa.select(d.reason, sa.func.count()).where(d.held_out).group_by(d.reason)).all()
        decided = set(db.execute(sa.select(said.reason).where(said.phase == "contest")).scalars())
    assert ghosts == [("in_control_group", len(partners) - sent)]
    assert decided == {"in_control_group"}


# --- waiting for runs -------------------------------------------------------------------------------------------------


def test_a_contest_waits_for_a_run_that_may_bring_candidates_but_not_for_ever(capped: Begin) -> None:
    engage = capped(ONE_A_DAY, order=["gold", "iron"])
    engage.campaign("gold")
    engage.campaign("iron")
    engage.partner("ann")
    engage.enters("iron")
    with engage.services.database.write() as db:
        row = {"program_id": 1, "campaign": "gold", "slot": "2026-03-02T09:00", "as_of": engage.now, "state": "open"}
        version = db.execute(sa.select(tables.campaign_versions.c.id)).scalars().first()
        db.execute(sa.insert(tables.runs).values(**row, version_id=version))
    engage.now += timedelta(minutes=20)
    engage.services.sweep()
    assert not [task for task, _, _ in engage.queue.waiting if task == "contest"]
    engage.queue.waiting.clear()
    engage.now += timedelta(hours=1)
    engage.services.sweep()
    assert [task for task, _, _ in engage.queue.waiting if task == "contest"]
    engage.queue.waiting.clear()


# --- in a replay ------------------------------------------------------------------------------------------------------


def test_a_replay_decides_contests_at_their_instants(capped: Begin, tmp_path: Path) -> None:
    engage = capped(ONE_A_DAY, order=["gold", "iron"])
    engage.campaign("gold", every="monday 09:05")
    engage.campaign("iron", "defer", every="monday 09:05")
    engage.partner("ann")
    today = engage.now.date()
    _, mails = replayed(engage.services, today - 8 * DAY, today - 4 * DAY, tmp_path)
    assert [(mail.campaign, mail.at.strftime("%a %H:%M")) for mail in mails] == [
        ("gold", "Mon 14:15"),
        ("iron", "Tue 14:15"),
    ]
