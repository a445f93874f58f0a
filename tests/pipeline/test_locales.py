"""Each partner reads the email in their language as far as it is there, with dates and amounts to match."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engage.store import tables
from tests.support.engage import Engage
from tests.support.journeys import TRIAL, rereads, write_trial

BODY = """\
---
subject: "%s"
---
{% if partner.joined_at %}{{ partner.joined_at | date("day") }}{% endif %} {{ 123456789 | money }}
[x](https://partners.example.com/x) and more
"""


def writes(engage: Engage, **emails: str) -> None:
    """The trial with its email `a`: by locale, or `base`, the subject of each."""
    write_trial(engage, "{send: a}", ())
    for locale, subject in emails.items():
        name = "a.md" if locale == "base" else f"a.{locale}.md"
        (engage.services.settings.templates_dir / name).write_text(BODY.replace("%s", subject))
    rereads(engage)


def reads(engage: Engage, locale: str | None) -> tuple[str, str]:
    """(subject, text) of the mail that a partner of this locale gets."""
    engage.partner("ann", locale=locale)
    (mail,) = engage.runs(TRIAL)
    return mail.subject, mail.text


def recorded(engage: Engage) -> list[str | None]:
    with engage.services.database.read() as db:
        return list(db.execute(sa.select(tables.deliveries.c.locale).order_by(tables.deliveries.c.id)).scalars())


@pytest.mark.parametrize(
    ("locale", "subject", "record", "amount", "day"),
    [
        ("de_AT", "Deutsch", "de", "$ 1.234.567,89", "2. März"),
        ("de", "Deutsch", "de", "1.234.567,89 $", "2. März"),
        ("en_GB", "English", "en_US", "US$1,234,567.89", "2 March"),
        ("fr_CA", "English", "en_US", "$1,234,567.89", "March 2"),
        (None, "English", "en_US", "$1,234,567.89", "March 2"),
    ],
)
def test_a_locale_falls_back_to_its_language_and_then_to_the_programs(
    engage: Engage, locale: str | None, subject: str, record: str, amount: str, day: str
) -> None:
    writes(engage, base="English", de="Deutsch")
    said, text = reads(engage, locale)
    assert (said, recorded(engage)) == (subject, [record])
    assert text.replace("\xa0", " ").startswith(f"{day} {amount} ")


def test_the_locale_of_the_country_comes_before_that_of_the_language(engage: Engage) -> None:
    writes(engage, base="English", de="Deutsch", **{"de-AT": "Österreichisch"})
    assert reads(engage, "de_AT")[0] == "Österreichisch"
    assert recorded(engage) == ["de-AT"]


def test_an_email_in_the_programs_own_language_comes_before_the_one_without_a_locale(engage: Engage) -> None:
    writes(engage, base="whatever", en="English", fr="Français")
    said, text = reads(engage, "it")
    assert (said, recorded(engage)) == ("English", ["en"])
    assert "March 2" in text, "as it is written in the program's country"


def test_links_of_the_named_hosts_are_tagged_in_mails_to_partners_only(
    engage: Engage, authored: tuple[Path, Path]
) -> None:
    program = authored[0] / "program.yaml"
    rule = 'link_tags: {hosts: [partners.example.com, localhost], utm_campaign: "{campaign}/{step}"}'
    program.write_text(program.read_text().replace("    currency: USD\n", f"    currency: USD\n    {rule}\n"))
    write_trial(engage, "{send: a}, {alert: {to: owner, say: z}}", "a")
    (authored[1] / "a.md").write_text(BODY.replace("%s", "A"))
    (authored[1] / "alerts" / "z.md").write_text(
        '---\nsubject: "Z"\n---\n{{ partner.name }} [x](https://partners.example.com/y)\n'
    )
    rereads(engage)
    engage.partner("ann", owner=engage.salesperson())
    engage.now += timedelta(seconds=1)
    mail, alert = engage.runs(TRIAL)
    assert "x: https://partners.example.com/x?utm_campaign=trial%2Fsend-a and" in mail.text
    assert 'href="https://partners.example.com?utm_campaign=trial%2Fsend-a"' in mail.html
    assert re.search(r"Unsubscribe: \S+/unsubscribe/[\w.-]+$", mail.text, re.MULTILINE)
    assert "utm_" not in mail.headers["List-Unsubscribe"]
    assert "https://partners.example.com/y" in alert.text
    assert "utm_" not in alert.text + alert.html
