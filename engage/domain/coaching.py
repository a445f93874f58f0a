"""Coaching alerts as salespeople work on them: the states, what a call came to, how long things stand. Pure."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum


class AlertState(StrEnum):
    """open -> claimed -> resolved. A claim is given back, or taken over; whoever calls at once resolves an open one.
    Whoever opens a resolved one again has claimed it.

    One that is not resolved may be snoozed besides: then it is not shown for some days.
    """

    OPEN = "open"
    CLAIMED = "claimed"
    RESOLVED = "resolved"


class Outcome(StrEnum):
    """What became of an alert."""

    TALKED = "talked"
    NOT_REACHED = "not_reached"
    NO_NEED = "no_need"
    NOT_INTERESTED = "not_interested"
    WRONG = "wrong"


SAID_OF: Mapping[Outcome, str] = {
    Outcome.TALKED: "Talked, next step agreed",
    Outcome.NOT_REACHED: "Could not reach them",
    Outcome.NO_NEED: "No help needed",
    Outcome.NOT_INTERESTED: "Not interested any more",
    Outcome.WRONG: "The alert was wrong",
}
"""Each outcome as a salesperson reads it, the most usual first."""

CLAIM_LASTS = timedelta(days=30)
"""After so long a claim ends by itself: nobody is left without mail because somebody forgot to say how it went."""

SHOWN_FOR = timedelta(days=60)
"""An alert that nobody took for so long is history: its evidence does not hold any more."""

SNOOZES = (1, 3, 7, 14)
"""For how many days an alert can be put off."""

LONGEST_NOTE = 1000
"""How many characters a note may have."""
