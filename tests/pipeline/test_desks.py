"""Desks: whom of our own campaigns alert by name, beside the partner's salesperson."""

from tests.pipeline.test_subjects import hears, runs, told
from tests.support.engage import Engage
from tests.support.journeys import rereads, write_trial

DESKS = """\
    desks:
      marketing: marketing@example.com
      channel-chief: {email: chief@example.com, name: Maria Okafor}
    feeds:
"""


def write_desks(engage: Engage, desks: str = DESKS) -> None:
    file = engage.services.settings.campaigns_dir / "program.yaml"
    written = file.read_text()
    start = written.index("    desks:\n") if "    desks:\n" in written else written.index("    feeds:\n")
    file.write_text(written[:start] + desks + written[written.index("    feeds:\n") + len("    feeds:\n") :])


def write_alerts(engage: Engage, **keys: str | None) -> None:
    write_desks(engage)
    alert = engage.services.settings.templates_dir / "alerts" / "call.md"
    alert.write_text(
        '---\nsubject: "{{ staff.name }}: {{ partner.name }}"\n---\nHello {{ staff.first_name }}, they had an idea.\n'
    )
    steps = ", ".join(f"{{alert: {{to: {to}, say: call}}, id: {to}}}" for to in ("marketing", "channel-chief", "owner"))
    write_trial(engage, steps, emails=(), **keys)


def test_an_alert_goes_to_the_desk_that_it_names(engage: Engage) -> None:
    engage.partner("ann", owner=engage.salesperson("sam"))
    write_alerts(engage)

    mails = runs(engage)

    assert told(mails) == [
        ("chief@example.com", "Maria Okafor: Ann"),
        ("marketing@example.com", "Marketing: Ann"),
        ("sam@example.com", "Sam: Ann"),
    ]
    assert sorted(mail.text.split(",")[0] for mail in mails) == ["Hello Maria", "Hello Marketing", "Hello Sam"]


def test_a_desk_hears_of_each_partner_once(engage: Engage) -> None:
    for name in ("ann", "bob"):
        engage.partner(name, owner=engage.salesperson("sam"))
    write_alerts(engage, again="never")

    assert len(runs(engage)) == 6
    assert runs(engage) == []


def test_a_desk_is_told_at_the_address_that_it_has_by_then(engage: Engage) -> None:
    engage.partner("ann", owner=engage.salesperson("sam"))
    write_alerts(engage)
    hears(engage)
    engage.services.run_now(engage.services.library().find("trial"))
    write_desks(engage, DESKS.replace("marketing@example.com", "team@example.com"))
    rereads(engage)

    assert ("team@example.com", "Marketing: Ann") in told(engage.work())
