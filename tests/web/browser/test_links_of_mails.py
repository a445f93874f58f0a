"""The pages behind the links to unsubscribe and to answer, and what is there when a link does not work."""

import pytest

from engage.pipeline.consent import UnsubscribeLink
from engage.store import tables
from tests.support.engage import Engage
from tests.support.pages import Pages, Visitor

pytestmark = [pytest.mark.chromium, pytest.mark.slow]


def unsubscribe_link(engage: Engage, partner: str) -> str:
    """Of the partner's tips."""
    program_id = engage.services.library().program_ids[engage.program]
    with engage.services.database.read() as db:
        row = db.execute(tables.partners.select().where(tables.partners.c.external_id == partner)).one()
    link = UnsubscribeLink(program_id, row.id, row.address_id, "tips")
    return f"/unsubscribe/{link.token(engage.services.signer)}"


def test_one_unsubscribes_by_keyboard(engage: Engage, ann: Visitor) -> None:
    engage.partner("ann")
    ann.opens(unsubscribe_link(engage, "ann"))
    ann.finds_it_fine("unsubscribe")
    ann.submits("Unsubscribe")
    assert "Done: no more" in ann.reads
    ann.finds_it_fine("unsubscribed")


def test_one_unsubscribes_in_german(engage: Engage, pages: Pages) -> None:
    engage.partner("ute", locale="de")
    ute = pages.visitor("de-DE").opens(unsubscribe_link(engage, "ute"))
    assert ute.page.get_attribute("html", "lang") == "de"
    ute.finds_it_fine("unsubscribe-de")
    ute.submits("Abbestellen")


@pytest.mark.parametrize(
    ("name", "path"), [("no-such-page", "/nothing"), ("bad-link", "/unsubscribe/x"), ("home", "/")]
)
def test_where_nothing_is_it_is_said_in_peace(ann: Visitor, name: str, path: str) -> None:
    ann.opens(path)
    ann.finds_it_fine(name)
