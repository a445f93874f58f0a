"""What plans and explanations say of frequency caps."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from engage.domain.decisions import Defer, Reason, Send, Skip
from engage.pipeline.explaining import explain
from engage.pipeline.plan import Plan, plan
from tests.support.caps import Capped


@pytest.fixture
def engage(database_url: str, tmp_path: Path) -> Iterator[Capped]:
    running = Capped(
        database_url,
        tmp_path,
        "at_most: 1, per: partner, in: 1d",
        "at_most: 9, per: program, in: 7d",
        order=["gold", "iron"],
    )
    for name, outranked in (("gold", "drop"), ("iron", "drop"), ("late", "defer")):
        running.campaign(name, outranked)
    for name in ("ann", "bob"):
        running.partner(name)
    yield running
    running.services.close()


def planned(engage: Capped, name: str) -> Plan:
    library = engage.services.library()
    campaign = library.find(name)
    with engage.services.database.read() as db:
        return plan(db, library.scope_of(campaign), campaign, engage.now)


def used(found: Plan) -> list[list[tuple[str, int]]]:
    return [[(str(taken.cap), taken.used) for taken in one.steps[0].caps] for one in found.decisions]


def test_a_plan_says_how_much_room_is_taken_and_where_the_campaign_stands(engage: Capped) -> None:
    found = planned(engage, "iron")
    assert found.place == 2
    assert [one.decision for one in found.decisions] == [Send(), Send()]
    nothing = [("at most 1 per partner in 1d", 0), ("at most 9 per program in 7d", 0)]
    assert used(found) == [nothing, nothing]
    engage.enters("gold")
    engage.passes()
    taken = [("at most 1 per partner in 1d", 1), ("at most 9 per program in 7d", 2)]
    found = planned(engage, "iron")
    assert used(found) == [taken, taken]
    assert [one.decision for one in found.decisions] == [Skip(Reason.FREQUENCY_CAP)] * 2


def test_a_plan_says_when_a_campaign_that_waits_would_compete(engage: Capped) -> None:
    engage.enters("gold")
    engage.passes()
    sent = engage.timed.log[0].at
    found = planned(engage, "late")
    assert found.place == 0, "it is not in the order"
    (decision, *_) = (one.decision for one in found.decisions)
    assert isinstance(decision, Defer)
    assert sent + timedelta(days=1) <= decision.until < sent + timedelta(days=1, minutes=15)


def test_a_plan_as_of_the_past_counts_what_had_gone_out_then(engage: Capped) -> None:
    engage.enters("gold")
    engage.passes()
    engage.now += timedelta(hours=1)
    library = engage.services.library()
    campaign = library.find("iron")
    with engage.services.database.read() as db:
        found = plan(db, library.scope_of(campaign), campaign, engage.timed.log[0].at - timedelta(seconds=1))
    assert [one.decision for one in found.decisions] == [Send(), Send()]


def test_an_explanation_names_the_cap_that_leaves_no_room(engage: Capped) -> None:
    engage.enters("gold")
    engage.passes()
    library = engage.services.library()
    campaign = library.find("iron")
    with engage.services.database.read() as db:
        explanation = explain(db, library.scope_of(campaign), campaign, "ann", engage.now)
    (step,) = explanation.steps
    assert explanation.decision == Skip(Reason.FREQUENCY_CAP)
    assert step.verdicts[-1].guard == "has_room_under_caps"
    assert step.verdicts[-1].decision == Skip(Reason.FREQUENCY_CAP)
    assert next((str(taken.cap), taken.used) for taken in step.caps) == ("at most 1 per partner in 1d", 1)
