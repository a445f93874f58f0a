"""The auditor: reads what was sent, what was not and why, the rules as their author wrote them, and the world; finds
every rule that was broken.

It shares no code with engage. What it knows of the rules it has from docs/campaigns.md and docs/program.md.
"""

from collections.abc import Callable, Iterator

from tests.audit.campaigns import Campaigns
from tests.audit.limits import Limits


class Auditor(Limits, Campaigns):
    __slots__ = ()

    def breaches(self) -> list[str]:
        """All that was broken, each as a sentence that begins with the rule's name."""
        checks: tuple[Callable[[], Iterator[str]], ...] = (
            self.once,
            self.whose,
            self.caps,
            self.quiet_hours,
            self.send_windows,
            self.public_holidays,
            self.refused_topics,
            self.opt_in,
            self.rhythms,
            self.storms,
            self.held_out,
            self.control_group,
            self.only,
            self.variants,
            self.rotation,
            self.never_again,
            self.again_after,
            self.each_slot,
            self.tier_periods,
            self.episodes,
            self.promotion,
            self.journeys,
            self.arbitration,
            self.outranked,
            self.folded,
            self.conditions,
            self.stuck_deals,
            self.rewards,
            self.locales,
            self.link_tags,
            self.answers,
            self.goals,
            self.shared_addresses,
            self.sunset,
        )
        return [f"{check.__name__}: {said}" for check in checks for said in check()]
