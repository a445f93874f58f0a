"""What happens in the year: to one partner as it is written here, to a dozen others as a fixed chance has it."""

from datetime import date, datetime, timedelta
from functools import partial
from random import Random

from engage.domain.records import CompanyRecord, StaffRecord
from engage.sources.sample import names
from tests.support.partners_year import BEGINS, ENDS, HER, Year

_DAY = timedelta(days=1)
_HALF_A_YEAR = 182 * _DAY
_IS_SILVER = date(2027, 4, 29)  # from when on she earns 12%, as the tier promises
_STAGES = ("accepted", "qualified", "opportunity", "demo", "proposal", "negotiation")


def write_story(year: Year) -> None:
    """Puts all of it into the year's diary, and what was before it into the past."""
    year.tells(
        StaffRecord("dana", "Dana Reed", "dana.reed@example.com", role="Partner manager"),
        StaffRecord("sam", "Sam Ortiz", "sam.ortiz@example.com", role="Account executive", manager="dana"),
        past=True,
    )
    _others(year)
    _hers(year)


# --- her -------------------------------------------------------------------------------------------------------------


def _hers(year: Year) -> None:
    _she_is_won(year)
    _her_first_referral(year)
    _her_spring(year)
    _her_quiet_summer(year)
    _her_autumn(year)


def _she_is_won(year: Year) -> None:
    known = {"last_name": "Feldman", "owner": "dana", "locale": "en_US", "zone": "America/New_York"}
    asked = partial(year.is_invited, HER, region="Massachusetts", attributes={"kind": "adviser"}, **known)
    year.on(
        "2026-11-09 10:00",
        asked,
        "Dana Reed, a partner manager, notes in the CRM whom she would like to win: Nora Feldman, an adviser.",
    )
    year.on("2026-11-12 14:10", partial(_registers, year), "Nora registers.")
    year.on("2026-11-19 20:15", partial(year.hands_in, HER, tax_form=True), "She sends her tax form.")
    _looks_in(year, "2026-11-20 12:40", "2026-12-03 08:50", "2026-12-16 09:20")


def _registers(year: Year) -> None:
    known = {"attributes": {"kind": "adviser", "tax_form": False, "bank_details": True, "show_name": True}}
    year.joins(HER, last_name="Feldman", **known)
    year.comes_to_the_portal(HER)


def _her_first_referral(year: Year) -> None:
    _refers(
        year,
        "2026-12-10 16:30",
        "harborline",
        "Harborline Dental",
        "form",
        "Nora makes her first referral: Harborline Dental.",
    )
    for at, status in (
        ("2026-12-11 10:05", "accepted"),
        ("2026-12-15 15:20", "qualified"),
        ("2026-12-21 11:45", "opportunity"),
        ("2027-01-07 16:10", "demo"),
        ("2027-01-14 12:30", "proposal"),
        ("2027-01-22 09:40", "negotiation"),
    ):
        year.on(at, partial(year.moves, "harborline", status))
    _is_won(year, "2027-01-27 15:15", "harborline", 18_000_00, "Harborline Dental signs, for $18,000.")


def _her_spring(year: Year) -> None:
    _looks_in(year, "2027-01-08 09:00", "2027-02-08 10:20", "2027-03-01 19:30", "2027-03-25 08:45", "2027-04-29 09:05")
    _refers(
        year,
        "2027-02-08 10:30",
        "cobalt",
        "Cobalt Freight",
        "form",
        "She refers two more: Cobalt Freight and Elm Street Clinics.",
    )
    _refers(year, "2027-02-08 10:40", "elm", "Elm Street Clinics", "form")
    year.on("2027-02-09 11:00", partial(year.moves, "cobalt", "accepted"))
    year.on("2027-02-10 09:30", partial(year.moves, "elm", "accepted"))
    year.on("2027-02-16 14:00", partial(year.moves, "elm", "opportunity"))
    year.on(
        "2027-03-03 16:40",
        partial(year.moves, "cobalt", "lost", loss_reason="budget"),
        "Cobalt Freight has no budget this year.",
    )
    ask = "Could you tell me who signs for new software there? The practice manager is not sure."
    year.on(
        "2027-03-09 11:10",
        partial(year.is_asked_for_help, "elm", ask, "sam"),
        "Sam Ortiz, who works on Elm Street Clinics, asks her for help.",
    )
    _is_won(year, "2027-03-23 13:00", "elm", 9_500_00, "Elm Street Clinics sign, for $9,500.")
    _refers(year, "2027-03-30 09:50", "quarry", "Quarry Bank", "email", "She refers Quarry Bank.")
    year.on("2027-03-31 10:00", partial(year.moves, "quarry", "accepted"))
    year.on("2027-04-08 15:30", partial(year.moves, "quarry", "opportunity"))
    _is_won(year, "2027-04-28 17:20", "quarry", 26_000_00, "Quarry Bank signs, for $26,000: her third win of the year.")


def _her_quiet_summer(year: Year) -> None:
    _refers(
        year,
        "2027-05-06 12:15",
        "fennel",
        "Fennel Foods",
        "form",
        "She refers Fennel Foods, and is not seen in the portal after 20 May.",
    )
    for at, status in (("2027-05-07 10:00", "accepted"), ("2027-05-18 11:30", "opportunity")):
        year.on(at, partial(year.moves, "fennel", status))
    _looks_in(year, "2027-05-06 12:10", "2027-05-20 18:00")
    year.on(
        "2027-07-13 10:30",
        partial(year.moves, "fennel", "lost", loss_reason="competitor"),
        "Fennel Foods chose a competitor.",
    )


def _her_autumn(year: Year) -> None:
    _looks_in(year, "2027-09-13 09:10", "2027-09-28 09:10", "2027-10-12 08:40", "2027-10-29 17:10", "2027-11-08 09:30")
    _refers(
        year,
        "2027-09-13 09:20",
        "lakeshore",
        "Lakeshore Labs",
        "form",
        "Nora is back in the portal, and brings two leads: Lakeshore Labs and Pine & Partners.",
    )
    _refers(year, "2027-09-13 09:30", "pine", "Pine & Partners", "form")
    _refers(
        year,
        "2027-09-28 09:20",
        "tidewater",
        "Tidewater Hotels",
        "link",
        "Two more: Tidewater Hotels and Birch Optics.",
    )
    _refers(year, "2027-09-28 09:30", "birch", "Birch Optics", "link")
    for name, at in (
        ("lakeshore", "2027-09-14"),
        ("pine", "2027-09-14"),
        ("tidewater", "2027-09-29"),
        ("birch", "2027-09-29"),
    ):
        year.on(f"{at} 11:00", partial(year.moves, name, "accepted"))
    for name, at in (
        ("lakeshore", "2027-09-21"),
        ("pine", "2027-09-23"),
        ("tidewater", "2027-10-05"),
        ("birch", "2027-10-06"),
    ):
        year.on(f"{at} 14:00", partial(year.moves, name, "opportunity"))
    _refers(year, "2027-10-12 08:50", "granite", "Granite Farms", "form", "And Granite Farms.")
    year.on("2027-10-13 10:00", partial(year.moves, "granite", "accepted"))
    _is_won(year, "2027-10-01 16:00", "lakeshore", 42_000_00, "Lakeshore Labs sign, for $42,000.")
    _is_won(year, "2027-10-08 10:20", "pine", 12_000_00, "Pine & Partners sign, for $12,000.")
    year.on(
        "2027-10-15 09:00",
        partial(year.is_doubted, "pine", True),
        "Pine & Partners dispute the contract. The CRM marks the win: a reversal is pending.",
    )
    _is_won(year, "2027-10-19 15:40", "tidewater", 30_000_00, "Tidewater Hotels sign, for $30,000.")
    _is_won(
        year,
        "2027-10-22 11:30",
        "birch",
        7_000_00,
        "Birch Optics sign, for $7,000: seven wins this year, one of them in doubt.",
    )
    year.on(
        "2027-10-28 12:00",
        partial(year.is_doubted, "pine", False),
        "Pine & Partners and we agree: the contract stands.",
    )
    _is_won(year, "2027-11-04 14:30", "granite", 15_000_00, "Granite Farms sign, for $15,000: the eighth win.")


def _looks_in(year: Year, *days: str) -> None:
    for local in days:
        year.on(local, partial(year.comes_to_the_portal, HER))


def _refers(year: Year, local: str, name: str, company: str, method: str, says: str = "") -> None:
    year.on(local, partial(year.names_a_lead, HER, name, company, method=method, salesperson="sam"), says)


def _is_won(year: Year, local: str, name: str, amount: int, says: str) -> None:
    """Signed; the next day a quarter of the reward is earned, and paid three weeks later; the rest in half a year."""
    at = datetime.fromisoformat(local)
    rate = 0.12 if at.date() >= _IS_SILVER else 0.1
    year.on(local, partial(year.moves, name, "won", amount=amount), says)
    year.on(f"{at + _DAY:%Y-%m-%d} 10:00", partial(year.earns, name, _HALF_A_YEAR, rate))
    year.on(f"{at + 21 * _DAY:%Y-%m-%d} 11:00", partial(year.is_paid, f"{name}-win"))
    year.on(f"{at + _DAY + _HALF_A_YEAR:%Y-%m-%d} 10:00", partial(year.stays, name))
    year.on(f"{at + 203 * _DAY:%Y-%m-%d} 11:00", partial(year.is_paid, f"{name}-retention"))


# --- the others ------------------------------------------------------------------------------------------------------

_OTHERS = (
    # name, last name, joined so many days before the year began, days between logins, between referrals, share won
    ("bea", "Adler", 700, 1.5, 14, 0.5),
    ("dilip", "Rao", 380, 8, 45, 0.35),
    ("emma", "Lind", 300, 5, 25, 0.4),
    ("gina", "Moretti", 200, 40, 120, 0.3),
    ("hugo", "Brandt", 500, 9, 35, 0.4),
    ("ines", "Costa", 90, 10, 12, 0.0),
    ("jonas", "Weber", 60, 15, 50, 0.3),
    ("kim", "Novak", 10, 20, 400, 0.3),
    ("lena", "Schmidt", 0, 7, 28, 0.35),
    ("milo", "Okafor", 800, 90, 300, 0.2),
)
_REGIONS = ("Texas", "Ohio", "California", "Bavaria")


def _others(year: Year) -> None:
    chance = Random(2027)
    year.tells(CompanyRecord("rao-lind", "Rao & Lind", contact=None, manager="dana"), past=True)
    for number, (name, last_name, days, logins, referrals, share) in enumerate(_OTHERS):
        german = name in ("jonas", "lena")
        year.joins(
            name,
            at=BEGINS - days * _DAY - timedelta(hours=number),
            last_name=last_name,
            owner=("dana", "sam")[number % 2],
            region=_REGIONS[3] if german else _REGIONS[number % 3],
            locale="de_DE" if german else "en_US",
            zone="Europe/Berlin" if german else "America/Chicago",
            company="rao-lind" if name in ("dilip", "emma") else None,
            attributes={"kind": "reseller" if name == "milo" else "consultant", "show_name": number % 3 == 0},
        )
        _look_in(year, name, logins, days, chance)
        _live(year, name, referrals, days, share, chance)


def _look_in(year: Year, name: str, every: float, days: int, chance: Random) -> None:
    at = BEGINS - min(days, 60) * _DAY
    while at < ENDS:
        if at < BEGINS:
            year.comes_to_the_portal(name, at)
        else:
            year.at(at, partial(year.comes_to_the_portal, name))
        at += timedelta(days=chance.uniform(0.5, 1.5) * every, minutes=chance.randrange(600))
        if every > 2 and chance.random() < 0.03:  # of the others somebody is there within three days
            at += 45 * _DAY  # a long holiday


def _live(year: Year, name: str, every: int, days: int, share: float, chance: Random) -> None:
    at, number = BEGINS - min(days, 300) * _DAY + timedelta(days=chance.uniform(1, every)), 0
    while at < ENDS:
        number += 1
        _one_referral(year, name, f"{name}-{number}", at, share, chance)
        at += timedelta(days=chance.uniform(0.4, 1.6) * every)


def _one_referral(year: Year, name: str, referral: str, at: datetime, share: float, chance: Random) -> None:
    fields = {"method": chance.choice(names.METHODS), "product": chance.choice(names.PRODUCTS), "salesperson": "sam"}
    refers = partial(year.names_a_lead, name, referral, names.lead_company(chance), **fields)
    reached = len(_STAGES) if chance.random() < share else chance.randint(0, len(_STAGES))
    way: list[tuple[datetime, str, dict[str, object]]] = []
    then = at
    for stage in _STAGES[:reached]:
        then += timedelta(days=chance.uniform(0.5, 12), minutes=chance.randrange(300))
        way.append((then, stage, {}))
    then += timedelta(days=chance.uniform(2, 40))
    amount = names.amount(chance) * 100
    wins = reached == len(_STAGES) and chance.random() < (0.9 if share else 0)
    last: dict[str, object] = {"amount": amount} if wins else {"loss_reason": chance.choice(names.LOSS_REASONS)}
    way.append((then, "won" if wins else "lost", last))
    if at < BEGINS:
        refers(at=at)
    else:
        year.at(at, refers)
    for when, status, told in way:
        if when < BEGINS:
            year.moves(referral, status, at=when, **told)
        else:
            year.at(when, partial(year.moves, referral, status, **told))
    if wins and then > BEGINS:
        year.at(then + _DAY, partial(year.earns, referral, _HALF_A_YEAR))
        year.at(then + 21 * _DAY, partial(year.is_paid, f"{referral}-win"))
        year.at(then + _DAY + _HALF_A_YEAR, partial(year.stays, referral))
