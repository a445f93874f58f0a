"""What operators do with unknown and dead deliveries: all or none, with their keys, decided anew."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from engage.domain.accounts import Actor
from engage.domain.deliveries import DeliveryState
from engage.domain.errors import InputError
from engage.domain.messages import Outcome, SendResult
from engage.pipeline.settling import Move, parse_ids, written_id
from engage.store import tables
from engage.store.audit import entries
from engage.store.settling import Shown, Stuck, Which, all_shown, stuck
from tests.support.engage import Engage
from tests.support.mishaps import LOST, REFUSED, won

ODD = SendResult(Outcome.DEAD, status=400, detail="400 100% of_it")
ALL = Which()


def rows(engage: Engage) -> dict[str, Any]:
    d = tables.deliveries
    with engage.services.database.read() as db:
        return {row.recipient.removeprefix("partner:"): row for row in db.execute(sa.select(d).order_by(d.c.id))}


def id_of(engage: Engage, name: str) -> int:
    found: int = rows(engage)[name].id
    return found


def listed(engage: Engage, state: DeliveryState, which: Which = ALL, limit: int = 50) -> tuple[list[Stuck], int]:
    with engage.services.database.read() as db:
        return stuck(db, state, which, limit)


def recipients(engage: Engage, state: DeliveryState, which: Which) -> list[str]:
    return [one.recipient.removeprefix("partner:") for one in listed(engage, state, which)[0]]


# --- what is listed ---------------------------------------------------------------------------------------------------


def test_what_is_listed_has_all_that_helps_to_decide(engage: Engage) -> None:
    won(engage, ann=LOST)
    ((one,), total) = listed(engage, DeliveryState.UNKNOWN)
    assert total == 1
    assert (one.campaign, one.recipient, one.email) == ("referral-won", "partner:ann", "ann@example.com")
    assert one.subject == engage.provider.messages[0].subject
    assert one.reason == "ServerDisconnectedError: Server disconnected"
    assert one.since == engage.now
    assert [(tried.number, tried.outcome, tried.detail) for tried in one.tried] == [(1, "unknown", one.reason)]


def test_a_list_shows_so_many_and_says_how_many_there_are(engage: Engage) -> None:
    won(engage, ann=REFUSED, bob=REFUSED, cyd=REFUSED)
    shown, total = listed(engage, DeliveryState.DEAD, limit=2)
    assert ([one.recipient for one in shown], total) == (["partner:ann", "partner:bob"], 3)
    assert listed(engage, DeliveryState.UNKNOWN) == ([], 0)


def test_dead_ones_are_found_by_campaign_and_by_what_is_in_their_reason(engage: Engage) -> None:
    won(engage, ann=REFUSED, bob=ODD)
    dead = DeliveryState.DEAD
    assert recipients(engage, dead, Which(campaign="referral-won")) == ["ann", "bob"]
    assert recipients(engage, dead, Which(campaign="monthly")) == []
    assert recipients(engage, dead, Which(error="TOO long")) == ["ann"]
    assert recipients(engage, dead, Which(error="100%")) == ["bob"]
    assert recipients(engage, dead, Which(error="t_o long")) == []


# --- sent again -------------------------------------------------------------------------------------------------------


def test_an_unknown_one_is_sent_again_only_when_somebody_says_so(engage: Engage) -> None:
    won(engage, ann=LOST, bob=LOST)
    key = rows(engage)["ann"].public_id
    engage.now += timedelta(hours=1)
    engage.services.sweep()
    assert engage.work() == []
    moved = engage.services.move(Move.RESEND, Which((id_of(engage, "ann"),)), "she never got it")
    assert moved.ids == [id_of(engage, "ann")]
    row = rows(engage)["ann"]
    assert (row.state, row.claims, row.settled_at, row.lease) == ("pending", 0, None, None)
    assert row.reason == "ServerDisconnectedError: Server disconnected; operator: resend: she never got it"
    assert [message.id for message in engage.work()] == [key]
    assert engage.partner_states() == {"ann": "accepted", "bob": "unknown"}
    a = tables.attempts.c
    with engage.services.database.read() as db:
        tried = list(db.execute(sa.select(a.number, a.outcome).where(a.delivery_id == row.id).order_by(a.number)))
    assert [tuple(one) for one in tried] == [(1, "unknown"), (2, "accepted")]


@pytest.mark.parametrize(("move", "answer"), [(Move.RESEND, LOST), (Move.RETRY, REFUSED)])
def test_everything_is_decided_anew(engage: Engage, move: Move, answer: SendResult) -> None:
    won(engage, ann=answer)
    engage.partner("ann", status="inactive")
    engage.services.move(move, ALL, "again")
    assert engage.work() == []
    assert engage.partner_states() == {"ann": "skipped"}


def expires(engage: Engage, name: str) -> datetime:
    found: datetime = rows(engage)[name].expires_at
    return found


def test_what_has_expired_gets_its_time_anew_and_what_has_not_keeps_it(engage: Engage) -> None:
    won(engage, ann=LOST)
    span = expires(engage, "ann") - engage.now
    engage.now += span / 2
    won(engage, bob=LOST)
    bobs = expires(engage, "bob")
    engage.now += span / 2
    engage.services.move(Move.RESEND, ALL, "the outage is over")
    assert expires(engage, "ann") == engage.now + span
    assert expires(engage, "bob") == bobs
    engage.provider.answers = dict.fromkeys(["ann@example.com", "bob@example.com"], LOST)
    assert len(engage.work()) == 2
    engage.now += 10 * span
    engage.services.move(Move.RESEND, ALL, "again")
    assert expires(engage, "ann") == expires(engage, "bob") == engage.now + span


def test_a_dead_one_is_tried_again_with_its_key(engage: Engage) -> None:
    won(engage, ann=REFUSED)
    first = engage.provider.messages[-1]
    engage.services.move(Move.RETRY, Which(error="too long"), "it is shorter now")
    assert rows(engage)["ann"].reason == f"{REFUSED.detail}; operator: retry: it is shorter now"
    (second,) = engage.work()
    assert second.id == first.id
    assert second.custom_args["engage_attempt"] == "2"
    assert engage.partner_states() == {"ann": "accepted"}


# --- settled ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("move", "answer", "state", "note"),
    [
        (Move.SENT, LOST, "accepted", "operator: sent: it is there"),
        (Move.NOT_SENT, LOST, "cancelled", "operator: not sent: it is there"),
        (Move.DROP, REFUSED, "cancelled", "dropped: it is there"),
    ],
)
def test_what_is_settled_goes_nowhere(engage: Engage, move: Move, answer: SendResult, state: str, note: str) -> None:
    won(engage, ann=answer)
    engage.now += timedelta(hours=1)
    engage.services.move(move, ALL, "it is there")
    row = rows(engage)["ann"]
    assert (row.state, row.reason, row.settled_at) == (state, f"{answer.detail}; {note}", engage.now)
    engage.services.sweep()
    assert engage.work() == []


@pytest.mark.parametrize("move", list(Move))
def test_a_move_concerns_all_that_are_named_or_none(engage: Engage, move: Move) -> None:
    won(engage, ann=LOST, bob=REFUSED, cyd=SendResult(Outcome.ACCEPTED))
    before = rows(engage)
    mine = "ann" if move.value[0] is DeliveryState.UNKNOWN else "bob"
    with pytest.raises(InputError) as caught:
        engage.services.move(move, Which((id_of(engage, mine), id_of(engage, "cyd"), 999)), "why")
    assert f"{written_id(id_of(engage, 'cyd'))} is accepted, d-999 is not there" in str(caught.value)
    assert "nothing was changed" in str(caught.value)
    assert rows(engage) == before
    assert not engage.queue.waiting


def test_a_move_that_concerns_nothing_says_so(engage: Engage) -> None:
    won(engage, ann=LOST)
    for which, said in (
        (Which(campaign="monthly"), "no delivery of campaign 'monthly' is unknown"),
        (Which(error="busy"), "no delivery with 'busy' in its reason is unknown"),
    ):
        with pytest.raises(InputError, match=said):
            engage.services.move(Move.RESEND, which, "why")


def test_of_two_operators_at_once_the_second_is_told(engage: Engage) -> None:
    won(engage, ann=LOST)
    which = Which((id_of(engage, "ann"),))
    engage.services.move(Move.RESEND, which, "me first")
    with pytest.raises(InputError, match="is pending"):
        engage.services.move(Move.SENT, which, "me too")


def test_a_thousand_are_moved_by_a_few_statements(engage: Engage) -> None:
    won(engage, ann=REFUSED)
    copies(engage, 1_000)
    statements: list[str] = []
    sa.event.listen(engage.services.database.engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
    moved = engage.services.move(Move.RETRY, Which(campaign="referral-won"), "mended")
    assert len(moved.ids) == 1_001
    assert len([text for text in statements if not text.startswith("BEGIN")]) <= 4


def copies(engage: Engage, count: int) -> None:
    """As many more deliveries like the one that there is."""
    d = tables.deliveries
    with engage.services.database.write() as db:
        (one,) = db.execute(sa.select(d)).mappings()
        like = {name: value for name, value in one.items() if name != "id"}
        more = [{**like, "public_id": f"x{n}", "occasion": f"x{n}"} for n in range(count)]
        db.execute(sa.insert(d), more)


def test_ids_are_read_as_they_are_written() -> None:
    assert parse_ids(["d-12", "d-3", "d-12"]) == (12, 3)
    for wrong in ("12", "d-", "d-x", "D-1", "d-1 ", "d-٣", "d-1234567890123456789"):
        with pytest.raises(InputError, match="d-12"):
            parse_ids([wrong])


# --- who did it, and what they were shown -----------------------------------------------------------------------------

OLA = Actor("ola@example.com", origin="127.0.0.1 test")


def shown(engage: Engage, state: DeliveryState, which: Which = ALL) -> Shown:
    with engage.services.database.read() as db:
        return all_shown(db, state, which)[1]


@pytest.mark.parametrize(
    ("move", "answer"),
    [(Move.RESEND, LOST), (Move.SENT, LOST), (Move.NOT_SENT, LOST), (Move.RETRY, REFUSED), (Move.DROP, REFUSED)],
)
def test_the_audit_log_keeps_who_moved_which_and_why(engage: Engage, move: Move, answer: SendResult) -> None:
    won(engage, ann=answer, bob=answer)
    engage.services.move(move, ALL, "the outage is over", OLA)
    ids = [id_of(engage, name) for name in ("ann", "bob")]
    assert engage.audited() == [
        ("ola@example.com", move.action, f"delivery:{id_}", "the outage is over") for id_ in ids
    ]
    with engage.services.database.read() as db:
        (newest, _) = entries(db, 2)
    assert (newest.program_id, newest.at, newest.origin) == (1, engage.now, "127.0.0.1 test")
    assert (newest.before, newest.after) == ({"state": move.value[0]}, {"state": move.value[1]})


def test_who_names_nobody_is_at_the_command_line(engage: Engage) -> None:
    won(engage, ann=REFUSED)
    engage.services.move(Move.DROP, ALL, "no use")
    assert engage.audited() == [("command line", "delivery.drop", f"delivery:{id_of(engage, 'ann')}", "no use")]


def test_what_was_not_moved_is_not_in_the_audit_log(engage: Engage) -> None:
    won(engage, ann=LOST)
    with pytest.raises(InputError):
        engage.services.move(Move.SENT, Which((id_of(engage, "ann"), 999)), "why", OLA)
    assert engage.audited() == []


def test_what_was_shown_is_moved_while_it_is_the_same(engage: Engage) -> None:
    won(engage, ann=REFUSED, bob=REFUSED)
    seen = shown(engage, DeliveryState.DEAD)
    assert seen == Shown(2, engage.now)
    assert len(engage.services.move(Move.DROP, ALL, "no use", OLA, seen).ids) == 2


def test_nothing_is_moved_when_more_or_others_are_there_than_were_shown(engage: Engage) -> None:
    won(engage, ann=REFUSED, bob=REFUSED)
    seen = shown(engage, DeliveryState.DEAD)
    engage.now += timedelta(minutes=1)
    won(engage, cyd=REFUSED)
    with pytest.raises(InputError, match="it had 2 dead, and has 3 now; nothing was changed"):
        engage.services.move(Move.DROP, ALL, "no use", OLA, seen)
    engage.services.move(Move.RETRY, Which((id_of(engage, "ann"),)), "first", OLA)
    with pytest.raises(InputError, match="it had 2 dead, and has 2 now"):
        engage.services.move(Move.DROP, ALL, "no use", OLA, seen)
    assert sorted(engage.partner_states().items()) == [("ann", "pending"), ("bob", "dead"), ("cyd", "dead")]
    assert len(engage.audited()) == 1


def test_somebody_of_other_programs_finds_nothing_by_its_id_neither(engage: Engage) -> None:
    won(engage, ann=REFUSED)
    elsewhere = Which((id_of(engage, "ann"),), program_ids=(77,))
    with pytest.raises(InputError, match=f"d-{id_of(engage, 'ann')} is not there"):
        engage.services.move(Move.DROP, elsewhere, "mine", OLA)
    assert shown(engage, DeliveryState.DEAD, Which(program_ids=(77,))) == Shown(0, None)
    assert engage.partner_states() == {"ann": "dead"}
