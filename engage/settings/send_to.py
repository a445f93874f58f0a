"""Whom a real provider may mail, as an operator says it."""

import fnmatch
import hashlib
from dataclasses import dataclass
from typing import Self

CHOICES = (
    "choose who may get mail: 'nobody' (compose and keep, send nothing), 'list:ann@example.com,*@example.org', "
    "'10%' (a stable share of addresses), or 'everybody'"
)


@dataclass(frozen=True, slots=True)
class SendTo:
    """Whom a real provider may mail. `share` is the percentage of all addresses, `patterns` are let through besides."""

    patterns: tuple[str, ...] = ()
    share: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `nobody`, `list:a@x.com,*@y.com`, `10%` or `everybody`; raises ValueError that explains the choices."""
        said = text.strip().lower()
        if said == "nobody":
            return cls()
        if said == "everybody":
            return cls(share=100.0)
        if said.startswith("list:"):
            return cls(patterns=_patterns(said.removeprefix("list:")))
        if said.endswith("%"):
            return cls(share=_percentage(said.removesuffix("%")))
        raise ValueError(f"{text!r} is none of the four choices; {CHOICES}")

    def allows(self, address: str) -> bool:
        """Whether `address` may get mail. A share is stable: who is in 10 % is in 20 % too, on every machine."""
        address = address.strip().lower()
        if any(fnmatch.fnmatchcase(address, pattern) for pattern in self.patterns):
            return True
        position = int.from_bytes(hashlib.sha256(address.encode()).digest()[:8], "big") / 2**64
        return position < self.share / 100

    def __str__(self) -> str:
        if self.patterns:
            return "list:" + ",".join(self.patterns)
        return {0.0: "nobody", 100.0: "everybody"}.get(self.share, f"{self.share:g}%")


def _patterns(text: str) -> tuple[str, ...]:
    patterns = tuple(part.strip() for part in text.split(",") if part.strip())
    if not patterns:
        raise ValueError("the list is empty; write 'list:ann@example.com,*@example.org', or 'nobody'")
    for pattern in patterns:
        if "@" not in pattern:
            raise ValueError(f"{pattern!r} matches no address; for a whole domain write '*@{pattern}'")
    return patterns


def _percentage(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 < share <= 100:
        raise ValueError(f"'{text}%' is not a percentage above 0 and up to 100; {CHOICES}")
    return share
