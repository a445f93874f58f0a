"""Tells others what goes wrong (Sentry) and how long things take (OpenTelemetry), where an operator asks for it.

Both are extras, and silent until started. Nothing that a request or a mail says goes out: no addresses of pages, no
headers, bodies, variables or parameters of statements, and no email address.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

Mask = Callable[[Mapping[str, Any]], Mapping[str, Any]]

_tracer: Any = None


class ExtraMissing(Exception):
    """A library is asked for that is not installed: `extra` names what brings it."""

    def __init__(self, extra: str) -> None:
        self.extra = extra
        super().__init__(f"the extra {extra} is not installed")


def report_errors(dsn: str, role: str, mask: Mask, **options: Any) -> None:
    """Sends what is logged as an error, and what ends a thread, to Sentry. Raises ExtraMissing.

    `mask` takes personal data out of an event; `options` are further ones of sentry_sdk.init.
    """
    try:
        import sentry_sdk
        from sentry_sdk.integrations.excepthook import ExcepthookIntegration
        from sentry_sdk.integrations.logging import LoggingIntegration
        from sentry_sdk.integrations.threading import ThreadingIntegration
    except ImportError:
        raise ExtraMissing("sentry") from None
    sentry_sdk.init(
        dsn=dsn,
        # No integration of a web framework: requests hold tokens.
        default_integrations=False,
        integrations=[LoggingIntegration(level=None), ExcepthookIntegration(), ThreadingIntegration()],
        send_default_pii=False,
        include_local_variables=False,
        max_breadcrumbs=0,
        before_send=lambda event, hint: _told(event, hint, mask),
        **options,
    )
    sentry_sdk.set_tag("role", role)


def _told(event: Any, hint: Mapping[str, Any], mask: Mask) -> Any:
    """The event as it goes out: a line of the log by its name, and what it says as extra data."""
    record = hint.get("log_record")
    said = getattr(record, "msg", None)
    if isinstance(said, dict):
        event["logentry"] = {"message": str(said.get("event", ""))}
        event["extra"] = {name: value for name, value in said.items() if name != "event"}
    for part in ("request", "user", "modules"):
        event.pop(part, None)
    stacks = event.pop("exception", None)  # of frames, no more than where they are: mask would write them as text
    masked = dict(mask(event))
    if stacks is not None:
        masked["exception"] = {"values": [_bare(one, mask) for one in stacks.get("values", ())]}
    return masked


def _bare(exception: Mapping[str, Any], mask: Mask) -> dict[str, Any]:
    frames = (exception.get("stacktrace") or {}).get("frames") or ()
    kept = [{name: frame.get(name) for name in ("filename", "function", "lineno", "module")} for frame in frames]
    return {"type": exception.get("type"), "value": mask({"value": exception.get("value")})["value"]} | (
        {"stacktrace": {"frames": kept}} if kept else {}
    )


def trace(role: str, engine: Any, exporter: Any = None) -> Callable[[], None]:
    """Measures requests, tasks and statements, and sends spans by OTLP to where the OTEL_* variables say; returns what
    sends the last of them. Raises ExtraMissing.
    """
    global _tracer
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise ExtraMissing("otel") from None
    provider = TracerProvider(resource=Resource.create({"service.name": "engage", "service.instance.role": role}))
    provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
    # Its check of versions knows no SQLAlchemy 2.1; what it hooks into has not changed, and a test sees the spans.
    SQLAlchemyInstrumentor().instrument(engine=engine, tracer_provider=provider, skip_dep_check=True)
    _tracer = provider.get_tracer("engage")

    def end() -> None:
        global _tracer
        _tracer = None
        SQLAlchemyInstrumentor().uninstrument()
        provider.shutdown()

    return end


@contextmanager
def span(name: str, **attributes: str | int) -> Iterator[Callable[[str, str | int], None]]:
    """Measures the block; yields what sets one more attribute. Costs next to nothing while nothing is traced."""
    if _tracer is None:
        yield lambda _name, _value: None
        return
    with _tracer.start_as_current_span(name, attributes=attributes) as current:
        yield current.set_attribute
