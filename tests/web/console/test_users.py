"""The pages of users, of one's own account, and the audit log."""

import re
from datetime import timedelta

import pyotp
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from engage.domain.accounts import Actor, Role, User
from engage.pipeline.passwords import hash_password, problem_with
from engage.store.accounts import find_user, get_user
from engage.store.audit import entries, note
from engage.store.tables import sessions
from tests.support.consoles import SITE, Console, MakeConsole, add_user, begin_session
from tests.support.engage import Engage

PASSWORD = "seven horses in the rain"
HASH = hash_password(PASSWORD)
NEW = "a cold day in november"
INVITED = {"email": "Ben@Example.com", "name": "Ben B.", "role": "ops", "everywhere": "1"}


@pytest.fixture
def admin(console: MakeConsole) -> Console:
    return console("admin", email="ada@example.com")


@pytest.fixture
def ann(engage: Engage, console: MakeConsole) -> Console:
    """Somebody with a password."""
    one = console("ops")
    one.user = add_user(engage.services, Role.OPS, email="ann@example.com", password_hash=HASH)
    one.token = begin_session(engage.services, one.user)
    return one


def user_of(engage: Engage, user: User) -> User:
    with engage.services.database.read() as db:
        found = get_user(db, user.id)
    assert found is not None
    return found


def sessions_of(engage: Engage, user: User) -> int:
    with engage.services.database.read() as db:
        count = sa.select(sa.func.count()).select_from(sessions).where(sessions.c.user_id == user.id)
        return int(db.execute(count).scalar_one())


def log_of(engage: Engage) -> list[tuple[str, str, str | None]]:
    with engage.services.database.read() as db:
        return [(one.actor, one.action, one.why) for one in entries(db, 100)]


# -- users -------------------------------------------------------------------------------------------------------------


def test_an_admin_invites_somebody_who_chooses_a_password_by_the_link(admin: Console, engage: Engage) -> None:
    answer = admin.post("/console/users", INVITED)
    assert answer.status_code == 200
    (path,) = re.findall(r"(/console/link/[\w-]{43})", answer.text)
    assert "ben@example.com" in answer.text
    browser = TestClient(admin.client.app, base_url=SITE, follow_redirects=False)
    (csrf,) = set(re.findall(r'name="csrf" value="(\w+)"', browser.get(path).text))
    given = {"csrf": csrf, "password": NEW, "again": NEW}
    assert browser.post(path, data=given, headers={"Origin": SITE}).status_code == 303
    with engage.services.database.read() as db:
        ben = find_user(db, "ben@example.com")
    assert ben is not None
    assert (ben.role, ben.program_ids, ben.has_password) == (Role.OPS, None, True)
    assert path.rpartition("/")[2] not in str(log_of(engage))
    assert ("ada@example.com", "user.invite", None) in log_of(engage)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"email": "nobody"}, "is not valid"),
        ({"email": "ada@example.com"}, "there is a user ada@example.com already"),
        ({"role": "root"}, "Choose a role"),
        ({"everywhere": ""}, "Choose the programs"),
        ({"everywhere": "", "programs": "nothing"}, "Choose the programs"),
        ({"name": "x" * 81}, "one line of 1 to 80"),
    ],
)
def test_an_invitation_that_makes_no_sense_is_said(admin: Console, changed: dict[str, str], said: str) -> None:
    answer = admin.post("/console/users", INVITED | changed)
    assert answer.status_code == 422
    assert said in answer.text


def test_a_role_counts_from_the_next_click_on(admin: Console, console: MakeConsole, engage: Engage) -> None:
    ben = console("ops")
    assert ben.get("/console/deliveries").status_code == 200
    path = f"/console/users/{ben.user.id}/role"
    given = {"role": "sales", "programs": [engage.program], "why": "moves to sales"}
    assert "from the next click on" in admin.said(admin.post(path, given))
    assert ben.get("/console/deliveries").status_code == 403
    changed = user_of(engage, ben.user)
    assert (changed.role, changed.program_ids) == (
        Role.SALES,
        frozenset({engage.services.library().program_ids[engage.program]}),
    )
    with engage.services.database.read() as db:
        (entry,) = entries(db, 1)
    assert (entry.before, entry.after, entry.why) == (
        {"role": "ops", "programs": None},
        {"role": "sales", "programs": [engage.program]},
        "moves to sales",
    )


def test_the_last_admin_can_neither_go_nor_be_sent_away(admin: Console, console: MakeConsole, engage: Engage) -> None:
    console("admin", programs=[engage.program])  # an admin of one program manages no users
    path = f"/console/users/{admin.user.id}"
    for change in ({"role": "ops", "everywhere": "1"}, {"role": "admin", "programs": [engage.program]}):
        answer = admin.post(f"{path}/role", {**change, "why": "x"})
        assert (answer.status_code, "no admin of every program left" in answer.text) == (422, True)
    assert admin.post(f"{path}/disable", {"why": "x"}).status_code == 422
    assert user_of(engage, admin.user) == admin.user
    other = console("admin")
    assert other.post(f"{path}/disable", {"why": "left us"}).status_code == 303
    assert (
        other.post(f"/console/users/{other.user.id}/role", {"role": "ops", "everywhere": "1", "why": "x"}).status_code
        == 422
    )


def test_who_is_disabled_is_out_at_once(admin: Console, console: MakeConsole, engage: Engage) -> None:
    ben = console("ops")
    path = f"/console/users/{ben.user.id}"
    assert admin.post(f"{path}/disable", {"why": ""}).status_code == 422, "a reason is wanted"
    assert "not let in any more" in admin.said(admin.post(f"{path}/disable", {"why": "left us"}))
    assert ben.get("/console/account").headers["location"].startswith("/console/login")
    assert sessions_of(engage, ben.user) == 0
    assert admin.post(f"{path}/reset", {"why": "x"}).status_code == 422
    assert admin.post(f"{path}/enable", {"why": "is back"}).status_code == 303
    assert ben.get("/console/account").status_code == 303, "the old cookie stays worth nothing"


def test_a_user_who_is_not_there_is_not_found(admin: Console) -> None:
    for path in ("/console/users/99", "/console/users/99999999999999999999"):
        assert admin.get(path).status_code == 404
        assert admin.post(f"{path}/disable", {"why": "x"}).status_code == 404


# -- one's own account -------------------------------------------------------------------------------------------------


def test_changing_the_password_takes_the_one_there_is_and_ends_other_sessions(ann: Console, engage: Engage) -> None:
    old, elsewhere = ann.token, begin_session(engage.services, ann.user)
    path = "/console/account/password"
    given = {"current": PASSWORD, "password": NEW, "again": NEW}
    for wrong in ({"current": "no"}, {"password": "short", "again": "short"}, {"again": "x"}):
        assert ann.post(path, given | wrong).status_code == 422
    assert sessions_of(engage, ann.user) == 2
    answer = ann.post(path, given)
    assert old != ann.token
    assert "logged in here, and nowhere else" in ann.said(answer)
    for ann.token in (elsewhere, old):
        assert ann.get("/console/account").status_code == 303
    assert sessions_of(engage, ann.user) == 1


def test_the_password_cannot_be_found_out_at_an_open_browser(ann: Console) -> None:
    given = {"current": "no", "password": NEW, "again": NEW}
    answers = [ann.post("/console/account/password", given).text for _ in range(11)]
    assert "Too many tries" in answers[-1]
    assert "Too many tries" in ann.post("/console/account/password", given | {"current": PASSWORD}).text


def test_a_second_factor_is_set_shown_once_and_taken_away_with_both(ann: Console, engage: Engage) -> None:
    account = "/console/account"
    assert ann.post(f"{account}/second-factor/offer", {"current": "no"}).status_code == 422
    page = ann.follow(ann.post(f"{account}/second-factor/offer", {"current": PASSWORD})).text
    assert 'src="data:image/svg+xml' in page
    (secret,) = re.findall(r"<code>([A-Z2-7]{32})</code>", page)
    app = pyotp.TOTP(secret)
    assert ann.post(f"{account}/second-factor/confirm", {"code": "000000"}).status_code == 422
    assert not user_of(engage, ann.user).has_second_factor
    begin_session(engage.services, ann.user)
    shown = ann.post(f"{account}/second-factor/confirm", {"code": app.at(engage.now)})
    codes = re.findall(r"\b(?:[a-z2-7]{4}-){3}[a-z2-7]{4}\b", shown.text)
    assert len(codes) == 10
    assert sessions_of(engage, ann.user) == 1
    assert secret not in ann.get(account).text
    with engage.services.database.read() as db:
        assert secret not in str(db.execute(sa.text("select totp_secret from users")).all())
    engage.now += timedelta(minutes=1)
    remove = f"{account}/second-factor/remove"
    assert ann.post(remove, {"current": PASSWORD, "code": "000000"}).status_code == 422
    assert ann.post(remove, {"current": "no", "code": app.at(engage.now)}).status_code == 422
    assert ann.post(remove, {"current": PASSWORD, "code": app.at(engage.now)}).status_code == 303
    assert not user_of(engage, ann.user).has_second_factor


@pytest.mark.parametrize(
    ("password", "fine"),
    [
        ("short", False),
        ("aaaaaaaaaaaaaaaa", False),
        ("ann@example.com", False),
        ("Ann@Example.com1", False),
        ("x" * 100 + "abcdefg" * 20, False),
        ("correct horse battery", True),
        ("пароль из семи слов", True),
    ],
)
def test_passwords_are_long_and_not_who_one_is(password: str, fine: bool) -> None:
    assert (problem_with(password, "ann@example.com", "Ann") == "") is fine


# -- the audit log -----------------------------------------------------------------------------------------------------


def test_the_audit_log_is_read_page_by_page_and_by_what_and_whom(admin: Console, engage: Engage) -> None:
    with engage.services.database.write() as db:
        for n in range(60):
            actor = Actor(admin.user.email, admin.user.id)
            note(
                db, actor, "delivery.drop", [f"delivery:{n}"], engage.now, before={"state": "dead"}, why=f"reason {n}."
            )
        note(db, Actor("command line"), "topic.pause", ["topic:tips"], engage.now, why="<script>alert(1)</script>")
    page = admin.get("/console/audit").text
    assert "<script>alert(1)" not in page
    assert page.count("delivery.drop") == 49
    (older,) = re.findall(r'href="(/console/audit\?before=\d+)"', page)
    assert admin.get(older).text.count("delivery.drop") == 11
    assert admin.get("/console/audit?object=delivery:7").text.count("delivery.drop") == 1
    of_admin = admin.get("/console/audit", params={"user": admin.user.email}).text
    assert "topic.pause" not in of_admin
    assert "Nothing of this" in admin.get("/console/audit?user=nobody@example.com").text
    assert admin.get("/console/audit?before=x&object=%00").status_code == 200


def test_who_is_let_into_some_programs_reads_of_those_only(console: MakeConsole, engage: Engage) -> None:
    program_id = engage.services.library().program_ids[engage.program]
    with engage.services.database.write() as db:
        note(db, Actor("somebody"), "of.theirs", ["x:1"], engage.now, program_id=program_id)
        note(db, Actor("somebody"), "of.everything", ["x:2"], engage.now)
    assert "of.theirs" in (page := console("ops", programs=[engage.program]).get("/console/audit").text)
    assert "of.everything" not in page
    assert "of.theirs" not in console("ops", programs=[]).get("/console/audit").text
