"""Alerts that salespeople work on: what they find on the list, who has which, and what waits meanwhile."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engage.domain.accounts import Actor, Role
from engage.domain.coaching import CLAIM_LASTS, AlertState, Outcome
from engage.domain.messages import Outcome as Answer
from engage.domain.messages import SendResult
from engage.pipeline.coaching import Turn, claim, release, reopen, resolve, sent_to, snooze, words_for
from engage.pipeline.explaining import explain
from engage.store.audit import entries
from engage.store.coaching import Alert, Whose, alerts_about, in_hand, resolved, waiting
from tests.pipeline.test_desks import write_alerts, write_desks
from tests.pipeline.test_guards import made, waits_for
from tests.pipeline.test_merged_partners import merges
from tests.pipeline.test_subjects import runs, write_mail
from tests.support.consoles import add_user
from tests.support.engage import Engage
from tests.support.journeys import rereads, write_trial
from tests.support.shipped import copy_shipped

DAY = timedelta(days=1)
WHERE = "[{referrals: {last: 90d, at_least: 1}}, {wins: {last: 90d, is: 0}}]"
NEWSLETTER = "monthly-newsletter"


def alerted(engage: Engage, *names: str, owner: str = "sam", **keys: str | None) -> None:
    """Sam has been told of these partners, who refer and do not win."""
    engage.salesperson(owner)
    for name in names or ("ann",):
        engage.partner(name, owner=owner, phone="+49 89 1234-5")
        engage.refers(name, f"of-{name}")
    write_trial(engage, "{alert: {to: owner, say: z}}", emails=(), where=WHERE, **keys)
    runs(engage)


def listed(engage: Engage, whose: Whose | None = None, snoozed: bool = False) -> list[Alert]:
    with engage.services.database.read() as db:
        return waiting(db, [1], whose, engage.now, 10, snoozed=snoozed)


def the_alert(engage: Engage) -> int:
    (alert,) = listed(engage)
    return alert.id


def salesperson(engage: Engage, name: str = "sam") -> Actor:
    user = add_user(engage.services, Role.SALES, None, f"{name}@example.com")
    return Actor(user.email, user.id)


def claims(engage: Engage, alert: int, actor: Actor, instead_of: int | None = None) -> Turn:
    with engage.services.database.write() as db:
        turn = claim(db, [1], alert, actor, engage.now, instead_of)
    assert turn is not None
    return turn


def resolves(engage: Engage, alert: int, actor: Actor, outcome: Outcome = Outcome.TALKED, said: str = "") -> Turn:
    with engage.services.database.write() as db:
        turn = resolve(db, [1], alert, actor, engage.now, outcome, said)
    assert turn is not None
    return turn


def reopens(engage: Engage, alert: int, actor: Actor) -> Turn:
    with engage.services.database.write() as db:
        turn = reopen(db, [1], alert, actor, engage.now)
    assert turn is not None
    return turn


def gives_back(engage: Engage, alert: int, actor: Actor) -> bool:
    with engage.services.database.write() as db:
        turn = release(db, [1], alert, actor, engage.now)
    assert turn is not None
    return turn.done


def snoozes(engage: Engage, alert: int, actor: Actor, days: int = 3) -> bool:
    with engage.services.database.write() as db:
        turn = snooze(db, [1], alert, actor, engage.now, days)
    assert turn is not None
    return turn.done


# --- what is on the list ----------------------------------------------------------------------------------------------


def test_an_alert_that_is_sent_is_on_the_list_with_its_evidence(engage: Engage) -> None:
    alerted(engage)
    (alert,) = listed(engage)
    assert (alert.about, alert.phone, alert.owner, alert.campaign) == ("Ann", "+49 89 1234-5", "Sam", "trial")
    assert [tuple(line) for line in alert.evidence] == [("Referrals, last 90 days", "1"), ("Wins, last 90 days", "0")]
    assert alert.state is AlertState.OPEN


def test_mail_to_partners_and_mail_to_staff_about_nobody_are_no_alerts(engage: Engage) -> None:
    engage.partner("ann", owner=engage.salesperson("sam"))
    engage.runs(NEWSLETTER)
    write_mail(engage, "alerts/contest", "Who leads")
    write_trial(engage, "{alert: {to: owner, say: contest}}", emails=(), for_="staff")
    assert [mail.subject for mail in runs(engage)] == ["Who leads"]
    assert listed(engage) == []


def test_an_alert_whose_mail_reaches_nobody_is_on_the_list_once(engage: Engage) -> None:
    engage.provider.answers["sam@example.com"] = SendResult(Answer.RETRY, detail="try later", status=503)
    alerted(engage)
    engage.after(hours=1)
    assert len(engage.provider.messages) > 1
    assert len(listed(engage)) == 1


def test_a_batch_of_alerts_takes_one_statement(engage: Engage) -> None:
    statements: list[str] = []
    sa.event.listen(engage.services.database.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    alerted(engage, *(f"p{n}" for n in range(10)))
    assert len(listed(engage)) == 10
    batches = sum("INSERT INTO attempts" in said for said in statements)
    assert sum("INSERT INTO coaching_alerts" in said for said in statements) == batches < 10


def test_alerts_of_a_desk_are_those_of_whoever_has_its_address(engage: Engage) -> None:
    engage.partner("ann", owner=engage.salesperson("sam"))
    write_desks(engage)
    write_alerts(engage)
    runs(engage)
    with engage.services.database.read() as db:
        library = engage.services.library()
        of = {who: sent_to(db, library, [1], f"{who}@example.com") for who in ("sam", "Marketing", "chief", "eve")}
    assert [one.recipient for one in listed(engage, of["sam"])] == ["staff:sam"]
    assert [one.recipient for one in listed(engage, of["Marketing"])] == ["staff:desk:marketing"]
    assert [one.recipient for one in listed(engage, of["chief"])] == ["staff:desk:channel-chief"]
    assert listed(engage, of["eve"]) == []
    assert len(listed(engage)) == 3


def test_what_nobody_took_for_60_days_is_not_shown_and_what_somebody_has_is(engage: Engage) -> None:
    alerted(engage, "ann", "bob")
    sam = salesperson(engage)
    engage.now += timedelta(days=59)
    taken = listed(engage)[0].id
    claims(engage, taken, sam)
    engage.now += 2 * DAY
    assert [one.id for one in listed(engage)] == [taken]
    engage.now += CLAIM_LASTS
    assert listed(engage) == []


def test_a_page_goes_on_where_the_last_ended(engage: Engage) -> None:
    alerted(engage, *(f"p{n}" for n in range(5)))
    with engage.services.database.read() as db:
        first = waiting(db, [1], None, engage.now, 3)
        rest = waiting(db, [1], None, engage.now, 3, after=first[-1])
    assert len(first) == 3
    assert len({one.id for one in (*first, *rest)}) == 5


def test_the_words_of_an_alert_have_the_evidence_of_then(engage: Engage) -> None:
    alerted(engage)
    write_mail(engage, "alerts/z", "Call {{ partner.name }}")
    text = "{{ blocks.evidence(evidence) }}\n\n[Note one]({{ links.refer_form | default(links.portal) }})"
    file = engage.services.settings.templates_dir / "alerts" / "z.md"
    file.write_text(file.read_text().replace("Hello.", text))
    rereads(engage)
    engage.refers("ann", "another")
    with engage.services.database.read() as db:
        message = words_for(db, engage.services.library(), listed(engage)[0], "https://engage.example", engage.now)
    assert message is not None
    assert message.subject == "Call Ann"
    assert "Referrals, last 90 days: 1\n" in message.text
    assert message.text.count("/refer/preview") == 1, "the form of whoever was alerted is theirs"


# --- who has it -------------------------------------------------------------------------------------------------------


@pytest.mark.guard("one claim")
def test_of_two_who_claim_one_has_it_and_the_other_is_told_who(engage: Engage) -> None:
    alerted(engage)
    sam, eve = salesperson(engage), salesperson(engage, "eve")
    alert = the_alert(engage)
    turns: list[tuple[Actor, Turn]] = []
    both = threading.Barrier(2)

    def tries(who: Actor) -> None:
        both.wait()
        turns.append((who, claims(engage, alert, who)))

    threads = [threading.Thread(target=tries, args=[who]) for who in (sam, eve)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(turn.done for _, turn in turns) == [False, True]
    winner = next(who for who, turn in turns if turn.done)
    assert {turn.alert.claimed_by for _, turn in turns} == {winner.user_id}
    assert all(turn.alert.claimer for _, turn in turns)


@pytest.mark.guard("one claim")
def test_nobody_resolves_snoozes_or_gives_back_what_another_has(engage: Engage) -> None:
    alerted(engage)
    sam, eve = salesperson(engage), salesperson(engage, "eve")
    alert = the_alert(engage)
    claims(engage, alert, sam)
    assert not resolves(engage, alert, eve).done
    assert not snoozes(engage, alert, eve)
    assert not gives_back(engage, alert, eve)
    assert listed(engage)[0].holder(engage.now) == sam.user_id


def test_what_is_given_back_can_be_claimed_by_another(engage: Engage) -> None:
    alerted(engage)
    sam, eve = salesperson(engage), salesperson(engage, "eve")
    alert = the_alert(engage)
    claims(engage, alert, sam)
    assert gives_back(engage, alert, sam)
    assert claims(engage, alert, eve).done


def test_a_colleague_takes_over_from_whom_they_saw_and_from_nobody_else(engage: Engage) -> None:
    alerted(engage)
    sam, eve, joe = (salesperson(engage, name) for name in ("sam", "eve", "joe"))
    alert = the_alert(engage)
    claims(engage, alert, sam)
    assert claims(engage, alert, eve, instead_of=sam.user_id).done
    late = claims(engage, alert, joe, instead_of=sam.user_id)
    assert (late.done, late.alert.claimed_by) == (False, eve.user_id)


def test_a_snoozed_alert_comes_back_by_itself(engage: Engage) -> None:
    alerted(engage)
    assert snoozes(engage, the_alert(engage), salesperson(engage), days=3)
    assert listed(engage) == []
    assert len(listed(engage, snoozed=True)) == 1
    engage.now += 3 * DAY
    assert len(listed(engage)) == 1


def test_what_is_resolved_leaves_the_list_and_says_what_became_of_it(engage: Engage) -> None:
    alerted(engage)
    sam, alert = salesperson(engage), the_alert(engage)
    claims(engage, alert, sam)
    with engage.services.database.read() as db:
        assert [one.id for one in in_hand(db, [1], sam.user_id or 0, engage.now, 10)] == [alert]
    assert resolves(engage, alert, sam, Outcome.NOT_REACHED, "on holiday").done
    with engage.services.database.read() as db:
        assert waiting(db, [1], None, engage.now, 10) == []
        assert in_hand(db, [1], sam.user_id or 0, engage.now, 10) == []
        (done,) = resolved(db, [1], None, engage.now - DAY, 10)
        assert alerts_about(db, done.partner_id or 0, 10) == [done]
    assert (done.outcome, done.note, done.resolver) == (Outcome.NOT_REACHED, "on holiday", done.claimer)
    assert not claims(engage, alert, sam).done, "it is over"


def test_what_was_resolved_by_mistake_is_opened_again_and_is_theirs(engage: Engage) -> None:
    alerted(engage)
    sam, alert = salesperson(engage), the_alert(engage)
    resolves(engage, alert, sam, Outcome.WRONG, "a slip")
    engage.now += timedelta(days=61)
    assert reopens(engage, alert, sam).done
    (again,) = listed(engage)
    assert (again.holder(engage.now), again.outcome, again.resolved_at) == (sam.user_id, None, None)
    assert again.note == "a slip", "to go on with"
    assert engage.runs(NEWSLETTER) == [], "marketing mail waits again"
    assert resolves(engage, alert, sam).done


@pytest.mark.guard("one claim")
def test_only_what_is_resolved_is_opened_again_and_by_one(engage: Engage) -> None:
    alerted(engage)
    sam, eve = salesperson(engage), salesperson(engage, "eve")
    alert = the_alert(engage)
    assert not reopens(engage, alert, sam).done, "it is open"
    claims(engage, alert, sam)
    assert not reopens(engage, alert, eve).done, "somebody has it"
    resolves(engage, alert, sam)
    assert reopens(engage, alert, eve).done
    late = reopens(engage, alert, sam)
    assert (late.done, late.alert.claimed_by) == (False, eve.user_id)


def test_each_change_is_in_the_audit_log_and_says_nothing_of_the_partner(engage: Engage) -> None:
    alerted(engage)
    sam, alert = salesperson(engage), the_alert(engage)
    claims(engage, alert, sam)
    claims(engage, alert, sam)
    snoozes(engage, alert, sam)
    resolves(engage, alert, sam, said="Ann is ill")
    reopens(engage, alert, sam)
    resolves(engage, alert, sam, said="Ann is ill")
    with engage.services.database.read() as db:
        noted = entries(db, 10, of_object=f"alert:{alert}")
    assert [one.action for one in noted] == [
        "alert.resolve",
        "alert.reopen",
        "alert.resolve",
        "alert.snooze",
        "alert.claim",
    ]
    assert "Ann" not in str(noted)
    assert (noted[0].before or {})["state"] == "claimed"
    assert (noted[0].after or {})["outcome"] == "talked"


def test_an_alert_of_another_program_is_not_there(engage: Engage) -> None:
    alerted(engage)
    sam, alert = salesperson(engage), the_alert(engage)
    with engage.services.database.write() as db:
        assert claim(db, [2], alert, sam, engage.now, None) is None
        assert waiting(db, [2], None, engage.now, 10) == []


# --- what waits meanwhile ---------------------------------------------------------------------------------------------


def test_marketing_mail_waits_while_an_alert_is_claimed_and_goes_out_when_it_is_resolved(engage: Engage) -> None:
    alerted(engage)
    sam, alert = salesperson(engage), the_alert(engage)
    claims(engage, alert, sam)
    assert engage.runs(NEWSLETTER) == []
    assert engage.decisions()[-1] == ("defer", "claimed")
    resolves(engage, alert, sam)
    assert [mail.to.email for mail in engage.after(minutes=16)] == ["ann@example.com"]


@pytest.mark.guard("claim at sending")
def test_what_was_decided_before_the_claim_waits_too(engage: Engage) -> None:
    alerted(engage)
    made(engage, NEWSLETTER)
    claims(engage, the_alert(engage), salesperson(engage))
    assert engage.work() == []
    assert engage.decisions()[-1] == ("defer", "claimed")


@pytest.mark.guard("recipient lock")
def test_a_claim_waits_for_the_mail_that_is_being_decided(postgres_url: str, tmp_path: Path) -> None:
    engage = Engage(postgres_url, tmp_path, *copy_shipped(tmp_path))
    alerted(engage)
    sam, alert = salesperson(engage), the_alert(engage)
    ids = made(engage, NEWSLETTER)
    assert waits_for(engage, ids, lambda db: claim(db, [1], alert, sam, engage.now, None))


def test_status_mail_and_alerts_come_while_an_alert_is_claimed(engage: Engage) -> None:
    alerted(engage)
    claims(engage, the_alert(engage), salesperson(engage))
    engage.becomes("ann", "of-ann", "won")
    assert [mail.to.email for mail in engage.work()] == ["ann@example.com"]
    engage.now += DAY
    write_trial(engage, "{alert: {to: owner, say: z}}", emails=(), again="each slot")
    assert [mail.to.email for mail in runs(engage)] == ["sam@example.com"]


def test_only_those_wait_whose_alert_is_claimed(engage: Engage) -> None:
    alerted(engage, "ann", "bob")
    alert = next(one for one in listed(engage) if one.about == "Ann")
    claims(engage, alert.id, salesperson(engage))
    assert [mail.to.email for mail in engage.runs(NEWSLETTER)] == ["bob@example.com"]


def test_a_claim_ends_by_itself_after_30_days(engage: Engage) -> None:
    alerted(engage)
    sam, eve, alert = salesperson(engage), salesperson(engage, "eve"), the_alert(engage)
    claims(engage, alert, sam)
    engage.now += CLAIM_LASTS
    assert listed(engage)[0].holder(engage.now) is None
    assert [mail.to.email for mail in engage.runs(NEWSLETTER)] == ["ann@example.com"]
    assert claims(engage, alert, eve).done


def test_a_claim_that_was_given_back_or_snoozed_open_holds_nothing_up(engage: Engage) -> None:
    alerted(engage)
    sam, alert = salesperson(engage), the_alert(engage)
    claims(engage, alert, sam)
    gives_back(engage, alert, sam)
    snoozes(engage, alert, sam)
    assert [mail.to.email for mail in engage.runs(NEWSLETTER)] == ["ann@example.com"]


def test_a_claim_of_one_who_was_merged_into_another_is_of_that_one(engage: Engage) -> None:
    engage.partner("bob")
    alerted(engage, "ann")
    claims(engage, the_alert(engage), salesperson(engage))
    merges(engage, "ann", "bob")
    assert listed(engage)[0].partner == "bob"
    assert engage.runs(NEWSLETTER) == []


def test_an_explanation_of_a_past_day_has_the_claim_that_stood_then(engage: Engage) -> None:
    alerted(engage)
    sam, alert = salesperson(engage), the_alert(engage)
    before = engage.now
    engage.now += DAY
    claims(engage, alert, sam)
    meanwhile = engage.now
    engage.now += DAY
    resolves(engage, alert, sam)

    def objecting(as_of: object) -> list[str]:
        library = engage.services.library()
        campaign = library.find(NEWSLETTER)
        with engage.services.database.read() as db:
            told = explain(db, library.scope_of(campaign), campaign, "ann", as_of)  # type: ignore[arg-type]
        return [verdict.guard for step in told.steps for verdict in step.verdicts if verdict.decision is not None]

    assert "left_to_sales" not in objecting(before)
    assert "left_to_sales" in objecting(meanwhile)
    assert "left_to_sales" not in objecting(engage.now)
