"""Genuine tokens for the pages behind signed links, as mails to a partner have them."""

from engage.pipeline.page_links import day_number
from engage.store.people import ensure_addresses, partners_known_as
from tests.support.engage import Engage


def tokens_of(engage: Engage, name: str) -> dict[str, str]:
    """What the path of each page begins with, and a token for it, of a partner made for this."""
    engage.partner(name)
    services, email = engage.services, f"{name}@example.com"
    program = services.library().program_ids[engage.program]
    with services.database.write() as db:
        ((_, partner),) = partners_known_as(db, program, name)
        address = ensure_addresses(db, [email])[email]
    sign, today = services.signer.token, day_number(services.clock())
    return {
        "/unsubscribe/": sign("unsubscribe", [program, partner, address, "tips"]),
        "/preferences/": sign("preferences", [program, partner, address]),
        "/answer/": sign("answer", [partner, 1, "how", "well"]),
        "/p/": sign("page", [program, partner, address, today]),
        "/refer/": sign("refer", ["partner", program, partner, today]),
        "/c/": sign("click", [1, 1]),
        "/o/": sign("open", [1]),
    }
