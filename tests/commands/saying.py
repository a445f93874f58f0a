"""What a person may expect of a command that cannot do what it was asked."""

from tests.support.command import Ran


def assert_said(ran: Ran, code: int, *parts: str) -> None:
    """It ended with `code`, said each of `parts`, and showed nobody its insides."""
    assert ran.code == code, ran
    assert "Traceback" not in ran.err + ran.out, ran.err
    missing = [part for part in parts if part not in ran.err + ran.out]
    assert not missing, f"{missing} is not in {ran.err + ran.out!r}"
