"""Whom both sides of `bulk.py` mail, and about what: the same partners, the same numbers, the same words."""

from collections.abc import Iterator
from dataclasses import dataclass

_FIRST_NAMES = ("Ada", "Björn", "Chiara", "Dilara", "Emeka", "Fatima", "Grace", "Hugo", "Ines", "Jürgen", "Kofi")


@dataclass(frozen=True, slots=True)
class Reader:
    """A partner, and the numbers that the newsletter tells them."""

    number: int
    first_name: str
    company: str
    referrals: int
    wins: int

    @property
    def email(self) -> str:
        return f"partner{self.number}@example.com"

    @property
    def open(self) -> int:
        return self.referrals - self.wins


def readers(first: int, count: int) -> Iterator[Reader]:
    """`count` partners, numbered from `first`; one in three has won a referral."""
    for number in range(first, first + count):
        referrals = number % 3
        yield Reader(
            number, _FIRST_NAMES[number % len(_FIRST_NAMES)], f"Company {number} & Sons", referrals, referrals // 2
        )
