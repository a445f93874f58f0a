"""What is held back is seen on one page, and let go on or ended there by whoever may."""

from datetime import timedelta

import pytest

from engage.domain.campaigns import CampaignState
from engage.domain.errors import ServiceUnreachable
from engage.domain.gates import State, state_of
from engage.domain.records import ReferralRecord
from engage.store.topic_pauses import standing_pauses
from tests.support.consoles import MakeConsole
from tests.support.engage import Engage

PATH = "/console/held"
RUN = "referral-won"


def bursts(engage: Engage, *sources: str) -> None:
    """Each source tells of four won referrals, more than the program lets through in an hour."""
    engage.partner()
    for source in sources:
        rows = [
            [ReferralRecord(f"{source}-{n}", "ann", lead_company=f"{n}", status="won", status_at=engage.now)]
            for n in range(4)
        ]
        engage.services.take(engage.program, rows, source=source, news=True, limit=3)
    assert engage.work() == []


def gate_state(engage: Engage) -> State:
    with engage.services.database.read() as db:
        return state_of(engage.services.gate.gate(db), engage.now)


def campaign_state(engage: Engage) -> CampaignState:
    return engage.services.library().find(RUN).state


# --- runs and bursts --------------------------------------------------------------------------------------------------


def test_a_burst_is_shown_with_what_would_come_of_it_and_released(engage: Engage, console: MakeConsole) -> None:
    bursts(engage, "crm")
    ops = console("ops")
    page = ops.get(PATH).text
    for part in ("changes-1", "Status changes from crm", "<strong>4 may send mail</strong>"):
        assert part in page
    answer = ops.post(f"{PATH}/decide", {"id": ["changes-1"], "do": "release", "why": "they are meant"})
    assert "changes-1 is released: of 4 status changes" in ops.said(answer)
    assert len(engage.work()) == 4
    assert engage.audited() == [(ops.user.email, "changes.release", "changes:1", "they are meant")]
    assert "changes-1" not in ops.get(PATH).text


def test_several_are_dropped_at_once_or_none(engage: Engage, console: MakeConsole) -> None:
    bursts(engage, "crm", "portal")
    ops = console("ops")
    both = {"id": ["changes-1", "changes-2"], "do": "drop", "why": "a test import"}
    engage.services.drop([hold.id for hold in engage.services.held()][:1], "me first")
    answer = ops.post(f"{PATH}/decide", both)
    assert answer.status_code == 409
    assert "changes-1 is not held (any more): nothing was decided" in answer.text
    assert [str(hold.id) for hold in engage.services.held()] == ["changes-2"]
    assert ops.said(ops.post(f"{PATH}/decide", both | {"id": ["changes-2"]})).startswith("changes-2 is dropped")
    assert engage.work() == []


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"do": "drop", "why": "x"}, "Nothing is ticked"),
        ({"id": ["changes-1"], "do": "drop"}, "Say why"),
        ({"id": ["changes-1"], "why": "x"}, "Say what is to become of them"),
        ({"id": ["nonsense"], "do": "drop", "why": "x"}, "is not the id of something held"),
        ({"id": ["run-7"], "do": "drop", "why": "x"}, "run-7 is not held"),
    ],
)
def test_a_form_that_says_too_little_decides_nothing(
    engage: Engage, console: MakeConsole, form: dict[str, object], said: str
) -> None:
    bursts(engage, "crm")
    answer = console("ops").post(f"{PATH}/decide", form)
    assert (answer.status_code, said in answer.text) == (409, True)
    assert len(engage.services.held()) == 1


# --- all sending ------------------------------------------------------------------------------------------------------


def test_all_sending_is_paused_and_resumed(engage: Engage, console: MakeConsole) -> None:
    ops = console("ops")
    answer = ops.post("/console/sending/pause", {"why": "a wrong price"})
    assert ops.said(answer).startswith("All sending is paused.")
    assert gate_state(engage) is State.PAUSED
    assert "is paused since 2026-03-02 15:00 UTC: a wrong price" in ops.get(PATH).text
    again = ops.post("/console/sending/pause", {"why": "me too"})
    assert (again.status_code, "a wrong price" in again.text) == (409, True)
    assert ops.said(ops.post("/console/sending/resume", {"why": "mended"})).startswith("Sending goes on.")
    assert gate_state(engage) is State.OPEN
    assert ops.post("/console/sending/resume", {"why": "mended"}).status_code == 409
    provider = f"provider:{engage.services.settings.carrier}"
    assert engage.audited() == [
        (ops.user.email, "sending.pause", provider, "a wrong price"),
        (ops.user.email, "sending.resume", provider, "mended"),
    ]


def test_sending_is_resumed_only_when_the_provider_would_take_mail_or_anyway(
    engage: Engage, console: MakeConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> str:
        raise ServiceUnreachable("the provider refuses the key", "set another")

    monkeypatch.setattr(engage.provider, "check", refused)
    ops = console("ops")
    ops.post("/console/sending/pause", {"why": "a new key"})
    answer = ops.post("/console/sending/resume", {"why": "it is there", "at": "resume-all"})
    assert answer.status_code == 409
    assert "Nothing was resumed: the provider refuses the key: set another." in answer.text
    assert 'value="it is there"' in answer.text
    assert gate_state(engage) is State.PAUSED
    assert ops.post("/console/sending/resume", {"why": "it is there", "anyway": "1"}).status_code == 303
    assert gate_state(engage) is State.OPEN


def test_who_is_not_let_into_every_program_cannot_pause_all(engage: Engage, console: MakeConsole) -> None:
    of_one = console("ops", programs=[engage.program])
    assert "Pause all sending" not in of_one.get(PATH).text
    assert of_one.post("/console/sending/pause", {"why": "x"}).status_code == 403
    assert gate_state(engage) is State.OPEN


# --- topics and campaigns ---------------------------------------------------------------------------------------------


def test_a_topic_is_paused_and_let_go_on(engage: Engage, console: MakeConsole) -> None:
    ops = console("ops")
    topic = f"{engage.program}/{sorted(engage.services.library().programs[engage.program].topics)[0]}"
    assert ops.said(ops.post("/console/topics/pause", {"topic": topic, "why": "a wrong price"})).endswith("is paused.")
    with engage.services.database.read() as db:
        assert [f"{engage.program}/{one.topic}" for one in standing_pauses(db)] == [topic]
    assert ops.post("/console/topics/pause", {"topic": topic, "why": "me too"}).status_code == 409
    assert ops.said(ops.post("/console/topics/resume", {"topic": topic, "why": "mended"})).endswith("goes on.")
    assert [action for _, action, _, _ in engage.audited()] == ["topic.pause", "topic.resume"]
    assert ops.post("/console/topics/resume", {"topic": "elsewhere/tips", "why": "x"}).status_code == 404
    assert ops.post("/console/topics/stop", {"topic": topic, "why": "x"}).status_code == 404


def test_marketing_pauses_a_campaign_and_lets_it_go_on(engage: Engage, console: MakeConsole) -> None:
    marketing, named = console("marketing"), f"{engage.program}/{RUN}"
    said = marketing.said(marketing.post("/console/campaign-pauses/pause", {"campaign": named, "why": "a typo"}))
    assert "is paused: what is due of it waits." in said
    assert campaign_state(engage) is CampaignState.PAUSED, "in this process at once"
    assert "a typo" in marketing.get(PATH).text
    assert marketing.post("/console/campaign-pauses/pause", {"campaign": named, "why": "x"}).status_code == 409
    back = marketing.post("/console/campaign-pauses/resume", {"campaign": named, "why": "mended", "back": "1"})
    assert back.headers["location"].startswith(f"/console/campaigns/{named}?")
    assert campaign_state(engage) is CampaignState.LIVE
    engage.now += timedelta(minutes=1)
    assert [(action, object_) for _, action, object_, _ in engage.audited()] == [
        ("campaign.pause", f"campaign:{RUN}"),
        ("campaign.resume", f"campaign:{RUN}"),
    ]
    nowhere = {"campaign": f"{engage.program}/nothing", "why": "x"}
    assert marketing.post("/console/campaign-pauses/pause", nowhere).status_code == 404
    assert marketing.post("/console/campaign-pauses/resume", nowhere).status_code == 409


def test_a_pause_without_a_reason_is_refused(engage: Engage, console: MakeConsole) -> None:
    ops = console("ops")
    for path, form in (
        ("sending/pause", {}),
        ("topics/pause", {"topic": f"{engage.program}/tips"}),
        ("campaign-pauses/pause", {"campaign": f"{engage.program}/{RUN}"}),
    ):
        answer = ops.post(f"/console/{path}", form)
        assert (answer.status_code, "Say why" in answer.text) == (409, True)
    assert engage.audited() == []


# --- who may ----------------------------------------------------------------------------------------------------------


def test_who_may_only_look_sees_no_buttons(engage: Engage, console: MakeConsole) -> None:
    bursts(engage, "crm")
    looker = console("read-only")
    page = looker.get(PATH)
    assert page.status_code == 200
    assert "changes-1" in page.text
    assert '<form method="post" action="/console/' not in page.text.replace("/console/logout", "")
    for path in ("held/decide", "sending/pause", "topics/pause", "campaign-pauses/pause"):
        assert looker.post(f"/console/{path}", {"why": "x"}).status_code == 403


def test_what_is_held_in_other_programs_is_as_if_it_were_not_there(engage: Engage, console: MakeConsole) -> None:
    bursts(engage, "crm")
    stranger = console("ops", programs=[])
    assert "changes-1" not in stranger.get(PATH).text
    answer = stranger.post(f"{PATH}/decide", {"id": ["changes-1"], "do": "drop", "why": "x"})
    assert (answer.status_code, "changes-1 is not held" in answer.text) == (409, True)
    assert stranger.post("/console/topics/pause", {"topic": f"{engage.program}/tips", "why": "x"}).status_code == 404
    named = {"campaign": f"{engage.program}/{RUN}", "why": "x"}
    assert stranger.post("/console/campaign-pauses/pause", named).status_code == 404
    assert len(engage.services.held()) == 1
