"""One referral that arrives by a CSV, a watched database and the API is one: its external id is what makes it one."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from engage.domain.programs import METHODS
from engage.domain.records import PartnerRecord, Record, ReferralRecord
from engage.sources import import_directory, load_mapping
from engage.store.tables import events, referral_versions, referrals
from tests.support.engage import ROOT, Engage

MAPPING = """\
timezone: UTC
files:
  - file: partners.csv
    partner: {external_id: id, first_name: name}
  - file: deals.csv
    referral:
      external_id: id
      partner: partner
      lead_company: company
      method: how
      submitted_at: created
      status: {column: stage, map: {New: submitted, Won: won}}
      status_at: closed
"""
CREATED, CLOSED = datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
WAYS = ("csv", "sql", "api")


class Sources:
    """The same referral, as each way tells it."""

    def __init__(self, engage: Engage, folder: Path) -> None:
        self.engage = engage
        self.folder = folder
        (folder / "mapping.yaml").write_text(MAPPING)
        (folder / "partners.csv").write_text("id,name\nann,Ann\n")

    def csv(self) -> None:
        """The export says it in one row; read in batches of one."""
        rows = "id,partner,company,how,created,closed,stage\nacme,ann,Acme,card,2026-01-05,2026-03-02T14:30:00Z,Won\n"
        (self.folder / "deals.csv").write_text(rows)
        mapping = load_mapping(self.folder / "mapping.yaml", self.engage.services.library().programs)
        import_directory(self.folder, mapping, self._taking("import export"), rejects=None, batch=1)

    def sql(self) -> None:
        """The database says it change by change, all of it in one batch."""
        self._taking("sql crm")(
            [
                [ReferralRecord("acme", "ann", lead_company="Acme", method="card")],
                [ReferralRecord("acme", None, submitted_at=CREATED)],
                [ReferralRecord("acme", None, status="won", status_at=CLOSED)],
            ]
        )

    def api(self) -> None:
        """The portal says it when it happens, in its own zone."""
        east = CLOSED.astimezone(tz=datetime.fromisoformat("2026-01-01T00:00+05:30").tzinfo)
        take = self._taking("api")
        take([[ReferralRecord("acme", "ann", lead_company="Acme", method="card", submitted_at=CREATED)]])
        take([[ReferralRecord("acme", "ann", status="won", status_at=east)]])

    def _taking(self, source: str) -> "Callable[[Sequence[Sequence[Record]]], Any]":
        services, program = self.engage.services, self.engage.program
        self.engage.now += timedelta(minutes=1)
        return lambda rows: services.take(program, rows, source=source, news=True).rows


@pytest.fixture
def engage(database_url: str, tmp_path: Path) -> Iterator[Engage]:
    running = Engage(database_url, tmp_path, ROOT / "campaigns", ROOT / "email_templates")
    running.takes(PartnerRecord("ann", email="ann@example.com", status="active"))
    yield running
    running.services.close()


@pytest.mark.parametrize("order", list(permutations(WAYS)), ids=" then ".join)
def test_told_by_every_way_it_is_one_referral_with_one_history(
    engage: Engage, tmp_path: Path, order: tuple[str, ...]
) -> None:
    sources = Sources(engage, tmp_path)
    for way in (*order, *order):
        getattr(sources, way)()
    with engage.services.database.read() as db:
        (referral,) = db.execute(sa.select(referrals)).all()
        v, e = referral_versions.c, events.c
        versions = db.execute(sa.select(v.status, v.valid_from, v.valid_to).order_by(v.valid_from)).all()
        changes = db.execute(sa.select(e.to_status, e.occurred_at).order_by(e.occurred_at)).all()
    assert (referral.external_id, referral.lead_company, referral.method) == ("acme", "Acme", "card")
    assert [tuple(row) for row in versions] == [("submitted", CREATED, CLOSED), ("won", CLOSED, None)]
    assert [tuple(row) for row in changes] == [("submitted", CREATED), ("won", CLOSED)]
    assert len(engage.work()) == 1, "one change is one mail, however often it is told"


@pytest.mark.parametrize("method", METHODS)
def test_how_a_lead_was_referred_is_kept_as_told(engage: Engage, method: str) -> None:
    engage.takes(ReferralRecord("acme", "ann", method=method))
    engage.takes(ReferralRecord("acme", "ann", status="won", status_at=CLOSED))
    with engage.services.database.read() as db:
        assert set(db.execute(sa.select(referrals.c.method)).scalars()) == {method}
        assert set(db.execute(sa.select(referral_versions.c.method)).scalars()) == {method}
