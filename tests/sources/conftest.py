"""A CRM's database that engage watches: on SQLite both, and on PostgreSQL both."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.crm import SOURCES, Crm, Watching
from tests.support.engage import Engage
from tests.support.installation import SHARED, WON, email

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def watching(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watching]:
    """engage watching an empty CRM, with a campaign for referrals that are won."""
    if request.param == "sqlite":
        url, crm_url = request.getfixturevalue("sqlite_url"), f"sqlite:///{tmp_path / 'crm.db'}"
    else:
        url, crm_url = request.getfixturevalue("postgres_url"), request.getfixturevalue("empty_postgres_url")
    campaigns, emails = tmp_path / "campaigns", tmp_path / "email_templates"
    campaigns.mkdir()
    emails.mkdir()
    shutil.copy(ROOT / "tests" / "data" / "crm" / "program.yaml", campaigns)
    for name in SHARED:
        shutil.copy(ROOT / "email_templates" / name, emails)
    (campaigns / "won.yaml").write_text(WON)
    (emails / "won.md").write_text(email("{{ referral.lead_company }} signed"))
    path = tmp_path / "sources.yaml"
    path.write_text(SOURCES)
    monkeypatch.setenv("ENGAGE_SOURCES", str(path))
    monkeypatch.setenv("CRM_DATABASE_URL", crm_url)
    crm = Crm(crm_url)
    engage = Engage(url, tmp_path / "var", campaigns, emails)
    yield Watching(engage, crm, path)
    engage.services.close()
    crm.close()
