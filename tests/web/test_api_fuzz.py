"""schemathesis over the API's own description: no 5xx, every answer as described, nothing stored that was refused.

500 cases, half of them against the schema; ENGAGE_TEST_FUZZ says how many others (`make fuzz`: 20,000).
"""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import schemathesis
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from standardwebhooks import Webhook

from engage.store.tables import idempotent_answers, metadata
from engage.web.v1.openapi import describe
from tests.support.engage import Engage
from tests.support.intake_api import Pusher
from tests.support.shipped import copy_shipped

CASES = int(os.environ.get("ENGAGE_TEST_FUZZ", "500"))
ORIGIN = "http://127.0.0.1:8000"
SCHEMA = schemathesis.openapi.from_dict(describe(ORIGIN))
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

# What no schema says: ids that are known, words that mean something. Else nothing would ever be taken.
LIKELY: Mapping[str, tuple[Any, ...]] = {
    "partner": ("P-1", "P-2"),
    "recruited_by": ("P-1", "P-2"),
    "contact": ("P-1",),
    "referral": ("R-1", "R-2"),
    "external_id": ("P-1", "R-1", "W-1", "new"),
    "status": ("accepted", "opportunity", "won", "lost", "active"),
    "amount": ("12.50", 3, 99.99),
    "email": ("ann@example.com",),
    "locale": ("de",),
    "zone": ("Europe/Berlin",),
    "method": ("email",),
}


@pytest.fixture(scope="module")
def crm(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pusher]:
    folder = tmp_path_factory.mktemp("fuzz")
    database = folder / "engage.db"
    database.write_bytes(_sqlite_template.read_bytes())
    engage = Engage(f"sqlite:///{database}", folder, *copy_shipped(folder))
    for name in ("P-1", "P-2"):
        engage.partner(name)
        engage.refers(name, name.replace("P", "R"))
    yield Pusher(engage)
    engage.work()  # what strangers send must not stop those who match and mail
    engage.after(days=1)
    engage.services.close()


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: str(mode.value))
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: str(operation.label))
def test_whatever_is_sent_is_answered_as_described_and_what_is_refused_stores_nothing(
    crm: Pusher, operation: Any, mode: GenerationMode
) -> None:
    statuses: Counter[int] = Counter()
    kept = stored(crm)

    @settings(
        max_examples=max(1, CASES // len(OPERATIONS) // len(MODES)),
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), chance=st.randoms(use_true_random=False))
    def send(case: schemathesis.Case, chance: Random) -> None:
        nonlocal kept
        likely(case.body, chance)
        answer = sent(crm, case)
        statuses[answer.status_code] += 1
        if answer.status_code not in (404, 405):  # an id of dots is none: it leads to another path
            case.validate_response(answer, checks=CHECKS)
        now = stored(crm)
        if answer.status_code != 202:
            assert now == kept, f"{answer.status_code} has stored something"
        kept = now

    send()
    # 401: a body that is no text cannot be signed
    assert statuses.keys() <= {202, 400, 401, 404, 405, 409, 413, 415, 422}, statuses
    if mode is GenerationMode.POSITIVE and "/{" not in operation.path and CASES >= 500:
        assert statuses[202], f"nothing was ever taken: {statuses}"


def sent(crm: Pusher, case: schemathesis.Case) -> Any:
    request = case.as_transport_kwargs(base_url=ORIGIN)
    body = request.get("data", b"") if "json" not in request else json.dumps(request["json"]).encode()
    body = body if isinstance(body, bytes) else str(body).encode("utf-8", "surrogatepass")
    said = {str(name).lower(): str(value) for name, value in request["headers"].items()}
    headers = {name: value for name, value in said.items() if name in ("content-type", "idempotency-key")}
    path = str(request["url"]).removeprefix(ORIGIN)
    if path.startswith("/v1/push/"):
        path, headers = f"/v1/push/{crm.public_id}", headers | signature(crm, body)
    return crm.send(str(request["method"]), path, body, headers)


def signature(crm: Pusher, body: bytes) -> dict[str, str]:
    now = crm.engage.now = crm.engage.now + timedelta(microseconds=1)
    message = f"m-{now.isoformat()}"
    text = body.decode("utf-8", "replace")
    signed = Webhook(crm.secret).sign(message, now.replace(microsecond=0), text)
    return {"webhook-id": message, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signed}


def likely(value: Any, chance: Random) -> None:
    """Puts what is known in place of half of the texts and numbers."""
    for one in value if isinstance(value, list) else ():
        likely(one, chance)
    for name, of in list(value.items()) if isinstance(value, dict) else ():
        if name in LIKELY and isinstance(of, str | float | int) and chance.random() < 0.6:
            value[name] = chance.choice(LIKELY[name])
        likely(of, chance)


_COUNTS = sa.union_all(
    *(
        sa.select(sa.literal(table.name), sa.func.count()).select_from(table)
        for table in metadata.sorted_tables
        if table is not idempotent_answers  # what was answered is kept, also when it was a refusal
    )
)


def stored(crm: Pusher) -> dict[str, int]:
    """How many rows each table has."""
    with crm.engage.services.database.read() as db:
        return {name: count for name, count in db.execute(_COUNTS)}
