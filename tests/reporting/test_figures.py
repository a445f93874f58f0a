"""Figures: what a campaign has done so far, reckoned now and then, and read in one row."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from engage.domain.feedback import FeedbackKind
from engage.domain.records import LoginRecord, PartnerRecord
from engage.reporting.figures import EVERY, Figures, figures_of
from engage.store.tables import campaign_figures, deliveries, feedback
from tests.support.engage import Engage
from tests.support.journeys import TRIAL, write_trial

NAMES = tuple(f"p{number}" for number in range(40))


def people(engage: Engage, names: Iterable[str]) -> None:
    joined = engage.now - timedelta(days=365)
    engage.takes(
        *(PartnerRecord(name, email=f"{name}@example.com", status="active", joined_at=joined) for name in names),
        news=False,
    )


def enter(engage: Engage) -> None:
    engage.services.run_now(engage.services.library().find(TRIAL))
    engage.sweeps()


def reckoned(engage: Engage) -> Figures:
    """The figures of the trial, once the scheduler has had them reckoned."""
    for _ in range(20):
        engage.services.figures_due()
        if not engage.queue.waiting:
            break
        engage.work()
    return kept(engage)


def kept(engage: Engage) -> Figures:
    id_ = engage.services.library().program_ids[engage.program]
    with engage.services.database.read() as db:
        return figures_of(db, [id_])[id_, TRIAL]


def used(engage: Engage, partner: str, kind: FeedbackKind, *, machine: bool = False) -> None:
    d = deliveries.c
    with engage.services.database.write() as db:
        delivery = sa.select(d.id).where(d.recipient == f"partner:{partner}", d.campaign == TRIAL)
        number = db.execute(sa.select(sa.func.count()).select_from(feedback)).scalar_one()
        row = {"natural_key": f"n{number}", "kind": kind, "occurred_at": engage.now, "observed_at": engage.now}
        said: dict[str, Any] = {
            "delivery_id": db.execute(delivery).scalars().first(),
            "soft": False,
            "machine": machine,
            "raw": {},
        }
        db.execute(sa.insert(feedback), row | said)


@pytest.mark.parametrize("holdout", ["50%", None])
def test_they_say_who_entered_what_was_sent_clicked_and_reached(engage: Engage, holdout: str | None) -> None:
    write_trial(engage, "{send: a}", goal="login within 7d", holdout=holdout, again="never")
    people(engage, NAMES)
    enter(engage)
    mailed = [mail.to.email.partition("@")[0] for mail in engage.provider.messages]
    assert len(mailed) == len(NAMES) or holdout
    used(engage, mailed[0], FeedbackKind.CLICKED)
    used(engage, mailed[0], FeedbackKind.CLICKED)
    used(engage, mailed[0], FeedbackKind.OPENED)
    used(engage, mailed[1], FeedbackKind.CLICKED, machine=True)
    engage.now += timedelta(days=1)
    engage.takes(*(LoginRecord(name, engage.now) for name in mailed[:5]), news=False)
    early = reckoned(engage)
    assert (early.due, early.still_open) == (0, len(mailed)), "they still have time"
    engage.now += timedelta(days=7)

    found = reckoned(engage)
    assert found.as_of == engage.now
    assert (found.entries, found.mails, found.reached) == (len(NAMES), len(mailed), len(mailed))
    assert (found.clicked, found.opened, found.by_machines, found.alerts) == (1, 1, 1, 0)
    assert (found.goal, found.due, found.goal_reached, found.still_open) == ("login", len(mailed), 5, 0)
    assert found.click_rate == 1 / len(mailed)
    assert found.goal_rate == 5 / len(mailed)
    if holdout is None:
        assert found.lift is None, "nobody was held out"
        return
    assert found.lift is not None
    assert (found.lift.against, found.lift.reached, found.lift.others_reached) == ("held_out", 5, 0)
    assert found.lift.partners + found.lift.others == len(NAMES)
    assert found.lift.verdict == "too small to tell"


def test_a_campaign_is_not_reckoned_again_within_the_hour(engage: Engage) -> None:
    write_trial(engage, "{send: a}")
    first = reckoned(engage)
    people(engage, NAMES[:1])
    engage.now += EVERY - timedelta(seconds=1)
    enter(engage)
    assert reckoned(engage) == first
    engage.now += timedelta(seconds=1)
    assert reckoned(engage).entries == 1


def test_one_that_takes_long_is_reckoned_more_seldom(engage: Engage) -> None:
    write_trial(engage, "{send: a}")
    first = reckoned(engage)
    c = campaign_figures.c
    with engage.services.database.write() as db:
        (figures,) = db.execute(sa.select(c.figures).where(c.campaign == TRIAL)).scalars()
        slow = figures | {"seconds": 144.0}  # a hundredth of four hours
        db.execute(sa.update(campaign_figures).where(c.campaign == TRIAL).values(figures=slow))
    engage.now += timedelta(hours=4) - timedelta(seconds=1)
    assert reckoned(engage).as_of == first.as_of
    engage.now += timedelta(seconds=1)
    assert reckoned(engage).as_of == engage.now


def test_two_workers_do_not_reckon_one_campaign_twice(engage: Engage) -> None:
    write_trial(engage, "{send: a}")
    version = engage.services.library().version_ids[engage.program, TRIAL]
    engage.services.reckon([version])
    first = kept(engage)
    people(engage, NAMES[:1])
    enter(engage)
    engage.services.reckon([version])  # what another worker was asked as well
    assert kept(engage) == first
