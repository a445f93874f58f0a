"""Names that run from right to left in lines that run from left to right.

What follows such a name, a comma or a number, would be drawn on its wrong side: to the bidirectional algorithm (UAX #9)
it belongs to the name. A mark behind the name ends that. It is invisible, and every mail program knows it.
"""

import re

_MARK = "\u200e"
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")


def closed(text: str) -> str:
    """The text, with a mark behind it if any of it runs from right to left."""
    return text if text.isascii() or not _RIGHT_TO_LEFT.search(text) else text + _MARK
