"""One log for engage and its libraries, without anybody's address in it."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from engage import logs


@pytest.fixture(autouse=True)
def _leave_logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    said = capsys.readouterr()
    assert said.out == ""
    return [json.loads(line) for line in said.err.splitlines()]


def test_engage_and_its_libraries_write_the_same_lines(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json")
    structlog.get_logger("engage.pipeline").info("delivered", delivery=7)
    logging.getLogger("dramatiq").warning("%s is gone", "the broker")
    ours, theirs = lines(capsys)
    assert (ours["event"], ours["delivery"], ours["logger"], ours["level"]) == (
        "delivered",
        7,
        "engage.pipeline",
        "info",
    )
    assert (theirs["event"], theirs["logger"], theirs["level"]) == ("the broker is gone", "dramatiq", "warning")
    assert str(ours["timestamp"]).endswith("Z")


def test_no_address_is_written_wherever_it_hides(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json")
    log = structlog.get_logger()
    log.info("to ann@example.com", to="ann@example.com", all=[{"ann@example.com": ("bob.b+x@mail.example.co.uk",)}])
    logging.getLogger("smtp").error("refused %s", {"ann@example.com": 550})
    try:
        raise ValueError("no such partner: ann@example.com")
    except ValueError:
        log.exception("failed")
    said = capsys.readouterr().err
    assert "example" not in said.replace("engage", "")
    assert said.count("<address>") >= 6


def test_uvicorn_says_everything_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # servers that other tests ran in this process have set these loggers to their own taste
    for name in ("uvicorn", "uvicorn.error"):
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)
        monkeypatch.setattr(logging.getLogger(name), "handlers", [])
        caplog.set_level(logging.WARNING, logger=name)
    logs.configure("json")
    logging.getLogger("uvicorn.error").warning(
        "Running on %s", "8000", extra={"color_message": "Running in colour on %s"}
    )
    (line,) = lines(capsys)
    assert "color_message" not in line
    assert line["event"] == "Running on 8000"


def test_people_read_the_console_format(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("console")
    structlog.get_logger("engage").warning("slow", seconds=3)
    said = capsys.readouterr().err
    assert "slow" in said
    assert "seconds=3" in said


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", level="WARNING")
    structlog.get_logger("engage").info("quiet")
    logging.getLogger("httpx").info("GET")
    assert lines(capsys) == []
