"""The shipped campaigns and emails, copied to be edited, and without the limits that hold marketing mail back.

Most tests are about something else than the hour or how much there was lately: what they call for goes out at once.
`tests/pipeline/test_shipped_limits.py` is about the limits as they are shipped.
"""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]

LIMITS = (
    *("quiet_hours", "holidays", "country", "frequency_caps", "dispatch_window", "sunset"),
    *("gather", "regression", "counts"),
)


def copy_shipped(folder: Path) -> tuple[Path, Path]:
    """Copies of the shipped campaigns, without limits, and of the emails: (campaigns, templates)."""
    campaigns, templates = folder / "campaigns", folder / "email_templates"
    shutil.copytree(ROOT / "campaigns", campaigns)
    shutil.copytree(ROOT / "email_templates", templates)
    (campaigns / "program.yaml").write_text(shipped_program())
    return campaigns, templates


def shipped_program() -> str:
    """The shipped program.yaml without its limits."""
    kept: list[str] = []
    left_out: int | None = None  # the indentation of the key that is being left out
    for line in (ROOT / "campaigns" / "program.yaml").read_text().splitlines(keepends=True):
        indent = len(line) - len(line.lstrip())
        if left_out is not None and line.strip() and indent > left_out:
            continue
        left_out = indent if line.strip().partition(":")[0] in LIMITS else None
        if left_out is None:
            kept.append(line)
    return "".join(kept)
