"""`plan`, `explain` and `run`: who would get what and why, and a slot that is run twice."""

import json
import re

import pytest

from tests.commands.saying import assert_said
from tests.support.command import EngageCommand
from tests.support.installation import MONTHLY, Installation, Web
from tests.support.waiting import wait_for

WINNERS = MONTHLY.replace("campaign: monthly", "campaign: winners").replace(
    "steps:", "where:\n  - wins: {at_least: 1}\n  - any:\n    - referrals: {is: 1}\n    - open: {is: 7}\nsteps:"
)


def test_a_plan_for_scripts_has_the_promised_shape(known: Installation) -> None:
    plan = known.run("plan", "monthly", "--as-of", "2026-11-21T09:00:00+01:00", "--json").json()
    assert plan == {
        "campaign": "monthly",
        "as_of": "2026-11-21T08:00:00Z",
        "matched": 2,
        "entering": 2,
        "entering_as": {},
        "kept_out": {},
        "max_audience": None,
        "held": False,
        "holdout": None,
        "place": None,
        "decisions": [
            {
                "partner": name,
                "subject": name,
                "decision": "send",
                "reason": None,
                "steps": [
                    {"step": "send-tips", "to": f"partner:{name}", "decision": "send", "reason": None, "caps": []}
                ],
            }
            for name in ("ann", "bob")
        ],
        "inside": [],
    }


def test_a_plan_for_people_counts_and_lists_and_sends_nothing(known: Installation) -> None:
    done = known.run("plan", "monthly")
    assert done.code == 0
    assert "2 matched\n2 would enter\n" in done.out
    assert "Ann <ann@example.com>" in done.out
    assert known.run("run", "monthly", "--json").json()["new"], "a plan opens no run"


def test_a_plan_of_a_paused_campaign_says_that_nothing_goes_out(known: Installation) -> None:
    assert "paused" not in known.run("plan", "monthly").out
    (known.campaigns / "paused.yaml").write_text(
        MONTHLY.replace("campaign: monthly", "campaign: rests").replace("state: live", "state: paused")
    )
    assert "its state is paused: nothing goes out" in known.run("plan", "rests").out


def test_a_plan_says_how_many_are_inside_each_version(fresh: Installation) -> None:
    journey = MONTHLY.replace("campaign: monthly", "campaign: journey").replace(
        "- send: tips", "- wait: 3d\n  - send: tips"
    )
    file = fresh.campaigns / "journey.yaml"
    file.write_text(f"{journey}  - send: tips\n    id: tips-again\n")
    assert fresh.imports().code == 0
    table = fresh.run("plan", "journey").out.splitlines()[-4:]
    assert [line.split()[:2] for line in table] == [[n, s] for n in ("ann", "bob") for s in ("send-tips", "tips-again")]
    assert fresh.run("run", "journey").code == 0
    shown = fresh.run("plan", "journey").out
    assert "inside now: 2" in shown
    assert "0 would enter\nwould not enter: 2 already enrolled\n" in shown
    fresh.partners("ann", "bob", "cat")
    assert fresh.imports().code == 0
    file.write_text(journey.replace("1st 09:00", "15th 09:00").replace("wait: 3d", "wait: 5d\n    id: five-days"))
    assert "1 would enter\nwould not enter: 2 still inside\n" in fresh.run("plan", "journey").out
    assert fresh.run("run", "journey").code == 0
    shown = fresh.run("plan", "journey")
    assert "five-days" in shown.out
    assert "an older one" in shown.out
    inside = fresh.run("plan", "journey", "--json").json()["inside"]
    assert [(one["step"], one["count"], one["current"]) for one in inside] == [
        ("five-days", 1, True),
        ("wait-1", 2, False),
    ]


def test_a_plan_says_who_would_be_held_out_of_those_who_would_enter(fresh: Installation) -> None:
    fresh.partners(*(f"p{number}" for number in range(20)))
    assert fresh.imports().code == 0
    file = fresh.folder / "tried.yaml"
    file.write_text(MONTHLY.replace("campaign: monthly", "campaign: tried\nholdout: 30%\nonly: {share: 80%}"))
    plan = fresh.run("plan", file, "--json").json()
    assert plan["entering_as"].keys() == {"treated", "held_out"}
    assert sum(plan["entering_as"].values()) == plan["entering"] == 20 - plan["kept_out"]["not_in_roll_out"]
    treated, held_out = plan["entering_as"]["treated"], plan["entering_as"]["held_out"]
    shown = fresh.run("plan", file).out
    assert f"{plan['entering']} would enter ({treated} treated, {held_out} held out)\n" in shown
    assert f"would not enter: {20 - plan['entering']} not in roll out\n" in shown


def test_doctor_names_an_email_that_is_gone_and_that_somebody_inside_comes_to(fresh: Installation) -> None:
    journey = MONTHLY.replace("campaign: monthly", "campaign: journey").replace(
        "- send: tips", "- wait: 3d\n  - send: other"
    )
    other = fresh.emails / "other.md"
    other.write_text((fresh.emails / "tips.md").read_text())
    file = fresh.campaigns / "journey.yaml"
    file.write_text(journey)
    assert fresh.imports().code == 0
    assert fresh.run("run", "journey").code == 0
    other.unlink()
    file.write_text(journey.replace("send: other", "send: tips"))
    said = {one["what"]: one for one in fresh.run("doctor", "--json").json()}["campaign journey of maven-partners"]
    assert (said["state"], said["said"]) == ("warn", "2 inside wait for email 'other', which is not there")
    assert "write email_templates/other.md again" in said["advice"]


def test_a_plan_takes_the_path_of_a_file_outside_the_campaigns(known: Installation) -> None:
    file = known.folder / "winners.yaml"
    file.write_text(WINNERS)
    plan = known.run("plan", file, "--json").json()
    assert (plan["matched"], [one["partner"] for one in plan["decisions"]]) == (1, ["ann"])


def test_explain_shows_what_became_of_a_partner_so_far(fresh: Installation) -> None:
    fresh.partners("ann")
    assert fresh.imports().code == 0
    before = fresh.run("explain", "ann", "monthly")
    assert "entered" not in before.out
    assert fresh.run("run", "monthly").code == 0
    shown = fresh.run("explain", "ann", "monthly").out
    assert re.search(r"entered \d{4}-\d\d-\d\d \d\d:\d\d UTC \(\d{4}-\d\d-01T09:00\)", shown)
    assert "enroll send-tips: send" in shown
    assert re.search(r"mail send-tips to partner:ann: pending, due \d{4}-", shown)
    (entry,) = fresh.run("explain", "ann", "monthly", "--json").json()["so_far"]
    assert [one["decision"] for one in entry["decided"]] == ["send"]
    assert [(one["step"], one["state"]) for one in entry["mails"]] == [("send-tips", "pending")]
    assert fresh.run("explain", "ann", "monthly", "--at", "2020-01-01", "--json").json()["so_far"] == []


def test_explain_shows_the_condition_as_a_tree_with_each_value(known: Installation) -> None:
    file = known.folder / "explained.yaml"
    file.write_text(WINNERS)
    shown = known.run("explain", "bob", file)
    assert shown.code == 0
    for part in ("wins", "(found: 0)", "any of", "guards of send-tips to partner:bob"):
        assert part in shown.out
    explained = known.run("explain", "ann", file, "--json").json()
    assert (explained["partner"], explained["campaign"]) == ("ann", "winners")
    (tree,) = explained["conditions"]
    assert tree["of"] == "ann"
    _active, where = tree["condition"]["parts"]
    wins, either = where["parts"]
    assert (wins["holds"], wins["value"]) == (True, 1)
    assert [part["value"] for part in either["parts"]] == [1, 0]
    (step,) = explained["steps"]
    assert {"guard", "decision"} <= step["guards"][0].keys()


def test_names_and_instants_that_are_wrong_are_told_what_to_write(known: Installation) -> None:
    assert_said(known.run("plan", "montly"), 1, "there is no campaign 'montly'", "monthly")
    assert_said(known.run("plan", "nowhere/x.yaml"), 1, "nowhere/x.yaml cannot be read")
    assert_said(known.run("plan", "monthly", "--as-of", "tomorrow"), 2, "'tomorrow' is not a date", "2026-11-21T09:00")
    assert_said(known.run("explain", "zoe", "monthly"), 1, "there is no partner 'zoe'", "external id")
    assert_said(known.run("plan"), 2, "Missing argument")
    assert_said(known.run("plam"), 2, "No such command 'plam'")


def test_a_slot_that_is_run_twice_is_run_once(fresh: Installation) -> None:
    assert fresh.imports().code == 0
    first = fresh.run("run", "monthly", "--json").json()
    assert (first["new"], first["state"], first["matched"]) == (True, "done", 2)
    again = fresh.run("run", "monthly")
    assert (again.code, "had run already" in again.out) == (0, True)
    plan = fresh.run("plan", "monthly", "--json").json()
    assert {one["reason"] for one in plan["decisions"]} == {"already_enrolled"}


def test_what_cannot_be_run_says_why(fresh: Installation) -> None:
    (fresh.campaigns / "draft.yaml").write_text(
        MONTHLY.replace("campaign: monthly", "campaign: draft").replace("state: live", "state: draft")
    )
    resting = MONTHLY.replace("campaign: monthly", "campaign: winners").replace(
        "steps:", "where:\n  - wins: {at_least: 1}\nsteps:"
    )
    (fresh.campaigns / "winners.yaml").write_text(resting)
    assert_said(fresh.run("run", "referral-won"), 2, "waits for events", "only a campaign with")
    assert_said(fresh.run("run", "draft"), 1, "'draft' has the state draft", "state: live")
    assert_said(fresh.run("run", "winners"), 1, "held: feed_never_connected", "engage doctor")
    held = fresh.run("run", "winners", "--json")
    assert (held.code, json.loads(held.out)["state"]) == (1, "held")


def test_what_is_planned_while_files_are_broken_is_said_to_be_the_last_good_version(fresh: Installation) -> None:
    assert fresh.imports().code == 0
    (fresh.campaigns / "monthly.yaml").write_text("campaign: [monthly")
    plan = fresh.run("plan", "monthly", "--json")
    assert plan.code == 0
    assert plan.json()["matched"] == 2
    assert "1 problem in campaigns and emails: engage lint; what passed last is used" in plan.err


@pytest.mark.slow
def test_doctor_is_content_when_all_is_there_and_says_what_is_missing_when_not(
    run_engage: EngageCommand, valkey_url: str, unused_port: int
) -> None:
    installation = Installation(run_engage, redis_url=valkey_url, port=str(unused_port))
    alone = installation.run("doctor", "--json")
    assert alone.code == 3
    found = {one["what"]: one for one in alone.json()}
    assert {what: found[what]["state"] for what in ("database", "Redis", "provider", "campaigns and templates")} == {
        "database": "ok",
        "Redis": "ok",
        "provider": "fail",
        "campaigns and templates": "ok",
    }
    assert "engage mailbox" in found["provider"]["advice"]
    assert found["feed referrals of maven-partners"]["said"] == "was never connected"
    assert {f"{record} of example.com" for record in ("SPF", "DKIM", "DMARC")} <= found.keys()

    installation.start("web", "--with-mailbox")
    wait_for(Web(unused_port).answers, "the mailbox")
    content = installation.run("doctor")
    assert content.code == 0, content.out
    (installation.campaigns / "monthly.yaml").write_text("campaign: [monthly")
    assert_said(installation.run("doctor"), 1, "1 problem;", "engage lint lists them")


def test_an_explanation_ends_with_what_it_comes_to(known: Installation) -> None:
    file = known.folder / "ending.yaml"
    file.write_text(WINNERS.replace("state: live", "state: draft"))
    shown = known.run("explain", "ann@example.com", file).out
    assert "state: draft (sends nothing" in shown
    assert shown.rstrip().endswith("would get it")
    refused = known.run("explain", "bob", file)
    assert refused.out.rstrip().endswith("would not: condition does not hold")
    assert "condition still holds  (skip: condition does not hold)" in refused.out
    explained = known.run("explain", "bob", file, "--json").json()
    assert (explained["state"], explained["decision"], explained["reason"]) == (
        "draft",
        "skip",
        "condition_no_longer_holds",
    )
    assert (
        known.run("explain", "ann", "referral-won")
        .out.rstrip()
        .endswith("would get it at referral.status_changed to won")
    )


def test_a_plan_shows_those_first_who_would_not_get_it(fresh: Installation) -> None:
    (fresh.export / "partners.csv").write_text("id,mail,name\nann,ann@example.com,Ann\nbob,,Bob\n")
    assert fresh.imports().code == 0
    rows = [line.split() for line in fresh.run("plan", "monthly").out.splitlines()[-2:]]
    assert rows == [["bob", "Bob", "skip", "no_address"], ["ann", "Ann", "<ann@example.com>", "send"]]


def test_a_preview_prints_the_mail_and_writes_its_html(known: Installation) -> None:
    page = known.folder / "mail.html"
    shown = known.run("preview", "monthly", "ann@example.com", "--out", page)
    assert shown.code == 0, shown.err
    for part in ("To: Ann <ann@example.com>", "Subject: Tips for Ann", "There is news.", f"HTML written to {page}"):
        assert part in shown.out
    assert "There is news." in page.read_text()
    (mail,) = known.run("preview", "referral-won", "ann", "--json").json()
    assert mail["subject"] == "Acme Ltd signed"
    assert_said(known.run("preview", "referral-won", "bob"), 1, "partner 'bob' has no referral")
    assert_said(known.run("preview", "monthly", "ann", "--out", known.folder / "no" / "x.html"), 1, "cannot be written")
