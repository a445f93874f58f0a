"""Each thing that a campaign may ask, defined once, as SQL as of an instant; conditions compile to it."""

from engage.facts.audience import Audience, Member, audience, holds, values
from engage.facts.explain import Node, explain
from engage.facts.feeds import EVENTS_OF, FeedState, feed_state, feeds_of
from engage.facts.periods import Done, done_in
from engage.facts.readings import Value
from engage.facts.statements import Scope

__all__ = [
    "EVENTS_OF",
    "Audience",
    "Done",
    "FeedState",
    "Member",
    "Node",
    "Scope",
    "Value",
    "audience",
    "done_in",
    "explain",
    "feed_state",
    "feeds_of",
    "holds",
    "values",
]
