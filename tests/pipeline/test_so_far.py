"""What became of somebody in a campaign so far can be looked back on."""

from engage.domain.facts import Subject
from engage.store.so_far import Entered, so_far
from tests.support.caps import DAY, ONE_A_DAY, Begin, Capped


def looked_back(engage: Capped, campaign: str) -> list[Entered]:
    with engage.services.database.read() as db:
        return list(so_far(db, 1, campaign, Subject.PARTNER, 1, engage.now, most=5))


def test_who_lost_a_contest_sees_the_cap_and_who_took_the_room(capped: Begin) -> None:
    engage = capped(ONE_A_DAY, order=["gold", "iron"])
    engage.campaign("gold")
    engage.campaign("iron")
    engage.partner("ann")
    engage.enters("gold", "iron")
    assert looked_back(engage, "none") == []
    engage.passes()
    (entry,) = looked_back(engage, "iron")
    assert [(one.phase, one.decision, one.reason) for one in entry.decided] == [
        ("enroll", "send", None),
        ("contest", "skip", "frequency_cap"),
    ]
    assert entry.decided[-1].values["taken_by"] == ["gold"]
    assert [(mail.state, mail.reason) for mail in entry.mails] == [("skipped", "frequency_cap")]


def test_the_latest_entries_come_first_and_only_so_many(capped: Begin) -> None:
    engage = capped("at_most: 9, per: partner, in: 1d")
    engage.campaign("gold", every="day 10:00")
    engage.partner("ann")
    for _ in range(3):
        engage.enters("gold")
        engage.passes()
        engage.now += DAY
    with engage.services.database.read() as db:
        entries = so_far(db, 1, "gold", Subject.PARTNER, 1, engage.now, most=2)
    assert len(entries) == 2
    assert entries[0].at > entries[1].at
    assert {mail.state for one in entries for mail in one.mails} == {"accepted"}
