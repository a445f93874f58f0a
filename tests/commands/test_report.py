"""`report`: what campaigns have changed; and what `plan` says that their holdouts could show."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engage.store.database import Database
from engage.store.tables import enrollments, partners
from tests.commands.saying import assert_said
from tests.support.command import EngageCommand
from tests.support.installation import MONTHLY, Installation

NAMES = [f"p{number}" for number in range(90)]
MEASURED = MONTHLY.replace("campaign: monthly", "campaign: measured")
PLANNED = MONTHLY.replace("campaign: monthly", "campaign: planned")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """90 partners entered `measured` forty days ago, half of them held out; the treated have won something since."""
    made = Installation(EngageCommand(tmp_path_factory.mktemp("measured")))
    made.partners(*NAMES)
    file = made.campaigns / "measured.yaml"
    file.write_text(f"{MEASURED}goal: win within 30d\nholdout: 50%\n")
    for name in ("revenue", "unmeasured", "undrawn"):
        lines = {"revenue": "goal: revenue within 30d\nholdout: 50%\n", "undrawn": "goal: win within 30d\n"}
        text = MEASURED.replace("measured", name) + lines.get(name, "")
        (made.campaigns / f"{name}.yaml").write_text(text)
    assert made.imports().code == 0
    for name in ("measured", "revenue", "undrawn"):
        assert made.run("run", name).code == 0
    treated = _treated_forty_days_ago(made.folder)
    at = (datetime.now(UTC) - timedelta(days=20)).isoformat()
    rows = [f"of-{name},{name},Acme,2026-01-05,{at},Won" for name in treated]
    (made.export / "deals.csv").write_text("\n".join(("id,partner,company,created,closed,stage", *rows)) + "\n")
    assert made.imports().code == 0
    return made


def _treated_forty_days_ago(folder: Path) -> list[str]:
    (file,) = folder.rglob("*.db")
    database = Database(f"sqlite:///{file}")
    with database.write() as db:
        e = enrollments.c
        db.execute(sa.update(enrollments).values(entered_at=datetime.now(UTC) - timedelta(days=40)))
        whose = sa.select(partners.c.external_id).join(enrollments, e.partner_id == partners.c.id)
        found = list(db.execute(whose.where(e.campaign == "measured", e.arm == "treated")).scalars())
    database.close()
    return found


def test_a_report_for_scripts_has_the_promised_shape(measured: Installation) -> None:
    report = measured.run("report", "lift", "measured", "--json").json()
    (campaign,) = report.pop("campaigns")
    assert datetime.fromisoformat(report.pop("as_of"))
    assert not report
    (comparison,) = campaign.pop("comparisons")
    assert campaign == {
        "campaign": "measured",
        "program": "maven-partners",
        "goal": "win",
        "within": "30d",
        "moved": 0,
        "elsewhere": 0,
    }
    treated, others = comparison.pop("treated"), comparison.pop("others")
    assert treated["partners"] + others["partners"] == len(NAMES)
    assert (treated["converted"], treated["rate"], treated["still_open"]) == (treated["partners"], 1.0, 0)
    assert (others["converted"], others["rate"], others["still_open"]) == (0, 0.0, 0)
    low, high = comparison.pop("interval")
    assert low < comparison.pop("difference") == 1.0 == high
    assert comparison == {"against": "held_out", "verdict": "more"}


def test_a_report_for_people_says_what_it_comes_to(measured: Installation) -> None:
    done = measured.run("report", "lift")
    assert done.code == 0, done
    for part in (
        "measured: win within 30d of entering",
        "treated",
        "held out",
        "100.0%",
        "difference +100.0 points (95 %: +",
        "more",
        "revenue: revenue within 30d of entering",
        "undrawn: win within 30d of entering",
        "Nobody was held out",
    ):
        assert part in done.out, part
    assert "unmeasured" not in done.out


def test_a_period_chooses_by_when_partners_entered(measured: Installation) -> None:
    day = (datetime.now(UTC) - timedelta(days=40)).date()
    for period, many in ((("--from", f"{day}", "--to", f"{day}"), 1), (("--to", f"{day - timedelta(days=1)}"), 0)):
        found = measured.run("report", "lift", "measured", "--json", *period).json()
        assert len(found["campaigns"][0]["comparisons"]) == many


def test_what_cannot_be_measured_is_said(measured: Installation) -> None:
    assert_said(measured.run("report", "lift", "unmeasured"), 1, "'unmeasured' has no goal", "goal: win within 30d")
    assert_said(measured.run("report", "lift", "nothing"), 1, "there is no campaign 'nothing'")
    assert_said(measured.run("report", "lift", "--from", "yesterday"), 2, "'yesterday' is not a day", "2026-01-01")
    assert_said(measured.run("report", "lift", "--to", "9999-12-31"), 2, "'9999-12-31' is not a day")
    wrong = measured.run("report", "lift", "--from", "2026-02-01", "--to", "2026-01-01")
    assert_said(wrong, 2, "--to 2026-01-01 lies before --from 2026-02-01")


def test_a_plan_says_what_the_holdout_could_show(measured: Installation) -> None:
    file = measured.folder / "planned.yaml"
    file.write_text(f"{PLANNED}goal: win within 30d\nholdout: 30%\n")
    plan = measured.run("plan", file, "--json").json()
    holdout = plan["holdout"]
    assert holdout["treated"] + holdout["held_out"] == len(NAMES)
    assert 0.2 < holdout["detects"]["0.1"] < holdout["detects"]["0.5"] < 0.4
    points = f"{100 * holdout['detects']['0.1']:.1f} points where one in ten"
    said = f"{holdout['held_out']} of {len(NAMES)} who have entered or would now are held out: could show a difference"
    assert f"{said} of {points}" in measured.run("plan", file).out
    file.write_text(f"{PLANNED}holdout: 30%\n")
    assert "without a goal nothing is compared" in measured.run("plan", file).out
    file.write_text(f"{PLANNED}goal: revenue within 30d\nholdout: 30%\n")
    assert "standard deviations of the revenue" in measured.run("plan", file).out
    file.write_text(f"{PLANNED}goal: win within 30d\nholdout: 1%\nonly: {{share: 3%}}\n")
    assert "too few to show any difference" in measured.run("plan", file).out
