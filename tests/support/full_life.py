"""An installation in which each page of the consoles has something on it, and where those pages are."""

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote

from fastapi import FastAPI

from engage.domain.messages import Outcome, SendResult
from engage.domain.records import CompanyRecord, ReferralRecord
from engage.store.campaign_pauses import begin_pause
from engage.store.topic_pauses import pause_topic
from tests.support.engage import Engage
from tests.support.strangers import routes_of

PARTNER = "p<img data-x src=x onerror=window.ran=1>\"'"

_PARTS = {
    "/console/campaigns/{program}/{name}": ("/console/campaigns/{program}/referral-won",),
    "/console/partners/{program}/{external_id:path}": tuple(
        f"/console/partners/{{program}}/{quote(partner, safe='')}" for partner in ("ann", "bob", PARTNER)
    ),
    "/console/deliveries/{name}": tuple(f"/console/deliveries/d-{number}" for number in range(1, 6)),
    "/console/coaching/{alert_id:int}": ("/console/coaching/1",),
    "/console/users/{user_id:int}": ("/console/users/1",),
}
"""What stands for the parts of a path, or for the beginning of it."""

_ASKED = {"as": "?partner=ann", "mail": "?partner=ann"}
"""What a campaign's pages have to be asked about."""

MAILS = ("/mail", "/mail?partner=ann")
"""What ends the addresses of mails: they look as their program wants, in a frame of their own."""

NO_PAGES = {
    "/console/live",  # a stream
    "/console/oidc/start",  # lead elsewhere
    "/console/oidc/callback",
    "/console/partners/{program}/{external_id:path}/export",  # a file
}
OF_STRANGERS = {"/console/login", "/console/second-factor", "/console/link/{token}"}
"""Seen by who is not logged in."""


def a_full_life(engage: Engage) -> None:
    """Mails in every state, an alert, what is held, a burst, feedback, pauses."""
    refused = SendResult(Outcome.DEAD, status=400, detail="refused")
    lost = SendResult(Outcome.UNKNOWN, detail="lost")
    engage.takes(CompanyRecord("acme", name="Acme"), news=False)
    for name, answer in (("ann", None), ("bob", refused), ("cyd", lost)):
        if answer is not None:
            engage.provider.answers[f"{name}@example.com"] = answer
        engage.partner(name, last_name="X", phone="1", company="acme", region="X", attributes={"level": "X"})
        engage.refers(name, f"{name}-deal", lead_name="X", lead_contact="X", note="X", product="X")
        engage.becomes(name, f"{name}-deal", "won")
    engage.salesperson("sam")
    engage.partner(PARTNER, email="evil@example.com", first_name="Eve", owner="sam")
    rows = [[ReferralRecord(f"x{n}", "ann", lead_company="X", status="won", status_at=engage.now)] for n in range(4)]
    engage.services.take(engage.program, rows, source="crm", news=True, limit=3)
    engage.work()
    for campaign in engage.services.library().on_schedules():
        engage.services.run_now(campaign)
    engage.work()
    engage.now += timedelta(hours=1)
    while engage.services.count_deliveries():
        """Counts on, for the chart."""
    with engage.services.database.write() as db:
        begin_pause(db, 1, "first-steps", "the text is old", engage.now)
        pause_topic(db, 1, "tips", "12 of the 900 mails of 2026-03-01 were reported as spam", engage.now)
        engage.services.gate.pause(db, "a wrong price in the newsletter", engage.now)


def console_pages(engage: Engage, app: FastAPI) -> Iterator[str]:
    """Every page of the consoles for who is logged in. Fails where a page's parts are not known: write their line."""
    for method, pattern in routes_of(app):
        if method != "GET" or not pattern.startswith("/console") or pattern in NO_PAGES | OF_STRANGERS:
            continue
        begin = max((one for one in _PARTS if pattern.startswith(one)), key=len, default="")
        for part in _PARTS.get(begin, ("",)):
            path = part.replace("{program}", engage.program) + pattern.removeprefix(begin)
            assert "{" not in path, f"say in _PARTS what stands for the parts of {pattern}"
            asked = _ASKED.get(pattern.rpartition("/")[2], "") if pattern.startswith("/console/campaigns") else ""
            yield path + asked


def pages_of(engage: Engage, app: FastAPI, links: dict[str, str]) -> Iterator[str]:
    """Every page that somebody can get: the consoles', and those that the links of mails lead to."""
    yield from console_pages(engage, app)
    for method, pattern in routes_of(app):
        begin = pattern.partition("{")[0]
        if method == "GET" and begin in links and "{" in pattern and begin not in ("/c/", "/o/"):
            yield begin + links[begin]
