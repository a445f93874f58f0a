"""Lift: who counts, on which side, in which window, and when it is too small to tell."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean

import pytest

from engage.domain.campaigns import Campaign
from engage.domain.experiments import Arm, arm_of
from engage.domain.records import AliasRecord, LoginRecord, PartnerRecord, Record, ReferralRecord
from engage.pipeline.rollout import compared_versions
from engage.reporting.intervals import difference_of_means, difference_of_proportions
from engage.reporting.lift import Comparison, Group, Lift, Verdict, lift
from tests.support.engage import Engage
from tests.support.journeys import TRIAL, rereads, write_trial

NAMES = tuple(f"p{number}" for number in range(160))
DAY = timedelta(days=1)


def people(engage: Engage, names: Iterable[str]) -> None:
    joined = engage.now - timedelta(days=365)
    engage.takes(
        *(PartnerRecord(name, email=f"{name}@example.com", status="active", joined_at=joined) for name in names),
        news=False,
    )


def tries(engage: Engage, goal: str, *, holdout: str = "50%", again: str = "never", **keys: str) -> None:
    write_trial(engage, "{send: a}", goal=goal, holdout=holdout, again=again, **keys)


def trial(engage: Engage) -> Campaign:
    return engage.services.library().find(TRIAL)


def enter(engage: Engage) -> None:
    """Carries out the current slot; what is to be mailed stays where it is."""
    engage.services.run_now(trial(engage))
    engage.queue.waiting.clear()


def arm(engage: Engage, name: str) -> Arm:
    return arm_of(engage.services.library().programs[engage.program], trial(engage), name)


def measured(engage: Engage, since: datetime | None = None, until: datetime | None = None) -> Lift:
    campaign, library = trial(engage), engage.services.library()
    with engage.services.database.read() as db:
        program_id, versions = library.scope_of(campaign).program_id, compared_versions(db, library, campaign)
        return lift(db, program_id, campaign, versions, since, until or engage.now, engage.now)


def compared(engage: Engage, **period: datetime) -> Comparison:
    (only,) = measured(engage, **period).comparisons
    return only


def counts(group: Group) -> tuple[int, int, int]:
    return group.partners, group.converted, group.still_open


@dataclass(frozen=True)
class Deed:
    """What a partner did, so long after entering; of a win, what it is worth, and whether it was reopened since."""

    name: str
    after: timedelta
    kind: str
    amount: int = 0
    reopened: bool = False


def records(deeds: Iterable[Deed], entered: dict[str, datetime], now: datetime) -> Iterable[Record]:
    for number, deed in enumerate(deeds):
        at = entered[deed.name] + deed.after
        if deed.kind == "login":
            yield LoginRecord(deed.name, at)
            continue
        referral, early = f"r{number}", at - timedelta(days=40) if deed.kind == "win" else at
        yield ReferralRecord(referral, deed.name, lead_company="Acme", submitted_at=early, amount=deed.amount)
        if deed.kind == "win":
            yield ReferralRecord(referral, deed.name, status="won", status_at=at, amount=deed.amount)
        if deed.reopened:
            yield ReferralRecord(referral, deed.name, status="reopened", status_at=now - timedelta(minutes=1))


@pytest.mark.parametrize("goal", ["login", "referral", "win", "revenue"])
def test_it_agrees_with_a_count_by_hand(engage: Engage, goal: str) -> None:
    """Two days of entries, deeds before, within, at the end of and after the window; counted from what was told."""
    dice = random.Random(goal)
    tries(engage, f"{goal} within 7d", where="[region: {exists: false}]")
    entered: dict[str, datetime] = {}
    for part in (NAMES[:100], NAMES[100:]):
        people(engage, part)
        enter(engage)
        entered |= dict.fromkeys(part, engage.now)
        engage.now += 5 * DAY
    start, engage.now = engage.now - 10 * DAY, engage.now + 1 * DAY  # the first are through, the others are not
    lengths = [-1 * DAY, timedelta(), timedelta(microseconds=1), 3 * DAY, 7 * DAY, 7 * DAY + timedelta(seconds=1)]
    kinds = ["login", "referral", "win"]
    deeds = [
        Deed(name, dice.choice(lengths), dice.choice(kinds), dice.randrange(1000, 90_000), dice.random() < 0.2)
        for name in NAMES
        for _ in range(dice.randrange(4))
    ]
    deeds = [deed for deed in deeds if entered[deed.name] + deed.after <= engage.now]
    engage.takes(*records(deeds, entered, engage.now), news=False)

    wanted = {"revenue": "win"}.get(goal, goal)
    found = compared(engage)
    for side, group in ((Arm.TREATED, found.treated), (Arm.HELD_OUT, found.others)):
        through = [name for name in NAMES[:100] if arm(engage, name) is side]
        did = {
            name: [
                deed.amount
                for deed in deeds
                if deed.name == name and deed.kind == wanted and timedelta() < deed.after <= 7 * DAY
                if not (wanted == "win" and deed.reopened)
            ]
            for name in through
        }
        still_open = sum(arm(engage, name) is side for name in NAMES[100:])
        assert counts(group) == (len(through), sum(map(bool, did.values())), still_open)
        if goal == "revenue":
            assert group.amounts.mean == pytest.approx(fmean(sum(amounts) for amounts in did.values()))
    assert found.interval == (
        difference_of_means(found.treated.amounts, found.others.amounts)
        if goal == "revenue"
        else difference_of_proportions(
            found.treated.converted, found.treated.partners, found.others.converted, found.others.partners
        )
    )
    assert start == entered["p0"]


def test_a_campaign_that_works_is_said_to(engage: Engage) -> None:
    tries(engage, "login within 7d")
    people(engage, NAMES)
    enter(engage)
    treated = [name for name in NAMES if arm(engage, name) is Arm.TREATED]
    engage.now += 2 * DAY
    engage.takes(*(LoginRecord(name, engage.now) for name in treated[: len(treated) // 2]), news=False)
    engage.now += 4 * DAY
    assert compared(engage).verdict is Verdict.TOO_SMALL, "nobody's window is over"
    assert counts(compared(engage).others)[0] == 0
    assert compared(engage).interval is None
    engage.now += 1 * DAY
    assert compared(engage).verdict is Verdict.MORE
    assert (compared(engage).others.rate, compared(engage).others.still_open) == (0.0, 0)


def test_a_campaign_that_harms_is_said_to(engage: Engage) -> None:
    tries(engage, "login within 7d")
    people(engage, NAMES)
    enter(engage)
    engage.now += DAY
    held_out = [name for name in NAMES if arm(engage, name) is Arm.HELD_OUT]
    engage.takes(*(LoginRecord(name, engage.now) for name in held_out), news=False)
    engage.now += 6 * DAY
    assert compared(engage).verdict is Verdict.LESS


def test_a_group_of_fewer_than_thirty_is_too_small_to_tell_however_clear_it_looks(engage: Engage) -> None:
    tries(engage, "login within 7d")
    treated = [name for name in NAMES if arm(engage, name) is Arm.TREATED][:29]
    others = [name for name in NAMES if arm(engage, name) is Arm.HELD_OUT][:31]
    people(engage, [*treated, *others])
    enter(engage)
    engage.now += DAY
    engage.takes(*(LoginRecord(name, engage.now) for name in treated), news=False)
    engage.now += 6 * DAY
    found = compared(engage)
    assert found.interval is not None
    assert not found.interval.holds_zero
    assert (found.enough, found.verdict) == (False, Verdict.TOO_SMALL)


def test_who_enters_often_counts_once_by_the_first_entry_of_the_period(engage: Engage) -> None:
    tries(engage, "login within 7d", again="each slot")
    people(engage, NAMES[:40])
    enter(engage)
    first = engage.now
    engage.now += 10 * DAY
    engage.takes(*(LoginRecord(name, engage.now + DAY) for name in NAMES[:40]), news=False)
    enter(engage)
    engage.now += 10 * DAY
    whole = compared(engage)
    assert whole.treated.partners + whole.others.partners == 40
    assert whole.treated.converted + whole.others.converted == 0
    later = compared(engage, since=first + DAY)
    assert later.treated.converted + later.others.converted == 40
    assert measured(engage, until=first).comparisons == ()


def test_who_has_been_on_both_sides_counts_on_none(engage: Engage) -> None:
    tries(engage, "login within 7d", holdout="50%", again="each slot")
    people(engage, NAMES[:40])
    treated = [name for name in NAMES[:40] if arm(engage, name) is Arm.TREATED]
    enter(engage)
    engage.now += 10 * DAY
    tries(engage, "login within 7d", holdout="100%", again="each slot")
    enter(engage)
    engage.now += 10 * DAY
    found = measured(engage)
    assert found.moved == len(treated)
    assert found.comparisons[0].others.partners == 40 - len(treated)


def enters(engage: Engage, names: Iterable[str], holdout: str | None) -> None:
    """These come new, and enter while so many are held out."""
    write_trial(engage, "{send: a}", goal="login within 7d", again="never", holdout=holdout)
    people(engage, names)
    enter(engage)
    engage.now += 10 * DAY


def test_entries_under_different_shares_are_not_compared(engage: Engage) -> None:
    enters(engage, NAMES[:40], None)
    assert measured(engage).comparisons == (), "without a holdout nobody is compared"
    enters(engage, NAMES[40:60], "20%")
    enters(engage, NAMES[60:160], "50%")
    found = measured(engage)
    (one,) = found.comparisons
    assert one.treated.partners + one.others.partners == 100
    assert (found.elsewhere, found.moved) == (20, 0)


def test_what_was_compared_is_still_told_when_nobody_is_held_out_any_more(engage: Engage) -> None:
    enters(engage, NAMES[:100], "50%")
    before = compared(engage)
    enters(engage, NAMES[100:], None)
    assert compared(engage) == before


def test_merged_partners_count_as_the_one_person_that_they_are(engage: Engage) -> None:
    tries(engage, "login within 7d")
    people(engage, NAMES[:60])
    enter(engage)
    treated, held_out = ([n for n in NAMES[:60] if arm(engage, n) is side] for side in (Arm.TREATED, Arm.HELD_OUT))
    engage.now += DAY
    engage.takes(AliasRecord("partner", treated[1], treated[0]), LoginRecord(treated[1], engage.now), news=False)
    engage.takes(AliasRecord("partner", held_out[0], treated[2]), LoginRecord(held_out[0], engage.now), news=False)
    engage.now += 9 * DAY
    found = compared(engage)
    assert counts(found.treated) == (len(treated) - 1, 2, 0)
    assert counts(found.others) == (len(held_out) - 1, 0, 0)


def test_the_control_group_is_compared_too(engage: Engage) -> None:
    file = engage.services.settings.campaigns_dir / "program.yaml"
    file.write_text(f"{file.read_text().rstrip()}\n    control_group: 30%\n")
    rereads(engage)
    tries(engage, "login within 7d", holdout="30%")
    people(engage, NAMES)
    enter(engage)
    engage.now += 8 * DAY
    found = measured(engage).comparisons
    sides = {side: sum(arm(engage, name) is side for name in NAMES) for side in Arm}
    assert {one.against: one.others.partners for one in found} == {
        side: sides[side] for side in (Arm.HELD_OUT, Arm.CONTROL)
    }
    assert {one.treated.partners for one in found} == {sides[Arm.TREATED]}
