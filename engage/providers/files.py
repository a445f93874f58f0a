"""A mailbox of files: each message is kept as one `.eml` that any mail program opens. Nothing leaves the machine."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from engage.domain.errors import InputError
from engage.domain.messages import Message, Outcome, SendResult
from engage.providers.protocol import DEADLINE
from engage.providers.smtp_mime import mime


def file_of(message_id: str, category: str, day: date) -> Path:
    """Where a message lies in the mailbox: `2017-10-05/campaign-3f2a….eml`."""
    return Path(day.isoformat(), f"{category}-{message_id}.eml")


class FileMailbox:
    """Keeps messages in `folder`, dated by `clock`, by the days of `zone`; without a folder it keeps nothing."""

    def __init__(self, folder: Path | None, clock: Callable[[], datetime], zone: str) -> None:
        self._folder = folder
        self._clock = clock
        self._zone = ZoneInfo(zone)

    def send(self, messages: Sequence[Message], deadline: timedelta = DEADLINE) -> list[SendResult]:  # noqa: ARG002
        """As providers.protocol says. Raises InputError when the folder cannot be written to."""
        return [self._take(message) for message in messages]

    def _take(self, message: Message) -> SendResult:
        if self._folder is None:
            return SendResult(Outcome.ACCEPTED, message.id)
        now = self._clock()
        try:
            written = mime(message, now)
        except ValueError as error:
            return SendResult(Outcome.DEAD, detail=str(error))
        path = self._folder / file_of(message.id, message.category, now.astimezone(self._zone).date())
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(written)
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}", "give another folder") from None
        return SendResult(Outcome.ACCEPTED, message.id)

    def check(self, deadline: timedelta = DEADLINE) -> str:  # noqa: ARG002
        return f"keeps mail in {self._folder}" if self._folder else "takes mail and keeps none"

    def close(self) -> None:
        """Has nothing to close."""
