"""A campaign that somebody pauses waits as if its file said so, in every process, until somebody lets it go on."""

from pathlib import Path

import pytest

from engage.domain.campaigns import CampaignState
from engage.domain.errors import ServiceUnreachable
from engage.pipeline.shelf import LOOK_EVERY, Shelf
from engage.store.campaign_pauses import begin_pause, end_pause, standing_campaign_pauses
from tests.support.engage import Engage

WON = "referral-won"


def pauses(engage: Engage, campaign: str = WON) -> None:
    with engage.services.database.write() as db:
        assert begin_pause(db, 1, campaign, "the numbers in it are wrong", engage.now)


def goes_on(engage: Engage, campaign: str = WON) -> None:
    with engage.services.database.write() as db:
        assert end_pause(db, 1, campaign, "mended", engage.now)


def state(engage: Engage, campaign: str = WON) -> CampaignState:
    return engage.services.library().find(campaign).state


def test_every_process_sees_a_pause_within_a_second_and_its_end_too(engage: Engage) -> None:
    assert state(engage) is CampaignState.LIVE
    pauses(engage)
    engage.now += LOOK_EVERY
    assert state(engage) is CampaignState.PAUSED
    assert state(engage, "referral-became-opportunity") is CampaignState.LIVE
    goes_on(engage)
    engage.now += LOOK_EVERY
    assert state(engage) is CampaignState.LIVE


def test_the_library_stays_the_same_object_while_nothing_changes(engage: Engage) -> None:
    pauses(engage)
    engage.now += LOOK_EVERY
    library = engage.services.library()
    engage.now += LOOK_EVERY
    assert engage.services.library() is library


def test_a_campaign_is_paused_once_and_lifted_once(engage: Engage) -> None:
    pauses(engage)
    with engage.services.database.write() as db:
        assert not begin_pause(db, 1, WON, "again", engage.now)
        (standing,) = standing_campaign_pauses(db, [1])
        assert (standing.campaign, standing.why, standing.paused_at) == (WON, "the numbers in it are wrong", engage.now)
        assert standing_campaign_pauses(db, [2]) == []
    goes_on(engage)
    with engage.services.database.write() as db:
        assert not end_pause(db, 1, WON, "again", engage.now)
        assert begin_pause(db, 1, WON, "once more", engage.now)


def test_what_is_due_waits_and_goes_out_once_the_campaign_goes_on(engage: Engage) -> None:
    engage.refers(engage.partner("ann"), "deal")
    engage.becomes("ann", "deal", "won")
    pauses(engage)
    engage.now += LOOK_EVERY
    assert engage.work() == []
    assert engage.states() == [("partner:ann", "pending")]
    assert engage.decisions()[-1] == ("defer", "campaign_not_live")
    goes_on(engage)
    assert [message.to.email for message in engage.after(minutes=16)] == ["ann@example.com"]


def test_a_draft_stays_a_draft(engage: Engage, authored: tuple[Path, Path]) -> None:
    (path,) = (path for path in authored[0].rglob("*.yaml") if f"campaign: {WON}\n" in path.read_text())
    path.write_text(path.read_text().replace("state: live", "state: draft"))
    pauses(engage)
    engage.now += LOOK_EVERY
    assert state(engage) is CampaignState.DRAFT


def test_a_pause_stands_while_the_database_is_away(engage: Engage, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses(engage)
    engage.now += LOOK_EVERY
    assert state(engage) is CampaignState.PAUSED

    def away() -> None:
        raise ServiceUnreachable("the database failed")

    monkeypatch.setattr(engage.services.database, "read", away)
    engage.now += LOOK_EVERY
    assert state(engage) is CampaignState.PAUSED


def test_a_process_that_starts_knows_what_is_paused(engage: Engage) -> None:
    pauses(engage)
    settings = engage.services.settings
    shelf = Shelf(engage.services.database, settings.campaigns_dir, settings.templates_dir)
    assert shelf.library(engage.now).find(WON).state is CampaignState.PAUSED
