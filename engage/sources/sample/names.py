"""Names of people, companies and leads for the sample. All made up; addresses are at example.com."""

from random import Random


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FIRST = _words(
    "Anna Ben Carla David Elena Felix Grace Hugo Ines Jonas Katrin Liam Maya Noah Olivia Paul Rosa Samuel Tara Victor "
    "Amara Bruno Chloe Daniel Emma Farid Giulia Henry Irene Jamal Kofi Lucia Mateo Nadia Oscar Priya Rafael Sofia Tom "
    "Yuki"
)
_LAST = _words(
    "Meyer Novak Rossi Silva Haddad Larsen Okafor Patel Moreau Kowalski Tanaka Brandt Costa Dubois Ferrari Green "
    "Hoffman Ivanova Jensen Keller Lopez Martin Nguyen Olsen Perez Quinn Reyes Schmidt Turner Vargas Weber Young "
    "Zimmer Adler Bauer Carter Diaz Evans Fischer Garcia"
)
_PARTNER_WORDS = _words(
    "Harbor Summit Cedar Bluebird Granite Lantern Meridian Orchard Pioneer Quarry Riverside Sable Tidal Upland Willow"
)
_PARTNER_KINDS = ("Consulting", "Advisors", "Digital", "Partners")
_LEAD_WORDS = _words(
    "Alder Beacon Copper Delta Ember Falcon Garnet Hazel Iron Juniper Kestrel Linden Maple Nimbus Opal Pepper Quartz "
    "Raven Sierra Topaz Umber Vesper Walnut Yarrow Zephyr"
)
_LEAD_KINDS = _words(
    "Logistics Foods Dental Robotics Textiles Travel Energy Labs Motors Media Freight Pharma Hotels Furniture Bikes "
    "Insurance Printing Farms Optics Health"
)

METHODS = ("form", "form", "form", "email", "link", "verbal", "social", "card")
PRODUCTS = ("Northwind CRM", "Northwind Desk", "Northwind Billing", "Northwind Analytics")
SECTORS = ("software", "finance", "healthcare", "retail", "manufacturing", "logistics")
PARTNER_KINDS = ("complementary seller", "adviser", "association", "consultant", "reseller")
LOSS_REASONS = ("no budget", "chose a competitor", "no decision", "bad timing")

REWARD = "Your share of the first year's revenue"
"""What a reward is for. Tiers differ in the share, and so it names none."""

REGIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "North America": (("America/New_York", "en_US"), ("America/Chicago", "en_US"), ("America/Los_Angeles", "en_US")),
    "Europe": (("Europe/London", "en_GB"), ("Europe/Berlin", "de_DE"), ("Europe/Madrid", "en_GB")),
    "Asia-Pacific": (("Australia/Sydney", "en_AU"), ("Asia/Singapore", "en_SG")),
}
"""Zones and locales of the partners of each region."""


def people(chance: Random, count: int) -> list[tuple[str, str]]:
    """First and last names, each pair once."""
    pairs = [(first, last) for first in _FIRST for last in _LAST]
    return chance.sample(pairs, count)


def partner_companies(chance: Random, count: int) -> list[str]:
    """Names of partner companies, each once; at most 60."""
    return chance.sample([f"{word} {kind}" for word in _PARTNER_WORDS for kind in _PARTNER_KINDS], count)


def lead_company(chance: Random) -> str:
    return f"{chance.choice(_LEAD_WORDS)} {chance.choice(_LEAD_KINDS)}"


def lead_person(chance: Random) -> str:
    return f"{chance.choice(_FIRST)} {chance.choice(_LAST)}"


def phone(locale: str, place: int) -> str:
    """A number that is nobody's: of those that are set aside for films and examples."""
    return f"+49 30 23125-{place % 1000:03}" if locale.startswith("de") else f"+1 617 555 {100 + place % 100:04}"


def email(first: str, last: str) -> str:
    return f"{first}.{last}@example.com".lower()


def amount(chance: Random) -> int:
    """What a deal is worth, in major units: many small, few large."""
    return round(chance.lognormvariate(8.6, 0.7) / 50) * 50 + 200
