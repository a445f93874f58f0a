"""docs/feedback.md says what the code does: the vocabulary, the rules' numbers, and what is answered."""

from pathlib import Path

import pytest

from engage.domain.deliveries import Reported
from engage.domain.feedback import (
    COMPLAINTS_PER_THOUSAND,
    NEAR_DELIVERY,
    REPORTED,
    SEVERAL_LINKS,
    SOFT_BOUNCE_WINDOW,
    SOFT_BOUNCES,
    FeedbackKind,
)
from engage.providers.sendgrid_events import DROPPED_FOR, KINDS
from engage.settings import Settings
from engage.web.webhooks import LARGEST_BODY, MOST_IN_MEMORY, SECONDS_TO_ARRIVE
from tests.docs.test_docs import code, table

PAGE = Path(__file__).parents[2] / "docs" / "feedback.md"
TEXT = " ".join(PAGE.read_text().split())


def test_the_vocabulary_has_every_type_of_event_in_the_order_of_the_code() -> None:
    rows = table(PAGE, "## The vocabulary")
    assert [code(row[1]) for row in rows] == [[kind] for kind in FeedbackKind]
    named = {name[0]: row for row in rows if (name := code(row[0]))}
    assert {name: code(row[1])[0] for name, row in named.items()} == KINDS
    reported = {code(row[1])[0]: code(row[2])[0] for row in rows if code(row[2])}
    assert reported == REPORTED
    for reason in DROPPED_FOR:
        assert reason in named["dropped"][3].lower()
    assert f"in the order {', '.join(Reported)}" in TEXT


@pytest.mark.parametrize(
    "said",
    [
        f"**{'Five' if SOFT_BOUNCES == 5 else '?'} different mails to one address that bounced softly within "
        f"{SOFT_BOUNCE_WINDOW.days} days**",
        f"**more than {COMPLAINTS_PER_THOUSAND / 10} % of a topic's mails of one day**",
        f"a click within {'five' if NEAR_DELIVERY.seconds == 5 else '?'} seconds of the delivery",
        f"links of one mail within {'two' if SEVERAL_LINKS.seconds == 2 else '?'} seconds",
        f"of more than {LARGEST_BODY // 1024**2} MB",
        f"more than {SECONDS_TO_ARRIVE} seconds to arrive",
        f"{MOST_IN_MEMORY // 1024**2} MB are arriving",
        f"hours from now ({Settings.model_fields['webhook_max_age'].default} unless you set it",
    ],
)
def test_its_numbers_are_those_of_the_code(said: str) -> None:
    assert said in TEXT
