"""Reports what became of messages as SendGrid does: signed webhooks, in batches, again when they are not taken."""

import asyncio
import ipaddress
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import aiohttp
import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from yarl import URL

from engage.providers.webhook_signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, PrivateKey, sign
from engage.web.mailbox.answers import refused, said
from engage.web.mailbox.events import Event, Plan, Planned, event_id, events_of
from engage.web.mailbox.payload import Fault
from engage.web.mailbox.store import MailStore
from engage.web.mailbox.summary import Summary

_TRIES = 12
_LONGEST_PAUSE = 5.0  # seconds; with the shorter ones before it some half a minute in all
_LIMITS = aiohttp.ClientTimeout(total=30)


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Where an installation takes webhooks, and the key that signs what it believes."""

    url: str
    key: PrivateKey


class Some(BaseModel):
    """Which messages: those named by their ids or by their deliveries, or those since an instant."""

    model_config = ConfigDict(extra="forbid")

    ids: set[str] | None = None
    deliveries: set[str] | None = None
    since: AwareDatetime | None = None

    def has(self, message: Summary) -> bool:
        return (
            (self.ids is None or message.id in self.ids)
            and (self.deliveries is None or message.custom_args.get("engage_delivery") in self.deliveries)
            and (self.since is None or datetime.fromisoformat(message.received_at) >= self.since)
        )


class Recipe(BaseModel):
    """What to report of which messages, and how, as docs/mailbox.md explains it."""

    model_config = ConfigDict(extra="forbid")

    url: str = ""
    events: Plan = Field([Planned(event="processed"), Planned(event="delivered")], max_length=100)
    messages: Literal["all"] | Some = Field("all", alias="for")
    duplicate: int = Field(1, ge=1, le=100)
    change_ids: bool = False
    shuffle: int | None = None
    delay: float = Field(0, ge=0, le=3600)
    batch: int = Field(100, ge=1, le=10_000)
    seed: int = 0

    def events_about(self, messages: Iterable[Summary]) -> list[Event]:
        """All events in the order in which they go out."""
        chosen = messages if self.messages == "all" else filter(self.messages.has, messages)
        once = list(events_of(chosen, self.events, self.seed))
        events = [self._again(event, time) for time in range(self.duplicate) for event in once]
        if self.shuffle is not None:
            random.Random(self.shuffle).shuffle(events)
        return events

    def _again(self, event: Event, time: int) -> Event:
        if not time or not self.change_ids:
            return event
        return event | {"sg_event_id": event_id(f"{event['sg_event_id']} {time}")}


_RECIPE = TypeAdapter(Recipe)


class Reporter:
    """Posts webhooks about the messages of a store; without `webhooks` it cannot sign, and says so."""

    def __init__(self, store: MailStore, clock: Callable[[], datetime], webhooks: Webhooks | None) -> None:
        self._store = store
        self._clock = clock
        self._webhooks = webhooks

    def routes(self) -> list[Route]:
        return [Route("/mailbox/webhooks", self.report, methods=["POST"])]

    async def report(self, request: Request) -> Response:
        """Answers when all was posted: 200, or 502 when some of it was not taken in the end."""
        recipe = await said(request, _RECIPE)
        if isinstance(recipe, Response):
            return recipe
        if self._webhooks is None:
            return refused(501, Fault("This mailbox has no key to sign with."))
        url = recipe.url or self._webhooks.url
        if not _may_be_told(url, self._webhooks.url):
            return refused(400, Fault("Webhooks go to this machine or to the installation itself.", "url"))
        events = await asyncio.to_thread(self._events, recipe)
        batches = [events[at : at + recipe.batch] for at in range(0, len(events), recipe.batch)]
        await asyncio.sleep(recipe.delay)
        answers: Counter[str] = Counter()
        async with aiohttp.ClientSession(timeout=_LIMITS) as session:
            failed = [batch for batch in batches if not await self._post(session, url, batch, self._webhooks, answers)]
        told = {"events": len(events), "requests": len(batches), "failed": len(failed), "answers": dict(answers)}
        return JSONResponse(told, 502 if failed else 200)

    def _events(self, recipe: Recipe) -> list[Event]:
        return recipe.events_about(message for chunk in self._store.every() for message in chunk)

    async def _post(
        self, session: aiohttp.ClientSession, url: str, batch: list[Event], webhooks: Webhooks, answers: Counter[str]
    ) -> bool:
        """Posts until it is taken, with growing pauses; says whether it was. SendGrid goes on for a day."""
        body = orjson.dumps(batch)
        for attempt in range(_TRIES):
            timestamp = str(int(self._clock().timestamp()))
            headers = {
                "Content-Type": "application/json",
                "User-Agent": "SendGrid Event API",
                TIMESTAMP_HEADER: timestamp,
                SIGNATURE_HEADER: sign(webhooks.key, timestamp, body),
            }
            try:
                async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                    answers[str(answer.status)] += 1
                    if 200 <= answer.status < 300:
                        return True
                    if answer.status < 500 and answer.status != 429:  # another try would be answered the same
                        return False
            except (aiohttp.ClientError, OSError):
                answers["none"] += 1
            await asyncio.sleep(min(0.1 * 2**attempt, _LONGEST_PAUSE))
        return False


def _may_be_told(url: str, own: str) -> bool:
    """Whether it is on this machine or the installation itself: the mailbox must not post anywhere it is told to."""
    try:
        target = URL(url)
        if target.scheme not in ("http", "https") or not target.host:
            return False
        return target.origin() == URL(own).origin() or _is_loopback(target.host)
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
