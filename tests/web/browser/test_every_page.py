"""Every page of the consoles is fine for whoever opens it: on a phone, at a desk, in light and in dark."""

import pytest

from engage.domain.accounts import Role
from engage.web.app import build_app
from engage.web.console.shell import TABS
from tests.support.engage import Engage
from tests.support.full_life import MAILS, a_full_life, console_pages
from tests.support.pages import PHONE, LoggedIn

pytestmark = [pytest.mark.chromium, pytest.mark.slow]

DESK = 1200


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_every_page_is_fine(engage: Engage, logged_in: LoggedIn, width: int) -> None:
    admin = logged_in(Role.ADMIN)
    a_full_life(engage)
    wrong = []
    for path in console_pages(engage, build_app(engage.services)):
        if path.endswith(MAILS):
            continue
        assert admin.opens(path).status == 200, path
        try:
            admin.finds_it_fine("every" + path.replace("/", "-").replace("%", "")[:60], width)
        except AssertionError as error:
            wrong.append(f"{path}: {error}")
    assert not wrong, "\n".join(wrong)


def test_whoever_may_only_look_reads_every_part_by_keyboard_and_changes_nothing(
    engage: Engage, logged_in: LoggedIn
) -> None:
    a_full_life(engage)
    reader = logged_in(Role.READ_ONLY).opens("/console")
    for label in [tab.label for tab in TABS if tab.label not in ("Users", "Audit")]:
        reader.submits(label)
        assert reader.page.inner_text("nav [aria-current=page]") == label
        assert reader.page.query_selector("main form[method=post]") is None, f"{label} has a button for who may not"
