"""Coming in, one's own account, and users, by keyboard alone."""

from collections.abc import Callable
from datetime import timedelta

import pyotp
import pytest

from engage.domain.accounts import LinkPurpose, Role, User
from engage.pipeline.logins import new_link
from engage.pipeline.passwords import hash_password
from tests.support.consoles import add_user
from tests.support.engage import Engage
from tests.support.pages import PHONE, LoggedIn, Pages, Visitor

pytestmark = [pytest.mark.chromium, pytest.mark.slow]

DESK = 1200
ANN, PASSWORD, NEW = "ann@example.com", "seven horses in the rain", "a cold day in november"
HASH = hash_password(PASSWORD)


@pytest.fixture
def ann(engage: Engage) -> User:
    return add_user(engage.services, Role.OPS, email=ANN, password_hash=HASH)


@pytest.fixture
def link_for(engage: Engage) -> Callable[[User, LinkPurpose], str]:
    def link(user: User, purpose: LinkPurpose) -> str:
        with engage.services.database.write() as db:
            return f"/console/link/{new_link(db, user, purpose, engage.now)[0]}"

    return link


def logs_in_as(visitor: Visitor, password: str = PASSWORD) -> None:
    visitor.writes("Email address", ANN)
    visitor.writes("Password", password)
    visitor.submits("Log in")


def is_fine(visitor: Visitor, name: str) -> None:
    for width in (PHONE, DESK):
        visitor.finds_it_fine(f"entrance-{name}", width)


@pytest.mark.usefixtures("ann")
def test_a_wrong_password_then_the_right_one_and_out_again(pages: Pages) -> None:
    visitor = pages.visitor().opens("/console/held")
    logs_in_as(visitor, "another one, and a long one")
    assert "do not belong together" in visitor.reads
    is_fine(visitor, "wrong")
    logs_in_as(visitor)
    assert visitor.page.url.endswith("/console/held"), "where one wanted to go at first"
    visitor.submits("Log out")
    assert "Log in to engage" in visitor.reads
    assert "Log in to engage" in visitor.opens("/console/held").reads


@pytest.mark.usefixtures("ann")
def test_a_second_factor_is_set_asked_for_and_replaced_by_a_recovery_code(engage: Engage, pages: Pages) -> None:
    visitor = pages.visitor().opens("/console/account")
    logs_in_as(visitor)
    visitor.tabs_to("Set a second factor")
    visitor.presses("Enter")
    visitor.writes("current-offer", PASSWORD)
    visitor.submits("Show the secret for the app")
    is_fine(visitor, "secret")
    app = pyotp.TOTP(visitor.page.inner_text("p > code"))
    visitor.writes("code", app.at(engage.now - timedelta(hours=1)))
    visitor.submits("Ask for it from now on")
    assert "not the code of now" in visitor.reads
    visitor.writes("code", app.at(engage.now))
    visitor.submits("Ask for it from now on")
    is_fine(visitor, "recovery")
    recovery = visitor.page.inner_text("pre").split()[0]
    visitor.submits("I have kept them")
    visitor.submits("Log out")

    logs_in_as(visitor)
    visitor.writes("code", app.at(engage.now))
    visitor.submits("Go on")
    assert "does not count, or was used before" in visitor.reads
    is_fine(visitor, "second-factor")
    engage.now += timedelta(minutes=1)
    visitor.writes("code", app.at(engage.now))
    visitor.submits("Go on")
    visitor.submits("Log out")

    logs_in_as(visitor)
    visitor.writes("code", recovery)
    visitor.submits("Go on")
    assert "9 of your recovery codes are left" in visitor.opens("/console/account").reads
    is_fine(visitor, "account")


def test_a_link_for_a_new_password_is_used_once_and_ends_what_was_open(
    ann: User, pages: Pages, link_for: Callable[[User, LinkPurpose], str]
) -> None:
    before = pages.visitor().opens("/console/held")
    logs_in_as(before)
    link = link_for(ann, LinkPurpose.RESET)
    visitor = pages.visitor().opens(link)
    visitor.writes("New password", NEW)
    visitor.writes("The same once more", PASSWORD)
    visitor.submits("Keep it and log in")
    assert "The two are not the same." in visitor.reads
    is_fine(visitor, "link")
    visitor.writes("New password", NEW)
    visitor.writes("The same once more", NEW)
    visitor.submits("Keep it and log in")
    assert "Overview" in visitor.reads
    assert "cannot be used any more" in pages.visitor().opens(link).reads
    assert "Log in to engage" in before.opens("/console/held").reads
    logs_in_as(before, NEW)
    assert before.page.inner_text("h1") == "Held"


def test_a_link_lets_in_once(ann: User, pages: Pages, link_for: Callable[[User, LinkPurpose], str]) -> None:
    link = link_for(ann, LinkPurpose.LOGIN)
    visitor = pages.visitor().opens(link)
    visitor.submits("Log in")
    assert visitor.page.inner_text("h1") == "Overview"
    late = pages.visitor().opens(link)
    assert "cannot be used any more" in late.reads
    is_fine(late, "no-link")


@pytest.mark.usefixtures("ann")
def test_one_changes_the_password_and_stays_logged_in_here_alone(pages: Pages) -> None:
    here, elsewhere = pages.visitor().opens("/console/account"), pages.visitor().opens("/console/account")
    logs_in_as(here)
    logs_in_as(elsewhere)
    here.tabs_to("Change the password")
    here.presses("Enter")
    here.writes("current", PASSWORD)
    here.writes("password-new", NEW)
    here.writes("again", NEW)
    here.submits("Keep it")
    assert "Your password is changed." in here.reads
    assert "Log in to engage" in elsewhere.opens("/console/account").reads


def test_an_admin_gives_a_role_makes_a_link_and_locks_out_and_all_of_it_is_kept(ann: User, logged_in: LoggedIn) -> None:
    admin = logged_in(Role.ADMIN).opens("/console/users")
    admin.submits(ann.name)
    admin.tabs_to("Change the role", "summary")
    admin.presses("Enter")
    admin.tabs_to("this-role")
    admin.page.keyboard.type("sales")
    admin.writes("why-role", "she sells now")
    admin.submits("Change the role")
    assert f"{ANN} has this role from the next click on." in admin.reads
    admin.tabs_to("Make a link for a new password", "summary")
    admin.presses("Enter")
    admin.writes("why-reset", "forgotten")
    admin.submits("Make a link")
    assert "/console/link/" in admin.reads
    is_fine(admin, "user-link")
    admin.submits(f"Back to {ann.name}")
    admin.tabs_to("Disable", "summary")
    admin.presses("Enter")
    admin.writes("why-disable", "she left")
    admin.submits("Disable")
    assert f"{ANN} is not let in any more." in admin.reads
    is_fine(admin, "user")
    admin.submits("Audit")
    admin.writes("object", f"user:{ann.id}")
    admin.submits("Show")
    for why in ("she sells now", "forgotten", "she left"):
        assert why in admin.reads
