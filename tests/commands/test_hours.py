"""What the command says of mail that waits for its hours, and of hours that never come."""

from tests.commands.saying import assert_said
from tests.support.command import Ran
from tests.support.installation import MONTHLY, Installation

AT_NINE = MONTHLY.replace("campaign: monthly", "campaign: at-nine") + "send_window: {from: 09:00, to: 10:00}\n"
SATURDAY_EVENING = "2026-11-21T20:00:00Z"


def lines(ran: Ran) -> str:
    """What it said, without regard to where a narrow screen breaks it."""
    return " ".join(ran.out.split())


def test_a_plan_says_until_when_a_mail_waits(known: Installation) -> None:
    file = known.folder / "at_nine.yaml"
    file.write_text(AT_NINE)

    shown = known.run("plan", file, "--as-of", SATURDAY_EVENING)
    (first, _) = known.run("plan", file, "--as-of", SATURDAY_EVENING, "--json").json()["decisions"]

    assert "2 defer: outside_send_window" in lines(shown)
    assert "outside_send_window, again at 2026-11-22 09:00 UTC" in lines(shown)
    assert (first["reason"], first["until"]) == ("outside_send_window", "2026-11-22T09:00:00Z")


def test_an_explanation_says_until_when_a_mail_waits(known: Installation) -> None:
    file = known.folder / "at_nine.yaml"
    file.write_text(AT_NINE)

    shown = known.run("explain", "ann", file, "--at", SATURDAY_EVENING)

    assert "no hours allow (defer: outside send window, look again at 2026-11-22 09:00 UTC)" in lines(shown)
    assert "would not yet: outside send window, look again at 2026-11-22 09:00 UTC" in lines(shown)


def test_lint_says_where_a_window_stands_that_never_opens(fresh: Installation) -> None:
    program = fresh.campaigns / "program.yaml"
    program.write_text(program.read_text() + "\n    quiet_hours: {from: 21:00, to: 09:30}\n")
    (fresh.campaigns / "dawn.yaml").write_text(
        AT_NINE.replace("at-nine", "dawn").replace("09:00, to: 10:00", "06:00, to: 08:00")
    )

    ran = fresh.run("lint")

    assert_said(ran, 1, "campaigns/dawn.yaml:10:14")
    assert "is never open, because of the quiet hours (21:00 to 09:30)" in ran.out + ran.err
