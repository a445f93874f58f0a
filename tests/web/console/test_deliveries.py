"""Operators find deliveries, see all that is known of one, and move what waits for somebody."""

import re
from datetime import timedelta

import pytest

from engage.domain.messages import Outcome, SendResult
from engage.store.audit import entries
from engage.store.delivery_lists import LOOKED_AT
from tests.support.consoles import Console, MakeConsole
from tests.support.engage import Engage
from tests.support.mishaps import LOST, REFUSED, won

PATH = "/console/deliveries"


def partners_on(page: str) -> list[str]:
    """The partners of the list, in its order."""
    return re.findall(r'<td><a href="/console/partners/[^/]+/([^"]+)">', page)


def listed(console: Console, query: str = "") -> list[str]:
    answer = console.get(PATH + query)
    assert answer.status_code == 200, answer.text
    return partners_on(answer.text)


def hidden(page: str) -> dict[str, str]:
    """What the form on the page sends by itself."""
    form = page[page.index(f'action="{PATH}/move"') :]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form))


# --- finding ----------------------------------------------------------------------------------------------------------


def test_what_needs_somebody_is_shown_first(engage: Engage, console: MakeConsole) -> None:
    ops = console("ops")
    assert "There is none." in ops.get(PATH).text
    won(engage, ann=LOST)
    assert listed(ops) == ["ann"]
    won(engage, bob=REFUSED)
    page = ops.get(PATH).text
    assert partners_on(page) == ["bob"]
    assert "<h2>Dead: 1</h2>" in page
    assert "400 content: The content is too long" in page


def test_deliveries_are_found_by_state_campaign_partner_and_words_of_the_reason(
    engage: Engage, console: MakeConsole
) -> None:
    won(engage, ann=REFUSED, bob=REFUSED, cyd=LOST, dan=None)
    ops = console("ops")
    assert listed(ops, "?state=dead") == ["bob", "ann"]
    assert listed(ops, "?state=unknown") == ["cyd"]
    assert listed(ops, "?state=accepted") == ["dan"]
    assert listed(ops, "?state=accepted&campaign=monthly") == []
    assert listed(ops, "?state=dead&partner=ann") == ["ann"]
    assert listed(ops, "?partner=ANN@example.com") == ["ann"]
    assert listed(ops, "?partner=dan") == ["dan"]
    assert listed(ops, "?state=dead&error=TOO+long") == ["bob", "ann"]
    assert listed(ops, "?state=dead&error=100%25") == []
    assert "No partner has the id or the address “nobody”" in ops.get(f"{PATH}?partner=nobody").text
    assert listed(ops, "?state=nonsense&after=x~y") == ["bob", "ann"]


def test_what_waits_is_listed_by_when_it_is_due(engage: Engage, console: MakeConsole) -> None:
    away = SendResult(Outcome.RETRY, status=503, detail="503 busy")
    won(engage, ann=away)
    engage.refers(engage.partner("bob"), "deal")
    engage.becomes("bob", "deal", "won")
    while engage.queue.waiting and engage.queue.waiting[0][0] != "deliver":
        task, ids, _ = engage.queue.waiting.popleft()
        getattr(engage.services, task)(ids)
    ops = console("ops")
    assert listed(ops, "?state=waiting") == ["bob", "ann"]
    assert listed(ops, "?state=retry") == ["ann"]


def test_a_list_goes_on_where_its_page_ended(
    engage: Engage, console: MakeConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"p{number}" for number in range(5)]
    won(engage, **dict.fromkeys(names, REFUSED))
    won(engage, **dict.fromkeys(["q0", "q1", "q2"], None))
    monkeypatch.setattr("engage.web.console.deliveries.A_PAGE", 2)
    ops = console("ops")
    for query, expected in (("?state=dead", names[::-1]), ("?state=accepted", ["q2", "q1", "q0"])):
        seen: list[str] = []
        path = PATH + query
        while path:
            page = ops.get(path).text
            assert len(partners_on(page)) <= 2
            seen += partners_on(page)
            found = re.search(r'<a class="button quiet" href="([^"]+)">More</a>', page)
            path = found[1].replace("&amp;", "&") if found else ""
        assert seen == expected


def test_a_search_of_what_ended_looks_at_so_many_and_can_look_further(
    engage: Engage, console: MakeConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LOOKED_AT >= 1000
    won(engage, ann=None)
    engage.now += timedelta(minutes=1)
    won(engage, bob=None, cyd=None)
    monkeypatch.setattr("engage.store.delivery_lists.LOOKED_AT", 2)
    ops = console("ops")
    page = ops.get(f"{PATH}?state=skipped").text
    assert "None of the next 2 of the list is what you look for." in page
    further = re.search(r'href="([^"]+)">Look further</a>', page)
    assert further
    assert "There is none." in ops.get(further[1].replace("&amp;", "&")).text


# --- one --------------------------------------------------------------------------------------------------------------


def test_one_delivery_shows_its_attempts_decisions_and_values(engage: Engage, console: MakeConsole) -> None:
    won(engage, ann=REFUSED)
    page = console("ops").get(f"{PATH}/d-1").text
    for part in (
        "d-1: ",
        "400 content: The content is too long",
        "ann@example.com",
        "referral-won",
        "What was decided",
    ):
        assert part in page
    assert engage.provider.messages[0].subject.replace("'", "&#39;") in page
    assert "/console/partners/" in page


def test_a_mail_that_was_kept_is_shown_in_a_frame_that_can_do_nothing(engage: Engage, console: MakeConsole) -> None:
    engage.services.settings.__dict__["send_to"] = type(engage.services.settings.send_to).parse("nobody")
    won(engage, ann=None)
    ops = console("ops")
    page = ops.get(f"{PATH}/d-1").text
    assert 'sandbox referrerpolicy="no-referrer"' in page
    frame = ops.get(f"{PATH}/d-1/mail")
    assert frame.status_code == 200
    assert frame.headers["content-security-policy"].startswith("sandbox;")
    assert ops.get(f"{PATH}/d-2/mail").status_code == 404


@pytest.mark.parametrize("name", ["d-99", "nonsense", "d-", "d-99999999999999999999"])
def test_a_delivery_that_is_not_there_is_not_found(console: MakeConsole, name: str) -> None:
    assert console("ops").get(f"{PATH}/{name}").status_code == 404


# --- moving -----------------------------------------------------------------------------------------------------------


def test_those_that_are_ticked_are_moved_with_the_reason_and_who_it_was(engage: Engage, console: MakeConsole) -> None:
    won(engage, ann=REFUSED, bob=REFUSED)
    ops = console("ops")
    form = {"move": "RETRY", "of": "ticked", "id": ["d-1"], "why": " the template\nis mended "}
    answer = ops.post(f"{PATH}/move", hidden(ops.get(PATH).text) | form)
    assert ops.said(answer) == "1 mail will be tried again if it is still right."
    assert engage.partner_states() == {"ann": "pending", "bob": "dead"}
    with engage.services.database.read() as db:
        (kept,) = entries(db, 10)
    assert (kept.actor, kept.action, kept.object) == (ops.user.email, "delivery.retry", "delivery:1")
    assert kept.why == "the template is mended"
    assert [message.to.email for message in engage.work()] == ["ann@example.com"]
    assert "delivery.retry: the template is mended" in ops.get(f"{PATH}/d-1").text


def test_all_that_the_filter_shows_are_moved_and_no_others(engage: Engage, console: MakeConsole) -> None:
    won(engage, ann=REFUSED, bob=REFUSED, cyd=SendResult(Outcome.DEAD, status=400, detail="another reason"))
    ops = console("ops")
    page = ops.get(f"{PATH}?state=dead&error=too+long").text
    assert "All 2 that the filter shows, on every page" in page
    answer = ops.post(f"{PATH}/move", hidden(page) | {"move": "DROP", "of": "all", "why": "no use"})
    assert ops.said(answer) == "2 mails will never go out."
    assert "error=too+long" in answer.headers["location"]
    assert engage.partner_states() == {"ann": "cancelled", "bob": "cancelled", "cyd": "dead"}


def test_nothing_is_moved_when_the_list_has_changed_meanwhile_and_that_is_said(
    engage: Engage, console: MakeConsole
) -> None:
    won(engage, ann=REFUSED)
    ops = console("ops")
    shown = hidden(ops.get(PATH).text)
    engage.now += timedelta(seconds=1)
    won(engage, bob=REFUSED)
    answer = ops.post(f"{PATH}/move", shown | {"move": "DROP", "of": "all", "why": "no use"})
    assert answer.status_code == 409
    assert "the list has changed since you looked: it had 1 dead, and has 2 now: nothing was changed" in answer.text
    assert 'value="no use"' in answer.text, "what was written is not lost"
    assert partners_on(answer.text) == ["bob", "ann"]
    assert engage.partner_states() == {"ann": "dead", "bob": "dead"}


def test_nothing_is_moved_by_halves(engage: Engage, console: MakeConsole) -> None:
    won(engage, ann=REFUSED, bob=REFUSED)
    ops = console("ops")
    shown = hidden(ops.get(PATH).text)
    ops.post(f"{PATH}/move", shown | {"move": "RETRY", "of": "ticked", "id": ["d-1"], "why": "mended"})
    answer = ops.post(f"{PATH}/move", shown | {"move": "DROP", "of": "ticked", "id": ["d-1", "d-2"], "why": "no use"})
    assert answer.status_code == 409
    assert "d-1 is pending" in answer.text
    assert engage.partner_states() == {"ann": "pending", "bob": "dead"}


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"move": "DROP", "of": "ticked", "why": "no use"}, "Nothing is ticked"),
        ({"move": "DROP", "of": "ticked", "id": ["d-1"], "why": " \n"}, "Say why"),
        ({"of": "ticked", "id": ["d-1"], "why": "no use"}, "Say what is to become of them"),
        ({"move": "RESEND", "of": "all", "why": "x"}, "That cannot be done with what the list shows"),
        ({"move": "DROP", "of": "all", "shown": "x", "why": "x"}, "That was not sent by this page"),
    ],
)
def test_a_form_that_says_too_little_changes_nothing(
    engage: Engage, console: MakeConsole, form: dict[str, object], said: str
) -> None:
    won(engage, ann=REFUSED)
    ops = console("ops")
    answer = ops.post(f"{PATH}/move", hidden(ops.get(PATH).text) | form)
    assert (answer.status_code, said in answer.text) == (409, True)
    assert engage.partner_states() == {"ann": "dead"}


def test_one_unknown_is_settled_on_its_own_page(engage: Engage, console: MakeConsole) -> None:
    won(engage, ann=LOST)
    ops = console("ops")
    page = ops.get(f"{PATH}/d-1").text
    for label in ("It was sent", "It was not sent, and need not be", "Send again, perhaps twice"):
        assert label in page
    answer = ops.post(f"{PATH}/move", hidden(page) | {"move": "SENT", "why": "it is in their records"})
    assert answer.headers["location"].startswith(f"{PATH}/d-1?")
    assert ops.said(answer) == "1 mail will count as accepted."
    again = ops.post(f"{PATH}/move", hidden(page) | {"move": "RESEND", "why": "x"})
    assert (again.status_code, "d-1 is accepted" in again.text) == (409, True)


# --- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["marketing", "read-only"])
def test_who_may_only_look_has_no_buttons_and_moves_nothing(engage: Engage, console: MakeConsole, role: str) -> None:
    won(engage, ann=REFUSED)
    looker = console(role)
    for path in (PATH, f"{PATH}/d-1"):
        page = looker.get(path)
        assert (page.status_code, "<button name" in page.text) == (200, False)
    form = {"move": "DROP", "id": ["d-1"], "of": "ticked", "why": "x"}
    assert looker.post(f"{PATH}/move", form).status_code == 403
    assert engage.partner_states() == {"ann": "dead"}


def test_deliveries_of_other_programs_are_as_if_they_were_not_there(engage: Engage, console: MakeConsole) -> None:
    won(engage, ann=REFUSED)
    stranger = console("ops", programs=[])
    assert listed(stranger, "?state=dead") == []
    assert stranger.get(f"{PATH}/d-1").status_code == 404
    assert stranger.get(f"{PATH}/d-1/mail").status_code == 404
    answer = stranger.post(f"{PATH}/move", {"move": "DROP", "id": ["d-1"], "of": "ticked", "why": "x"})
    assert (answer.status_code, "d-1 is not there" in answer.text) == (409, True)
    everything = {"move": "DROP", "of": "all", "state": "dead", "shown": "1", "newest": "", "why": "x"}
    assert stranger.post(f"{PATH}/move", everything).status_code == 409
    assert engage.partner_states() == {"ann": "dead"}


def test_what_strangers_wrote_is_shown_as_text(engage: Engage, console: MakeConsole) -> None:
    evil = "<script>alert(1)</script>"
    won(engage, ann=SendResult(Outcome.DEAD, status=400, detail=evil))
    ops = console("ops")
    for path in (PATH, f"{PATH}/d-1", f"{PATH}?state=dead&campaign={evil}&error={evil}&partner={evil}"):
        assert evil not in ops.get(path).text
