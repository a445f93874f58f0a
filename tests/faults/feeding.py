"""What is fed in, computed from a number alone: so that it can be fed again after a kill, and counted afterwards.

Change n: referral n, of partner n modulo the partners, is won. It leads to exactly one mail, whose subject names it.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from engage.bootstrap import Services
from engage.domain.keys import slot_key
from engage.domain.records import PartnerRecord, Record, ReferralRecord
from engage.queueing import Lane
from engage.store.runs import begin_run
from tests.faults.site import PROGRAM

Mail = tuple[str, str]
"""(address, subject)"""

NEWS_LIMIT = 1_000_000  # a burst is held otherwise, and nothing here is to be held
_EPOCH = datetime(2026, 1, 5, tzinfo=UTC)


def partner_name(number: int) -> str:
    return f"Partner{number:04}"


def address(number: int) -> str:
    return f"{partner_name(number).lower()}@example.com"


def take_partners(services: Services, count: int) -> None:
    """Stores `count` partners; nothing is sent for that."""
    rows: list[list[Record]] = [
        [
            PartnerRecord(
                partner_name(n), email=address(n), first_name=partner_name(n), status="active", joined_at=_EPOCH
            )
        ]
        for n in range(count)
    ]
    for start in range(0, count, 1000):
        services.take(PROGRAM, rows[start : start + 1000], source="test", news=False)


def take_changes(services: Services, numbers: Iterable[int], partners: int, since: datetime) -> None:
    """Takes changes as news, in one transaction. Those that were taken before change nothing.

    They happened in the hour after `since`, which must be the same whenever the same is fed again.
    """
    rows: list[list[Record]] = [
        [
            ReferralRecord(
                f"referral-{n}",
                partner_name(n % partners),
                lead_company=f"Lead {n}",
                submitted_at=_EPOCH,
                status="won",
                status_at=since + timedelta(milliseconds=100 * n),
            )
        ]
        for n in numbers
    ]
    services.take(PROGRAM, rows, source="test", news=True, limit=NEWS_LIMIT)


def open_newsletter(services: Services, number: int) -> None:
    """Opens run `number` of the newsletter, to every partner."""
    open_run(services, "newsletter", number)


def open_run(services: Services, name: str, number: int) -> None:
    """Opens run `number` of a campaign, as the scheduler does when a slot has come."""
    library, now = services.library(), services.clock()
    campaign = library.find(name)
    slot = slot_key(_EPOCH + timedelta(days=number))
    with services.database.write() as db:
        program_id = library.scope_of(campaign).program_id
        run, _ = begin_run(db, program_id, campaign.name, library.version_of(campaign), slot, now)
    services.queue.enqueue("run", [run.id], Lane.UPKEEP)


def mails_of_changes(numbers: Iterable[int], partners: int) -> Counter[Mail]:
    """The mails to which these changes must lead."""
    return Counter((address(n % partners), f"Lead {n} signed") for n in numbers)


def mails_of_newsletters(runs: int, partners: int) -> Counter[Mail]:
    """The mails to which so many runs of the newsletter must lead."""
    return Counter({(address(n), f"Tips for {partner_name(n)}"): runs for n in range(partners)} if runs else {})
