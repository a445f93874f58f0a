"""Replays the fifteen months of the real export with all shipped campaigns: `python -m benchmarks.replay`.

Prints the seconds of the whole command, its processor time, and both as multiples of importing the same export, which
tells a slow machine from a slow replay. Exits with 1 when the replay takes more than a minute.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXPORT = ROOT.parent / "shared" / "data" / "crm"
PERIOD = ("--from", "2016-10-01", "--to", "2017-12-31")
LIMIT_SECONDS = 60.0


def main() -> int:
    if not EXPORT.is_dir():
        print(f"{EXPORT} is not here", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        mapping = ROOT / "tests" / "data" / "crm" / "mapping.yaml"
        imported = _measure(folder, "import", str(EXPORT), "--mapping", str(mapping))
        counted = _measure(folder, "replay", *PERIOD)
        kept = _measure(folder, "replay", *PERIOD, "--out", str(Path(folder) / "out"))
        mails = sum(1 for _ in Path(folder, "out").rglob("*.eml"))
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {mails:,} mails in 15 months")
    print(f"import                {imported[0]:6.1f} s  ({imported[1]:.1f} s of processor)")
    for name, (wall, processor) in (("replay", counted), ("replay, mails kept", kept)):
        print(f"{name:20} {wall:7.1f} s  ({processor:.1f} s of processor), {processor / imported[1]:.1f} imports")
    return 0 if max(counted[0], kept[0]) <= LIMIT_SECONDS else 1


def _measure(folder: str, *arguments: str) -> tuple[float, float]:
    """Seconds on the clock and of the processor."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ENGAGE_")},
        "ENGAGE_DATABASE_URL": f"sqlite:///{folder}/engage.db",
        "ENGAGE_CAMPAIGNS_DIR": str(ROOT / "campaigns"),
        "ENGAGE_TEMPLATES_DIR": str(ROOT / "email_templates"),
    }
    used, begun = _processor(), time.perf_counter()
    engage = Path(sys.executable).with_name("engage")
    subprocess.run([engage, *arguments], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun, _processor() - used


def _processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    sys.exit(main())
