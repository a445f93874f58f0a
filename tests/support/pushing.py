"""HubSpot and Salesforce pushing into an installation, over the application's own door."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa
from httpx import Response
from starlette.testclient import TestClient

from engage.sources.hubspot import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from engage.store import tables
from engage.web.app import build_app
from tests.support.engage import Engage

DATA = Path(__file__).parents[1] / "data"
CLIENT_SECRET = "fd9b7e39-5b2a-4d1c-8e16-2f6a7f5c0c11"
ENDPOINT_SECRET = "Zk3vG8rQ1mT7yB5c"
ORGANIZATION = "00D7F00000107XsUAI"

SOURCES = """\
sources:
  - source: hubspot
    hubspot: {secret: {env: HUBSPOT_CLIENT_SECRET}}
    referral:
      external_id: objectId
      partner: referral_partner
      lead_company: dealname
      amount: amount
      if: "{{ object == 'deal' and propertyName in ['referral_partner', 'dealname', 'amount'] }}"
    status:
      referral: objectId
      status:
        column: dealstage
        map: {appointmentscheduled: submitted, contractsent: opportunity, closedwon: won, closedlost: lost}
      at: occurredAt
      if: dealstage

  - source: salesforce
    salesforce: {secret: {env: SALESFORCE_HOOK_SECRET}, organization: 00D7F00000107XsUAI}
    referral:
      external_id: Id
      partner: Partner__c
      lead_company: Name
      amount: Amount
      submitted_at: CreatedDate
      status:
        column: StageName
        map: {Prospecting: submitted, Proposal: opportunity, Closed Won: won, Closed Lost: lost}
      status_at: LastStageChangeDate
"""


class Pushing:
    """An installation with a sources.yaml, and those who push into it. Their clock is the installation's."""

    def __init__(self, engage: Engage, path: Path) -> None:
        self.engage = engage
        self.path = path
        self.client = TestClient(build_app(engage.services), raise_server_exceptions=False)
        self.url = engage.services.settings.public_url

    # --- HubSpot ------------------------------------------------------------------------------------------------------

    def signed(
        self, body: bytes, *, query: str = "", secret: str = CLIENT_SECRET, ms: int | None = None
    ) -> dict[str, str]:
        at = str(ms if ms is not None else int(self.engage.now.timestamp() * 1000))
        return {TIMESTAMP_HEADER: at, SIGNATURE_HEADER: sign(secret, f"{self.url}/hooks/hubspot{query}", body, at)}

    def hubspot(self, body: bytes) -> Response:
        """Posts a body as it is, signed now."""
        return self.client.post("/hooks/hubspot", content=body, headers=self.signed(body))

    def tells(self, *events: dict[str, Any]) -> None:
        """Posts these events, which must be stored."""
        answer = self.hubspot(orjson.dumps(list(events)))
        assert answer.status_code == 204, answer.text

    # --- Salesforce ---------------------------------------------------------------------------------------------------

    def salesforce(self, body: bytes, secret: str = ENDPOINT_SECRET) -> Response:
        return self.client.post(f"/hooks/salesforce/{secret}", content=body, headers={"Content-Type": "text/xml"})

    # --- what a person would notice -----------------------------------------------------------------------------------

    def referrals(self) -> dict[str, tuple[str, str | None, int | None]]:
        """referral -> (status, lead's company, amount)."""
        r = tables.referrals.c
        with self.engage.services.database.read() as db:
            found = db.execute(sa.select(r.external_id, r.status, r.lead_company, r.amount))
            return {name: (status, company, amount) for name, status, company, amount in found}

    def changes(self) -> list[tuple[str, str]]:
        """(referral, status) of each status change, in the order of arrival."""
        e, r = tables.events.c, tables.referrals.c
        query = sa.select(r.external_id, e.to_status).where(e.referral_id == r.id, e.to_status.is_not(None))
        with self.engage.services.database.read() as db:
            return [(name, status) for name, status in db.execute(query.order_by(e.id))]

    def rejects(self) -> dict[str, str]:
        """What each rejected row is about -> why."""
        r = tables.source_rejects.c
        with self.engage.services.database.read() as db:
            return {key: reason for key, reason in db.execute(sa.select(r.row_key, r.reason))}

    def everything(self) -> str:
        """All that the database holds, as one text."""
        with self.engage.services.database.read() as db:
            return "\n".join(
                repr(tuple(row)) for table in tables.metadata.sorted_tables for row in db.execute(sa.select(table))
            )

    def rests(self) -> None:
        """A minute passes, in which rejected rows are tried again."""
        self.engage.now += timedelta(minutes=1)
        self.engage.services.poll_due()
        self.engage.work()


def recorded(name: str) -> bytes:
    """A request body of tests/data, such as hubspot/deal_events.json."""
    return (DATA / name).read_bytes()


def property_change(deal: int, name: str, value: str, at: float, **more: Any) -> dict[str, Any]:
    """An event of a deal as HubSpot writes it; `at` in seconds since 1970."""
    return {
        "eventId": hash((deal, name, value)) % 10**9,
        "subscriptionId": 2401175,
        "portalId": 62515,
        "appId": 1160452,
        "occurredAt": int(at * 1000),
        "subscriptionType": "deal.propertyChange",
        "attemptNumber": 0,
        "objectId": deal,
        "propertyName": name,
        "propertyValue": value,
        "changeSource": "CRM_UI",
        "sourceId": "userId:9586504",
        **more,
    }
