"""`engage consent lift`: an address may be mailed again, because somebody has looked."""

from tests.commands.saying import assert_said
from tests.support.installation import Installation

BEFORE = """\
email,kind
ann@example.com,bounce
bob@example.com,stop_all
bob@example.com,invalid
"""


def plan(engage: Installation) -> dict[str, str]:
    decisions = engage.run("plan", "monthly", "--json").json()["decisions"]
    return {one["partner"]: one["reason"] or one["decision"] for one in decisions}


def test_what_was_said_of_an_address_is_lifted_and_what_a_person_said_only_by_name(fresh: Installation) -> None:
    (fresh.folder / "said.csv").write_text(BEFORE)
    fresh.run("consent", "import", fresh.folder / "said.csv")
    fresh.imports()
    assert plan(fresh) == {"ann": "suppressed", "bob": "suppressed"}

    lifted = fresh.run("consent", "lift", "Ann@Example.com", "--why", "the server is mended")
    assert_said(lifted, 0, "no longer suppressed: bounce", "SendGrid keeps lists of its own")
    shown = fresh.run("consent", "show", "ann")
    assert_said(shown, 0, "nothing stands against", "lifted: bounce, the server is mended")
    refused = fresh.run("consent", "lift", "bob@example.com", "--why", "looked at")
    assert_said(refused, 1, "the person at bob@example.com said no: stop_all", "--reason stop_all")
    assert_said(fresh.run("consent", "lift", "zoe@example.com", "--why", "w"), 1, "nothing suppresses zoe@example.com")
    assert_said(fresh.run("consent", "lift", "bob@example.com", "--why", " "), 2, "--why is empty")
    assert fresh.run("consent", "lift", "bob@example.com").code == 2
    assert plan(fresh) == {"ann": "send", "bob": "suppressed"}

    both = ("--reason", "stop_all", "--reason", "invalid")
    told = fresh.run("consent", "lift", "bob@example.com", *both, "--why", "asked by phone", "--json")
    assert told.json() == {"email": "bob@example.com", "lifted": ["stop_all", "invalid"]}
    assert plan(fresh) == {"ann": "send", "bob": "send"}
