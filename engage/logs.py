"""One log, on standard error, for engage and the libraries it uses. What looks like an email address is masked."""

import logging
import re
import sys
import threading
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

import structlog

log = structlog.get_logger(__name__)

IDS_SHOWN = 100
"""How many ids one line names at the most."""

_ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)*")
_TALKATIVE = (
    "httpx",
    "httpcore",
    "uvicorn",
    "aiohttp.access",
    "alembic",
    "dramatiq",
)

_OF_EACH_BATCH = ("engage.pipeline.match", "engage.pipeline.answers")
"""Collectors search these lines; on a terminal they would hide what is out of the ordinary."""


def configure(style: Literal["console", "json"] = "console", level: str = "INFO") -> None:
    """Sets up structlog and the standard library's logging, once at start; `level` is one of logging's names."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    last: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        _without_a_second_message,
        mask_addresses,
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
    ]
    handler = logging.StreamHandler()
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in _OF_EACH_BATCH:
        logging.getLogger(name).setLevel(logging.WARNING if style == "console" else logging.NOTSET)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))


def _without_a_second_message(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event.pop("color_message", None)  # uvicorn says everything twice, once in colour
    return event


def mask_addresses(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replaces email addresses in an event, at any depth, so that no log ever holds personal data by accident."""
    return masked(event)


def masked(event: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the event with `<address>` in place of each email address, at any depth."""
    return {key: _masked(value) for key, value in event.items()}


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return _ADDRESS.sub("<address>", value) if "@" in value else value
    if isinstance(value, dict):
        return {_masked(key): _masked(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _masked(str(value))


class Outage:
    """Says once that something is away and once that it is back, however many threads run into it."""

    def __init__(self, away: str, back: str) -> None:
        """`away` and `back` name the two events in the log."""
        self._away, self._back = away, back
        self._lock = threading.Lock()
        self._lasts = False

    def met(self, error: Exception, hint: str = "") -> None:
        """It did not answer; `error` says how."""
        with self._lock:
            known, self._lasts = self._lasts, True
        if not known:
            log.warning(self._away, error=str(error), hint=hint)

    def over(self) -> None:
        """It answered."""
        if not self._lasts:
            return
        with self._lock:
            news, self._lasts = self._lasts, False
        if news:
            log.info(self._back)
