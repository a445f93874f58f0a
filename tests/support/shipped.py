"""A small programme of nine campaigns, copied to be edited, in the shipped frame, without limits on marketing mail.

It stays as it is when the programme that is shipped grows (`tests/programme` is about that one), and most tests are
about something else than the hour or how much there was lately: what they call for goes out at once.
`tests/pipeline/test_shipped_limits.py` is about the limits as they are shipped.
"""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
SMALL = ROOT / "tests" / "data" / "small_programme"

LIMITS = (
    *("quiet_hours", "holidays", "country", "frequency_caps", "dispatch_window", "sunset"),
    *("gather", "regression", "counts"),
)


def copy_shipped(folder: Path) -> tuple[Path, Path]:
    """Copies of the small programme's campaigns, without limits, and of its emails: (campaigns, templates)."""
    campaigns, templates = folder / "campaigns", folder / "email_templates"
    shutil.copytree(SMALL / "campaigns", campaigns)
    shutil.copytree(SMALL / "email_templates", templates)
    for frame in (ROOT / "email_templates").glob("_*"):
        if frame.is_file() and not frame.name.startswith("_words"):  # the small programme speaks English only
            shutil.copy(frame, templates)
    (campaigns / "program.yaml").write_text(shipped_program())
    return campaigns, templates


def shipped_program() -> str:
    """The small programme's program.yaml without its limits."""
    kept: list[str] = []
    left_out: int | None = None  # the indentation of the key that is being left out
    for line in (SMALL / "campaigns" / "program.yaml").read_text().splitlines(keepends=True):
        indent = len(line) - len(line.lstrip())
        if left_out is not None and line.strip() and indent > left_out:
            continue
        left_out = indent if line.strip().partition(":")[0] in LIMITS else None
        if left_out is None:
            kept.append(line)
    return "".join(kept)
