"""Addresses of the consoles' pages, with the filters that read most, for whoever looks at what they cost.

In braces what `known` finds: a program, one of its campaigns and partners, and the id of a mail that is dead.
"""

import sqlalchemy as sa

from engage.bootstrap import Services
from engage.domain.deliveries import DeliveryState
from engage.store.delivery_lists import CHOICES
from engage.store.tables import deliveries, partners

_MAILS = "/console/deliveries"
_DEAD = f"{_MAILS}?state={DeliveryState.DEAD}"
_CAMPAIGN = "/console/campaigns/{program}/{campaign}"
_PARTNER = "/console/partners/{program}/{partner}"

PAGES = (
    "/console",
    "/console?over=14d",
    "/console/machinery",
    _MAILS,
    *(f"{_MAILS}?state={choice}" for choice in CHOICES),
    _DEAD + "&campaign={campaign}",
    f"{_DEAD}&error=no+such",
    f"{_DEAD}&error=never+said",
    _MAILS + "?partner={partner}",
    _MAILS + "/d-{dead}",
    "/console/held",
    "/console/campaigns",
    _CAMPAIGN,
    _CAMPAIGN + "/as?partner={partner}",
    _CAMPAIGN + "/plan",  # asks for all partners once, and is kept for some minutes
    "/console/calendar",
    "/console/stories",
    "/console/stories/editions",
    "/console/partners",
    "/console/partners?q={partner}",
    "/console/partners?q=x1%40example.com",
    "/console/partners?q=Pat",
    _PARTNER,
    _PARTNER + "?on=2026-10-01",
    _PARTNER + "?campaign={campaign}",
    "/console/coaching",
    "/console/users",
    "/console/audit",
    "/console/account",
)


def known(services: Services, program: str) -> dict[str, object]:
    """What stands in the braces of PAGES: the first partner and campaign of the program, the newest that is dead."""
    d, program_id = deliveries.c, services.library().program_ids[program]
    dead = sa.select(d.id).where(d.program_id == program_id, d.state == DeliveryState.DEAD)
    partner = sa.select(partners.c.external_id).where(partners.c.program_id == program_id)
    campaign = sa.select(d.campaign).where(d.program_id == program_id)
    with services.database.read() as db:
        return {
            "program": program,
            "dead": db.execute(dead.order_by(d.id.desc()).limit(1)).scalar_one(),
            "partner": db.execute(partner.order_by(partners.c.id).limit(1)).scalar_one(),
            "campaign": db.execute(campaign.order_by(d.id).limit(1)).scalar_one(),
        }
