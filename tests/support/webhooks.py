"""Posts webhooks to engage as SendGrid does: signed, over the application's own door."""

from collections.abc import Sequence
from typing import Any

import orjson
from httpx import Response
from starlette.testclient import TestClient

from engage.bootstrap import mailbox_webhook_key
from engage.providers.webhook_signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, PrivateKey, load_private_key, sign
from engage.web.app import build_app
from tests.support.engage import Engage

PATH = "/webhooks/sendgrid"


class Reporting:
    """SendGrid's side of an installation's webhook. Its clock is the installation's."""

    def __init__(self, engage: Engage) -> None:
        self.engage = engage
        self.key: PrivateKey = load_private_key(mailbox_webhook_key(engage.services.settings))
        self.client = TestClient(build_app(engage.services), raise_server_exceptions=False)

    def headers(self, body: bytes, *, key: PrivateKey | None = None, timestamp: str | None = None) -> dict[str, str]:
        at = timestamp if timestamp is not None else str(int(self.engage.now.timestamp()))
        return {TIMESTAMP_HEADER: at, SIGNATURE_HEADER: sign(key or self.key, at, body)}

    def post(self, body: bytes) -> Response:
        """Posts a body as it is, signed now."""
        return self.client.post(PATH, content=body, headers=self.headers(body))

    def reports(self, *events: dict[str, Any]) -> None:
        """Posts these events, which engage must take, and has them absorbed."""
        answer = self.post(orjson.dumps(list(events)))
        assert answer.status_code == 204, answer.status_code
        self.engage.work()


def event(kind: str, at: float, **more: Any) -> dict[str, Any]:
    """An event as SendGrid writes it; `at` in seconds since 1970. Give `email`, `engage_delivery` and what it has."""
    return {"event": kind, "timestamp": int(at), "sg_event_id": f"{kind}-{at}", **more}


def ids(events: Sequence[dict[str, Any]], salt: str) -> list[dict[str, Any]]:
    """The same events with other ids, as SendGrid may send them again."""
    return [one | {"sg_event_id": f"{one['sg_event_id']}-{salt}"} for one in events]
