"""What cannot be meant as it was said is refused, and no filter reads as an all-clear."""

import pytest

from tests.support.command import EngageCommand


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (["dead", "drop", "--why", "x", "--error", ""], "--all means all of them"),
        (["dead", "retry", "--why", "x", "--campaign", ""], "--all means all of them"),
        (["unknown", "settle", "--why", "x", "--sent", "--not-sent", "d-1"], "say what you found out"),
        (["unknown", "settle", "--why", "x", "d-1"], "say what you found out"),
    ],
)
def test_a_choice_that_means_nothing_is_refused(run_engage: EngageCommand, said: list[str], answer: str) -> None:
    done = run_engage(*said)
    assert done.code == 2
    assert answer in done.err


def test_a_filter_that_matches_nothing_is_told_with_the_answer(run_engage: EngageCommand) -> None:
    assert run_engage("dead", "list", "--campaign", "nosuch").out == "Nothing of campaign 'nosuch' is dead.\n"
    assert run_engage("dead", "list", "--error", "zzz").out == "Nothing with 'zzz' in its reason is dead.\n"
    assert run_engage("unknown", "list").out == "Nothing is unknown.\n"


@pytest.mark.parametrize("command", [["sending", "pause"], ["dead", "drop", "d-1"], ["held", "drop", "run-1"]])
@pytest.mark.parametrize("why", ["", " \n ", "\x1b\x07"])
def test_a_reason_that_says_nothing_is_refused(run_engage: EngageCommand, command: list[str], why: str) -> None:
    done = run_engage(*command, "--why", why)
    assert (done.code, "--why is empty" in done.err) == (2, True)


@pytest.mark.parametrize("command", ["dead retry d-1", "dead drop d-1", "held release run-1", "held drop run-1"])
def test_nothing_is_decided_without_a_reason(run_engage: EngageCommand, command: str) -> None:
    done = run_engage(*command.split())
    assert (done.code, "--why" in done.err) == (2, True)


def test_a_reason_is_kept_in_one_line(run_engage: EngageCommand) -> None:
    assert run_engage("sending", "pause", "--why", "the price\nis \x1b[31mwrong").code == 0
    assert "the price is [31mwrong" in run_engage("sending").out


def test_resuming_one_program_needs_its_topic(run_engage: EngageCommand) -> None:
    run_engage("sending", "pause", "--why", "a wrong price")
    done = run_engage("sending", "resume", "--program", "nosuch", "--why", "x")
    assert (done.code, "--program goes with --topic" in done.err) == (2, True)
    assert "is paused" in run_engage("sending").out
