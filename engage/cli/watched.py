"""What a lasting process tells others of itself: errors to Sentry, durations by OpenTelemetry, if it is asked to."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from engage import telemetry
from engage.bootstrap import Services
from engage.domain.errors import InputError
from engage.logs import masked

_WHERE_SPANS_GO = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


@contextmanager
def watched(built: Services, role: str) -> Iterator[None]:
    """Has the process watched for as long as the block runs. Raises InputError when an extra is not installed."""
    dsn = built.settings.sentry_dsn
    end = None
    try:
        if dsn is not None:
            telemetry.report_errors(dsn.get_secret_value(), role, masked)
        if any(os.environ.get(name) for name in _WHERE_SPANS_GO):
            end = telemetry.trace(role, built.database.engine)
    except telemetry.ExtraMissing as error:
        raise InputError(str(error), f"pip install 'engage[{error.extra}]'") from None
    try:
        yield
    finally:
        if end is not None:
            end()
