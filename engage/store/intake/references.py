"""What the rows of a batch name, and whether all of it is known."""

from collections.abc import Iterable, Sequence

from engage.domain.keys import login_key, registered_key, reward_key
from engage.domain.records import (
    ALIAS_KINDS,
    AliasRecord,
    CompanyRecord,
    HelpRecord,
    LoginRecord,
    PartnerRecord,
    Record,
    ReferralRecord,
    RewardRecord,
    StaffRecord,
)
from engage.store.intake.checks import Refused
from engage.store.intake.entities import Stock

Row = Sequence[Record]

_KINDS = {PartnerRecord: "partner", ReferralRecord: "referral", CompanyRecord: "company", StaffRecord: "staff"}


class Named:
    """External ids by kind, and rewards, that records name."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.by_kind: dict[str, set[str]] = {kind: set() for kind in ALIAS_KINDS}
        self.rewards: set[str] = set()
        self.helped: set[str] = set()  # referrals that partners are asked to help with
        self._same: dict[str, set[str]] = {}  # names of partners that the records say are one
        for record in records:
            self._add(record)

    def _add(self, record: Record) -> None:
        named = self.by_kind
        match record:
            case AliasRecord():
                named[record.kind] |= {record.external_id, record.of}
                if record.kind == "partner":
                    one, other = (self._same.get(name, {name}) for name in (record.external_id, record.of))
                    self._same |= dict.fromkeys(one | other, one | other)
            case StaffRecord():
                named["staff"] |= _known(record.external_id, record.manager)
            case CompanyRecord():
                named["company"] |= _known(record.external_id, record.parent)
                named["partner"] |= _known(record.contact)
                named["staff"] |= _known(record.manager)
            case PartnerRecord():
                named["partner"] |= _known(record.external_id, record.recruited_by)
                named["company"] |= _known(record.company)
                named["staff"] |= _known(record.owner)
            case ReferralRecord():
                named["referral"].add(record.external_id)
                named["partner"] |= _known(record.partner)
                named["staff"] |= _known(record.salesperson)
            case RewardRecord():
                self.rewards.add(record.external_id)
                named["partner"].add(record.partner)
                named["referral"] |= _known(record.referral)
            case LoginRecord():
                named["partner"].add(record.partner)
            case HelpRecord():
                named["referral"].add(record.referral)
                named["staff"] |= _known(record.by)
                self.helped.add(record.referral)

    def event_keys(self, stock: Stock, records: Iterable[Record]) -> set[str]:
        """The keys of the events that the records may make; the stock has read what they name."""
        keys: set[str] = set()
        for record in records:
            match record:
                case PartnerRecord():
                    keys |= {registered_key(name) for name in self._own_ids(stock, record.external_id)}
                case LoginRecord():
                    keys |= {login_key(name, record.at) for name in self._own_ids(stock, record.partner)}
                case RewardRecord():
                    keys |= {reward_key(record.external_id, what) for what in ("earned", "paid", "reversed")}
                case _:
                    pass
        return keys

    def _own_ids(self, stock: Stock, partner: str) -> set[str]:
        """What the partner's own id may be once the aliases of the batch have been taken."""
        return {stock.partners.own_id(name) for name in self._same.get(partner, {partner})}


def made_by(row: Row) -> set[tuple[str, str]]:
    """(kind, external id) of what the row's own records describe, and so make if it is not known."""
    described = PartnerRecord | ReferralRecord | CompanyRecord | StaffRecord
    return {(_KINDS[type(record)], record.external_id) for record in row if isinstance(record, described)}


def check_references(row: Row, stock: Stock) -> None:
    """Raises Refused unless all is known, or comes with the row itself, that cannot be made by being named."""
    there = made_by(row)

    def known(kind: str, name: str) -> bool:
        return (kind, name) in there or stock.of(kind).get(name) is not None

    for record in row:
        if isinstance(record, AliasRecord):
            names = {(record.kind, record.external_id), (record.kind, record.of)}
            if not any(known(*name) for name in names):
                message = f"neither {record.kind} '{record.external_id}' nor '{record.of}' is known"
                raise Refused(f"{message}; import one of them before the alias")
            there |= names
    for record in row:
        match record:
            case CompanyRecord(contact=str(name)):
                field, wanted = "contact", name
                hint = "import partners before the companies for which they speak, or import twice"
            case PartnerRecord(recruited_by=str(name)):
                field, wanted = "recruited_by", name
                hint = "import those who recruit before those whom they recruited, or import twice"
            case ReferralRecord(partner=None):
                if stock.referrals.get(record.external_id) is None:
                    raise Refused(f"partner is missing, and referral '{record.external_id}' is not known", "partner")
                continue
            case HelpRecord(referral=name):
                if not known("referral", name):
                    raise Refused(f"referral '{name}' is not known; import referrals first", "referral")
                continue
            case ReferralRecord(partner=str(name)) | RewardRecord(partner=name) | LoginRecord(partner=name):
                field, wanted, hint = "partner", name, "import partners first, or in the same file before it"
            case _:
                continue
        if not known("partner", wanted):
            raise Refused(f"partner '{wanted}' is not known; {hint}", field)
        referral = record.referral if isinstance(record, RewardRecord) else None
        if referral and not known("referral", referral):
            raise Refused(f"referral '{referral}' is not known; import referrals first", "referral")


def _known(*names: str | None) -> set[str]:
    return {name for name in names if name is not None}
