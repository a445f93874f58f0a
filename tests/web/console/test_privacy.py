"""Handing out and erasing what is held of a partner, on the partner's page."""

import pytest
import sqlalchemy as sa

from engage.store import tables as t
from tests.support.consoles import MakeConsole
from tests.support.engage import Engage


@pytest.fixture
def page(engage: Engage) -> str:
    engage.partner("ann", last_name="Smith")
    return f"/console/partners/{engage.program}/ann"


def actions(engage: Engage) -> list[tuple[str, str, str | None]]:
    c = t.audit_entries.c
    with engage.services.database.read() as db:
        found = db.execute(sa.select(c.action, c.actor, c.why).where(c.action.startswith("partner.")))
        return [(action, actor, why) for action, actor, why in found]


def test_all_that_is_held_is_handed_out_as_a_file(engage: Engage, console: MakeConsole, page: str) -> None:
    ops = console("ops")
    answer = ops.get(f"{page}/export")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''ann.json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["held"]["partners"][0]["last_name"] == "Smith"
    assert actions(engage) == [("partner.export", ops.user.email, None)]


def test_whoever_types_the_id_and_says_why_forgets_them(engage: Engage, console: MakeConsole, page: str) -> None:
    ops = console("ops")
    told = ops.post(f"{page}/forget", {"id": "ann", "why": "asked us on the phone"})
    assert told.headers["location"].startswith("/console/partners?said=")
    assert actions(engage) == [("partner.forget", ops.user.email, "asked us on the phone")]
    assert ops.get(f"{page}/export").status_code == 404
    assert ops.post(f"{page}/forget", {"id": "ann", "why": "again"}).status_code in (303, 404)
    assert len(actions(engage)) == 1


@pytest.mark.parametrize("form", [{"id": "ann"}, {"id": "bob", "why": "x"}, {"id": "ann", "why": " "}, {}])
def test_nobody_is_forgotten_by_accident(engage: Engage, console: MakeConsole, page: str, form: dict[str, str]) -> None:
    told = console("ops").post(f"{page}/forget", form)
    assert told.headers["location"].startswith(f"{page}?said=")
    assert actions(engage) == []


@pytest.mark.parametrize("role", ["marketing", "sales", "read-only"])
def test_who_may_not_is_refused(engage: Engage, console: MakeConsole, page: str, role: str) -> None:
    assert console(role).get(f"{page}/export").status_code == 403
    assert console(role).post(f"{page}/forget", {"id": "ann", "why": "x"}).status_code == 403
    assert actions(engage) == []


def test_a_partner_of_a_program_that_is_not_theirs_is_not_there(
    engage: Engage, console: MakeConsole, page: str
) -> None:
    other = console("ops", programs=())
    assert other.get(f"{page}/export").status_code == 404
    assert other.post(f"{page}/forget", {"id": "ann", "why": "x"}).status_code == 404
    assert console("ops").get(f"{page}-x/export").status_code == 404
    assert actions(engage) == []
