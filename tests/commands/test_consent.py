"""`engage consent`: what it reports, what it leaves when it cannot, and what it says of somebody."""

from collections.abc import Iterator

import pytest
from sendgrid import SendGridAPIClient
from starlette.testclient import TestClient

from engage.web.mailbox import MailStore, mailbox_app
from tests.commands.saying import assert_said
from tests.providers.servers import HttpServer, closed_port
from tests.support.command import Ran
from tests.support.installation import Installation

SAID = """\
Email Address,Kind,Topic,Unsub Time
Ann@Example.com,Unsubscribed,tips,2025-03-01 10:00:00
bob@example.com,Spam Report,,1735689600
"""


def said(engage: Installation, text: str = SAID, *options: str) -> Ran:
    (engage.folder / "said.csv").write_text(text)
    return engage.run("consent", "import", engage.folder / "said.csv", *options)


def reasons(engage: Installation, campaign: str = "monthly") -> dict[str, str]:
    decisions = engage.run("plan", campaign, "--json").json()["decisions"]
    return {one["partner"]: one["reason"] or one["decision"] for one in decisions}


def test_who_said_no_before_is_not_mailed_and_the_same_again_changes_nothing(fresh: Installation) -> None:
    assert said(fresh, SAID, "--json").json() == {
        "file": "said.csv",
        "read": 2,
        "accepted": 2,
        "unchanged": 0,
        "rejected": 0,
        "joined_lines": 0,
        "cancelled": 0,
        "dry_run": False,
    }
    fresh.imports()
    assert reasons(fresh) == {"ann": "unsubscribed", "bob": "suppressed"}
    assert_said(fresh.run("explain", "ann", "monthly"), 0, "has consent", "would not: unsubscribed")
    assert_said(said(fresh), 0, "said.csv  2     0         2          0")


def test_a_dry_run_counts_and_writes_nothing(fresh: Installation) -> None:
    fresh.imports()
    assert_said(
        said(fresh, SAID + SAID.partition("\n")[2], "--dry-run"), 0, "4     2         2", "Nothing was written."
    )
    assert reasons(fresh) == {"ann": "send", "bob": "send"}


def test_a_row_that_cannot_be_taken_is_a_no_that_is_not_heeded_and_so_an_error(fresh: Installation) -> None:
    rows = "email,kind,topic\nann@example.com,unsubscribe,tipps\nbob@example.com,stop-all,\n"
    done = said(fresh, rows, "--rejects", str(fresh.folder / "rejects"))
    assert_said(done, 1, "said.csv  2     1         0          1", "rejects/said.csv.rejects.csv")
    assert "did you mean 'tips'" in (fresh.folder / "rejects" / "said.csv.rejects.csv").read_text()
    assert_said(said(fresh, "email\nann@example.com\n"), 1, "has no column 'kind'", "--kind unsubscribe")
    assert_said(said(fresh, rows, "--program", "maven"), 1, "there is no program 'maven'", "maven-partners")


def test_what_is_not_read_as_rows_is_counted_and_an_error(fresh: Installation) -> None:
    rows = 'email,kind,source\nst1@example.com,bounce,"CRM\nst2@example.com,bounce,CRM"\nst3@example.com,bounce,CRM\n'
    assert_said(
        said(fresh, rows), 1, "said.csv  3     1         0          2", "2 lines were not read as rows", "into "
    )


def test_where_it_goes_is_said(fresh: Installation) -> None:
    assert_said(said(fresh, SAID, "--dry-run"), 0, "Nothing was written. It would go into ")
    assert_said(said(fresh), 0, "\ninto ")
    assert_said(said(fresh, "email,kind,at\na@example.com,bounce,2.11.2025\n", "--date-format", "%d.%m.%Y"), 0, "1")
    assert_said(said(fresh, "email\na@example.com\n", "--kind", "bounce", "--topic", "tips"), 2, "has no topic")


def test_a_broken_program_file_is_mended_first(fresh: Installation) -> None:
    fresh.imports()
    path = fresh.campaigns / "program.yaml"
    path.write_text(path.read_text() + "colour: blue\n")
    assert_said(said(fresh), 1, "program.yaml:", "mend it first")
    assert reasons(fresh) == {"ann": "send", "bob": "send"}


def test_show_says_what_stands_since_when_and_how_it_came(fresh: Installation) -> None:
    said(fresh, "email,kind,topic,at,source\nann@example.com,unsubscribe,tips,2025-03-01T00:00:00Z,by phone\n")
    assert_said(fresh.run("consent", "show", "ann@example.com"), 0, "which no partner has", "tips was refused")
    fresh.imports()
    assert fresh.run("consent", "show", "ann", "--json").json() == {
        "email": "ann@example.com",
        "suppressions": [],
        "noted": [{"topic": "tips", "since": "2025-03-01T00:00:00Z"}],
        "partners": [
            {
                "partner": "ann",
                "refused": [{"topic": "tips", "since": "2025-03-01T00:00:00Z"}],
                "agreed": [],
                "rhythms": [],
                "language": None,
                "pause": None,
            }
        ],
        "changes": [
            {
                "at": "2025-03-01T00:00:00Z",
                "email": "ann@example.com",
                "partner": None,
                "topic": "tips",
                "subscribed": False,
                "how": "import: unsubscribe",
                "source": "by phone",
            }
        ],
        "settings": [],
    }
    assert_said(fresh.run("consent", "show", "bob"), 0, "bob@example.com, which bob has", "nothing stands against")
    assert_said(fresh.run("consent", "show", "zoe@example.com"), 1, "never heard of 'zoe@example.com'")


# -- SendGrid ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def mailbox() -> Iterator[HttpServer]:
    """Bob has bounced, Ann has left the group 101, which is tips, and Zoe the group 102."""
    store = MailStore()
    app = mailbox_app(store)
    told = TestClient(app)
    told.post("/mailbox/suppressions", json=[{"list": "bounces", "email": "Bob@example.com", "created": 1735689600}])
    told.post("/mailbox/suppressions", json=[{"list": "invalid_emails", "email": "nobody@"}])
    with HttpServer(app) as server:
        groups = SendGridAPIClient("SG.key", host=server.url).client.asm.groups
        for id_, name, email in ((101, "Tips", "ann@example.com"), (102, "Product [news]", "zoe@example.com")):
            groups.post(request_body={"name": name, "description": "x"})
            groups._(id_).suppressions.post(request_body={"recipient_emails": [email]})
        yield server
    store.close()


def maps_group(engage: Installation, group: int = 101) -> None:
    path = engage.campaigns / "program.yaml"
    text = path.read_text()
    assert "label: Tips}" in text
    path.write_text(text.replace("label: Tips}", f"label: Tips, sendgrid_group: {group}}}"))


def test_sendgrids_lists_are_taken_and_a_group_without_a_topic_is_an_error(
    fresh: Installation, mailbox: HttpServer
) -> None:
    at = {"ENGAGE_SENDGRID_HOST": mailbox.url, "ENGAGE_SENDGRID_API_KEY": "SG.key"}
    fresh.imports()
    first = fresh.run("consent", "sendgrid", "--dry-run", env=at)
    assert_said(first, 1, "Group 101 (Tips): 1 has left it", "Group 102 (Product [news])", "sendgrid_group: 102")
    assert reasons(fresh) == {"ann": "send", "bob": "send"}
    maps_group(fresh)
    taken = fresh.run("consent", "sendgrid", "--json", env=at)
    assert taken.code == 1
    told = taken.json()
    assert told["total"] == {"read": 3, "accepted": 2, "unchanged": 0, "rejected": 1}
    assert told["unmapped_groups"] == [{"id": 102, "name": "Product [news]", "members": 1}]
    assert reasons(fresh) == {"ann": "unsubscribed", "bob": "suppressed"}
    again = fresh.run("consent", "sendgrid", "--leave-out", "102", env=at)
    assert_said(again, 0, "group 101 (Tips)", "Rejected: entries that are not addresses")
    assert "Group 102" not in again.out
    assert_said(
        fresh.run("consent", "show", "bob"),
        0,
        "bounce, since 2025-01-01 UTC",
        "2025-01-01 00:00 UTC  no to everything",
        "SendGrid's bounces",
    )


def test_groups_that_sendgrid_does_not_have_are_told(fresh: Installation, mailbox: HttpServer) -> None:
    at = {"ENGAGE_SENDGRID_HOST": mailbox.url, "ENGAGE_SENDGRID_API_KEY": "SG.key"}
    maps_group(fresh, 777)
    left = ("--leave-out", "101", "--leave-out", "102", "--leave-out", "103")
    read = fresh.run("consent", "sendgrid", *left, env=at)
    assert_said(read, 0, "There is no group 777 at", "the topic tips names", "There is no group 103 at", "into ")
    told = fresh.run("consent", "sendgrid", *left, "--json", env=at).json()
    assert (told["missing_groups"], told["unknown_left_out"]) == ([{"topic": "tips", "id": 777}], [103])


def test_without_a_key_the_mailbox_is_read_and_it_must_be_there(fresh: Installation, mailbox: HttpServer) -> None:
    read = fresh.run("consent", "sendgrid", "--leave-out", "102", "--leave-out", "101",
                     env={"ENGAGE_MAILBOX_URL": mailbox.url})  # fmt: skip
    assert_said(read, 0, "bounces", "global unsubscribes")
    gone = fresh.run("consent", "sendgrid", env={"ENGAGE_MAILBOX_URL": f"http://127.0.0.1:{closed_port()}"})
    assert_said(gone, 3, "does not answer", "start the mailbox")
    smtp = {"ENGAGE_PROVIDER": "smtp", "ENGAGE_SMTP_URL": "smtp://localhost:1", "ENGAGE_SEND_TO": "nobody"}
    assert_said(fresh.run("consent", "sendgrid", env=smtp), 1, "need a key", "ENGAGE_SENDGRID_API_KEY")
