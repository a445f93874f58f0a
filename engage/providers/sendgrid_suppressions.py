"""Reads SendGrid's suppression lists: whom it would not mail, and why.

All of a list is read or the reading fails: a list that is half read would be mailed to. Blocks are left out, for they
pass. Sources: https://www.twilio.com/docs/sendgrid/api-reference (bounces, spam reports, invalid emails, global
suppressions, unsubscribe groups).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import orjson

from engage.domain.errors import ServiceUnreachable
from engage.providers.addresses import without_personal_data
from engage.providers.sendgrid import request_headers, server_url
from engage.providers.sendgrid_wire import retry_time

PAGE = 500  # the most that SendGrid gives of one list at a time
_TRIES = 5
_LONGEST_WAIT = timedelta(minutes=2)
_LIMITS = aiohttp.ClientTimeout(total=60, connect=10)
_LATER = (429, 500, 502, 503, 504)  # reading changes nothing, so it may be tried again

_SCOPES = {
    "v3/suppression/bounces": "suppression.bounces.read",
    "v3/suppression/spam_reports": "suppression.spam_reports.read",
    "v3/suppression/invalid_emails": "suppression.invalid_emails.read",
    "v3/suppression/unsubscribes": "suppression.unsubscribes.read",
    "v3/asm/groups": "asm.groups.read",
    "v3/asm/suppressions": "asm.groups.suppressions.read",
}
_WAYS_TO_ALLOW = "(at SendGrid: Settings, API Keys, Suppressions and Unsubscribe Groups: Read Access)"


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of a list: an address as SendGrid wrote it, and since when, if that is known."""

    email: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """An unsubscribe group, and who has left it."""

    id: int
    name: str
    members: tuple[Listed, ...]


@dataclass(frozen=True, slots=True)
class SuppressionLists:
    """Everything that stands at SendGrid; `unsubscribes` are those from all mail."""

    bounces: tuple[Listed, ...]
    spam_reports: tuple[Listed, ...]
    invalid_emails: tuple[Listed, ...]
    unsubscribes: tuple[Listed, ...]
    groups: tuple[Group, ...]


def read_suppressions(
    host: str,
    api_key: str,
    clock: Callable[[], datetime],
    if_unreachable: str = "see that ENGAGE_SENDGRID_HOST is right and that this machine may connect to it",
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> SuppressionLists:
    """All lists of the account. `host` is a URL such as https://api.sendgrid.com.

    Where SendGrid asks for patience (429) it waits as long as it is asked to, up to two minutes at a time. Raises
    InputError when host or key cannot be right, ServiceUnreachable when SendGrid does not answer or refuses the key.
    """
    return asyncio.run(_Reader(host, api_key, clock, if_unreachable, pause).read())


class _Reader:
    def __init__(
        self,
        host: str,
        api_key: str,
        clock: Callable[[], datetime],
        if_unreachable: str,
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._url = server_url(host)
        self._headers = request_headers(api_key)
        self._host = f"{self._url.host}:{self._url.port}"
        self._clock = clock
        self._if_unreachable = if_unreachable
        self._pause = pause

    async def read(self) -> SuppressionLists:
        async with aiohttp.ClientSession(headers=self._headers, timeout=_LIMITS) as session:
            try:
                return SuppressionLists(
                    bounces=await self._list(session, "bounces"),
                    spam_reports=await self._list(session, "spam_reports"),
                    invalid_emails=await self._list(session, "invalid_emails"),
                    unsubscribes=await self._list(session, "unsubscribes"),
                    groups=await self._groups(session),
                )
            except (aiohttp.ClientError, OSError) as error:
                said = without_personal_data(str(error)) or "nothing came in time"
                raise ServiceUnreachable(f"{self._host} does not answer: {said}", self._if_unreachable) from error
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise self._strange("with something else than its lists") from error

    async def _list(self, session: aiohttp.ClientSession, name: str) -> tuple[Listed, ...]:
        rows = await self._paged(session, f"v3/suppression/{name}")
        return tuple(Listed(str(row["email"]), _instant(row.get("created"))) for row in rows)

    async def _groups(self, session: aiohttp.ClientSession) -> tuple[Group, ...]:
        """The members of a group are asked for by group, which is complete; since when, of all groups at once."""
        names = {int(row["id"]): str(row["name"]) for row in await self._get(session, "v3/asm/groups")}
        members: dict[int, dict[str, Listed]] = {id_: {} for id_ in names}
        for row in await self._paged(session, "v3/asm/suppressions"):
            id_ = int(row["group_id"])
            names.setdefault(id_, str(row["group_name"]))  # of a group that was removed
            one = Listed(str(row["email"]), _instant(row.get("created_at")))
            members.setdefault(id_, {})[one.email.lower()] = one
        for id_, known in members.items():
            for email in await self._get(session, f"v3/asm/groups/{id_}/suppressions", missing=[]):
                known.setdefault(str(email).lower(), Listed(str(email)))
        return tuple(Group(id_, names[id_], tuple(found.values())) for id_, found in sorted(members.items()))

    async def _paged(self, session: aiohttp.ClientSession, path: str) -> list[dict[str, Any]]:
        """All of a list. It ends with a page that has nothing new: whatever the server makes of `limit`, none is lost,
        and a server that knows no pages is asked twice.
        """
        rows: list[dict[str, Any]] = []
        seen: set[bytes] = set()
        while True:
            page = await self._get(session, path, {"limit": str(PAGE), "offset": str(len(rows))})
            new = {orjson.dumps(row, option=orjson.OPT_SORT_KEYS): row for row in page}
            fresh = [row for key, row in new.items() if key not in seen]
            if not fresh:
                return rows
            seen.update(new)
            rows += page

    async def _get(
        self,
        session: aiohttp.ClientSession,
        path: str,
        query: dict[str, str] | None = None,
        missing: list[Any] | None = None,
    ) -> list[Any]:
        """A list; `missing` is what stands for one that is not there (404)."""
        for attempt in range(_TRIES):
            async with session.get(self._url / path, params=query, allow_redirects=False) as answer:
                if answer.status == 200:
                    found = orjson.loads(await answer.read())
                    if not isinstance(found, list):
                        raise TypeError(f"{path} is no list")
                    return found
                if answer.status == 404 and missing is not None:
                    return missing
                if answer.status not in _LATER:
                    raise self._refused(answer.status, path)
                asked = retry_time(answer.headers, self._clock())
            await self._wait(asked, attempt, answer.status)
        raise ServiceUnreachable(
            f"{self._host} answers {answer.status} when asked for /{path}, {_TRIES} times in a row", "try again later"
        )

    async def _wait(self, asked: datetime | None, attempt: int, status: int) -> None:
        wait = asked - self._clock() if asked is not None else timedelta(seconds=2**attempt)
        if wait > _LONGEST_WAIT:
            raise ServiceUnreachable(
                f"{self._host} answers {status} and asks for patience", f"try again after {asked:%Y-%m-%d %H:%M} UTC"
            )
        await self._pause(max(wait.total_seconds(), 0.0))

    def _refused(self, status: int, path: str) -> ServiceUnreachable:
        scope = _SCOPES.get(path, "asm.groups.suppressions.read")
        if status == 401:
            return ServiceUnreachable(
                f"{self._host} does not know this key (401)", "set ENGAGE_SENDGRID_API_KEY to one that is valid"
            )
        if status == 403:
            hint = f"give it the permission {scope} {_WAYS_TO_ALLOW}"
            return ServiceUnreachable(f"{self._host} does not let this key read /{path} (403)", hint)
        return self._strange(f"{status} when asked for /{path}")

    def _strange(self, what: str) -> ServiceUnreachable:
        return ServiceUnreachable(f"{self._host} answers {what}, as SendGrid would not", self._if_unreachable)


def _instant(seconds: Any) -> datetime | None:
    """A Unix time; None for none, or for one that cannot be."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC) if seconds else None
    except (ValueError, TypeError, OverflowError, OSError):
        return None
