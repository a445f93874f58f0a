"""A program that inherits: its parent's campaigns reach its own partners, in its own words and under its own brand."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engage.domain.errors import InputError
from engage.pipeline.judging import judge
from engage.store import tables
from tests.support.engage import Engage
from tests.support.journeys import rereads

CHILD = """
  allies:
    inherits: northwind-partners
    name: Northwind & Allies
    brand: {from: Northwind Allies <allies@example.com>}
    limits: {status_changes_per_hour: 7}
    order: [monthly-newsletter]
"""
OWN = """\
---
subject: "News for allies"
---
Dear {{ partner.greeting_name }}, this is ours.
"""
NEWSLETTER = "monthly-newsletter"


@pytest.fixture
def authored(authored: tuple[Path, Path]) -> tuple[Path, Path]:
    program = authored[0] / "program.yaml"
    program.write_text(program.read_text() + CHILD)
    (authored[1] / "allies" / "newsletter").mkdir(parents=True)
    (authored[1] / "allies" / "newsletter" / "monthly.md").write_text(OWN)
    return authored


def joins(engage: Engage, program: str, name: str) -> None:
    engage.program = program
    engage.partner(name)


def test_the_same_campaign_runs_for_both_programs_each_with_its_own_partners(engage: Engage) -> None:
    joins(engage, "northwind-partners", "ann")
    joins(engage, "allies", "bob")
    (to_ann,) = engage.runs(f"northwind-partners/{NEWSLETTER}")
    (to_bob,) = engage.runs(f"allies/{NEWSLETTER}")
    assert (to_ann.to.email, to_bob.to.email) == ("ann@example.com", "bob@example.com")
    assert (to_ann.sender.email, to_bob.sender.email) == ("partners@example.com", "allies@example.com")
    assert to_ann.subject != to_bob.subject == "News for allies"
    assert "Northwind &amp; Allies" in to_bob.html
    d = tables.deliveries.c
    with engage.services.database.read() as db:
        keys = db.execute(
            sa.select(d.campaign, d.template, sa.func.count(d.program_id.distinct())).group_by(d.campaign, d.template)
        )
        assert [tuple(row) for row in keys] == [(NEWSLETTER, "newsletter/monthly", 2)]


def test_events_of_the_childs_partners_start_inherited_campaigns(engage: Engage) -> None:
    joins(engage, "allies", "bob")
    engage.refers("bob", "acme")
    engage.becomes("bob", "acme", "won")
    (mail,) = engage.work()
    assert (mail.to.email, mail.sender.email) == ("bob@example.com", "allies@example.com")


def test_a_name_means_the_campaign_that_others_inherit_and_theirs_is_asked_for_with_its_program(
    engage: Engage, authored: tuple[Path, Path]
) -> None:
    library = engage.services.library()
    assert library.find(NEWSLETTER).program == "northwind-partners"
    assert library.find(f"allies/{NEWSLETTER}").program == "allies"

    (authored[0] / "others.yaml").write_text((authored[0] / "newsletter" / "monthly.yaml").read_text())
    alone = authored[0] / "program.yaml"
    alone.write_text(alone.read_text() + _alone(alone.read_text(), "others"))
    file = authored[0] / "others.yaml"
    file.write_text(file.read_text() + "program: others\n")
    rereads(engage)
    with pytest.raises(InputError) as caught:
        engage.services.library().find(NEWSLETTER)
    assert caught.value.hint == f"name one of northwind-partners/{NEWSLETTER}, others/{NEWSLETTER}"


def _alone(source: str, key: str) -> str:
    """The first program once more, with another key and without an order."""
    whole = source[source.index("  northwind-partners:") : source.index("  allies:")]
    return re.sub(r"(?m)^    order:\n(      - .*\n)*", "", whole).replace("northwind-partners:", f"{key}:")


def test_whoever_is_inside_a_version_of_an_inherited_campaign_goes_on_in_their_own_program(
    engage: Engage, authored: tuple[Path, Path]
) -> None:
    file = authored[0] / "newsletter" / "monthly.yaml"
    text = file.read_text()
    file.write_text(text + "  - wait: 2d\n  - send: newsletter/monthly\n    id: again\n")
    rereads(engage)
    joins(engage, "allies", "bob")
    assert len(engage.runs(f"allies/{NEWSLETTER}")) == 1
    file.write_text(text)
    rereads(engage)
    (mail,) = engage.after(days=2, minutes=1)
    assert (mail.subject, mail.sender.email) == ("News for allies", "allies@example.com")


def test_an_own_email_is_held_against_what_its_campaign_knows(authored: tuple[Path, Path]) -> None:
    assert judge(*authored).problems == ()
    (authored[1] / "allies" / "newsletter" / "monthly.md").write_text(
        OWN.replace("this is ours", "{{ referral.status }}")
    )
    (problem,) = judge(*authored).problems
    assert str(problem).startswith("email_templates/allies/newsletter/monthly.md:4:")


def test_a_file_that_does_not_fit_the_child_never_replaces_what_runs(
    engage: Engage, authored: tuple[Path, Path]
) -> None:
    program = authored[0] / "program.yaml"
    tiers = "    tiers: {metric: wins, period: year, steps: [{tier: top, label: Top, threshold: 1, benefit: all}]}\n"
    program.write_text(program.read_text() + tiers)
    rereads(engage)
    assert engage.services.library().problems == ()
    file = authored[0] / "newsletter" / "monthly.yaml"
    file.write_text(file.read_text() + "where: [tier: {is: gold}]\n")
    rereads(engage)
    library = engage.services.library()
    (problem,) = library.problems
    assert "in program 'allies', which inherits it: unknown tier 'gold'" in str(problem)
    for key in ("northwind-partners", "allies"):
        assert library.campaigns[key, NEWSLETTER].where is None
    engage.now += timedelta(seconds=2)
    joins(engage, "allies", "bob")
    assert len(engage.runs(f"allies/{NEWSLETTER}")) == 1
