"""Who is let into the intake API: keys and signatures, tried in all the wrong ways."""

import json
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook
from starlette.testclient import TestClient

from engage.domain.access import ApiKey, KeyKind, KeyScope, bearer_key, hash_of, read_bearer_key
from engage.domain.errors import ServiceUnreachable
from engage.pipeline.keyring import FRESH, issue_key
from engage.signing import Signer
from engage.sources.standard_webhooks import TOLERANCE, is_signed, shown_secret
from engage.store import tables
from engage.store.api_keys import NOTED_EVERY, all_keys, find_key, revoke_key
from engage.web.access import Caller, Refused, caller, signed_caller
from engage.web.app import build_app
from tests.support.engage import START, Engage
from tests.support.shipped import copy_shipped

BODY = b'{"type": "partner.logged_in", "timestamp": "2026-03-02T15:00:00Z", "data": {"partner": "ann"}}'
NAME = "message_2KWPBgLlAfxdpx2AI54pPJ85f4W"


@pytest.fixture
def kept_in(database_url: str) -> str:
    return database_url


@pytest.fixture
def here(sqlite_url: str, tmp_path: Path) -> Iterator[Engage]:
    running = Engage(sqlite_url, tmp_path, *copy_shipped(tmp_path))
    yield running
    running.services.close()


def make_key(engage: Engage, *scopes: KeyScope, kind: KeyKind = KeyKind.BEARER) -> str:
    """The text of a bearer key, or the public id of a signed one."""
    program_id = engage.services.library().program_ids[engage.program]
    with engage.services.database.write() as db:
        public_id, secret = issue_key(db, program_id, "portal", kind, frozenset(scopes), engage.now)
    return public_id if kind is KeyKind.SIGNED else bearer_key(public_id, secret)


def ask(engage: Engage, key: str) -> Caller:
    return caller(engage.services, {"authorization": f"Bearer {key}"})


def revoke(engage: Engage, public_id: str) -> None:
    with engage.services.database.write() as db:
        key = find_key(db, public_id)
        assert key is not None
        assert revoke_key(db, key.id, engage.now)
        assert not revoke_key(db, key.id, engage.now)


def refused(status: int, ask: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as caught:
        ask()
    assert caught.value.status == status
    return caught.value


# -- bearer keys -------------------------------------------------------------------------------------------------------


def test_a_key_is_known_by_its_name_its_program_and_what_it_may_push(engage: Engage) -> None:
    key = make_key(engage, KeyScope.EVENTS, KeyScope.PARTNERS)
    found = ask(engage, key)
    assert (found.name, found.program) == ("portal", engage.program)
    assert found.program_id == engage.services.library().program_ids[engage.program]
    found.require(KeyScope.EVENTS)
    assert "'rewards'" in refused(403, lambda: found.require(KeyScope.REWARDS)).detail


def test_of_a_key_nothing_is_stored_that_opens(engage: Engage) -> None:
    key = make_key(engage, KeyScope.EVENTS)
    public_id, secret = read_bearer_key(key) or ("", "")
    with engage.services.database.read() as db:
        rows = json.dumps([[str(value) for value in row] for row in db.execute(sa.select(tables.api_keys))])
    assert public_id in rows
    assert secret not in rows
    assert hash_of(secret) in rows


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic {key}",
        "{key}",
        "Bearer {key}x",
        "Bearer x{key}",
        "Bearer {key} {key}",
        "Bearer\t{key}",
        "Bearer {key}\n",
        "Bearer {KEY}",
        "Bearer ek_{public}_",
        "Bearer ek_{public}",
        "Bearer ek__{secret}",
        "Bearer ek_0123456789abcdef_{secret}",
        "Bearer ek_{public}_{zeros}",
        "Bearer ek_{public}_{hash}",
        "Bearer ek_{public}_é{secret}",
        "Bearer ek_{public}_{secret}=",
        "Bearer ek_{public}_{flipped}",
    ],
)
def test_a_key_that_is_not_whole_is_none(here: Engage, header: str) -> None:
    key = make_key(here, KeyScope.EVENTS)
    public, secret = read_bearer_key(key) or ("", "")
    said = header.format(
        key=key,
        KEY=key.upper(),
        public=public,
        secret=secret,
        zeros="A" * 43,
        hash=hash_of(secret)[:43],
        flipped=secret[:-1] + ("A" if secret[-1] != "A" else "B"),
    )
    error = refused(401, lambda: caller(here.services, {"authorization": said}))
    assert error.headers == {"WWW-Authenticate": "Bearer"}
    assert secret not in f"{error}{error.detail}"
    ask(here, key)


def test_the_scheme_may_be_written_in_any_case(here: Engage) -> None:
    key = make_key(here)
    assert caller(here.services, {"authorization": f"bEARER  {key}"}) == ask(here, key)


@settings(max_examples=300)
@given(st.text(max_size=120))
def test_no_other_text_is_read_as_a_key(text: str) -> None:
    found = read_bearer_key(text)
    assert found is None or bearer_key(*found) == text


def test_every_change_of_one_character_is_another_key(here: Engage) -> None:
    key = make_key(here, KeyScope.EVENTS)
    for place in range(len(key)):
        for other in "Aa0_-~":
            if other != key[place]:
                altered = key[:place] + other + key[place + 1 :]
                refused(401, lambda altered=altered: ask(here, altered))  # type: ignore[misc]


def test_a_revoked_key_ends_within_seconds_and_for_good(engage: Engage) -> None:
    key = make_key(engage, KeyScope.EVENTS)
    ask(engage, key)
    revoke(engage, key.split("_")[1])
    engage.now += FRESH
    refused(401, lambda: ask(engage, key))


def test_a_new_key_is_known_within_seconds(here: Engage) -> None:
    ask(here, make_key(here))
    second = make_key(here)
    refused(401, lambda: ask(here, second))
    here.now += FRESH
    ask(here, second)


def test_a_clock_that_was_set_back_keeps_no_revoked_key_alive(here: Engage) -> None:
    key = make_key(here)
    ask(here, key)
    revoke(here, key.split("_")[1])
    here.now -= timedelta(days=1)
    refused(401, lambda: ask(here, key))


def test_unknown_keys_cost_the_database_nothing(here: Engage) -> None:
    ask(here, make_key(here))
    asked: list[str] = []
    sa.event.listen(here.services.database.engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    for number in range(50):
        refused(401, lambda number=number: ask(here, f"ek_{number:016x}_{'x' * 43}"))  # type: ignore[misc]
    assert asked == []


def test_a_database_that_is_away_is_asked_once_a_second_and_its_return_noticed(engage: Engage) -> None:
    key = make_key(engage)
    rename(engage, "api_keys", "hidden")
    asked: list[str] = []
    sa.event.listen(engage.services.database.engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    for _ in range(20):
        with pytest.raises((ServiceUnreachable, sa.exc.ProgrammingError)):
            ask(engage, key)
    rename(engage, "hidden", "api_keys")
    engage.now += timedelta(seconds=1)
    assert ask(engage, key).name == "portal"
    if engage.services.database.is_sqlite:  # elsewhere a table that is gone is a bug, not an outage
        assert len([one for one in asked if "FROM api_keys" in one]) == 2


def rename(engage: Engage, table: str, name: str) -> None:
    with engage.services.database.write() as db:
        db.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {name}")


def test_the_last_use_is_kept_to_the_hour_and_costs_no_write_with_each_request(engage: Engage) -> None:
    key = make_key(engage)
    statements: list[str] = []
    sa.event.listen(engage.services.database.engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
    for _ in range(20):
        ask(engage, key)
        engage.now += timedelta(minutes=2)
    assert len([one for one in statements if one.startswith("UPDATE")]) == 1
    assert last_used(engage) == START
    engage.now += NOTED_EVERY
    ask(engage, key)
    assert last_used(engage) == engage.now


def last_used(engage: Engage) -> object:
    with engage.services.database.read() as db:
        return all_keys(db)[0].last_used_at


def test_many_threads_may_ask_at_once(engage: Engage) -> None:
    key = make_key(engage, KeyScope.EVENTS)
    found: list[Caller] = []

    def many() -> None:
        for _ in range(20):
            found.append(ask(engage, key))

    threads = [threading.Thread(target=many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 160
    assert len(set(found)) == 1


def test_a_scope_that_only_a_newer_engage_knows_allows_nothing(here: Engage) -> None:
    key = make_key(here, KeyScope.EVENTS)
    with here.services.database.write() as db:
        db.execute(sa.update(tables.api_keys).values(scopes=["everything", "logins"]))
    assert ask(here, key).scopes == {KeyScope.LOGINS}


def test_the_front_page_says_nothing_of_this_machine(here: Engage) -> None:
    with TestClient(build_app(here.services), base_url="http://127.0.0.1:8000") as stranger:
        answer = stranger.get("/")
    assert answer.status_code == 200
    assert str(here.services.settings.campaigns_dir) not in answer.text


# -- signatures --------------------------------------------------------------------------------------------------------


def signed(engage: Engage, public_id: str, body: bytes = BODY, name: str = NAME) -> dict[str, str]:
    """The headers as the library makes them, of now."""
    signature = Webhook(shown_secret(engage.services.signer, public_id)).sign(name, engage.now, body.decode())
    stamp = str(int(engage.now.timestamp()))
    return {"webhook-id": name, "webhook-timestamp": stamp, "webhook-signature": signature}


def test_a_system_that_signs_is_known_by_its_signature(engage: Engage) -> None:
    public_id = make_key(engage, KeyScope.EVENTS, kind=KeyKind.SIGNED)
    found = signed_caller(engage.services, public_id, signed(engage, public_id), BODY)
    assert (found.name, found.scopes) == ("portal", {KeyScope.EVENTS})


def test_what_we_take_the_library_takes_too(here: Engage) -> None:
    """The same secret, headers and body, checked by `verify` of the library on a machine whose clock says our now."""
    public_id = make_key(here, kind=KeyKind.SIGNED)
    headers = signed(here, public_id)
    signed_caller(here.services, public_id, headers, BODY)
    with time_machine.travel(here.now, tick=False):
        assert Webhook(shown_secret(here.services.signer, public_id)).verify(BODY, headers) == json.loads(BODY)


def test_the_example_of_the_standard_verifies() -> None:
    """Secret, id, time and body as the reference implementations test them; the signature was made by them."""
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    secret = b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    at = START.fromtimestamp(1614265330, START.tzinfo)

    class Having(Signer):
        def secrets(self, purpose: str, name: str) -> tuple[bytes, ...]:  # noqa: ARG002
            return (b"another secret of ours", secret)

    signer = Having(["a key of this installation"])
    assert is_signed(signer, "any", headers, b'{"test": 2432232314}', at)
    assert not is_signed(signer, "any", headers, b'{"test": 2432232315}', at)


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": None},
        {"webhook-timestamp": None},
        {"webhook-signature": None},
        {"webhook-id": ""},
        {"webhook-id": "message_other"},
        {"webhook-id": NAME + " "},
        {"webhook-id": "m" * 600},
        {"webhook-timestamp": "0"},
        {"webhook-timestamp": "-1"},
        {"webhook-timestamp": "nan"},
        {"webhook-timestamp": "1e9"},
        {"webhook-timestamp": "{stamp}.0"},
        {"webhook-timestamp": "0{stamp}"},
        {"webhook-timestamp": "+{stamp}"},
        {"webhook-timestamp": " {stamp}"},
        {"webhook-timestamp": "{stamp}000"},
        {"webhook-timestamp": "9" * 40},
        {"webhook-timestamp": "٣" * 10},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": ","},
        {"webhook-signature": ",,,"},
        {"webhook-signature": "v1,é"},
        {"webhook-signature": "{bare}"},
        {"webhook-signature": "v2,{bare}"},
        {"webhook-signature": "v1a,{bare}"},
        {"webhook-signature": "V1,{bare}"},
        {"webhook-signature": "v1,{bare}="},
        {"webhook-signature": "v1,{unpadded}"},
        {"webhook-signature": "v1,{spaced}"},
        {"webhook-signature": "v1,{loose}"},
        {"webhook-signature": "v1,{bare},v1"},
        {"webhook-signature": "x " * 8 + "v1,{bare}"},
    ],
)
def test_what_is_not_exactly_what_was_signed_is_refused(here: Engage, changed: dict[str, str | None]) -> None:
    public_id = make_key(here, KeyScope.EVENTS, kind=KeyKind.SIGNED)
    headers = signed(here, public_id)
    bare = headers["webhook-signature"].removeprefix("v1,")
    said = {
        "bare": bare,
        "unpadded": bare.rstrip("="),
        "spaced": f"{bare[:9]}!{bare[9:]}",
        "loose": loosely(bare),
        "stamp": headers["webhook-timestamp"],
    }
    altered = {**headers, **{name: value and value.format(**said) for name, value in changed.items()}}
    sent = {name: value for name, value in altered.items() if value is not None}
    refused(401, lambda: signed_caller(here.services, public_id, sent, BODY))
    signed_caller(here.services, public_id, headers, BODY)


def loosely(signature: str) -> str:
    """Other base64 of the same bytes: the last letter before = has two bits that no byte takes."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = signature[:-2] + letters[letters.index(signature[-2]) ^ 1] + "="
    assert b64decode(other) == b64decode(signature)
    return other


def test_one_of_several_signatures_is_enough(here: Engage) -> None:
    public_id = make_key(here, kind=KeyKind.SIGNED)
    headers = signed(here, public_id)
    several = f"v1a,abc v1,{b64encode(b'another').decode()} {headers['webhook-signature']}"
    signed_caller(here.services, public_id, headers | {"webhook-signature": several}, BODY)


@pytest.mark.parametrize("body", [b"", BODY + b" ", BODY.replace(b"ann", b"bob"), BODY[:-1] + b"\xff", b"\x00"])
def test_another_body_is_refused(here: Engage, body: bytes) -> None:
    public_id = make_key(here, kind=KeyKind.SIGNED)
    headers = signed(here, public_id)
    refused(401, lambda: signed_caller(here.services, public_id, headers, body))


def test_an_old_request_is_not_taken_again_and_none_from_the_future(here: Engage) -> None:
    public_id = make_key(here, kind=KeyKind.SIGNED)
    headers, now = signed(here, public_id), here.now
    for off in (TOLERANCE, -TOLERANCE):
        here.now = now + off
        signed_caller(here.services, public_id, headers, BODY)
        here.now += timedelta(seconds=1) if off > timedelta() else -timedelta(seconds=1)
        refused(401, lambda: signed_caller(here.services, public_id, headers, BODY))


def test_a_signature_is_of_one_key_and_no_bearer_key_signs(here: Engage) -> None:
    one, other = make_key(here, kind=KeyKind.SIGNED), make_key(here, kind=KeyKind.SIGNED)
    bearer = make_key(here).split("_")[1]
    for public_id in (other, bearer, "0" * 16, "", "x" * 5000, "é"):
        refused(401, lambda public_id=public_id: signed_caller(here.services, public_id, signed(here, one), BODY))  # type: ignore[misc]
    for public_id in (bearer, "0" * 16):  # signed right, as only we could
        refused(401, lambda public_id=public_id: signed_caller(here.services, public_id, signed(here, public_id), BODY))  # type: ignore[misc]


def test_a_signed_key_opens_nothing_as_a_bearer_key(here: Engage) -> None:
    public_id = make_key(here, kind=KeyKind.SIGNED)
    secret = shown_secret(here.services.signer, public_id).removeprefix("whsec_")
    for text in (secret[:43], "-" * 43, "A" * 43):
        refused(401, lambda text=text: ask(here, f"ek_{public_id}_{text}"))  # type: ignore[misc]


def test_a_revoked_signed_key_signs_no_more(here: Engage) -> None:
    public_id = make_key(here, kind=KeyKind.SIGNED)
    signed_caller(here.services, public_id, signed(here, public_id), BODY)
    revoke(here, public_id)
    here.now += FRESH
    refused(401, lambda: signed_caller(here.services, public_id, signed(here, public_id), BODY))


def test_secrets_outlive_a_new_key_of_the_installation_for_as_long_as_the_old_is_listed() -> None:
    old, both, new = Signer(["old" * 8]), Signer(["new" * 8, "old" * 8]), Signer(["new" * 8])
    signature = Webhook(shown_secret(old, "id")).sign(NAME, START, BODY.decode())
    headers = {
        "webhook-id": NAME,
        "webhook-timestamp": str(int(START.timestamp())),
        "webhook-signature": signature,
    }
    assert is_signed(both, "id", headers, BODY, START)
    assert not is_signed(new, "id", headers, BODY, START)
    assert shown_secret(both, "id") == shown_secret(new, "id") != shown_secret(old, "id")


def test_no_two_keys_and_no_token_share_a_secret() -> None:
    signer = Signer(["a key of this installation"])
    assert shown_secret(signer, "a") != shown_secret(signer, "b")
    assert 24 <= len(b64decode(shown_secret(signer, "a").removeprefix("whsec_"))) <= 64, "as the standard asks"
    assert signer.secrets("webhook-secret", "a") != signer.secrets("unsubscribe", "a")


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_a_header_holds_is_refused_and_nothing_else_happens(data: st.DataObject) -> None:
    signer = Signer(["a key of this installation"])
    words = st.text(max_size=80) | st.sampled_from(["v1,", "v1,AAAA", str(int(START.timestamp())), NAME])
    headers = {f"webhook-{name}": data.draw(words) for name in ("id", "timestamp", "signature")}
    assert not is_signed(signer, data.draw(words), headers, data.draw(st.binary(max_size=40)), START)


def test_a_key_compares_in_whole_whatever_it_is_asked() -> None:
    nobody = ApiKey(0, 0, "", "", KeyKind.BEARER, None, frozenset(), START)
    assert not nobody.opens_with("")
    assert not nobody.opens_with("-" * 64)
    assert not nobody.opens_with("é")
