"""The mailbox's file: kept over restarts, whole after a crash, small in memory."""

import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engage.domain.errors import EngageError
from engage.web.mailbox import MailStore, read_log
from engage.web.mailbox.summary import Summary

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def a_summary(number: int, campaign: str = "tier", to: str = "") -> Summary:
    return Summary(
        id=f"m{number}",
        received_at="2026-03-02T12:00:00.000000Z",
        sender="Acme Partners",
        to=to or f"Jane{number}@example.com",
        subject=f"Número {number}",
        campaign=campaign,
        preview="Hello",
        headers={"To": f"Jane{number}@example.com"},
        custom_args={"engage_delivery": f"d{number}"},
    )


def filled(path: Path | None, count: int) -> MailStore:
    store = MailStore(path)
    for number in range(count):
        store.append(a_summary(number, "odd" if number % 2 else "even"), b'{"n":\n%d}' % number)
    return store


def ids(store: MailStore) -> list[str]:
    return [summary.id for chunk in store.every(chunk=3) for summary in chunk]


def test_messages_are_there_after_a_restart(tmp_path: Path) -> None:
    filled(tmp_path, 7).close()
    store = MailStore(tmp_path)
    assert ids(store) == [f"m{n}" for n in range(7)]
    assert store.read("m5") == (a_summary(5, "odd"), b'{"n":\n5}')
    assert store.campaigns() == {"even": 4, "odd": 3}
    store.append(a_summary(7), b"{}")
    assert ids(store)[-1] == "m7"


def test_the_log_can_be_read_beside_the_process_that_writes_it(tmp_path: Path) -> None:
    store = filled(tmp_path, 3)
    found = list(read_log(tmp_path))
    assert [summary.id for summary in found] == ["m0", "m1", "m2"]
    assert [summary.custom_args["engage_delivery"] for summary in found] == ["d0", "d1", "d2"]
    with (tmp_path / "messages.log").open("ab") as file:
        file.write(b'{"id": "cut')
    assert list(read_log(tmp_path)) == found
    store.close()


def test_a_log_of_before_there_were_custom_arguments_is_read_too(tmp_path: Path) -> None:
    filled(tmp_path, 1).close()
    log = tmp_path / "messages.log"
    log.write_bytes(log.read_bytes().replace(b',"custom_args":{"engage_delivery":"d0"}', b""))
    assert [summary.custom_args for summary in read_log(tmp_path)] == [{}]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2000))
def test_a_record_cut_short_by_a_crash_is_dropped_and_the_rest_stays(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("store")
    filled(path, 4).close()
    file = path / "messages.log"
    whole = file.read_bytes()
    file.write_bytes(whole[: max(0, len(whole) - cut)])
    store = MailStore(path)
    left = len(store)
    assert ids(store) == [f"m{n}" for n in range(left)]
    assert left == 4 if cut == 0 else left < 4
    store.append(a_summary(9), b'{"after": "the crash"}')
    store.close()
    again = MailStore(path)
    assert ids(again) == [*(f"m{n}" for n in range(left)), "m9"]
    again.close()


def test_the_newest_come_first_a_page_at_a_time() -> None:
    store = filled(None, 7)
    first = store.page(limit=3)
    assert [message.id for message in first.messages] == ["m6", "m5", "m4"]
    second = store.page(limit=3, before=first.older)
    assert [message.id for message in second.messages] == ["m3", "m2", "m1"]
    last = store.page(limit=3, before=second.older)
    assert [message.id for message in last.messages] == ["m0"]
    assert last.older is None
    assert store.page(limit=7).older is None


def test_pages_do_not_shift_when_mail_comes_in_between() -> None:
    store = filled(None, 4)
    first = store.page(limit=2)
    store.append(a_summary(99), b"{}")
    assert [message.id for message in store.page(limit=2, before=first.older).messages] == ["m1", "m0"]


def test_a_page_can_be_of_one_campaign_or_of_some_recipients() -> None:
    store = filled(None, 6)
    assert [message.id for message in store.page(campaign="odd").messages] == ["m5", "m3", "m1"]
    assert [message.id for message in store.page(to=" jane4@EXAMPLE").messages] == ["m4"]
    assert [message.id for message in store.page(campaign="odd", limit=2).messages] == ["m5", "m3"]
    assert [m.id for m in store.page(campaign="odd", before=store.page(campaign="odd", limit=2).older).messages] == [
        "m1"
    ]


def test_neighbours_lead_through_all_messages() -> None:
    store = filled(None, 3)
    assert (store.neighbours("m0").older, store.neighbours("m0").newer) == (None, "m1")
    assert (store.neighbours("m2").older, store.neighbours("m2").newer) == ("m1", None)


def test_emptied_it_stays_empty(tmp_path: Path) -> None:
    store = filled(tmp_path, 3)
    before = store.version
    store.clear()
    assert store.version != before
    assert (ids(store), store.campaigns(), (tmp_path / "messages.log").stat().st_size) == ([], {}, 0)
    with pytest.raises(KeyError):
        store.read("m1")
    store.append(a_summary(1), b"{}")
    store.close()
    assert ids(MailStore(tmp_path)) == ["m1"]


def test_a_folder_belongs_to_one_process_at_a_time(tmp_path: Path) -> None:
    store = MailStore(tmp_path)
    with pytest.raises(EngageError, match="ENGAGE_DATA_DIR"):
        MailStore(tmp_path)
    store.close()
    MailStore(tmp_path).close()


def test_others_on_the_machine_cannot_read_it(tmp_path: Path) -> None:
    MailStore(tmp_path).close()
    assert (tmp_path / "messages.log").stat().st_mode & 0o077 == 0


def test_memory_grows_by_an_index_entry_not_by_a_message() -> None:
    store = MailStore()
    body = b"x" * 20_000
    tracemalloc.start()
    for number in range(3000):
        store.append(a_summary(number), body)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown / 3000 < 500
