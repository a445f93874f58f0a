"""Topics as tests want them: the shipped program and campaigns with lines put in, and a correction to send."""

from pathlib import Path

REOPENED = """\
campaign: referral-reopened
state: live
topic: referral-status
for: referral
when: {event: referral.status_changed, to: [reopened]}
steps:
  - send: status_updates/reopened
"""

REOPENED_MAIL = """\
---
subject: "{{ referral.lead_company }} is open again"
---
Hello {{ partner.greeting_name }}, **{{ referral.lead_company }}** is open again.
"""

GATHER = 'gather: {at: "17:00", send: status_updates/daily}'


def say(authored: tuple[Path, Path], *lines: str, topic: str = "referral-status") -> None:
    """Writes these lines at a topic of program.yaml."""
    file = authored[0] / "program.yaml"
    head = f"      {topic}:\n"
    source = file.read_text()
    assert source.count(head) == 1
    file.write_text(source.replace(head, head + "".join(f"        {line}\n" for line in lines)))


def say_of_program(authored: tuple[Path, Path], *lines: str) -> None:
    """Writes these lines at the program."""
    file = authored[0] / "program.yaml"
    head = "    locale: en_US\n"
    file.write_text(file.read_text().replace(head, head + "".join(f"    {line}\n" for line in lines)))


def add_correction(authored: tuple[Path, Path]) -> None:
    """A campaign that tells of referrals that are open again."""
    (authored[0] / "status_updates" / "reopened.yaml").write_text(REOPENED)
    (authored[1] / "status_updates" / "reopened.md").write_text(REOPENED_MAIL)
