"""The section on keys in docs/api.md: its scopes are all there are, and its code pushes."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from engage.domain.access import KeyKind, KeyScope
from engage.pipeline.keyring import issue_key
from engage.sources.standard_webhooks import shown_secret
from engage.web.app import build_app
from tests.docs.test_docs import DOCS, code, fenced, table
from tests.support.engage import Engage
from tests.support.shipped import copy_shipped

API = DOCS / "api.md"


def test_every_scope_is_in_the_table() -> None:
    named = [scope for row in table(API, "## Keys") for scope in code(row[0])]
    assert sorted(named) == sorted(KeyScope)


def test_the_code_that_signs_is_let_in(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engage = Engage(sqlite_url, tmp_path, *copy_shipped(tmp_path))
    engage.now = datetime.now(UTC)
    engage.partner("ann")
    with engage.services.database.write() as db:
        program_id = engage.services.library().program_ids[engage.program]
        public_id, _ = issue_key(db, program_id, "billing", KeyKind.SIGNED, frozenset({KeyScope.EVENTS}), engage.now)
    client = TestClient(build_app(engage.services), base_url="http://127.0.0.1:8000")
    monkeypatch.setenv("BILLING_SECRET", shown_secret(engage.services.signer, public_id))
    monkeypatch.setenv("BILLING_URL", f"http://127.0.0.1:8000/v1/push/{public_id}")
    (listing,) = (text for text in fenced(API, "python") if "standardwebhooks" in text)
    said: dict[str, Any] = {}
    exec(listing, said)
    said["httpx"] = SimpleNamespace(post=client.post)
    answer: httpx.Response = said["push"]({"type": "partner.logged_in", "partner": "ann", "at": engage.now.isoformat()})
    engage.services.close()
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
