"""A mail for which there is no room becomes a line of the next newsletter."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from engage.domain.messages import Outcome, SendResult
from engage.store import tables
from tests.support.caps import DAY, Begin, Capped, campaigns_of

NEWSLETTER = """\
---
subject: "News"
preview: "And what else"
from: program
---
Hello {{ partner.greeting_name }},

{% if folded %}
{{ blocks.folded(folded) }}
{% endif %}
"""


def news(engage: Capped, campaign: str = "news") -> str:
    """The text of the last newsletter."""
    return [mail for mail in engage.provider.messages if mail.category == campaign][-1].text


def test_a_folded_mail_is_a_line_of_the_next_newsletter_and_of_no_other(capped: Begin) -> None:
    engage = capped("at_most: 1, per: partner, in: 7d, topic: tips", order=["gold"])
    engage.campaign("gold")
    engage.campaign("iron", "fold")
    engage.campaign("news", topic="newsletter", every="day 09:00", text=NEWSLETTER)
    engage.partner("ann")
    engage.partner("bob", status="inactive")
    engage.enters("gold", "iron")
    engage.passes()
    assert engage.reasons()["iron"] == "folded"
    engage.enters("news")
    assert campaigns_of(engage.passes()) == ["news"]
    assert "- The news of iron: https://partners.example.com" in news(engage)
    engage.now += DAY
    engage.enters("news")
    assert campaigns_of(engage.passes()) == ["news"]
    assert "iron" not in news(engage)
    d = tables.deliveries.c
    with engage.services.database.read() as db:
        into = db.execute(sa.select(d.into_id).where(d.campaign == "iron")).scalar_one()
        first = db.execute(sa.select(sa.func.min(d.id)).where(d.campaign == "news")).scalar_one()
    assert into == first


def test_a_newsletter_that_is_tried_again_still_tells_of_what_was_folded(capped: Begin) -> None:
    engage = capped("at_most: 1, per: partner, in: 7d, topic: tips", order=["gold"])
    engage.campaign("gold")
    engage.campaign("iron", "fold")
    engage.campaign("news", topic="newsletter", text=NEWSLETTER)
    engage.partner("ann")
    engage.enters("gold", "iron")
    engage.passes()
    engage.timed.answers["ann@example.com"] = SendResult(Outcome.RETRY, status=503, detail="503")
    engage.enters("news")
    engage.passes(most=1)
    engage.timed.answers.clear()
    engage.after(timedelta(hours=1))
    assert "- The news of iron: https://partners.example.com" in news(engage)
    assert engage.reasons()["news"] == "accepted"


@pytest.mark.parametrize("ends", ["dead", "expired"])
def test_what_a_newsletter_was_to_tell_that_is_never_sent_the_next_one_tells(capped: Begin, ends: str) -> None:
    engage = capped("at_most: 1, per: partner, in: 7d, topic: tips", order=["gold"])
    engage.campaign("gold")
    engage.campaign("iron", "fold")
    engage.campaign("news", topic="newsletter", every="day 09:00", within="2h", text=NEWSLETTER)
    engage.partner("ann")
    engage.enters("gold", "iron")
    engage.passes()
    outcome = Outcome.DEAD if ends == "dead" else Outcome.RETRY
    engage.timed.answers["ann@example.com"] = SendResult(outcome, status=503, detail="no")
    engage.enters("news")
    engage.after(timedelta(hours=3))
    assert engage.reasons()["news"] == ends
    engage.timed.answers.clear()
    engage.now += DAY
    engage.enters("news")
    assert campaigns_of(engage.passes()) == ["news"]
    assert "- The news of iron: https://partners.example.com" in news(engage)


def test_a_newsletter_tells_of_nothing_that_would_not_go_out_any_more(capped: Begin) -> None:
    engage = capped("at_most: 1, per: partner, in: 7d, topic: tips", order=["gold"])
    engage.campaign("gold")
    engage.campaign("iron", "fold", more="stop_when:\n  - days_since_login: {at_most: 1}")
    engage.campaign("news", topic="newsletter", text=NEWSLETTER)
    engage.partner("ann")
    engage.logs_in("ann", days_ago=2)
    engage.enters("gold", "iron")
    engage.passes()
    engage.logs_in("ann")
    engage.enters("news")
    assert campaigns_of(engage.passes()) == ["news"]
    assert "iron" not in news(engage)
