"""Writes the sample programme as an export would be: CSV files and the mapping.yaml that reads them.

Made for campaigns/program.yaml: its statuses, its tiers by wins of a calendar year. Deterministic for a given instant.
Among the partners are some of each kind that the shipped campaigns look for: some stopped logging in, some refer a lot
and win nothing, some are a win or two below the next tier.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from pathlib import Path
from random import Random

from engage.sources.sample import names

PARTNERS, COMPANIES, SALESPEOPLE, DAYS = 200, 60, 10, 365
_QUIET, _STRUGGLING, _NEW, _INVITED, _INACTIVE = 28, 8, 10, 4, 6
_SHY = 5  # of the new ones joined some weeks ago and refer nobody: the partners of docs/first-campaign.md
_NEXT = {
    "submitted": "accepted",
    "accepted": "qualified",
    "qualified": "opportunity",
    "opportunity": "demo",
    "demo": "proposal",
    "proposal": "negotiation",
    "negotiation": "won",
}
_LOSING = 0.13  # of each step: of a hundred referrals some forty are won in the end
_REWARD = 0.1

MAPPING = """\
# How the sample files are read. docs/import.md explains each key.
timezone: UTC
files:
  - file: salespeople.csv
    staff: {external_id: id, name: name, email: email, role: role, region: region, manager: manager}
  - file: companies.csv
    company: {external_id: id, name: name}
  - file: partners.csv
    partner:
      external_id: id
      email: email
      first_name: first_name
      last_name: last_name
      company: company
      owner: owner
      region: region
      locale: locale
      zone: zone
      status: status
      joined_at: joined_at
      attributes: {sector: sector, employees: employees, kind: kind}
  - file: referrals.csv
    referral:
      external_id: id
      partner: partner
      lead_company: lead_company
      lead_name: lead_name
      method: method
      product: product
      amount: amount
      salesperson: salesperson
      submitted_at: submitted_at
      loss_reason: loss_reason
  - file: status_changes.csv
    status: {referral: referral, status: status, at: at}
  - file: logins.csv
    login: {partner: partner, at: at}
  - file: rewards.csv
    reward:
      external_id: id
      partner: partner
      referral: referral
      label: label
      amount: amount
      earned_at: earned_at
      due_at: due_at
      paid_at: paid_at
"""


@dataclass(slots=True)
class _Partner:
    id: str
    owner: str
    region: str
    joined_at: datetime
    status: str = "active"
    quiet: bool = False
    shy: bool = False
    struggling: bool = False
    cells: tuple[str, ...] = ()


@dataclass(slots=True)
class _Files:
    """The rows of each file, without its header."""

    referrals: list[Sequence[object]] = field(default_factory=list)
    changes: list[Sequence[object]] = field(default_factory=list)
    logins: list[Sequence[object]] = field(default_factory=list)
    rewards: list[Sequence[object]] = field(default_factory=list)


def sample_programme(now: datetime, directory: Path) -> None:
    """Writes some 200 partners in 60 companies with a year of history up to `now` into the folder, made if need be."""
    directory.mkdir(parents=True, exist_ok=True)
    chance = Random(f"{now:%Y-%m-%d}")
    staff = _salespeople(chance)
    companies = [(f"co-{n:02}", name) for n, name in enumerate(names.partner_companies(chance, COMPANIES), start=1)]
    partners = _partners(chance, now, staff, companies)
    files = _Files()
    for partner in partners:
        _tell(chance, partner, now, files)
    _write(directory / "salespeople.csv", "id,name,email,role,region,manager", staff)
    _write(directory / "companies.csv", "id,name", companies)
    header = "id,email,first_name,last_name,company,owner,region,locale,zone,status,joined_at,sector,employees,kind"
    _write(directory / "partners.csv", header, [partner.cells for partner in partners])
    header = "id,partner,lead_company,lead_name,method,product,amount,salesperson,submitted_at,loss_reason"
    _write(directory / "referrals.csv", header, files.referrals)
    _write(directory / "status_changes.csv", "referral,status,at", files.changes)
    _write(directory / "logins.csv", "partner,at", files.logins)
    header = "id,partner,referral,label,amount,earned_at,due_at,paid_at"
    _write(directory / "rewards.csv", header, files.rewards)
    (directory / "mapping.yaml").write_text(MAPPING, encoding="utf-8")


def _salespeople(chance: Random) -> list[tuple[str, ...]]:
    """(id, name, email, role, region, manager): managers first, one a region, then those whom they lead."""
    rows: list[tuple[str, ...]] = []
    regions = list(names.REGIONS)
    for place, (first, last) in enumerate(names.people(chance, SALESPEOPLE)):
        region = regions[place % len(regions)]
        leads = place < len(regions)
        manager_id = f"manager-{region.lower().replace(' ', '-')}"
        manager = "" if leads else manager_id
        id_ = manager_id if leads else f"sales-{place}"
        rows.append(
            (id_, f"{first} {last}", names.email(first, last), "manager" if leads else "sales", region, manager)
        )
    return rows


def _partners(
    chance: Random, now: datetime, staff: Sequence[tuple[str, ...]], companies: Sequence[tuple[str, str]]
) -> list[_Partner]:
    partners = []
    for place, (first, last) in enumerate(names.people(chance, PARTNERS)):
        company = companies[place % COMPANIES] if place < COMPANIES else chance.choice(companies)
        region = list(names.REGIONS)[int(company[0][3:]) % len(names.REGIONS)]
        zone, locale = chance.choice(names.REGIONS[region])
        owner = chance.choice([row[0] for row in staff if row[4] == region and row[3] == "sales"])
        partner = _Partner(f"p-{place + 1:03}", owner, region, _at(chance, now, chance.randrange(90, 900)))
        _cast(partner, place, chance, now)
        partner.cells = (
            *(partner.id, names.email(first, last), first, last, company[0], owner, region, locale, zone),
            *(partner.status, _iso(partner.joined_at), chance.choice(names.SECTORS)),
            *(str(chance.choice((5, 12, 30, 80, 250))), chance.choice(names.PARTNER_KINDS)),
        )
        partners.append(partner)
    return partners


def _cast(partner: _Partner, place: int, chance: Random, now: datetime) -> None:
    """Gives a partner the part that it plays."""
    edges = [_QUIET, _STRUGGLING, _NEW, _INVITED, _INACTIVE]
    quiet, struggling, new, invited, inactive = (sum(edges[: count + 1]) for count in range(len(edges)))
    partner.quiet = place < quiet
    partner.struggling = quiet <= place < struggling
    if struggling <= place < new:
        partner.shy = place >= new - _SHY
        partner.joined_at = _at(chance, now, chance.randrange(24, 50) if partner.shy else chance.randrange(2, 28))
    elif new <= place < invited:
        partner.status = "invited"
    elif invited <= place < inactive:
        partner.status = "inactive"


def _tell(chance: Random, partner: _Partner, now: datetime, files: _Files) -> None:
    """A partner's year: logins, referrals and what became of them."""
    if partner.status == "invited":
        return
    first = max(partner.joined_at, now - timedelta(days=DAYS))
    away = chance.randrange(33, 120) if partner.quiet or partner.status == "inactive" else 0
    last = now - timedelta(days=min(away, (now - partner.joined_at).days // 2))
    months = (last - first).days / 30
    logins = [_between(chance, first, last) for _ in range(round(months * 1.2))]
    logins.append(last - timedelta(hours=chance.randrange(1, 24 * (5 if away else 20))))
    files.logins.extend((partner.id, _iso(at)) for at in sorted(logins) if partner.joined_at <= at <= now)
    if partner.shy:
        return
    diligence = chance.choice((0.3, 0.6, 1.0, 1.4, 2.2))
    for at in sorted(_between(chance, first, last) for _ in range(round(months * diligence))):
        _refer(chance, partner, at, now, files)
    if partner.struggling:
        for _ in range(chance.randrange(11, 16)):
            _refer(chance, partner, _between(chance, now - timedelta(days=85), now), now, files)


def _refer(chance: Random, partner: _Partner, at: datetime, now: datetime, files: _Files) -> None:
    id_ = f"r-{len(files.referrals) + 1:05}"
    amount = names.amount(chance)
    history = [(status, when) for status, when in _way(chance, partner, at) if when <= now]
    lost = bool(history) and history[-1][0] == "lost"
    files.referrals.append(
        (
            *(id_, partner.id, names.lead_company(chance), names.lead_person(chance), chance.choice(names.METHODS)),
            *(chance.choice(names.PRODUCTS), amount, partner.owner, _iso(at)),
            chance.choice(names.LOSS_REASONS) if lost else "",
        )
    )
    files.changes.extend((id_, status, _iso(when)) for status, when in history)
    if history and history[-1][0] == "won":
        earned = history[-1][1]
        due = earned + timedelta(days=30)
        paid = _iso(due) if due <= now else ""
        cells = (partner.id, id_, names.REWARD, f"{amount * _REWARD:.2f}", _iso(earned), _iso(due), paid)
        files.rewards.append((f"rw-{id_}", *cells))


def _way(chance: Random, partner: _Partner, at: datetime) -> Iterable[tuple[str, datetime]]:
    """What becomes of a referral, and when; it ends won or lost, perhaps in the future."""
    status = "submitted"
    while status != "won":
        at += timedelta(hours=chance.randrange(8, 24 * 12))
        # Whom the campaign about many referrals and no wins is for: it goes well until it comes to signing.
        lost = chance.random() < _LOSING or (partner.struggling and status in ("proposal", "negotiation"))
        status = "lost" if lost else _NEXT[status]
        yield status, at
        if lost:
            return


def _at(chance: Random, now: datetime, days_ago: int) -> datetime:
    """Some time of the working day, so many days ago."""
    day = datetime.combine((now - timedelta(days=days_ago)).date(), time(8), now.tzinfo)
    return day + timedelta(minutes=chance.randrange(600))


def _between(chance: Random, first: datetime, last: datetime) -> datetime:
    return first + timedelta(minutes=chance.randrange(max(int((last - first).total_seconds() // 60), 1)))


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def _write(path: Path, header: str, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header.split(","))
        writer.writerows(rows)
