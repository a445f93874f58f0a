"""A reward in parts: what is earned now, what may follow and when."""

from datetime import timedelta

from engage.domain.records import RewardRecord
from tests.support.engage import Engage
from tests.support.journeys import rereads, write_trial

DAY = timedelta(days=1)
SUBJECT = (
    "{{ reward.stage | default('all') }} {{ reward.amount | money }}"
    "{% if reward.later_amount %}, {{ reward.later_amount | money }}"
    "{% if reward.later_at %} on {{ reward.later_at | date('medium') }}{% endif %}{% endif %}"
)


def write_earned(engage: Engage, **keys: str | None) -> None:
    write_trial(
        engage,
        "{send: a}",
        emails=(),
        **{"for_": "reward", "when": "{event: reward.earned}", "again": None, "topic": "rewards", **keys},
    )
    text = f'---\nsubject: "{SUBJECT}"\n---\nHello.\n'
    (engage.services.settings.templates_dir / "a.md").write_text(text)
    rereads(engage)
    assert engage.services.library().problems == ()


def promises(engage: Engage, name: str, amount: int, days: float, stage: str | None = None) -> None:
    at = engage.now + days * DAY
    engage.takes(RewardRecord(name, "ann", amount, referral="acme", stage=stage, expected_at=at))


def earns(engage: Engage, name: str, amount: int, stage: str | None = None) -> None:
    engage.takes(RewardRecord(name, "ann", amount, referral="acme", stage=stage, earned_at=engage.now))


def told(engage: Engage) -> list[str]:
    """What the campaign said: the fixture has one of its own for each reward that is earned."""
    return [mail.subject for mail in engage.work() if not mail.subject.startswith("You earned")]


def test_the_first_part_says_what_may_follow_and_when(engage: Engage) -> None:
    engage.partner("ann")
    engage.refers("ann", "acme")
    write_earned(engage)
    promises(engage, "late", 20_000, 365, "retention")
    promises(engage, "later", 55_000, 183, "retention")
    assert told(engage) == [], "what is promised is not earned"

    earns(engage, "now", 25_000, "win")
    assert told(engage) == ["win $250, $750 on Sep 1, 2026"]

    engage.takes(RewardRecord("late", "ann", 20_000, reversed_at=engage.now))
    earns(engage, "later", 55_000, "retention")
    assert [one for one in told(engage) if one.startswith("retention")] == ["retention $550"]


def test_a_reward_in_one_part_says_nothing_of_others(engage: Engage) -> None:
    engage.partner("ann")
    engage.refers("ann", "acme")
    engage.refers("ann", "bolt")
    write_earned(engage)
    engage.takes(RewardRecord("other", "ann", 10_000, referral="bolt", expected_at=engage.now + DAY))

    earns(engage, "now", 25_000)

    assert told(engage) == ["all $250"]


def test_a_campaign_may_be_about_one_part(engage: Engage) -> None:
    engage.partner("ann")
    engage.refers("ann", "acme")
    write_earned(engage, where="[{reward_stage: {is: retention}}]")

    earns(engage, "one", 25_000, "win")
    earns(engage, "two", 75_000, "retention")
    earns(engage, "three", 10_000)

    assert told(engage) == ["retention $750"]
