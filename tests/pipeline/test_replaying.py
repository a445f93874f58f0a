"""A replay does what engage would have done: with what was known then, and nothing that came later."""

from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from random import Random

import pytest

from engage.domain.facts import Feed
from engage.domain.records import PartnerRecord
from engage.pipeline.consent import UnsubscribeLink, unsubscribe
from engage.store import tables
from engage.store.intake import hear
from tests.support.engage import Engage
from tests.support.journeys import TRIAL, write_trial
from tests.support.replays import replayed

MIDNIGHT = datetime(2026, 3, 2, 5, tzinfo=UTC)  # of a Monday in New York
DAYS = 35


def lives(engage: Engage, random: Random) -> list[tuple[str, str, str, datetime]]:
    """Five weeks, hour by hour, in which things happen at random: (campaign, to, subject, when) of each mail."""
    engage.now = MIDNIGHT - timedelta(days=30)
    engage.salesperson()
    people = [engage.partner(name, owner="sam") for name in ("ann", "bob", "cat", "dan")]
    for name in people:
        engage.takes(PartnerRecord(name, attributes={"sector": "retail"}), news=False)
        engage.logs_in(name)
    engage.now = MIDNIGHT - timedelta(hours=1)
    engage.services.open_runs()
    mails: list[tuple[str, str, str, datetime]] = []
    number, stands = 0, dict[str, str]()
    while engage.now < MIDNIGHT + timedelta(days=DAYS) - timedelta(hours=1):
        engage.now += timedelta(hours=1)
        with engage.services.database.write() as db:
            program_id = engage.services.library().program_ids[engage.program]
            for feed in (Feed.LOGINS, Feed.REFERRALS):
                hear(db, program_id, feed, engage.now)
        if random.random() < 0.1:
            number += 1
            engage.refers(random.choice(people), f"r{number}", days_ago=0)
        if number and random.random() < 0.2:
            referral = f"r{random.randint(1, number)}"
            status = random.choice(("accepted", "opportunity", "demo", "won", "won", "lost", "reopened"))
            if status != stands.get(referral):  # told again with another date it would be a correction of the past
                engage.becomes(owner_of(engage, referral), referral, status)
            stands[referral] = status
        if random.random() < 0.01:
            engage.logs_in(random.choice(people))
        if random.random() < 0.004:
            refuses(engage, random.choice(people), random.choice(("tips", "newsletter", "recognition")))
        if random.random() < 0.002:
            engage.takes(PartnerRecord(random.choice(people), status=random.choice(("inactive", "active"))), news=False)
        engage.services.open_runs()
        mails += [(m.category, m.to.email, m.subject, engage.now) for m in engage.work()]
    return mails


def owner_of(engage: Engage, referral: str) -> str:
    p, r = tables.partners, tables.referrals
    query = p.join(r, r.c.partner_id == p.c.id).select().with_only_columns(p.c.external_id)
    with engage.services.database.read() as db:
        return str(db.execute(query.where(r.c.external_id == referral)).scalar_one())


def refuses(engage: Engage, partner: str, topic: str) -> None:
    p = tables.partners.c
    with engage.services.database.write() as db:
        program_id, partner_id, address_id = db.execute(
            tables.partners.select().with_only_columns(p.program_id, p.id, p.address_id).where(p.external_id == partner)
        ).one()
        unsubscribe(db, UnsubscribeLink(program_id, partner_id, address_id, topic), engage.now, "test", "test")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_replay_sends_what_engage_sent_while_it_happened(engage: Engage, tmp_path: Path, seed: int) -> None:
    lived = lives(engage, Random(seed))
    first = date(2026, 3, 2)
    _, again = replayed(engage.services, first, first + timedelta(days=DAYS - 1), tmp_path)
    told = {m.public_id: m for m in again}
    assert len({mail[0] for mail in lived}) >= 4, "too quiet a world to show anything"
    assert sorted((m.campaign, m.subject, m.at) for m in told.values()) == sorted(
        (campaign, subject, at) for campaign, _, subject, at in lived
    )


def test_a_replay_leaves_the_database_as_it_was(engage: Engage, tmp_path: Path) -> None:
    engage.partner()
    engage.refers("ann", "r1", days_ago=3)
    _, mails = replayed(engage.services, date(2026, 3, 1), date(2026, 3, 2), tmp_path, "monthly-newsletter")
    assert len(mails) == 1
    assert [engage.count(t) for t in (tables.deliveries, tables.enrollments, tables.runs, tables.feed_readings)] == [
        0,
        0,
        0,
        0,
    ]


def test_a_mail_shows_what_was_known_when_it_would_have_gone(engage: Engage, tmp_path: Path) -> None:
    engage.partner()
    engage.refers("ann", "r1", days_ago=9)
    engage.becomes("ann", "r1", "opportunity", days_ago=5)
    engage.becomes("ann", "r1", "won", days_ago=1)
    box = tmp_path / "box"
    _, (mail,) = replayed(
        engage.services,
        date(2026, 2, 20),
        date(2026, 2, 27),
        tmp_path,
        "referral-became-opportunity",
        "referral-won",
        mails=box,
    )
    assert (mail.campaign, mail.day) == ("referral-became-opportunity", "2026-02-25")
    (file,) = box.rglob("*.eml")
    text = message_from_bytes(file.read_bytes(), policy=policy.SMTP).get_body(("plain",))
    assert text is not None
    assert "Opportunity" in text.get_content()
    assert "[x] Won" not in text.get_content()


def test_the_first_and_the_last_day_count_in_the_programs_zone(engage: Engage, tmp_path: Path) -> None:
    engage.partner()
    for referral, at in (
        ("before", "2026-02-20T04:59:59"),
        ("first", "2026-02-20T05:00:00"),
        ("last", "2026-02-22T04:59:59"),
        ("after", "2026-02-22T05:00:00"),
    ):
        days = (engage.now - datetime.fromisoformat(f"{at}+00:00")) / timedelta(days=1)
        engage.refers("ann", referral, days_ago=days + 5)
        engage.becomes("ann", referral, "won", days_ago=days)
    _, mails = replayed(engage.services, date(2026, 2, 20), date(2026, 2, 21), tmp_path, "referral-won")
    assert [(m.subject.partition(" ")[0], m.day) for m in mails] == [("First", "2026-02-20"), ("Last", "2026-02-21")]


def test_a_date_that_was_corrected_is_replayed_once_at_the_true_date(engage: Engage, tmp_path: Path) -> None:
    engage.partner()
    engage.refers("ann", "r1", days_ago=9)
    engage.becomes("ann", "r1", "won", days_ago=5)
    engage.becomes("ann", "r1", "won", days_ago=4)
    _, mails = replayed(engage.services, date(2026, 2, 1), date(2026, 3, 1), tmp_path, "referral-won")
    assert [m.day for m in mails] == ["2026-02-26"]


def test_a_draft_is_replayed_when_it_is_named_and_dates_of_campaigns_do_not_count(
    engage: Engage, authored: tuple[Path, Path], tmp_path: Path
) -> None:
    path = authored[0] / "newsletter" / "monthly.yaml"
    path.write_text(path.read_text().replace("state: live", "state: draft\nstarts: 2027-01-01"))
    engage.now += timedelta(seconds=2)  # files are looked at once a second
    engage.partner()
    first, last = date(2026, 2, 1), date(2026, 3, 2)
    tallies, _ = replayed(engage.services, first, last, tmp_path)
    assert "monthly-newsletter" not in [one.campaign for one in tallies]
    (one,), mails = replayed(engage.services, first, last, tmp_path, "monthly-newsletter")
    assert (one.sends, dict(one.months)) == (2, {"2026-02": 1, "2026-03": 1})
    assert [m.day for m in mails] == ["2026-02-01", "2026-03-01"]


def test_why_nothing_was_sent_is_counted_by_reason(engage: Engage, tmp_path: Path) -> None:
    engage.partner("ann", email=None)
    engage.partner("bob")
    engage.refers("ann", "r1", days_ago=9)
    engage.becomes("ann", "r1", "won", days_ago=1)
    tallies, _ = replayed(
        engage.services, date(2026, 3, 1), date(2026, 3, 1), tmp_path, "referral-won", "no-login-30-days"
    )
    assert [(one.campaign, one.entered, one.sends, dict(one.skips)) for one in tallies] == [
        ("no-login-30-days", 0, 0, {}),
        ("referral-won", 1, 0, {"no_address": 1}),
    ]
    (weekday,), _ = replayed(engage.services, date(2026, 2, 26), date(2026, 2, 27), tmp_path, "no-login-30-days")
    assert dict(weekday.held) == {"feed_never_connected": 2}


def test_a_replay_walks_journeys(engage: Engage, tmp_path: Path) -> None:
    branch = "{branch: {if: [{wins: {at_least: 1}}], then: [{send: b}], else: [{send: c}]}}"
    steps = f"{{send: a}}, {{wait: 3d}}, {branch}, {{wait: {{until: next weekday 09:00}}}}, {{send: d}}"
    when = {"for_": "referral", "when": "{event: referral.status_changed, to: accepted}", "again": None}
    write_trial(engage, steps, **when)
    engage.now = MIDNIGHT + timedelta(days=20)
    for name in ("ann", "bob"):
        engage.partner(name, joined_at=MIDNIGHT - timedelta(days=99))
        engage.refers(name, f"of-{name}", days_ago=21)
        engage.becomes(name, f"of-{name}", "accepted", days_ago=17.5)
    engage.becomes("bob", "of-bob", "won", days_ago=15)
    _, mails = replayed(engage.services, date(2026, 3, 2), date(2026, 3, 20), tmp_path, TRIAL)
    assert sorted((mail.subject, mail.at) for mail in mails) == [
        ("A", MIDNIGHT + timedelta(days=2.5)),
        ("A", MIDNIGHT + timedelta(days=2.5)),
        ("B", MIDNIGHT + timedelta(days=5.5)),
        ("C", MIDNIGHT + timedelta(days=5.5)),
        ("D", datetime(2026, 3, 9, 13, tzinfo=UTC)),
        ("D", datetime(2026, 3, 9, 13, tzinfo=UTC)),
    ]
