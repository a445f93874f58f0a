"""Whether the sender's domain says that we may send for it: SPF, DKIM and DMARC records, where a resolver answers."""

from dataclasses import dataclass

import dns.exception
import dns.resolver

_SECONDS = 3.0
_DKIM_SELECTORS = ("s1", "s2")
"""The selectors that SendGrid's domain authentication asks for; other providers' cannot be guessed."""


@dataclass(frozen=True, slots=True)
class DomainRecord:
    """`found` is None where no resolver answered; `advice` says what to publish."""

    name: str
    found: bool | None
    advice: str


def sender_records(email: str) -> tuple[DomainRecord, ...]:
    """Looks up the records of the address's domain (RFC 7208, RFC 6376, RFC 7489). Takes at most some seconds."""
    domain = email.rpartition("@")[2]
    resolver = dns.resolver.Resolver()
    resolver.lifetime = _SECONDS
    spf = _texts(resolver, domain)
    if spf is None:  # no resolver answers: the other questions would only take as long again
        return tuple(DomainRecord(name, None, "no resolver answered") for name in ("SPF", "DKIM", "DMARC"))
    dmarc = _texts(resolver, f"_dmarc.{domain}") or []
    keys = [key for selector in _DKIM_SELECTORS for key in _texts(resolver, f"{selector}._domainkey.{domain}") or []]
    return (
        DomainRecord("SPF", any(t.startswith("v=spf1") for t in spf), f"publish a TXT record v=spf1 … at {domain}"),
        DomainRecord(
            "DKIM", any("p=" in t for t in keys), f"authenticate {domain} with your provider (selectors s1, s2)"
        ),
        DomainRecord(
            "DMARC",
            any(t.startswith("v=DMARC1") for t in dmarc),
            f"publish a TXT record v=DMARC1; … at _dmarc.{domain}",
        ),
    )


def _texts(resolver: dns.resolver.Resolver, name: str) -> list[str] | None:
    """The TXT records at `name`, following CNAMEs; [] if there are none, None if no resolver answers."""
    try:
        answer = resolver.resolve(name, "TXT")
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException:
        return None
    return [b"".join(record.strings).decode(errors="replace") for record in answer]
