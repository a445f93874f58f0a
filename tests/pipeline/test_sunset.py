"""Who gives no sign of life gets less marketing mail, and then none."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engage.domain.decisions import Reason, Skip
from engage.domain.records import ReferralRecord
from engage.pipeline.explaining import explain
from engage.pipeline.plan import plan
from engage.pipeline.sunset import resting
from engage.store import tables
from engage.store.signs import last_signs
from tests.support.engage import START, Engage
from tests.support.topics import say_of_program

LONG_AGO = START - timedelta(days=2000)


@pytest.fixture
def fading(authored: tuple[Path, Path], start: Callable[[str], Engage]) -> Engage:
    say_of_program(authored, "sunset: {light_after: 180d, light: 60d, rest_after: 365d}")
    return start("")


def quiet_for(engage: Engage, days: float, name: str = "ann") -> None:
    """A partner who joined long ago and gave their last sign of life, a login, so many days ago."""
    engage.partner(name, joined_at=LONG_AGO)
    engage.logs_in(name, days_ago=days)


def read(engage: Engage, at: datetime, kind: str = "opened", machine: bool = False) -> None:
    """Somebody at Ann's address opened a mail, or clicked."""
    with engage.services.database.write() as db:
        address = db.execute(sa.select(tables.partners.c.address_id)).scalars().first()
        row = {"natural_key": f"{kind}-{at}-{machine}", "kind": kind, "occurred_at": at, "observed_at": at, "raw": {}}
        row |= {"address_id": address, "soft": False, "machine": machine}
        db.execute(sa.insert(tables.feedback).values(row))


def newsletters(engage: Engage, months: int) -> list[bool]:
    """Whether Ann got the newsletter of each month."""
    got = []
    for _ in range(months):
        got.append("ann@example.com" in [mail.to.email for mail in engage.runs("monthly-newsletter")])
        engage.now += timedelta(days=31)
        engage.logs_in(engage.partner("somebody"))  # so that the feed of logins is heard
    return got


def test_who_was_there_lately_gets_everything(fading: Engage) -> None:
    quiet_for(fading, 30)
    assert newsletters(fading, 2) == [True, True]


def test_who_is_quiet_gets_less_and_then_nothing(fading: Engage) -> None:
    quiet_for(fading, 181)
    assert newsletters(fading, 8) == [True, False, True, False, True, False, False, False]
    assert ("skip", "resting") in fading.decisions()


@pytest.fixture
def mailed(fading: Engage) -> Engage:
    quiet_for(fading, 400)
    return fading


@pytest.mark.parametrize("kind", ["opened", "clicked"])
def test_who_reads_is_back(mailed: Engage, kind: str) -> None:
    read(mailed, mailed.now - timedelta(days=3), kind)
    assert len(mailed.runs("monthly-newsletter")) == 1


def test_a_machine_is_no_sign_of_life(mailed: Engage) -> None:
    read(mailed, mailed.now - timedelta(days=3), "clicked", machine=True)
    assert mailed.runs("monthly-newsletter") == []


def test_who_refers_or_logs_in_is_back(mailed: Engage) -> None:
    mailed.takes(ReferralRecord("acme", "ann", submitted_at=mailed.now - timedelta(days=3)), news=False)
    assert len(mailed.runs("monthly-newsletter")) == 1


def test_who_has_just_joined_does_not_rest(fading: Engage) -> None:
    fading.partner("ann", joined_at=fading.now - timedelta(days=10))
    assert len(fading.runs("monthly-newsletter")) == 1


def test_of_whom_nothing_is_known_nothing_is_concluded(fading: Engage) -> None:
    fading.partner("ann", joined_at=None)
    assert len(fading.runs("monthly-newsletter")) == 1


def test_status_mail_comes_however_long_it_was_quiet(mailed: Engage) -> None:
    mailed.takes(ReferralRecord("acme", "ann", lead_company="Acme"), news=False)
    mailed.becomes("ann", "acme", "won")
    assert len(mailed.work()) == 1


def test_two_newsletters_of_one_batch_are_not_both_sent_in_a_light_rhythm(fading: Engage) -> None:
    quiet_for(fading, 200)
    fading.services.run_now(fading.services.library().find("monthly-newsletter"))
    fading.now += timedelta(days=31)
    fading.logs_in(fading.partner("somebody"))
    fading.services.run_now(fading.services.library().find("monthly-newsletter"))
    assert [mail.to.email for mail in fading.work()].count("ann@example.com") == 1


def test_what_happens_later_is_no_sign_yet(mailed: Engage) -> None:
    scope = next(iter(mailed.services.library().scopes().values()))
    then = mailed.now
    with mailed.services.database.read() as db:
        (ann,) = db.execute(sa.select(tables.partners.c.id)).scalars()
    mailed.now += timedelta(days=10)
    mailed.logs_in("ann")
    read(mailed, mailed.now)
    mailed.takes(ReferralRecord("acme", "ann", submitted_at=mailed.now), news=False)
    with mailed.services.database.read() as db:
        assert resting(db, scope, [ann], then) == {ann}
        assert last_signs(db, [ann], then) == {ann: then - timedelta(days=400)}
        assert resting(db, scope, [ann], mailed.now) == set()


def test_a_plan_and_an_explanation_say_who_rests(mailed: Engage) -> None:
    library = mailed.services.library()
    newsletter = library.find("monthly-newsletter")
    scope = library.scope_of(newsletter)
    with mailed.services.database.read() as db:
        assert [one.decision for one in plan(db, scope, newsletter, mailed.now).decisions] == [Skip(Reason.RESTING)]
        assert explain(db, scope, newsletter, "ann", mailed.now).decision == Skip(Reason.RESTING)
