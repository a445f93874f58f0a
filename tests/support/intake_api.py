"""A machine that pushes into the intake API of an engage that runs in this process."""

import secrets
from collections.abc import Collection, Mapping
from typing import Any

import httpx
import orjson
import sqlalchemy as sa
from starlette.testclient import TestClient

from engage.domain.access import KeyKind, KeyScope, bearer_key, hash_of
from engage.sources.standard_webhooks import shown_secret
from engage.store.api_keys import add_key
from engage.store.tables import metadata
from engage.web.app import build_app
from tests.support.engage import Engage


class Pusher:
    """Has a key of each kind, and sends with them."""

    def __init__(self, engage: Engage, scopes: Collection[KeyScope] = tuple(KeyScope)) -> None:
        self.engage = engage
        self.key, self.public_id = make_keys(engage, scopes)
        self.secret = shown_secret(engage.services.signer, self.public_id)
        self.restart()

    def restart(self) -> None:
        """The web process is another from now on."""
        self.client = TestClient(build_app(self.engage.services), base_url="http://127.0.0.1:8000")

    def post(self, path: str, document: Any, **headers: str) -> httpx.Response:
        return self.send("POST", path, orjson.dumps(document), headers)

    def put(self, path: str, document: Any, **headers: str) -> httpx.Response:
        return self.send("PUT", path, orjson.dumps(document), headers)

    def send(self, method: str, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Header names are given with `_` for `-`."""
        said = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        usual = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        return self.client.request(method, path, content=body, headers=usual | said)

    def counts(self) -> dict[str, int]:
        """How many rows each table has."""
        with self.engage.services.database.read() as db:
            return {
                table.name: db.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
                for table in metadata.sorted_tables
            }


def make_keys(engage: Engage, scopes: Collection[KeyScope]) -> tuple[str, str]:
    """The text of a bearer key, and the public id of a signed one."""
    secret, bearer, signed = secrets.token_urlsafe(32), secrets.token_hex(8), secrets.token_hex(8)
    services = engage.services
    program_id = services.library().program_ids[engage.program]
    with services.database.write() as db:
        add_key(db, program_id, "crm", bearer, KeyKind.BEARER, hash_of(secret), scopes, engage.now)
        add_key(db, program_id, "hooks", signed, KeyKind.SIGNED, None, scopes, engage.now)
    return bearer_key(bearer, secret), signed
