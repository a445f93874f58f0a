"""What the README and docs/ say is so: links lead somewhere, examples pass lint, commands exist, lists are complete."""

import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import typer

from engage.cli import app
from engage.domain.campaigns import CampaignState
from engage.domain.decisions import Reason
from engage.domain.deliveries import DeliveryState
from engage.domain.errors import EngageError
from engage.domain.limits import QuietHours, SendWindow
from engage.pipeline.judging import Judged, judge
from engage.policy import Case, decide
from engage.policy.guards import GUARDS
from engage.slots import Hours
from engage.store.database import Database
from tests.support.command import ROOT

DOCS = ROOT / "docs"
README = ROOT / "README.md"
FIRST = DOCS / "first-campaign.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
LARGEST_PICTURE = 250_000

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text())


def fenced(page: Path, *languages: str) -> list[str]:
    return [text for language, text in FENCE.findall(page.read_text()) if not languages or language in languages]


def table(page: Path, heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, without the table's own two."""
    section = page.read_text().partition(f"\n{heading}\n")[2]
    rows = re.search(r"^\|.*?(?=\n[^|]|\n*\Z)", section, re.MULTILINE | re.DOTALL)
    assert rows, f"no table under {heading!r}"
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[0].splitlines()][2:]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]*)`", cell)


# -- links and pictures ------------------------------------------------------------------------------------------------


def links(page: Path) -> list[str]:
    """Where the page leads within the repository."""
    text = prose(page)
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'<img src="([^"]+)"', text)
    return [link for link in found if "://" not in link]


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub makes them into anchors."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {link}"
        assert not anchor or anchor in anchors(target), f"{page.name} links to {link}"


def test_every_page_and_picture_can_be_reached_from_the_readme() -> None:
    reached, new = {README}, [README]
    while new:
        page = new.pop()
        targets = {(page.parent / link.partition("#")[0]).resolve() for link in links(page) if not link.startswith("#")}
        found = {target for target in targets - reached if target.is_relative_to(ROOT)}
        reached |= found
        new += [target for target in found if target.suffix == ".md"]
    assert {*PAGES, *DOCS.rglob("*.png")} <= reached


def test_pictures_are_small_enough_to_be_looked_at_anywhere() -> None:
    pictures = list((DOCS / "images").glob("*.png"))
    assert pictures
    assert [picture.name for picture in pictures if picture.stat().st_size > LARGEST_PICTURE] == []


@every_page
def test_no_page_speaks_of_folders_of_one_machine(page: Path) -> None:
    assert re.findall(r"(?<![\w./])/(?:home|root|work|tmp|Users|mnt)/\S*", page.read_text()) == []


@pytest.mark.parametrize("page", sorted((DOCS / "decisions").glob("*.md")), ids=lambda page: page.stem[:4])
def test_a_decision_says_what_was_at_stake_what_was_decided_and_what_it_costs(page: Path) -> None:
    assert re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert page.read_text().startswith(f"# {page.stem[:4]} ")


# -- examples ----------------------------------------------------------------------------------------------------------

SHOWN_FILE = re.compile(
    r"`((?:campaigns|email_templates)/[\w/]+\.\w+)`:\n\n```(?:yaml|markdown)\n(.*?)^```", re.MULTILINE | re.DOTALL
)


def shown_files(page: Path) -> dict[str, str]:
    """The campaigns and emails that a page tells its reader to write, by path."""
    return dict(SHOWN_FILE.findall(page.read_text()))


def judged_with(files: dict[str, str], folder: Path) -> Judged:
    """What lint says of the shipped campaigns and emails with these files beside them."""
    for name in ("campaigns", "email_templates"):
        shutil.copytree(ROOT / name, folder / name)
    for path, text in files.items():
        (folder / path).write_text(text)
    return judge(folder / "campaigns", folder / "email_templates")


@pytest.mark.parametrize("page", [README, FIRST], ids=lambda page: page.stem)
def test_the_campaign_that_a_reader_writes_passes_lint(page: Path, tmp_path: Path) -> None:
    files = shown_files(page)
    assert {Path(path).suffix for path in files} == {".yaml", ".md"}
    assert len(files) == len(fenced(page, "yaml", "markdown")), "each example says which file it is"

    judged = judged_with(files, tmp_path)

    assert judged.problems == ()
    assert any(name == "first-referral" for _, name in judged.campaigns)


@pytest.mark.parametrize("page", [README, FIRST], ids=lambda page: page.stem)
def test_the_mistake_that_is_shown_is_told_as_shown(page: Path, tmp_path: Path) -> None:
    mistaken = {path: text.replace("- referrals:", "- refferals:") for path, text in shown_files(page).items()}
    told = [str(problem) for problem in judged_with(mistaken, tmp_path).problems]
    assert [line for text in fenced(page, "text") for line in text.splitlines() if ".yaml:" in line] == told


def test_a_file_that_two_pages_show_is_the_same_on_both() -> None:
    assert shown_files(README) == shown_files(FIRST)


# -- commands ----------------------------------------------------------------------------------------------------------

GROUP: Any = typer.main.get_command(app)
CONTEXT: Any = typer.Context(GROUP)
COMMANDS: list[str] = GROUP.list_commands(CONTEXT)
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def command_lines(page: Path) -> Iterator[list[str]]:
    """Each command line that stands on a line of its own in a fence, as words."""
    for text in fenced(page, "", "sh", "text"):
        for line in text.splitlines():
            if line.startswith(("engage ", "make ")):
                yield shlex.split(line, comments=True)


@every_page
def test_every_command_line_is_understood(page: Path) -> None:
    for program, name, *rest in command_lines(page):
        if program == "make":
            assert name in TARGETS
        else:
            assert name in COMMANDS, f"engage {name}"
            GROUP.get_command(CONTEXT, name).make_context(name, rest)  # raises for what it does not know


def options_of(command: Any, words: list[str]) -> set[str]:
    """The options of a command, and of the one of its commands that the words go on with."""
    options = {option for each in command.params for option in each.opts}
    further = getattr(command, "commands", {}).get(words[0]) if words else None
    return options | options_of(further, words[1:]) if further is not None else options


@every_page
def test_every_command_that_is_mentioned_exists_with_its_options(page: Path) -> None:
    for name, rest in re.findall(r"`engage ([a-z-]+)([^`]*)`", prose(page)):
        assert name in COMMANDS, f"engage {name}"
        options = options_of(GROUP.get_command(CONTEXT, name), rest.split())
        assert set(re.findall(r"--[a-z-]+", rest)) <= options | {"--help"}
    assert set(re.findall(r"`make ([a-z]+)`", prose(page))) <= TARGETS


def test_the_readme_shows_the_commands_of_a_beginning() -> None:
    lines = {" ".join(words[:2]) for words in command_lines(README)}
    assert {"make demo", "make test", "engage lint", "engage plan", "engage explain", "engage up"} <= lines


# -- reasons -----------------------------------------------------------------------------------------------------------

REASONS = DOCS / "reasons.md"
NOW = datetime(2026, 11, 2, 14, tzinfo=UTC)
DAY = timedelta(days=1)

SENT = Case(
    now=NOW,
    today=NOW.date(),
    state=CampaignState.LIVE,
    starts=None,
    ends=None,
    transactional=False,
    to_staff=False,
    event_age=timedelta(0),
    ignore_older_than=3 * DAY,
    expires_at=NOW + DAY,
    partner_active=True,
    asks_status=False,
    address="jane@example.com",
)
SIESTA = Hours("UTC", quiet=QuietHours(time(13), time(16)))
MORNINGS = Hours("UTC", (SendWindow(time(9), time(12)),))
NO_HOLIDAYS = Hours("UTC", holidays=True, country="BR")  # All Souls' Day
OBJECTIONS: list[tuple[Reason, dict[str, Any]]] = [
    (Reason.CAMPAIGN_NOT_LIVE, {"state": CampaignState.PAUSED}),
    (Reason.CAMPAIGN_NOT_LIVE, {"state": CampaignState.DRAFT}),
    (Reason.CAMPAIGN_NOT_LIVE, {"state": CampaignState.ENDED}),
    (Reason.CAMPAIGN_NOT_LIVE, {"state": None}),
    (Reason.OUTSIDE_DATES, {"starts": date(2026, 11, 3)}),
    (Reason.OUTSIDE_DATES, {"ends": date(2026, 11, 1)}),
    (Reason.FEED_NEVER_CONNECTED, {"feed_missing": True}),
    (Reason.FEED_STALE, {"feed_stale": True}),
    (Reason.TOPIC_PAUSED, {"topic_paused": True}),
    (Reason.CLAIMED, {"claimed": True}),
    (Reason.TOO_OLD, {"event_age": 4 * DAY}),
    (Reason.NOT_ACTIVE, {"partner_active": False}),
    (Reason.NO_ADDRESS, {"address": None}),
    (Reason.NO_OWNER, {"address": None, "to_staff": True}),
    (Reason.SUPPRESSED, {"suppressed": True}),
    (Reason.UNSUBSCRIBED, {"unsubscribed": True}),
    (Reason.OPTED_OUT_OF_UPDATES, {"opted_out": True}),
    (Reason.PAUSED_BY_PARTNER, {"on_break": True}),
    (Reason.NOT_OPTED_IN, {"not_opted_in": True}),
    (Reason.RESTING, {"resting": True}),
    (Reason.GATHERED, {"untold": Reason.GATHERED}),
    (Reason.UNDONE, {"untold": Reason.UNDONE}),
    (Reason.NOTHING_TO_CORRECT, {"untold": Reason.NOTHING_TO_CORRECT}),
    (Reason.REGRESSION_IGNORED, {"untold": Reason.REGRESSION_IGNORED}),
    (Reason.SAME_ADDRESS, {"same_address": True}),
    (Reason.CONDITION_NO_LONGER_HOLDS, {"condition_holds": False}),
    (Reason.STOPPED, {"stopped": True}),
    (Reason.GOAL_REACHED, {"goal_reached": True}),
    (Reason.EXPIRED, {"expires_at": NOW}),
    (Reason.OUTSIDE_SEND_WINDOW, {"not_before": NOW + DAY}),
    (Reason.QUIET_HOURS, {"hours": SIESTA}),
    (Reason.QUIET_HOURS, {"hours": SIESTA, "expires_at": NOW + DAY / 24}),
    (Reason.OUTSIDE_SEND_WINDOW, {"hours": MORNINGS}),
    (Reason.OUTSIDE_SEND_WINDOW, {"hours": MORNINGS, "expires_at": NOW + DAY / 24}),
    (Reason.HOLIDAY, {"hours": NO_HOLIDAYS}),
    (Reason.HOLIDAY, {"hours": NO_HOLIDAYS, "expires_at": NOW + DAY / 24}),
]
"""What must be so for each reason that a guard gives."""

NO_GUARD: dict[Reason, tuple[str, ...]] = {
    Reason.ALREADY_ENROLLED: ("skip",),  # plans only
    Reason.STILL_INSIDE: ("skip",),  # plans only
    Reason.NOT_IN_ROLL_OUT: ("skip",),  # plans only
    Reason.PROMOTION_OVER: ("skip",),
    Reason.HELD_OUT: ("skip",),  # drawn when somebody enters
    Reason.IN_CONTROL_GROUP: ("skip",),
    Reason.WORDS_USED_UP: ("skip",),
    Reason.COLLAPSED: ("skip",),  # of a mail that was decided to be sent, by a later one
    Reason.FREQUENCY_CAP: ("defer", "skip"),  # decided of all mails of a dispatch window together
    Reason.FOLDED: ("skip",),
    Reason.EDITION_MISSING: ("hold",),  # of a whole run
}
"""What is decided for reasons that no guard gives."""


def test_every_reason_is_explained_in_the_order_of_the_code() -> None:
    assert [code(row[0]) for row in table(REASONS, "## The reasons")] == [[reason] for reason in Reason]


def test_the_page_says_of_each_reason_what_is_decided() -> None:
    decided: dict[str, set[str]] = {reason: set(kinds) for reason, kinds in NO_GUARD.items()}
    for reason, changes in OBJECTIONS:
        decision = decide(replace(SENT, **changes))
        assert getattr(decision, "reason", None) is reason
        decided.setdefault(reason, set()).add(decision.kind)
    assert {code(row[0])[0]: set(row[1].split(", ")) for row in table(REASONS, "## The reasons")} == decided


def test_the_page_asks_the_guards_in_their_order_and_says_what_each_may_answer() -> None:
    answers: dict[str, list[str]] = {guard.__name__: [] for guard in GUARDS}
    for reason, changes in OBJECTIONS:
        (guard,) = [guard for guard in GUARDS if guard(replace(SENT, **changes))]
        if reason not in answers[guard.__name__]:
            answers[guard.__name__].append(reason)
    written = table(REASONS, "## The guards, in order")
    assert [(code(row[0])[0], code(row[2])) for row in written] == list(answers.items())


# -- operations --------------------------------------------------------------------------------------------------------

OPERATIONS = DOCS / "operations.md"


def test_every_state_of_a_delivery_is_explained() -> None:
    assert [code(row[0]) for row in table(OPERATIONS, "## States of a delivery")] == [
        [state] for state in DeliveryState
    ]


def test_every_command_is_listed() -> None:
    assert {code(row[0])[0] for row in table(OPERATIONS, "## Commands")} == {f"engage {name}" for name in COMMANDS}


def test_every_exit_code_is_listed() -> None:
    def kinds(error: type[EngageError]) -> Iterator[type[EngageError]]:
        yield error
        for kind in error.__subclasses__():
            yield from kinds(kind)

    listed = {int(row[0]) for row in table(OPERATIONS, "## Exit codes")}
    assert listed - {0, 130} == {kind.exit_code for kind in kinds(EngageError)}


def test_the_queries_that_are_shown_can_be_asked(sqlite_url: str) -> None:
    statements = [one for text in fenced(OPERATIONS, "sql") for one in text.split(";") if one.strip()]
    assert statements
    database = Database(sqlite_url)
    for statement in statements:
        with database.read() as db:
            assert db.execute(sa.text(statement)).all() == []
    database.close()


# -- words -------------------------------------------------------------------------------------------------------------

AGREED = """program, partner, company, owner, referral, method, status, reward, tier, event, feed, campaign, occasion,
slot, episode, fact, condition, audience, enrollment, journey, step, decision, delivery, attempt, feedback, topic,
subscription, suppression, frequency cap, quiet hours, holdout, variant, goal, alert"""


def test_every_word_that_is_agreed_on_has_one_meaning() -> None:
    words = re.findall(r"^\| \*\*(.+?)\*\* \|", (DOCS / "glossary.md").read_text(), re.MULTILINE)
    assert len(words) == len(set(words))
    assert set(re.split(r",\s", AGREED)) <= set(words)
