"""Where alarms go: a Slack webhook, or any address that takes a POST of JSON.

Promise: an alarm is sent or an error is raised within seconds, also against a server that answers a byte at a time.
The address is a secret and is in no error.
"""

import asyncio
from datetime import datetime
from typing import Any

import aiohttp
from yarl import URL

from engage.domain.errors import ServiceUnreachable
from engage.providers.addresses import without_personal_data
from engage.providers.loop_thread import LoopThread

LONGEST = 3.0
"""Seconds that one alarm may take: who sends it has other things to do."""

_SLACK = ("hooks.slack.com", "hooks.slack-gov.com")
_LOOP_GRACE = 1.0
_MEND = "see that ENGAGE_ALARM_URL is right and that this machine may connect to it"


class AlarmChannel:
    """Sends to `url`, which the settings have checked."""

    def __init__(self, url: str) -> None:
        self._url = URL(url)
        self._loop = LoopThread("engage-alarms")

    def send(self, kind: str, said: str, raised_at: datetime) -> None:
        """Sends one alarm. Raises ServiceUnreachable when nobody takes it."""
        try:
            status = self._loop.run(self._post(self._body(kind, said, raised_at)), LONGEST + _LOOP_GRACE)
        except (aiohttp.ClientError, OSError) as error:
            why = without_personal_data(str(error)) or "nothing came in time"
            raise ServiceUnreachable(f"{self._url.host} does not take alarms: {why}", _MEND) from None
        if not 200 <= status < 300:
            raise ServiceUnreachable(f"{self._url.host} does not take alarms: it answers {status}", _MEND)

    def close(self) -> None:
        """Ends the thread that it sends from."""
        self._loop.stop(lambda: asyncio.sleep(0))

    def _body(self, kind: str, said: str, raised_at: datetime) -> dict[str, Any]:
        if self._url.host in _SLACK:
            # https://docs.slack.dev/messaging/formatting-message-text: these three would be markup, also <!channel>
            return {"text": said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}
        return {"text": said, "kind": kind, "raised_at": raised_at.isoformat().replace("+00:00", "Z")}

    async def _post(self, body: dict[str, Any]) -> int:
        limits = aiohttp.ClientTimeout(total=LONGEST)
        async with (
            aiohttp.ClientSession(timeout=limits, headers={"User-Agent": "engage"}) as session,
            session.post(self._url, json=body, allow_redirects=False) as answer,
        ):
            return answer.status
