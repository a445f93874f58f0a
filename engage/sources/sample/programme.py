"""Writes the sample programme as an export would be: CSV files and the mapping.yaml that reads them.

Made for campaigns/program.yaml: its statuses, its tiers by wins of a calendar year. Deterministic for a given instant.
Among the partners are some of each kind that the shipped campaigns look for: some stopped logging in, some refer a lot
and win nothing; those whose history is made for one campaign are in `parts`.
"""

import csv
from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from pathlib import Path
from random import Random

from engage.sources.sample import names
from engage.sources.sample.parts import PARTS
from engage.sources.sample.telling import Files, Partner, Teller, iso

PARTNERS, COMPANIES, SALESPEOPLE, DAYS = 200, 60, 10, 365
_QUIET, _STRUGGLING, _NEW, _INVITED, _INACTIVE = 28, 8, 10, 4, 6
_SHY = 5  # of the new ones joined some weeks ago and refer nobody: the partners of docs/first-campaign.md

_LEADS, _SELLS = "Channel manager", "Account manager"

MAPPING = """\
# How the sample files are read. docs/import.md explains each key.
timezone: UTC
files:
  - file: salespeople.csv
    staff: {external_id: id, name: name, email: email, role: role, region: region, manager: manager}
  - file: partners.csv
    partner:
      external_id: id
      email: email
      first_name: first_name
      last_name: last_name
      phone: phone
      company: company
      owner: owner
      region: region
      locale: locale
      zone: zone
      status: status
      joined_at: joined_at
      attributes:
        sector: sector
        employees: employees
        kind: kind
        tax_form: tax_form
        bank_details: bank_details
        show_name: show_name
  - file: companies.csv               # after the partners, one of whom speaks for each
    company: {external_id: id, name: name, contact: contact, manager: manager}
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
      reversal_pending: reversal_pending
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
      stage: stage
      expected_at: expected_at
      earned_at: earned_at
      due_at: due_at
      paid_at: paid_at
      reversed_at: reversed_at
  - file: questions.csv
    help: {referral: referral, at: asked_at, by: by, ask: question}
"""


def sample_programme(now: datetime, directory: Path, program: str = "", count: int = PARTNERS) -> None:
    """Writes some 200 partners in 60 companies with a year of history up to `now` into the folder, made if need be.

    `count` partners, and as many fewer companies, of `program`, which the mapping names; without it of the usual one.
    """
    directory.mkdir(parents=True, exist_ok=True)
    chance = Random(f"{now:%Y-%m-%d}{program}")
    staff = _salespeople(chance)
    firms = names.partner_companies(chance, COMPANIES * count // PARTNERS)
    companies = [(f"co-{n:02}", name) for n, name in enumerate(firms, start=1)]
    partners = _partners(chance, now, staff, companies, count)
    files = Files()
    teller = Teller(chance, now, files)
    for partner in partners:
        if partner.part in PARTS:
            PARTS[partner.part].tell(teller, partner)
        elif partner.status != "invited":
            _tell(teller, partner)
    _take_back(files, now)
    _write(directory / "salespeople.csv", "id,name,email,role,region,manager", staff)
    header = "id,email,first_name,last_name,company,owner,region,locale,zone,status,joined_at,sector,employees,kind"
    header += ",tax_form,bank_details,show_name,phone"
    _write(directory / "partners.csv", header, [partner.cells for partner in partners])
    _write(directory / "companies.csv", "id,name,contact,manager", _with_people(companies, partners, staff))
    header = "id,partner,lead_company,lead_name,method,product,amount,salesperson,submitted_at,loss_reason"
    _write(directory / "referrals.csv", header + ",reversal_pending", files.referrals)
    _write(directory / "status_changes.csv", "referral,status,at", files.changes)
    _write(directory / "logins.csv", "partner,at", files.logins)
    header = "id,partner,referral,label,amount,stage,expected_at,earned_at,due_at,paid_at,reversed_at"
    _write(directory / "rewards.csv", header, files.rewards)
    _write(directory / "questions.csv", "referral,asked_at,by,question", files.questions)
    named = MAPPING.replace("timezone:", f"program: {program}\ntimezone:", 1) if program else MAPPING
    (directory / "mapping.yaml").write_text(named, encoding="utf-8")


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
        rows.append((id_, f"{first} {last}", names.email(first, last), _LEADS if leads else _SELLS, region, manager))
    return rows


def _partners(
    chance: Random, now: datetime, staff: Sequence[tuple[str, ...]], companies: Sequence[tuple[str, str]], count: int
) -> list[Partner]:
    partners = []
    played = [name for name, part in PARTS.items() for _ in range(part.count if count == PARTNERS else 1)]
    for place, (first, last) in enumerate(names.people(chance, count)):
        company = companies[place] if place < len(companies) else chance.choice(companies)
        region = list(names.REGIONS)[int(company[0][3:]) % len(names.REGIONS)]
        zone, locale = chance.choice(names.REGIONS[region])
        owner = chance.choice([row[0] for row in staff if row[4] == region and row[3] == _SELLS])
        partner = Partner(f"p-{place + 1:03}", owner, region, _at(chance, now, chance.randrange(90, 900)))
        _cast(partner, place * PARTNERS // count, chance, now)
        if place >= count - len(played):  # the last ones, so that the others stay who they are
            _give_part(partner, played[place - count], now)
        joined = iso(partner.joined_at) if partner.status != "invited" else ""
        partner.cells = (
            *(partner.id, names.email(first, last), first, last, company[0], owner, region, locale, zone),
            *(partner.status, joined, chance.choice(names.SECTORS)),
            str(chance.choice((5, 12, 30, 80, 250))),
            *_attributes(chance, partner),
            names.phone(locale, place),
        )
        partners.append(partner)
    return partners


def _cast(partner: Partner, place: int, chance: Random, now: datetime) -> None:
    """Gives a partner the part that it plays."""
    edges = [_QUIET, _STRUGGLING, _NEW, _INVITED, _INACTIVE]
    quiet, struggling, new, invited, inactive = (sum(edges[: count + 1]) for count in range(len(edges)))
    if place < quiet:
        partner.part = "quiet"
    elif place < struggling:
        partner.part = "struggling"
    elif place < new:
        shy = place >= new - _SHY
        partner.part = "shy" if shy else "new"
        partner.joined_at = _at(chance, now, chance.randrange(24, 50) if shy else chance.randrange(2, 28))
    elif place < invited:
        partner.status = "invited"
    elif place < inactive:
        partner.status = "inactive"


def _give_part(partner: Partner, name: str, now: datetime) -> None:
    part = PARTS[name]
    partner.part, partner.status = name, part.status
    partner.joined_at = now - timedelta(days=part.joined, hours=int(partner.id[2:]) % 20)


def _attributes(chance: Random, partner: Partner) -> tuple[str, ...]:
    """Kind, tax_form, bank_details and show_name: fixed for some parts, of others as it may be."""
    part = PARTS.get(partner.part)
    found = {
        "kind": part.kind if part and part.kind else chance.choice(names.PARTNER_KINDS),
        "tax_form": "true" if chance.random() < 0.9 else "false",
        "bank_details": "true" if chance.random() < 0.85 else "false",
        "show_name": "true" if chance.random() < 0.4 else "false",
    }
    return tuple((found | dict(part.attributes if part else ())).values())


def _with_people(
    companies: Sequence[tuple[str, str]], partners: Sequence[Partner], staff: Sequence[tuple[str, ...]]
) -> list[tuple[str, ...]]:
    """The companies with who speaks for each, their first active partner, and the channel manager of its region."""
    managers = {row[4]: row[0] for row in staff if row[3] == _LEADS}
    contacts: dict[str, Partner] = {}
    for partner in partners:
        if partner.status == "active":
            contacts.setdefault(partner.cells[4], partner)
    return [
        (id_, name, *((contacts[id_].id, managers[contacts[id_].region]) if id_ in contacts else ("", "")))
        for id_, name in companies
    ]


def _take_back(files: Files, now: datetime) -> None:
    """Yesterday second parts of rewards were taken back, of two customers who left, and three others were paid."""
    retained = [place for place, row in enumerate(files.rewards) if row[5] == "retention" and row[7] and not row[9]]
    for number, place in enumerate(retained[:5]):
        row = list(files.rewards[place])
        row[10 if number < 2 else 9] = iso(now - timedelta(hours=20 + number))
        files.rewards[place] = row


def _tell(teller: Teller, partner: Partner) -> None:
    """A partner's year: logins, referrals and what became of them."""
    chance, now = teller.chance, teller.now
    first = max(partner.joined_at, now - timedelta(days=DAYS))
    away = chance.randrange(33, 120) if partner.part == "quiet" or partner.status == "inactive" else 0
    last = now - timedelta(days=min(away, (now - partner.joined_at).days // 2))
    months = (last - first).days / 30
    logins = [_between(chance, first, last) for _ in range(round(months * 1.2))]
    logins.append(last - timedelta(hours=chance.randrange(1, 24 * (5 if away else 20))))
    teller.log_in(partner, *logins)
    if partner.part == "shy":
        return
    unlucky = partner.part == "struggling"
    diligence = chance.choice((0.3, 0.6, 1.0, 1.4, 2.2))
    for at in sorted(_between(chance, first, last) for _ in range(round(months * diligence))):
        teller.refer(partner, at, unlucky=unlucky)
    if unlucky:
        for _ in range(chance.randrange(11, 16)):
            teller.refer(partner, _between(chance, now - timedelta(days=85), now), unlucky=True)


def _at(chance: Random, now: datetime, days_ago: int) -> datetime:
    """Some time of the working day, so many days ago."""
    day = datetime.combine((now - timedelta(days=days_ago)).date(), time(8), now.tzinfo)
    return day + timedelta(minutes=chance.randrange(600))


def _between(chance: Random, first: datetime, last: datetime) -> datetime:
    return first + timedelta(minutes=chance.randrange(max(int((last - first).total_seconds() // 60), 1)))


def _write(path: Path, header: str, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header.split(","))
        writer.writerows(rows)
