"""What is held of a partner is handed out whole, and erased everywhere: in every column of every table."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from engage.domain.accounts import COMMAND_LINE
from engage.domain.consent import SuppressionReason
from engage.domain.errors import InputError
from engage.domain.records import (
    AliasRecord,
    CompanyRecord,
    HelpRecord,
    LoginRecord,
    PartnerRecord,
    ReferralRecord,
    RewardRecord,
)
from engage.facts import Scope
from engage.pipeline.privacy import Forgotten, NobodyKnown, export, forget
from engage.store import tables as t
from engage.store.consent import change_subscription, lift_suppressions, suppress
from engage.store.holdings import MENTIONING, OF_NOBODY, of_partner, whose
from engage.store.types import Json
from tests.support.engage import Engage

NAME, EMAIL, ALIAS, TWIN = "canary-0a7f", "bird@canary-0a7f.example.com", "canary-1b2c", "canary-3d4e"
TRACES = ("canary", "zwitscher")
CANARY = f"Zwitscher Canary <{EMAIL}> known as {NAME}"


def scope_of(engage: Engage) -> Scope:
    return engage.services.library().scopes()[engage.program]


def forgets(engage: Engage, name: str = NAME) -> Forgotten:
    with engage.services.database.write() as db:
        return forget(db, scope_of(engage), engage.services.signer, name, COMMAND_LINE, "they asked us to", engage.now)


def held(engage: Engage, name: str = NAME) -> dict[str, Any]:
    with engage.services.database.read() as db:
        return export(db, scope_of(engage), name, engage.now)


def registers(engage: Engage, name: str = NAME, **fields: object) -> None:
    said = {"email": EMAIL, "first_name": "Zwitscher", "last_name": "Canary", "phone": "+49 canary", "owner": "sam"}
    said |= {"company": "acme", "region": "canary-region", "locale": "en", "attributes": {"pet": "canary"}}
    engage.partner(name, **(said | fields))


def lives(engage: Engage) -> None:
    """A year of a partner, with all that engage ever stores of one."""
    engage.salesperson("sam")
    engage.takes(CompanyRecord("acme", name="Acme"), news=False)
    registers(engage)
    registers(engage, TWIN, first_name=None)
    engage.takes(AliasRecord("partner", TWIN, NAME), AliasRecord("partner", ALIAS, NAME), news=False)
    engage.takes(CompanyRecord("acme", contact=NAME), news=False)
    engage.logs_in(NAME, days_ago=90)
    said = {"lead_company": "Canary Ltd", "lead_name": "Zwitscher", "lead_contact": EMAIL, "note": CANARY}
    engage.refers(NAME, "r-1", **said)
    engage.refers(NAME, "r-2", **said)
    engage.becomes(NAME, "r-1", "won", loss_reason=CANARY, involvement=CANARY)
    engage.takes(
        HelpRecord("r-1", engage.now, f"ask {CANARY}"), RewardRecord("w-1", NAME, 100, "r-1", CANARY), news=False
    )
    engage.work()
    for campaign in ("monthly-newsletter", "no-login-30-days"):
        engage.runs(campaign)
    engage.becomes(NAME, "r-2", "won")
    engage.services.match(engage.queue.waiting.popleft()[1])
    with engage.services.database.write() as db:
        seed(db, engage)
        overwrite(db, engage)


def seed(db: sa.Connection, engage: Engage) -> None:
    """What only comes about by way of a browser, a provider or an accident."""
    program_id, at = scope_of(engage).program_id, {"program_id": scope_of(engage).program_id}
    p, d = t.partners.c, t.deliveries.c
    partner_id, address_id = db.execute(sa.select(p.id, p.address_id).where(p.external_id == NAME)).one()
    mail_id, enrollment_id = db.execute(sa.select(d.id, d.enrollment_id).where(d.partner_id == partner_id)).first()
    whom, when = at | {"partner_id": partner_id}, {"changed_at": engage.now, "how": "preferences"}

    def add(table: sa.Table, **values: object) -> None:
        db.execute(sa.insert(table), values)

    said = {"how": "preferences", "source": CANARY, "now": engage.now}
    change_subscription(db, program_id, partner_id, address_id, "tips", subscribed=False, **said)
    suppress(db, program_id, partner_id, address_id, SuppressionReason.STOP_ALL, engage.now, "preferences", CANARY)
    refused = {"topic": "tips", "refused_at": engage.now, "how": "import"}
    add(t.address_refusals, **at, address_id=address_id, **refused)
    add(t.rhythms, **whom, topic="tips", rhythm="daily", **when, source=CANARY)
    add(t.pauses, **whom, **when, source=CANARY)
    add(t.languages, **whom, locale="en", **when, source=CANARY)
    add(t.answers, **whom, question="q", answer="a", answered_at=engage.now)
    asked = {"browser_hash": "x", "asked_at": engage.now, "expires_at": engage.now}
    add(t.confirmations, **whom, address_id=address_id, public_id="c", **asked)
    add(t.promotion_terms, **whom, campaign="c", terms={}, frozen_at=engage.now)
    opened = {"campaign": "c", "opened_slot": "2026-01-01T09:00", "opened_at": engage.now}
    add(t.episodes, **at, subject="partner", subject_id=partner_id, **opened)
    composed = {"subject": CANARY, "html": CANARY, "text": CANARY, "headers": {}, "composed_at": engage.now}
    add(t.kept_messages, delivery_id=mail_id, **composed)
    add(t.delivery_occasions, delivery_id=mail_id, enrollment_id=enrollment_id)
    seen = {"kind": "delivered", "occurred_at": engage.now, "observed_at": engage.now, "soft": False, "machine": False}
    for key, of in (("1", {"delivery_id": mail_id}), ("2", {"address_id": address_id})):
        add(t.feedback, natural_key=key, raw={"email": EMAIL}, reason=CANARY, **seen, **of)
    alert = {
        "campaign": "c",
        "template": "t",
        "recipient": "staff:sam",
        "raised_at": engage.now,
        "evidence": [[CANARY]],
    }
    for id_, state in ((mail_id, "resolved"), (0, "open")):
        add(t.coaching_alerts, **whom, delivery_id=id_, state=state, note=CANARY, **alert)
    add(
        t.webhooks,
        provider="sendgrid",
        received_at=engage.now,
        absorbed_at=engage.now,
        body=json.dumps([{"email": EMAIL}]),
    )
    key_id = db.execute(
        sa.insert(t.api_keys).returning(t.api_keys.c.id),
        at | {"name": "crm", "public_id": "k", "kind": "bearer", "scopes": [], "created_at": engage.now},
    ).scalar_one()
    answered = {"idempotency_key": "i", "fingerprint": "f", "status": 200, "answered_at": engage.now}
    add(t.idempotent_answers, api_key_id=key_id, body=f"partner '{NAME}' is not known", **answered)
    polled = {"version": 1, "next_poll_at": engage.now, "failures": 0, "held": False}
    source_id = db.execute(
        sa.insert(t.watched_sources).returning(t.watched_sources.c.id), at | {"name": "crm"} | polled
    ).scalar_one()
    rejected = {"row_key": "7", "reason": "no", "first_at": engage.now, "last_at": engage.now}
    add(t.source_rejects, source_id=source_id, row={"id": NAME, "mail": EMAIL}, **rejected)
    logged = {"at": engage.now, "actor": "ops@example.com", "action": "partner.look", "object": f"partner:{NAME}"}
    add(t.audit_entries, **at, before={"email": EMAIL}, after={"id": NAME}, why=CANARY, **logged)
    for number, url in enumerate(
        (f"https://x.example.com/?me={EMAIL.replace('@', '%40')}", f"https://x.example.com/{NAME}/")
    ):
        add(t.links, **at, hash=str(number), url=url, first_at=engage.now)


OURS = {"how", "template", "lease", "source", "terms"}
"""Free texts and JSON that hold our own words."""


def overwrite(db: sa.Connection, engage: Engage) -> None:
    """Writes the canary into every free text and JSON value of each row that is held of them."""
    p = t.partners.c
    partner_id = db.execute(sa.select(p.id).where(p.external_id == NAME)).scalar_one()
    who = whose(db, scope_of(engage).program_id, partner_id)
    for table, which in of_partner(who).items():
        assert db.execute(sa.select(sa.func.count()).select_from(table).where(which)).scalar(), f"{table.name} is empty"
        free = [
            c for c in table.columns if type(c.type) is sa.Text and not c.type._variant_mapping and c.name not in OURS
        ]
        values: dict[str, Any] = {c.name: CANARY for c in free if c.name not in ("email",)}
        values |= {c.name: {"said": CANARY} for c in table.columns if c.type is Json and c.name not in OURS}
        if table is t.deliveries:
            which = sa.and_(which, t.deliveries.c.state == "accepted")
        if values:
            db.execute(sa.update(table).where(which).values(values))


def traces(engage: Engage) -> list[str]:
    """Where anything says who they are: table, column and value."""

    def found() -> Iterator[str]:
        with engage.services.database.read() as db:
            for table in t.metadata.sorted_tables:
                for row in db.execute(sa.select(table)).mappings():
                    for column, value in row.items():
                        text = json.dumps(value, default=str, ensure_ascii=False).lower()
                        if any(trace in text for trace in TRACES):
                            yield f"{table.name}.{column}: {value}"

    return list(found())


def counts(engage: Engage) -> dict[str, int]:
    """What reports count."""
    d = t.deliveries.c
    with engage.services.database.read() as db:
        states = {
            f"deliveries {state}": number
            for state, number in db.execute(sa.select(d.state, sa.func.count()).group_by(d.state))
            if state not in ("pending", "cancelled")
        }
    counted = (
        t.enrollments,
        t.decisions,
        t.deliveries,
        t.attempts,
        t.feedback,
        t.referrals,
        t.rewards,
        t.events,
        t.answers,
    )
    return states | {table.name: engage.count(table) for table in counted}


def test_every_table_is_known_to_hold_something_of_partners_or_nothing(engage: Engage) -> None:
    engage.partner()
    with engage.services.database.read() as db:
        partner_id = db.execute(sa.select(t.partners.c.id)).scalar_one()
        theirs = set(of_partner(whose(db, scope_of(engage).program_id, partner_id)))
    assert theirs | set(MENTIONING) | OF_NOBODY == set(t.metadata.sorted_tables)
    assert not theirs & OF_NOBODY
    assert not theirs & set(MENTIONING)
    assert not set(MENTIONING) & OF_NOBODY


def test_whoever_is_forgotten_leaves_no_trace_and_all_counts_stay(engage: Engage) -> None:
    lives(engage)
    assert {trace.partition(".")[0] for trace in traces(engage)} >= {"partners", "attempts", "decisions", "webhooks"}
    before = counts(engage)
    done = forgets(engage)
    assert traces(engage) == []
    assert counts(engage) == before
    assert done.mails > 0, "what was due is cancelled"
    assert (done.addresses, done.shared) == (1, 0)
    assert engage.work() == []


def test_what_is_exported_is_all_that_is_held(engage: Engage) -> None:
    lives(engage)
    engage.partner("bob")
    told = held(engage)
    with engage.services.database.read() as db:
        partner_id = db.execute(sa.select(t.partners.c.id).where(t.partners.c.external_id == NAME)).scalar_one()
        wanted = of_partner(whose(db, scope_of(engage).program_id, partner_id))
    assert set(told["held"]) == {table.name for table in wanted}
    assert set(told["mentions"]) == {table.name for table in MENTIONING}
    assert {row["external_id"] for row in told["held"]["partners"]} == {NAME, TWIN}
    assert "bob" not in json.dumps(told), "JSON, and nobody else's"
    assert held(engage, EMAIL.upper()) == told == held(engage, ALIAS), "by any of their names"


def test_an_import_that_tells_of_them_again_brings_back_neither_name_nor_mail(engage: Engage) -> None:
    lives(engage)
    done, before = forgets(engage), engage.count(t.partners)
    for name in (NAME, ALIAS, TWIN):
        registers(engage, name)
        engage.takes(LoginRecord(name, engage.now))
    engage.refers(NAME, "r-3", lead_name="Zwitscher", note=CANARY, days_ago=1)
    engage.becomes(NAME, "r-3", "won", involvement=CANARY)
    engage.takes(RewardRecord("w-2", NAME, 5, "r-3", CANARY, earned_at=engage.now))
    engage.takes(PartnerRecord("bob", recruited_by=NAME, company="acme"), CompanyRecord("acme", contact=NAME))
    assert engage.work() == []
    assert traces(engage) == []
    assert engage.count(t.partners) == before + 1, "bob alone is new"
    with engage.services.database.read() as db:
        r, p = t.referrals.c, t.partners.c
        whose_is_it = sa.select(p.external_id).join(t.referrals, r.partner_id == p.id).where(r.external_id == "r-3")
        assert db.execute(whose_is_it).scalar() == done.instead, "what they did still counts, as nobody's in particular"


def test_their_address_stays_suppressed_under_another_name(engage: Engage) -> None:
    registers(engage)
    forgets(engage)
    engage.partner("new-id", email=EMAIL.upper())
    engage.refers("new-id", "r-9")
    engage.becomes("new-id", "r-9", "won")
    assert engage.work() == []
    assert ("partner:new-id", "accepted") not in engage.states()
    with engage.services.database.write() as db:
        address_id = db.execute(sa.select(t.partners.c.address_id).where(t.partners.c.external_id == "new-id")).scalar()
        lift_suppressions(db, scope_of(engage).program_id, address_id, ["forgotten"], "they came back", engage.now)
    engage.partner("new-id", email=EMAIL, first_name="Again")
    engage.refers("new-id", "r-10")
    engage.becomes("new-id", "r-10", "won")
    assert [mail.to.email for mail in engage.work()] == [EMAIL], "until somebody lifts it, which lasts"


def wants_no_newsletter(engage: Engage) -> None:
    with engage.services.database.write() as db:
        p = t.partners.c
        partner_id, address_id = db.execute(sa.select(p.id, p.address_id).where(p.external_id == NAME)).one()
        said = {"subscribed": False, "now": engage.now, "how": "preferences", "source": "x"}
        change_subscription(db, scope_of(engage).program_id, partner_id, address_id, "newsletter", **said)


def test_an_address_that_somebody_else_has_too_stays_theirs(engage: Engage) -> None:
    registers(engage)
    registers(engage, "bob", first_name="Bob", last_name=None)
    wants_no_newsletter(engage)
    assert (forgets(engage).addresses, forgets(engage, "bob").shared) == (0, 0)
    assert [trace for trace in traces(engage) if "addresses" in trace] == [], "the last one takes it along"


def test_a_no_that_was_said_at_a_shared_address_still_holds_there(engage: Engage) -> None:
    registers(engage)
    registers(engage, "bob", first_name="Bob", last_name=None)
    wants_no_newsletter(engage)
    assert forgets(engage).shared == 1
    assert engage.runs("monthly-newsletter") == []


def test_a_report_that_comes_late_brings_nothing_back(engage: Engage) -> None:
    lives(engage)
    d = t.deliveries.c
    with engage.services.database.read() as db:
        public_id = db.execute(sa.select(d.public_id).where(d.state == "accepted")).scalars().first()
    forgets(engage)
    at = int(engage.now.timestamp())
    told = {"event": "delivered", "email": EMAIL, "timestamp": at, "engage_delivery": public_id, "sg_message_id": "x"}
    engage.services.keep_webhook("sendgrid", json.dumps([told]))
    engage.work()
    w = t.webhooks.c
    assert [trace for trace in traces(engage) if not trace.startswith("webhooks.body")] == []
    with engage.services.database.read() as db:
        assert db.execute(sa.select(d.reported).where(d.public_id == public_id)).scalar() == "delivered"
        assert db.execute(sa.select(sa.func.count()).where(w.absorbed_at.is_(None))).scalar() == 0


def test_nobody_is_forgotten_while_a_mail_to_them_is_handed_over(engage: Engage) -> None:
    lives(engage)
    d = t.deliveries.c
    with engage.services.database.write() as db:
        one = db.execute(sa.select(d.id).where(d.state == "pending")).scalars().first()
        db.execute(sa.update(t.deliveries).where(d.id == one).values(state="sending"))
    with pytest.raises(InputError, match="being handed over"):
        forgets(engage)
    assert held(engage)["held"]["partners"]


def test_twice_is_said_and_nobody_is_named(engage: Engage) -> None:
    registers(engage)
    forgets(engage)
    engage.now += timedelta(days=3)
    with pytest.raises(InputError, match="was forgotten on 2026-03-02"):
        forgets(engage)
    with pytest.raises(NobodyKnown):
        held(engage)
    with pytest.raises(NobodyKnown):
        forgets(engage, "nobody")


def test_others_with_a_similar_name_keep_everything(engage: Engage) -> None:
    registers(engage)
    engage.partner(f"{NAME}-x", email=f"x.{EMAIL}")
    with engage.services.database.write() as db:
        row = {"program_id": 1, "hash": "h", "url": f"https://x.example.com/{NAME}-x", "first_at": engage.now}
        db.execute(sa.insert(t.links), row)
    forgets(engage)
    assert engage.count(t.links) == 1
    assert held(engage, f"{NAME}-x")["held"]["addresses"][0]["email"] == f"x.{EMAIL}"


def test_the_audit_log_says_who_forgot_and_why_but_not_whom(engage: Engage) -> None:
    registers(engage)
    done = forgets(engage)
    with engage.services.database.read() as db:
        entry = db.execute(sa.select(t.audit_entries)).mappings().one()
    assert (entry["action"], entry["object"]) == ("partner.forget", f"partner:{done.instead}")
    assert (entry["actor"], entry["why"]) == ("command line", "they asked us to")


def test_whoever_brings_back_the_right_key_knows_them_and_nobody_else_does(engage: Engage) -> None:
    registers(engage)
    forgets(engage)
    with engage.services.database.read() as db:
        kept = [str(row) for row in db.execute(sa.select(t.forgotten.c.hash)).scalars()]
    assert len(kept) == 2
    assert not any(trace in text for text in kept for trace in TRACES)


def test_a_referral_of_someone_forgotten_can_still_change(engage: Engage) -> None:
    lives(engage)
    forgets(engage)
    engage.takes(ReferralRecord("r-2", NAME, status="lost", status_at=engage.now + timedelta(hours=1)))
    assert engage.work() == []
