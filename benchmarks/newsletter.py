"""Whom both sides of `bulk.py` mail, and about what: the same partners, the same numbers, the same words."""

from collections.abc import Iterator
from typing import Any

MONTH = "March 2026"
TIERS = ("bronze", "silver", "gold", "platinum")
_FIRST_NAMES = ("Ada", "Björn", "Chiara", "Dilara", "Emeka", "Fatima", "Grace", "Hugo", "Ines", "Jürgen", "Kofi", "Lena")
_OWNERS = ("Sam Rivers", "Alex Stone", "Kim Field")


def partners(count: int) -> Iterator[dict[str, Any]]:
    """`count` partners with the numbers that the newsletter tells them, keyed by the names in its template."""
    for number in range(1, count + 1):
        tier = number % len(TIERS)
        yield {
            "id": number,
            "email": f"partner{number}@example.com",
            "first_name": _FIRST_NAMES[number % len(_FIRST_NAMES)],
            "company": f"Company {number} & Sons",
            "owner": _OWNERS[number % len(_OWNERS)],
            "tier": TIERS[tier],
            "next_tier": TIERS[tier + 1] if tier + 1 < len(TIERS) else None,
            "referrals": number % 17,
            "wins": number % 5,
            "wins_to_next": 1 + number % 4,
            "subscribed": True,
        }
