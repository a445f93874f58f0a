"""Ten thousand forged or altered tokens, keys and signatures, at every door there is: none is let in.

A door is a route that asks for something only engage, or whom it trusts, can have made. `doors` has a row for each; a
route without one fails the first test.
"""

import asyncio
import base64
import hashlib
import hmac
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from urllib.parse import urlencode

import orjson
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.routing import APIRoute
from standardwebhooks import Webhook
from starlette.types import Message as AsgiMessage

from engage.bootstrap import mailbox_webhook_key
from engage.domain.access import KeyKind, KeyScope, bearer_key
from engage.domain.records import RewardRecord
from engage.pipeline.answering import AnswerLink
from engage.pipeline.confirming import Confirmed
from engage.pipeline.consent import UnsubscribeLink
from engage.pipeline.keyring import issue_key
from engage.pipeline.page_links import PageLink, day_number
from engage.pipeline.preferences import PreferencesLink
from engage.pipeline.refer_links import ReferLink
from engage.pipeline.referring import fresh_form
from engage.providers.webhook_signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, load_private_key, sign
from engage.sources.standard_webhooks import shown_secret
from engage.store import tables
from engage.web.app import build_app
from tests.support.engage import Engage
from tests.support.forging import altered
from tests.support.shipped import copy_shipped

TRIES = 10_000
OPEN = {
    ("GET", path) for path in ("/", "/healthz", "/readyz", "/docs", "/docs/{name}", "/openapi.json", "/brand/{key}.css")
}
"""Routes that whoever comes may ask."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Door:
    """`secrets`: all that has to be as it is, by name. `request` puts them into a path, headers and a body.

    `lets_in` and `refuses` are the statuses of its answers to who is let in, and who is not. Of a page that shows more
    to some, `shows` is what only they see.
    """

    secrets: Mapping[str, bytes]
    request: Callable[[Mapping[str, bytes]], tuple[str, Mapping[str, bytes], bytes]]
    lets_in: int
    refuses: int
    shows: bytes = b""

    def open_to(self, answer: Answer) -> bool:
        """Whether this is the answer to who is let in; AssertionError for any other but to who is not."""
        assert answer.status in (self.lets_in, self.refuses, 404), answer  # 404: with a / it is another path
        return answer.status == self.lets_in and self.shows in answer.body


class World:
    """engage with a partner who has a mail, a salesperson, keys of each kind, and systems that push."""

    def __init__(self, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        campaigns, templates = copy_shipped(folder)
        program = campaigns / "program.yaml"
        program.write_text(program.read_text().replace("{clicks: false}", "{clicks: true, opens: true}"))
        (campaigns / "mood.yaml").write_text(MOOD)
        (templates / "mood.md").write_text("---\nsubject: How is it going?\n---\n{{ blocks.answers(answers) }}\n")
        (folder / "sources.yaml").write_text(SOURCES)
        monkeypatch.setenv("ENGAGE_SOURCES", str(folder / "sources.yaml"))
        monkeypatch.setenv("HUBSPOT_SECRET", HUBSPOT.decode())
        monkeypatch.setenv("SALESFORCE_SECRET", SALESFORCE.decode())
        self.engage = engage = Engage(url, folder, campaigns, templates)
        assert not engage.services.library().problems
        engage.salesperson("sam")
        engage.partner("ann", owner="sam")
        engage.takes(RewardRecord("w1", "ann", 432_100, earned_at=engage.now - timedelta(days=1)), news=False)
        engage.runs("mood")
        engage.now += timedelta(minutes=10)
        public_id, secret = self._key(KeyKind.BEARER)
        self.key = bearer_key(public_id, secret)
        self.signing_id, _ = self._key(KeyKind.SIGNED)
        self.app: FastAPI = build_app(engage.services)

    def _key(self, kind: KeyKind) -> tuple[str, str]:
        program_id = self.engage.services.library().program_ids[self.engage.program]
        with self.engage.services.database.write() as db:
            return issue_key(db, program_id, "crm", kind, frozenset(KeyScope), self.engage.now)

    def send(self, method: str, door: Door, secrets: Mapping[str, bytes]) -> Answer:
        return asyncio.run(self._asked(method, *door.request(secrets)))

    async def tried(self, method: str, door: Door, forged: Iterator[Mapping[str, bytes]]) -> list[Answer]:
        return [await self._asked(method, *door.request(secrets)) for secrets in forged]

    async def _asked(self, method: str, path: str, headers: Mapping[str, bytes], body: bytes) -> Answer:
        """One request, as a server hands it to the application: the client checks nothing."""
        parts: list[AsgiMessage] = []
        said = {"host": b"127.0.0.1:8000", "user-agent": b"Mozilla/5.0 (X11)"} | dict(headers)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode("utf-8", "replace"),
            "root_path": "",
            "query_string": b"",
            "headers": [(name.lower().encode(), value) for name, value in said.items()],
            "client": ("192.0.2.1", 50000),
            "server": ("127.0.0.1", 8000),
            "state": {},
        }

        async def receive() -> AsgiMessage:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: AsgiMessage) -> None:
            parts.append(message)

        await self.app(scope, receive, send)
        return Answer(parts[0]["status"], b"".join(part.get("body", b"") for part in parts[1:]))

    def routes(self) -> set[tuple[str, str]]:
        """(method, path) of each that the application serves."""
        return {(method, route.path) for route in _routes(self.app.routes) for method in route.methods - {"HEAD"}}

    def digest(self) -> str:
        """Of all that is stored, but when a key was last used."""
        found = hashlib.sha256()
        with self.engage.services.database.read() as db:
            for table in tables.metadata.sorted_tables:
                columns = [column for column in table.c if column.name != "last_used_at"]
                for row in db.execute(sa.select(*columns).order_by(*table.primary_key)):
                    found.update(repr((table.name, *row)).encode())
        return found.hexdigest()


def _routes(routes: list[object]) -> Iterator[APIRoute]:
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        elif (router := getattr(route, "original_router", None)) is not None:
            yield from _routes(router.routes)


# --- the doors --------------------------------------------------------------------------------------------------------


def doors(world: World) -> dict[tuple[str, str], Door]:
    """Each door by method and path, with what opens it."""
    return pages(world) | api(world) | webhooks(world)


def pages(world: World) -> dict[tuple[str, str], Door]:
    """Links that are signed for one purpose each."""
    services, today = world.engage.services, day_number(world.engage.now)
    signer = services.signer
    with services.database.read() as db:
        partner_id, address_id = db.execute(sa.select(tables.partners.c.id, tables.partners.c.address_id)).one()
        delivery_id = db.execute(sa.select(tables.deliveries.c.id)).scalar_one()
        link_id = db.execute(sa.select(tables.links.c.id)).scalars().first()
    program_id = services.library().program_ids[world.engage.program]
    page = PageLink(program_id, partner_id, address_id, today).token(signer)
    refer = ReferLink("partner", program_id, partner_id, today)
    unsubscribing = UnsubscribeLink(program_id, partner_id, address_id, "tips").token(signer)
    return {
        **_page("unsubscribe", unsubscribing, posted=200),
        **_page("preferences", PreferencesLink(program_id, partner_id, address_id).token(signer), posted=422),
        **_page("answer", AnswerLink(partner_id, delivery_id, "mood", "fine").token(signer), posted=200),
        **_page("refer", refer.token(signer), posted=422),
        **_page("c", signer.token("click", [link_id, delivery_id]), shown=302),
        **_page("o", signer.token("open", [delivery_id])),
        **_page("p", page),
        ("GET", "/p/{token}/{done}"): Door({"token": page.encode()}, _in_path("/p/{}/confirm"), 200, 404),
        ("POST", "/p/{token}/confirm"): Door({"token": page.encode()}, _in_path("/p/{}/confirm"), 200, 404),
        ("POST", "/p/{token}/hide"): Door({"token": page.encode()}, _in_path("/p/{}/hide"), 200, 404),
        ("POST", "/p/{token}/renew"): Door({"token": page.encode()}, _in_path("/p/{}/renew"), 200, 404),
        **_behind(world, page, refer, partner_id, address_id),
    }


def _behind(world: World, page: str, refer: ReferLink, partner_id: int, address_id: int) -> dict[tuple[str, str], Door]:
    """What is signed beside a link that is genuine: the cookie that shows rewards, and a form that is sent once."""
    signer = world.engage.services.signer
    browser = b"a-number-of-the-browsers-own"
    word = Confirmed(partner_id, address_id, hashlib.sha256(browser).hexdigest(), day_number(world.engage.now))
    form = {"company": "Globex", "contact": "Kim", "reach": "kim@example.com", "need": "Everything"}

    def with_cookies(secrets: Mapping[str, bytes]) -> tuple[str, Mapping[str, bytes], bytes]:
        held = b"engage_browser=%b; engage_confirmed_%d=%b" % (secrets["browser"], partner_id, secrets["word"])
        return f"/p/{page}", {"cookie": held}, b""

    def with_form(secrets: Mapping[str, bytes]) -> tuple[str, Mapping[str, bytes], bytes]:
        return f"/refer/{refer.token(signer)}", _FORM, urlencode(form | {"form": secrets["form"]}).encode()

    cookies = {"browser": browser, "word": word.token(signer).encode()}
    return {
        ("GET", "/p/{token}, cookie"): Door(cookies, with_cookies, 200, 200, shows=b"4,321"),
        ("POST", "/refer/{token}, form"): Door({"form": fresh_form(signer, refer).encode()}, with_form, 200, 422),
    }


def _page(name: str, token: str, shown: int = 200, posted: int = 0) -> dict[tuple[str, str], Door]:
    """The door of a link. `posted`: the status of its answer to an empty form, where it takes one."""
    path, secrets = f"/{name}/{{token}}", {"token": token.encode()}
    found = {("GET", path): Door(secrets, _in_path(f"/{name}/{{}}"), shown, 404)}
    return found | ({("POST", path): Door(secrets, _in_path(f"/{name}/{{}}"), posted, 404)} if posted else {})


_FORM = {"content-type": b"application/x-www-form-urlencoded"}


def _in_path(path: str) -> Callable[[Mapping[str, bytes]], tuple[str, Mapping[str, bytes], bytes]]:
    return lambda secrets: (path.format(secrets["token"].decode("latin-1")), _FORM, b"")


def api(world: World) -> dict[tuple[str, str], Door]:
    """The intake API, by a bearer key; and by a signature."""
    at = world.engage.now.isoformat()
    event = {"type": "partner.logged_in", "partner": "ann", "at": at}
    many = {
        "partners": {"external_id": "ann"},
        "companies": {"external_id": "acme"},
        "staff": {"external_id": "sam"},
        "referrals": {"external_id": "r1", "partner": "ann"},
        "rewards": {"external_id": "w1", "partner": "ann", "amount": "1.00"},
        "logins": {"partner": "ann", "at": at},
    }
    found = {("POST", "/v1/events"): _keyed(world, "/v1/events", event)}
    for name, record in many.items():
        found["POST", f"/v1/{name}"] = _keyed(world, f"/v1/{name}", {name: [record]})
        if name != "logins":
            said = {field: value for field, value in record.items() if field != "external_id"}
            found["PUT", f"/v1/{name}/{{external_id:path}}"] = _keyed(
                world, f"/v1/{name}/{record['external_id']}", said
            )
    body = orjson.dumps({"type": "partner.logged_in", "timestamp": at, "data": {"partner": "ann"}})
    secrets = {"webhook-id": b"msg_1", "webhook-timestamp": str(int(world.engage.now.timestamp())).encode()}
    signed = Webhook(shown_secret(world.engage.services.signer, world.signing_id)).sign(
        "msg_1", world.engage.now, body.decode()
    )
    secrets |= {"webhook-signature": signed.encode(), "body": body, "public_id": world.signing_id.encode()}
    path = "/v1/push/{public_id}"
    return found | {("POST", path): Door(secrets, _signed(path, "application/json"), 202, 401)}


def _keyed(world: World, path: str, document: object) -> Door:
    def request(secrets: Mapping[str, bytes]) -> tuple[str, Mapping[str, bytes], bytes]:
        headers = {"authorization": b"Bearer " + secrets["key"], "content-type": b"application/json"}
        return path, headers, orjson.dumps(document)

    return Door({"key": world.key.encode()}, request, 202, 401)


def _signed(path: str, media_type: str) -> Callable[[Mapping[str, bytes]], tuple[str, Mapping[str, bytes], bytes]]:
    """All but the body and what stands in the path are headers."""

    def request(secrets: Mapping[str, bytes]) -> tuple[str, Mapping[str, bytes], bytes]:
        said = {name: value for name, value in secrets.items() if name != "body" and f"{{{name}}}" not in path}
        where = {name: value.decode("latin-1") for name, value in secrets.items() if f"{{{name}}}" in path}
        return path.format(**where), said | {"content-type": media_type.encode()}, secrets.get("body", b"")

    return request


def webhooks(world: World) -> dict[tuple[str, str], Door]:
    """What SendGrid and HubSpot sign, and the address that Salesforce was given."""
    services, seconds = world.engage.services, str(int(world.engage.now.timestamp()))
    body = b'[{"event": "delivered", "timestamp": 1772463600, "email": "ann@example.com", "sg_event_id": "a"}]'
    key = load_private_key(mailbox_webhook_key(services.settings))
    sendgrid = {TIMESTAMP_HEADER: seconds.encode(), SIGNATURE_HEADER: sign(key, seconds, body).encode(), "body": body}
    event = {"subscriptionType": "deal.propertyChange", "objectId": 7, "propertyName": "dealstage"}
    deal = orjson.dumps([event | {"eventId": 1, "propertyValue": "won", "occurredAt": int(seconds) * 1000}])
    millis = f"{seconds}000"
    uri = f"{services.settings.public_url}/hooks/deals"
    theirs = base64.b64encode(hmac.digest(HUBSPOT, b"POST" + uri.encode() + deal + millis.encode(), "sha256"))
    hubspot = {"x-hubspot-signature-v3": theirs, "x-hubspot-request-timestamp": millis.encode(), "body": deal}
    theirs_by_path = _signed("/hooks/opportunities/{secret}", "text/xml")
    salesforce = Door({"secret": SALESFORCE}, lambda said: theirs_by_path({**said, "body": SOAP}), 200, 404)
    return {
        ("POST", "/webhooks/sendgrid"): Door(sendgrid, _signed("/webhooks/sendgrid", "application/json"), 204, 403),
        ("POST", "/hooks/{name}"): Door(hubspot, _signed("/hooks/deals", "application/json"), 204, 403),
        ("POST", "/hooks/{name}/{secret}"): salesforce,
    }


MOOD = """\
campaign: mood
state: live
topic: tips
for: partner
when: {every: "monday 09:00"}
again: never
steps: [{ask: {question: mood, send: mood, answers: {fine: Fine, stuck: Stuck}}}]
"""
SOURCES = """\
sources:
  - source: deals
    hubspot: {secret: {env: HUBSPOT_SECRET}}
    login: {partner: objectId, at: occurredAt}
  - source: opportunities
    salesforce: {secret: {env: SALESFORCE_SECRET}, organization: 00D7F00000107XsUAI}
    login: {partner: Partner__c, at: CreatedDate}
"""
HUBSPOT, SALESFORCE = b"f6a5c1d2-the-secret-of-an-app", b"Zk3-a-secret-in-an-address-9aQ"
SOAP = (Path(__file__).parents[1] / "data" / "salesforce" / "opportunity.xml").read_bytes()


# --- trying -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def world(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(sqlite_url, tmp_path, monkeypatch)
    yield made
    made.engage.services.close()


def test_each_route_is_open_to_all_or_a_door_that_is_tried(world: World) -> None:
    tried = {(method, path.partition(",")[0]) for method, path in doors(world)}
    behind_a_login = {at for at in world.routes() if at[1].startswith("/console")}  # console/test_doors.py tries these
    assert world.routes() - OPEN - behind_a_login == tried


def test_what_is_genuine_is_let_in_and_nothing_forged_ever(world: World) -> None:
    table = doors(world)
    closed = [at for at, door in table.items() if not door.open_to(world.send(at[0], door, door.secrets))]
    assert not closed, "these do not even let in who may"
    others = [secret for door in table.values() for secret in door.secrets.values()]
    before, tried, chance = world.digest(), 0, random.Random(20261122)
    each = -(-TRIES // len(table))
    for (method, path), door in table.items():
        forged = list(islice(_forged(door, others, chance), each))
        answers = asyncio.run(world.tried(method, door, iter(forged)))
        let_in = [secrets for secrets, answer in zip(forged, answers, strict=True) if door.open_to(answer)]
        assert not let_in, f"{method} {path} was opened"
        tried += len(answers)
    assert tried >= TRIES
    assert world.digest() == before, "nothing of what was refused was stored"


def _forged(door: Door, others: list[bytes], chance: random.Random) -> Iterator[dict[str, bytes]]:
    """Without end: the secrets of a door with one of them altered."""
    ways = {name: altered(secret, [o for o in others if o != secret], chance) for name, secret in door.secrets.items()}
    while True:
        name = chance.choice(list(ways))
        yield dict(door.secrets) | {name: next(ways[name])}
