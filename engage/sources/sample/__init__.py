"""A made-up referral programme for the demo: a year of history as files to import, and changes that keep coming."""

from engage.sources.sample.live import live_changes
from engage.sources.sample.programme import sample_programme

__all__ = ["live_changes", "sample_programme"]
