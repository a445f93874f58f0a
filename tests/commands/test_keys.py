"""`key`: the keys of systems that push."""

import pytest

from engage.domain.access import read_bearer_key
from tests.commands.saying import assert_said
from tests.support.command import EngageCommand
from tests.support.installation import Installation


@pytest.fixture
def installed(run_engage: EngageCommand) -> Installation:
    return Installation(run_engage)


def test_a_key_is_shown_once_alone_on_standard_output(installed: Installation) -> None:
    made = installed.run("key", "create", "portal", "--scope", "events", "--scope", "partners")
    assert made.code == 0, made
    public_id, secret = read_bearer_key(made.out.strip()) or ("", "")
    assert public_id
    assert f"engage key revoke {public_id}" in made.err
    assert "shown once" in made.err
    listed = installed.run("key", "list")
    assert public_id in listed.out
    assert "events partners" in listed.out
    assert secret not in listed.out
    (about,) = installed.run("key", "list", "--json").json()
    assert about.pop("created_at").endswith("Z")
    assert about == {
        "id": public_id,
        "name": "portal",
        "kind": "bearer",
        "program": "maven-partners",
        "scopes": ["events", "partners"],
        "last_used_at": None,
        "revoked_at": None,
    }


def test_a_key_for_a_system_that_signs_has_a_secret_and_an_address_of_its_own(installed: Installation) -> None:
    made = installed.run("key", "create", "hub", "--scope", "events", "--signed", "--json").json()
    assert made["secret"].startswith("whsec_")
    assert made["url"].endswith(f"/v1/push/{made['id']}")
    assert "key" not in made


def test_a_key_is_revoked_by_its_id_or_the_whole_of_it_and_once(installed: Installation) -> None:
    key = installed.run("key", "create", "portal", "--scope", "logins").out.strip()
    other = installed.run("key", "create", "portal", "--scope", "logins").out.strip()
    done = installed.run("key", "revoke", key)
    assert (done.code, done.out) == (
        0,
        "The key of 'portal' is revoked: nothing takes it any more 5 seconds from now.\n",
    )
    assert installed.run("key", "revoke", key.split("_")[1]).out == "The key of 'portal' was revoked before.\n"
    keys = installed.run("key", "list", "--json").json()
    assert [one["revoked_at"] is None for one in keys] == [False, True]
    assert f"{key.split('_')[1]}  portal  bearer  logins    revoked 2" in installed.run("key", "list").out
    assert_said(installed.run("key", "revoke", "nothing"), 1, "no such key", "engage key list")
    assert other.split("_")[2] not in installed.run("key", "revoke", other).out


def test_what_a_key_may_push_has_to_be_said_and_to_exist(installed: Installation) -> None:
    assert_said(installed.run("key", "create", "portal"), 2, "--scope", "events")
    assert_said(installed.run("key", "create", "portal", "--scope", "everything"), 2, "'everything' is not one of")
    for name in ("", " ", "x" * 61, "a\nb", "a\x1b[31m"):
        assert_said(installed.run("key", "create", name, "--scope", "events"), 2, "1 to 60 characters")
    assert_said(installed.run("key", "create", "a", "--scope", "events", "--program", "acne"), 1, "no program 'acne'")
    assert installed.run("key", "list").out == "There are no keys.\n"
