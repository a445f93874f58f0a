"""`engage consent rhythm` and `agree`: what partners ask for, noted for them."""

from tests.commands.saying import assert_said
from tests.support.installation import Installation, email


def says(engage: Installation, topic: str, words: str) -> None:
    file = engage.campaigns / "program.yaml"
    head = f"      {topic}: {{"
    assert file.read_text().count(head) == 1
    file.write_text(file.read_text().replace(head, f"{head}{words}, "))


def test_a_rhythm_is_noted_and_shown(fresh: Installation) -> None:
    fresh.imports()
    without = fresh.run("consent", "rhythm", "ann", "referral-status", "daily")
    assert_said(without, 1, "topic 'referral-status' has no daily mail", "write gather at the topic")
    says(fresh, "referral-status", 'gather: {at: "17:00", send: daily}')
    (fresh.emails / "daily.md").write_text(email("What has changed today", "{{ blocks.updates(updates) }}"))
    noted = fresh.run("consent", "rhythm", "ann@example.com", "referral-status", "daily", "--why", "by phone")
    assert_said(noted, 0, "ann gets referral-status once a day from now on.")
    again = fresh.run("consent", "rhythm", "ann", "referral-status", "daily", "--json")
    assert again.json() == {"partner": "ann", "topic": "referral-status", "rhythm": "daily", "changed": False}
    assert_said(fresh.run("consent", "show", "ann"), 0, "ann wants referral-status once a day, since")
    assert_said(fresh.run("consent", "rhythm", "bob", "tips", "off"), 0, "bob gets no tips any more.")
    assert_said(fresh.run("consent", "rhythm", "bob", "tips", "instant"), 0, "bob gets tips at once from now on.")
    assert_said(fresh.run("consent", "rhythm", "zoe", "tips", "off"), 1, "there is no partner 'zoe'")
    assert_said(fresh.run("consent", "rhythm", "ann", "tipps", "off"), 1, "no topic 'tipps'", "did you mean 'tips'?")
    assert fresh.run("consent", "rhythm", "ann", "tips", "weekly").code == 2


def test_a_yes_lets_the_topic_in_that_asks_for_it(fresh: Installation) -> None:
    says(fresh, "tips", "opt_in: true")
    fresh.imports()
    assert reasons(fresh) == {"ann": "not_opted_in", "bob": "not_opted_in"}
    agreed = fresh.run("consent", "agree", "ann", "tips", "--why", "form of 2 March")
    assert_said(agreed, 0, "ann said yes to tips at ann@example.com.")
    assert_said(fresh.run("consent", "agree", "ann", "tips", "--why", "again"), 0, "Nothing changes: ann said yes")
    assert reasons(fresh) == {"ann": "send", "bob": "not_opted_in"}
    assert_said(fresh.run("consent", "show", "ann"), 0, "ann said yes to tips, on", "agreed, form of 2 March")
    refused = fresh.run("consent", "agree", "ann", "referral-status", "--why", "w")
    assert_said(refused, 1, "partners get it without a yes")
    assert fresh.run("consent", "agree", "ann", "tips").code == 2


def reasons(engage: Installation) -> dict[str, str]:
    decisions = engage.run("plan", "monthly", "--json").json()["decisions"]
    return {one["partner"]: one["reason"] or one["decision"] for one in decisions}
