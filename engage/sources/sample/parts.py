"""The parts that some partners of the sample play: for each shipped campaign that needs a history of its own, somebody.

All instants follow from `now`, so that the demo has them on any day.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from engage.sources.sample.telling import RETENTION, Partner, Teller, iso

_ASK = "Do you know who signs there? Our contact likes the offer, and cannot decide alone."


def _weeks(teller: Teller, partner: Partner, last: int) -> None:
    """A login about every other week, the last so many days ago."""
    months = max(int((teller.now - partner.joined_at).days), last + 1)
    for days in range(last, min(months, 360), 16):
        teller.log_in(partner, _ago(teller, days, partner))


def _ago(teller: Teller, days: float, partner: Partner) -> datetime:
    """So many days ago; partners differ by an hour or so, because people do."""
    return teller.now - timedelta(days=days, minutes=int(partner.id[2:]) % 90 + 5)


def _never(teller: Teller, partner: Partner) -> None:
    """Joined months ago, looks in now and then, never referred anybody."""
    _weeks(teller, partner, 4)


def _long_tail(teller: Teller, partner: Partner) -> None:
    """One referral most of a year ago, that was lost."""
    teller.plot(partner, _ago(teller, 300, partner), "lost", _ago(teller, 270, partner))
    _weeks(teller, partner, 45)


def _stalled(teller: Teller, partner: Partner) -> None:
    """Five referrals in the first weeks, then none; some were won."""
    joined = (teller.now - partner.joined_at).days
    for number in range(5):
        status = ("lost", "won")[number % 2]
        start = joined - 6 - 7 * number
        teller.plot(partner, _ago(teller, start, partner), status, _ago(teller, start - 40, partner))
    _weeks(teller, partner, 12)


def _star(teller: Teller, partner: Partner) -> None:
    """Twelve wins in a month, and some before."""
    for number in range(12):
        won = 2 + 2 * number
        teller.plot(partner, _ago(teller, won + 45, partner), "won", _ago(teller, won, partner))
    for number in range(8):
        teller.plot(partner, _ago(teller, 200 + 9 * number, partner), "won", _ago(teller, 150 + 9 * number, partner))
    teller.plot(partner, _ago(teller, 3, partner), "submitted", _ago(teller, 3, partner))
    _weeks(teller, partner, 1)


def _growing(teller: Teller, partner: Partner) -> None:
    """Nine wins in three months, after three in the three before."""
    for won in (100, 125, 150, 12, 22, 35, 42, 50, 58, 66, 74, 82):
        teller.plot(partner, _ago(teller, won + 40, partner), "won", _ago(teller, won, partner))
    teller.plot(partner, _ago(teller, 9, partner), "accepted", _ago(teller, 6, partner))
    _weeks(teller, partner, 2)


def _fading(teller: Teller, partner: Partner) -> None:
    """A tier last year, by five wins; one win this year, in spring, and since then only talks."""
    year = teller.now.year - 1
    for month in (2, 4, 6, 8, 10):
        won = datetime(year, month, 10 + int(partner.id[2:]) % 15, 12, tzinfo=teller.now.tzinfo)
        teller.plot(partner, won - timedelta(days=40), "won", won)
    if teller.now.timetuple().tm_yday > 160:  # else the one win would be of last year, too
        teller.plot(partner, _ago(teller, 190, partner), "won", _ago(teller, 150, partner))
    teller.plot(partner, _ago(teller, 120, partner), "lost", _ago(teller, 95, partner))
    teller.plot(partner, _ago(teller, 70, partner), "proposal", _ago(teller, 15, partner))
    _weeks(teller, partner, 6)


def _verbal(teller: Teller, partner: Partner) -> None:
    """Not registered, and told a salesperson of somebody; of some it was two."""
    several = int(partner.id[2:]) % 2
    for days in (12, 30)[: 1 + several]:
        teller.plot(partner, _ago(teller, days, partner), "qualified", _ago(teller, days - 8, partner), method="verbal")


def _first_big_win(teller: Teller, partner: Partner) -> None:
    """One win, and that a large one, last night."""
    teller.plot(partner, _ago(teller, 60, partner), "won", _ago(teller, 0.4, partner), amount=48_000)
    _weeks(teller, partner, 3)


def _stuck(teller: Teller, partner: Partner) -> None:
    """A deal that has not moved for weeks; another was lost and is open again since last night."""
    status = ("opportunity", "demo", "proposal", "negotiation")[int(partner.id[2:]) % 4]
    teller.plot(partner, _ago(teller, 90, partner), status, _ago(teller, 25 + int(partner.id[2:]) % 20, partner))
    teller.plot(partner, _ago(teller, 200, partner), "reopened", _ago(teller, 0.6, partner))
    _weeks(teller, partner, 2)


def _asked(teller: Teller, partner: Partner) -> None:
    """A deal with which a salesperson asks for help, since last night."""
    id_ = teller.plot(partner, _ago(teller, 60, partner), "proposal", _ago(teller, 12, partner))
    teller.files.questions.append((id_, iso(_ago(teller, 0.5, partner)), partner.owner, _ASK))
    _weeks(teller, partner, 2)


def _winner(teller: Teller, partner: Partner) -> None:
    """A win a week ago, the only one for a while, and no referral since."""
    teller.plot(partner, _ago(teller, 60, partner), "won", _ago(teller, 7, partner))
    teller.plot(partner, _ago(teller, 150, partner), "lost", _ago(teller, 120, partner))
    _weeks(teller, partner, 3)


def _in_doubt(teller: Teller, partner: Partner) -> None:
    """A win whose invoice is disputed, and some that are not."""
    teller.plot(partner, _ago(teller, 60, partner), "won", _ago(teller, 20, partner), reversal_pending="true")
    for won in (80, 110):
        teller.plot(partner, _ago(teller, won + 40, partner), "won", _ago(teller, won, partner))
    _weeks(teller, partner, 2)


def _nearly(teller: Teller, partner: Partner) -> None:
    """Six wins in ten weeks: two more are within reach while the year has weeks left. A customer has stayed."""
    for won in (6, 18, 30, 47, 63, 70):
        teller.plot(partner, _ago(teller, won + 40, partner), "won", _ago(teller, won, partner))
    teller.plot(partner, _ago(teller, 220, partner), "won", _ago(teller, 0.5, partner) - RETENTION)
    teller.plot(partner, _ago(teller, 50, partner), "negotiation", _ago(teller, 0.7, partner))
    _weeks(teller, partner, 1)


def _nothing(teller: Teller, partner: Partner) -> None:
    """Invited, or joined just now: nothing has happened yet."""
    del teller, partner


@dataclass(frozen=True, slots=True)
class Part:
    """How many play it, who joined how many days ago (and an hour more each), and what of their data is fixed."""

    count: int
    joined: int
    tell: Callable[[Teller, Partner], None]
    status: str = "active"
    kind: str = ""
    attributes: tuple[tuple[str, str], ...] = ()


PARTS: dict[str, Part] = {
    "never": Part(4, 95, _never),
    "long tail": Part(5, 500, _long_tail, kind="adviser"),
    "reseller without sales": Part(4, 500, _long_tail, kind="reseller"),
    "stalled": Part(4, 230, _stalled),
    "star": Part(1, 620, _star, kind="consultant", attributes=(("show_name", "true"),)),
    "growing": Part(2, 420, _growing, attributes=(("show_name", "true"),)),
    "fading": Part(6, 800, _fading),
    "first big win": Part(1, 130, _first_big_win),
    "stuck": Part(4, 400, _stuck),
    "asked": Part(2, 400, _asked),
    "winner": Part(3, 300, _winner, kind="association"),
    "in doubt": Part(3, 350, _in_doubt),
    "nearly": Part(3, 250, _nearly),
    "just joined": Part(2, 0, _nothing, attributes=(("tax_form", "false"), ("bank_details", "false"))),
    "told us of somebody": Part(4, 0, _verbal, status="invited"),
    **{
        f"invited {kind}": Part(2, 0, _nothing, status="invited", kind=kind)
        for kind in ("complementary seller", "adviser", "association", "consultant", "reseller")
    },
}
