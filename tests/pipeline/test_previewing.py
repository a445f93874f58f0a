"""A campaign's mails as a partner would read them, before anybody gets them."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from engage.domain.campaigns import Campaign, CampaignState, Choice, SendStep, Text
from engage.domain.errors import InputError
from engage.domain.messages import Message
from engage.domain.records import RewardRecord
from engage.pipeline.consent import read_unsubscribe_token
from engage.pipeline.previewing import Previewed, preview
from engage.store import tables
from tests.support.engage import Engage
from tests.support.topics import GATHER, say


def previewed(engage: Engage, campaign: str | Campaign, partner: str = "ann") -> list[Message]:
    return [one.message for one in shown(engage, campaign, partner)]


def shown(engage: Engage, campaign: str | Campaign, partner: str = "ann") -> list[Previewed]:
    library = engage.services.library()
    found = library.find(campaign) if isinstance(campaign, str) else campaign
    with engage.services.database.read() as db:
        return preview(db, library, found, partner, "https://engage.example.com", engage.now)


def test_a_preview_is_the_mail_that_would_be_sent_and_leaves_nothing_behind(engage: Engage) -> None:
    engage.refers(engage.partner(), "acme", amount=500_000)
    engage.becomes("ann", "acme", "won")
    stored = [engage.count(table) for table in tables.metadata.sorted_tables]
    (shown,) = previewed(engage, "referral-won", "ann@example.com")
    assert [engage.count(table) for table in tables.metadata.sorted_tables] == stored
    assert engage.provider.messages == []
    (sent,) = engage.work()
    assert (shown.to, shown.subject) == (sent.to, sent.subject)
    assert (without_own_links(shown.text), without_own_links(shown.html)) == (
        without_own_links(sent.text),
        without_own_links(sent.html),
    )


def without_own_links(text: str) -> str:
    """A mail without the links that only the partner who got it may follow."""
    return re.sub(r"https?://[^\s/]+/[a-z]+/(preview|[\w-]+\.[\w-]+\.[\w-]+)", "…", text)


def test_a_preview_is_about_the_latest_referral_or_reward(engage: Engage) -> None:
    engage.refers(engage.partner(), "new", days_ago=1)
    engage.refers("ann", "old", days_ago=9)
    assert "New Ltd" in previewed(engage, "referral-won")[0].subject
    engage.takes(RewardRecord("r1", "ann", 125_000, referral="old", label="Win", earned_at=engage.now))
    (mail,) = previewed(engage, "reward-earned")
    assert "$1,250" in mail.text
    assert "Old Ltd" in mail.text


def test_a_preview_of_a_win_is_about_a_win_though_a_later_referral_was_lost(engage: Engage) -> None:
    engage.refers(engage.partner(), "won", days_ago=9)
    engage.becomes("ann", "won", "won")
    engage.refers("ann", "late", days_ago=1)
    engage.becomes("ann", "late", "lost")
    assert "Won Ltd" in previewed(engage, "referral-won")[0].subject


def test_a_draft_outside_the_folder_is_previewed_with_all_its_mails(engage: Engage) -> None:
    engage.partner(owner=engage.salesperson())
    shipped = engage.services.library().find("many-referrals-no-wins")
    draft = replace(shipped, name="a-draft", state=CampaignState.DRAFT)
    assert len(previewed(engage, draft)) == len(shipped.steps)


def test_nobody_is_unsubscribed_out_of_a_preview(engage: Engage) -> None:
    engage.partner()
    (mail,) = previewed(engage, "no-login-30-days")[:1]
    (token,) = set(re.findall(r"/unsubscribe/([\w.-]+)", mail.text))
    assert read_unsubscribe_token(engage.services.signer, token) is None


def test_a_partner_without_a_referral_or_reward_is_told(engage: Engage) -> None:
    engage.partner()
    with pytest.raises(InputError, match="partner 'ann' has no referral, and 'referral-won' is for one"):
        previewed(engage, "referral-won")
    with pytest.raises(InputError, match="has no reward"):
        previewed(engage, "reward-earned")


def test_an_email_that_is_not_there_is_told(engage: Engage) -> None:
    engage.partner()
    shipped = engage.services.library().find("no-login-30-days")
    with pytest.raises(InputError, match="there is no email 'nowhere'"):
        previewed(engage, replace(shipped, steps=(SendStep("send", (Text("nowhere"),)),)))


def test_each_text_of_a_step_is_shown_with_who_gets_it(engage: Engage) -> None:
    engage.partner()
    campaign = engage.services.library().find("no-login-30-days")
    texts = (Text("nudges/no_login_30_days", weight=2), Text("newsletter/monthly"))
    both = {
        choice: [
            (one.step, one.email, one.choice)
            for one in shown(engage, replace(campaign, steps=(SendStep("send", texts, choice),)))
        ]
        for choice in Choice
    }
    assert both == {
        Choice.VARIANTS: [
            ("send", "nudges/no_login_30_days", "variant, for 2 in 3 partners"),
            ("send", "newsletter/monthly", "variant, for 1 in 3 partners"),
        ],
        Choice.ROTATE: [
            ("send", "nudges/no_login_30_days", "number 1 of 2 that take turns"),
            ("send", "newsletter/monthly", "number 2 of 2 that take turns"),
        ],
    }


def test_a_daily_mail_is_shown_with_the_latest_changes(engage: Engage, authored: tuple[Path, Path]) -> None:
    say(authored, GATHER)
    engage.now += timedelta(seconds=2)
    engage.refers(engage.partner(), "acme")
    with pytest.raises(InputError, match="no referral of partner 'ann' has changed its status"):
        shown(engage, "referral-status-daily")
    engage.becomes("ann", "acme", "won")
    (mail,) = shown(engage, "referral-status-daily")
    assert mail.message.subject == "News about Acme Ltd"
    assert "Submitted" in mail.message.text
    assert mail.notes[0] == "the latest changes of their referrals stand in for those of a day"


def test_a_newsletter_is_shown_with_what_is_folded_or_with_what_could_be(engage: Engage) -> None:
    engage.partner()
    (mail,) = shown(engage, "monthly-newsletter")
    assert "What your referrals did while you were away: https://" in mail.message.text
    assert mail.notes[0] == "nothing is folded for this partner now: mails that could be stand in"
