"""Reads the hours in which mail may go out: quiet hours and holidays of a program, windows of topics and campaigns.

What can never be open is a problem: a window that does not open, and windows that are never open together.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from itertools import combinations

from engage.authoring.document import Node
from engage.authoring.reader import Fields, Reader
from engage.domain.limits import EVERY_DAY, QuietHours, SendWindow
from engage.domain.programs import Program, TopicKind
from engage.domain.public_holidays import country_of, has_calendar

PROGRAM_KEYS = ("quiet_hours", "holidays", "country")
"""The keys of a program that say when no marketing mail goes out."""

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAYS = {"every day": EVERY_DAY, "weekdays": frozenset(range(5)), "weekend": frozenset((5, 6))}
DAYS |= {name: frozenset((number,)) for number, name in enumerate(_WEEKDAYS)}
_MINUTES = 24 * 60
_MIDNIGHT = time()


@dataclass(frozen=True, slots=True)
class ProgramHours:
    """What a program says of hours, and where it lies."""

    zone: str
    quiet: QuietHours | None = None
    holidays: bool = False
    country: str = ""

    @classmethod
    def of(cls, program: Program) -> "ProgramHours":
        return cls(program.zone, program.quiet_hours, program.holidays, program.country)

    @classmethod
    def read(cls, fields: Fields, zone: str) -> "ProgramHours":
        """`quiet_hours: {from: 21:00, to: 08:00}`, `holidays: true` and `country: US` of a program in `zone`."""
        wanted = "holidays" in fields and fields.reader.boolean(fields["holidays"], "'holidays'")
        found = cls(zone, _quiet_hours(fields), wanted, fields.parsed("country", _country))
        if wanted and "country" not in fields:
            found.need_country(fields)
        return found

    def need_country(self, fields: Fields) -> None:
        """Reports `holidays` where nothing says whose."""
        if not (self.country or country_of(self.zone)):
            message = f"holidays are those of a country, and the program's zone {self.zone} lies in none"
            fields.reader.problem(fields["holidays"], message, "add country to the program, such as country: US")


def _quiet_hours(fields: Fields) -> QuietHours | None:
    if "quiet_hours" not in fields:
        return None
    node = fields["quiet_hours"]
    ends = _ends(node, fields.reader.fields(node, "quiet_hours", ("from", "to")))
    return QuietHours(*ends) if ends else None


def read_send_window(
    fields: Fields, program: ProgramHours, topic: str, kind: TopicKind, wider: SendWindow | None = None
) -> SendWindow | None:
    """`send_window: {days: weekdays, from: 09:00, to: 17:00, holidays: false}` of a topic or a campaign.

    Every part may be left out: without days it is every day, without from and to the whole day. `wider` is the window
    of the campaign's topic, which holds too.
    """
    if "send_window" not in fields:
        return None
    reader, node, known_problems = fields.reader, fields["send_window"], len(fields.reader.problems)
    if kind is TopicKind.TRANSACTIONAL:
        message = f"topic '{topic}' is transactional: its mails go out at any hour"
        reader.problem(node, message, "take send_window out")
    written = reader.fields(node, "send_window", (), ("days", "from", "to", "holidays"))
    for key, other in (("from", "to"), ("to", "from")):
        if key in written and written.lack(other):
            reader.problem(node, f"send_window has '{key}' and no '{other}'", "write both, or none for the whole day")
    ends = _ends(node, written) or (_MIDNIGHT, _MIDNIGHT)
    days = _days(reader, written["days"]) if "days" in written else EVERY_DAY
    window = SendWindow(*ends, days, _on_holidays(written, program))
    if len(reader.problems) > known_problems:
        return None
    others = []
    if program.quiet is not None:
        said = f"the quiet hours ({_said(program.quiet.begins, program.quiet.ends)})"
        others.append((said, _open(SendWindow(program.quiet.ends, program.quiet.begins))))
    if wider is not None:
        others.append((f"the window of topic '{topic}' ({_said_window(wider)})", _open(wider)))
    _check_overlap(reader, node, window, others)
    return window


def _on_holidays(fields: Fields, program: ProgramHours) -> bool:
    if "holidays" not in fields:
        return True
    node = fields["holidays"]
    on_holidays = fields.reader.boolean(node, "'holidays'")
    if on_holidays and program.holidays:
        message = "the program sends no marketing mail on holidays, and no window opens them"
        fields.reader.problem(node, message, "take it out here, or out of the program")
    if not on_holidays:
        program.need_country(fields)
    return on_holidays


def _days(reader: Reader, node: Node) -> frozenset[int]:
    words = [reader.choice(one, "day", DAYS) for one in reader.one_or_more(node, "'days'")]
    return frozenset[int]().union(*(DAYS.get(word, frozenset()) for word in words))


def _ends(node: Node, fields: Fields) -> tuple[time, time] | None:
    """`from` and `to`; None if one is missing or after a problem."""
    if "from" not in fields or "to" not in fields:
        return None
    reader, known_problems = fields.reader, len(fields.reader.problems)
    begins = reader.parsed(fields["from"], "'from'", parse_time_of_day, _MIDNIGHT)
    ends = reader.parsed(fields["to"], "'to'", _parse_end, _MIDNIGHT)
    if begins == ends and len(reader.problems) == known_problems:
        message = f"it begins and ends at {begins:%H:%M}"
        reader.problem(node, message, "write two times; over midnight is from: 21:00, to: 08:00")
    return (begins, ends) if len(reader.problems) == known_problems else None


TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def parse_time_of_day(text: str) -> time:
    """`09:00`; raises ValueError with a message for the author."""
    found = TIME_OF_DAY.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is not a time of day; write one from 00:00 to 23:59, such as 09:00")
    return time(int(found[1]), int(found[2]))


def _parse_end(text: str) -> time:
    return _MIDNIGHT if text == "24:00" else parse_time_of_day(text)


def _country(text: str) -> str:
    if not re.fullmatch(r"[A-Z]{2}", text) or not has_calendar(text):
        raise ValueError(f"'{text}' is no country; write its ISO 3166 code of two letters, such as US or DE")
    return text


# --- open together ------------------------------------------------------------------------------------------------


def _check_overlap(reader: Reader, node: Node, window: SendWindow, others: Sequence[tuple[str, set[int]]]) -> None:
    """Reports a window that is never open while the others are; they have a name and minutes of a week."""
    for those in (those for many in range(1, len(others) + 1) for those in combinations(others, many)):
        if not _open(window).intersection(*(minutes for _, minutes in those)):
            names = " and ".join(name for name, _ in those)
            message = f"the window ({_said_window(window)}) is never open, because of {names}"
            reader.problem(node, message, "write hours that they have in common")
            return


def _open(window: SendWindow) -> set[int]:
    """The minutes of a week, from Monday's first on, in which a window is open."""
    begins, ends = _minute(window.opens), _minute(window.closes)
    span = range(begins, ends if ends > begins else ends + _MINUTES)
    return {(day * _MINUTES + minute) % (7 * _MINUTES) for day in window.days for minute in span}


def _minute(clock: time) -> int:
    return clock.hour * 60 + clock.minute


def _said_window(window: SendWindow) -> str:
    hours = _said(window.opens, window.closes)
    return hours if window.days == EVERY_DAY else f"{_said_days(window.days)} {hours}"


def _said(begins: time, ends: time) -> str:
    return f"{begins:%H:%M} to {ends:%H:%M}" if begins != ends else "all day"


def _said_days(days: frozenset[int]) -> str:
    names = [name for name, those in DAYS.items() if those == days]
    return names[0] if names else ", ".join(_WEEKDAYS[day] for day in sorted(days))
