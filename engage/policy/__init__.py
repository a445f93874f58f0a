"""Decides whether a message may go out. Pure: same inputs, same decision."""

from engage.policy.guards import GUARDS, LOOK_AGAIN, Case, Verdict, decide, examine

__all__ = ["GUARDS", "LOOK_AGAIN", "Case", "Verdict", "decide", "examine"]
