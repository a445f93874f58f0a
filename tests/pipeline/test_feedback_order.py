"""Feedback comes late, twice, shuffled and to several workers at once, and ends the same."""

from pathlib import Path

from tests.support.feedback_world import ends_the_same


def test_shuffled_and_repeated_events_end_the_same(database_url: str, tmp_path: Path) -> None:
    ended = ends_the_same(database_url, tmp_path, events=1000, shuffles=3)
    # the world has some of everything, so that the same end means something
    assert set(ended.count("deliveries", 1)) == {"accepted", "cancelled", "pending"}
    assert set(ended.count("deliveries", 2)) == {None, "delivered", "bounced", "dropped", "complained"}
    assert set(ended.count("suppressions", 1)) == {"bounce", "complaint", "invalid", "review", "stop_all"}
    assert set(ended.count("subscriptions", 3)) == {True, False}
    assert set(ended.count("feedback", 6)) == {True, False}
    assert ended.state["topic_pauses"] == [("newsletter",)]


def test_workers_with_the_same_requests_at_once_take_each_event_once(database_url: str, tmp_path: Path) -> None:
    ends_the_same(database_url, tmp_path, events=400, shuffles=2, workers=3)
