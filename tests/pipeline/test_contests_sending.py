"""Room under frequency caps is looked at again in the moment of sending."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from engage.domain.messages import Outcome, SendResult
from engage.domain.records import AliasRecord
from engage.pipeline import recheck as rechecking
from engage.store import tables
from engage.store.evidence import accept_on_evidence
from tests.support.caps import DAY, ONE_A_DAY, TWO_A_WEEK, Begin, Capped, campaigns_of


@pytest.mark.guard("cap at sending")
def test_room_that_was_taken_since_is_noticed_when_sending(capped: Begin) -> None:
    engage = capped(ONE_A_DAY)
    engage.campaign("gold")
    engage.campaign("iron", "defer")
    engage.partner("ann")
    engage.enters("iron")
    engage.passes_without_sending()
    _uncounted(engage, "gold")
    assert campaigns_of(engage.work_all()) == ["gold"]
    assert engage.reasons()["iron"] == "pending"
    assert campaigns_of(engage.after(2 * DAY)) == ["iron"]


def _uncounted(engage: Capped, name: str) -> None:
    """A mail of this campaign that goes first and competes with nobody, as after an operator's word."""
    engage.enters(name)
    d = tables.deliveries
    with engage.services.database.write() as db:
        mine = d.c.campaign == name
        db.execute(sa.update(d).where(mine).values(contest_at=None, due_at=engage.now - timedelta(hours=1)))


@pytest.mark.guard("cap at sending")
def test_two_mails_of_one_batch_do_not_both_take_the_last_room(capped: Begin) -> None:
    engage = capped(ONE_A_DAY, order=["gold", "iron"])
    for name in ("iron", "gold"):
        engage.campaign(name)
    engage.partner("ann")
    for name in ("iron", "gold"):
        _uncounted(engage, name)
    assert campaigns_of(engage.work_all()) == ["gold"]


def test_a_mail_counts_from_when_it_may_have_gone_out_at_the_latest(
    capped: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    engage = capped(ONE_A_DAY)
    engage.campaign("gold")
    engage.campaign("iron")
    engage.partner("ann")
    send = engage.timed.send

    def slow(*arguments: object) -> object:
        engage.now += timedelta(seconds=30)
        return send(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(engage.timed, "send", slow)
    engage.enters("gold")
    (gone,) = engage.passes()
    begun = gone.at - timedelta(seconds=30)
    engage.now = begun + DAY - timedelta(seconds=10)  # and then work_all adds thirty: too early by ten
    _uncounted(engage, "iron")
    assert engage.work_all() == []
    assert engage.reasons()["iron"] == "frequency_cap"


def test_a_mail_whose_worker_slept_counts_from_when_it_was_given_up(
    capped: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    engage = capped(ONE_A_DAY)
    engage.campaign("gold")
    engage.partner("ann")
    send = engage.timed.send

    def sleeps(*arguments: object) -> object:
        engage.now += timedelta(minutes=3)
        engage.services.sweep()
        return send(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(engage.timed, "send", sleeps)
    engage.enters("gold")
    (gone,) = engage.passes()
    d = tables.deliveries.c
    with engage.services.database.read() as db:
        assert db.execute(sa.select(d.state, d.counts_at)).one() == ("unknown", gone.at)


def test_proof_that_a_mail_went_out_after_all_makes_it_count(capped: Begin) -> None:
    engage = capped(ONE_A_DAY)
    engage.campaign("gold")
    engage.partner("ann")
    engage.timed.answers["ann@example.com"] = SendResult(Outcome.DEAD, status=400, detail="400")
    engage.enters("gold")
    engage.passes()
    d = tables.deliveries.c
    with engage.services.database.write() as db:
        id_, counts_at = db.execute(sa.select(d.id, d.counts_at)).one()
        assert counts_at is None
        accept_on_evidence(db, {id_: "x"}, engage.now)
        assert db.execute(sa.select(d.counts_at)).scalar_one() == engage.now


def test_caps_follow_a_partner_who_has_changed_company(capped: Begin) -> None:
    engage = capped("at_most: 1, per: company, in: 7d", order=["gold"])
    engage.campaign("gold")
    engage.campaign("iron")
    engage.partner("ann", company="acme")
    engage.partner("bob", company="beta")
    engage.enters("gold")
    engage.passes_without_sending()
    engage.partner("bob", company="acme")
    assert len(engage.work_all()) == 1, "by now they are of one company, and its mails are counted together"


def test_caps_follow_a_partner_who_has_changed_address(capped: Begin) -> None:
    engage = capped("at_most: 1, per: address, in: 7d")
    engage.campaign("gold")
    engage.campaign("iron")
    engage.partner("bob", email="desk@example.com")
    engage.enters("iron")
    assert campaigns_of(engage.passes()) == ["iron"]
    engage.partner("ann")
    engage.enters("gold")
    engage.passes_without_sending()
    engage.partner("ann", email="desk@example.com")
    assert engage.work_all() + engage.work_all() == [], "the first composes it anew, the second finds no room"
    d = tables.deliveries.c
    with engage.services.database.read() as db:
        ended = db.execute(sa.select(d.recipient, d.reason).where(d.campaign == "gold").order_by(d.recipient)).all()
    assert ended == [("partner:ann", "frequency_cap"), ("partner:bob", "frequency_cap")]


def test_what_both_of_two_merged_partners_got_counts(capped: Begin) -> None:
    engage = capped(TWO_A_WEEK)
    engage.campaign("gold")
    engage.campaign("iron")
    engage.partner("ann")
    engage.partner("bob")
    engage.enters("gold")
    assert campaigns_of(engage.passes()) == ["gold", "gold"]
    engage.takes(AliasRecord("partner", "bob", "ann"), news=False)
    engage.enters("iron")
    assert engage.passes() == []
    assert engage.reasons()["iron"] == "frequency_cap"


def test_room_is_reserved_for_whom_the_winner_is_by_now(capped: Begin) -> None:
    engage = capped("at_most: 1, per: address, in: 7d", order=["gold", "iron"])
    engage.campaign("gold")
    engage.campaign("iron")
    engage.partner("ann", email="ann@example.com")
    engage.enters("gold", "iron")
    engage.partner("ann", email="new@example.com")
    engage.partner("bob", email="new@example.com")
    engage.passes_without_sending()
    assert engage.reasons() == {"gold": "pending", "iron": "frequency_cap"}
    assert [(went.to, went.campaign) for went in engage.work_all()] == [("new@example.com", "gold")]


def test_a_mail_whose_topic_is_gone_is_held_to_caps_all_the_same(capped: Begin) -> None:
    mine = "      mine: {kind: marketing, label: Mine}\n"
    engage = capped(ONE_A_DAY, order=["gold"], topics=mine)
    engage.campaign("gold", topic="mine")
    engage.campaign("iron", topic="mine")
    engage.partner("ann")
    engage.enters("gold", "iron")
    path = engage.folder / "campaigns" / "program.yaml"
    path.write_text(path.read_text().replace(mine, ""))
    engage.campaign("gold")
    engage.campaign("iron")
    assert campaigns_of(engage.passes()) == ["gold"]


def test_a_partner_whose_company_changes_in_that_very_moment_is_looked_at_anew(
    capped: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    engage = capped("at_most: 1, per: company, in: 7d")
    engage.campaign("gold")
    engage.partner("bob", company="beta")
    engage.enters("gold")
    engage.passes_without_sending()
    lock, locks = rechecking.lock_wider, list[object]()

    def another_first(*arguments: object) -> object:
        locked = lock(*arguments)  # type: ignore[arg-type]
        locks.append(locked)
        return locked if len(locks) > 1 else {program: set() for program in locked}

    monkeypatch.setattr(rechecking, "lock_wider", another_first)
    assert engage.work_all() == []
    assert [went.to for went in engage.work_all()] == ["bob@example.com"]
