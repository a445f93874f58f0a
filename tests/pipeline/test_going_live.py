"""Live is a choice: ENGAGE_SEND_TO says who may be mailed, everything else is composed and kept."""

from collections.abc import Callable

import sqlalchemy as sa

from engage.store import tables
from tests.support.engage import Engage


def test_send_to_nobody_composes_and_keeps_every_mail(start: Callable[[str], Engage]) -> None:
    engage = start("nobody")
    engage.refers(engage.partner(), "acme")
    engage.becomes("ann", "acme", "won")
    assert engage.work() == []
    assert engage.states() == [("partner:ann", "held")]
    with engage.services.database.read() as db:
        kept = db.execute(sa.select(tables.kept_messages)).one()
    assert "Acme Ltd" in kept.subject
    assert "Acme Ltd" in kept.html
    assert "Acme Ltd" in kept.text


def test_send_to_a_list_lets_out_only_who_is_on_it(start: Callable[[str], Engage]) -> None:
    engage = start("list:ann@example.com")
    engage.partner("ann")
    engage.partner("bob")
    assert [m.to.email for m in engage.runs("monthly-newsletter")] == ["ann@example.com"]
    assert sorted(engage.states()) == [("partner:ann", "accepted"), ("partner:bob", "held")]
