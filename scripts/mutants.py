"""Takes guards out, one by one, and shows that the tests that name them notice. `make mutants` runs it.

Each guard is removed in a scratch copy of the repository, and the tests marked `guard("its name")` run there: at least
one must fail, and none may fail while the guard stands. Prints a line a guard and `19 of 19`; exits 1 otherwise.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_COPIED = ("engage", "tests", "campaigns", "email_templates", "docs", "pyproject.toml", "README.md")
_PASSED, _FAILED = 0, 1  # pytest's exit codes; any other means that nothing was tested


@dataclass(frozen=True, slots=True)
class Cut:
    """A text in a file, and what stands there without the guard. `count`: how often it stands there."""

    file: str
    text: str
    instead: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Guard:
    name: str
    cuts: Sequence[Cut]


_FIRST_SCHEMA = "engage/store/migrations/versions/0001_the_first_schema.py"
_BEGIN = "                sending = begin_sending(db, going, self.lease, now, outlet.lease, counts)\n"
_SEND = """\
        results = outlet.provider.send([message for _, message in ready])
        failpoint("answered")
"""
_SENT_BEFORE = """\
                results = outlet.provider.send([message for _, message in going]) if going else []
                sending = begin_sending(db, going, self.lease, now, outlet.lease, counts)
                globals()["_sent_before"] = [r for (c, _), r in zip(going, results) if c.id in sending]
"""

GUARDS = (
    Guard(
        "unique key",
        [
            Cut(
                _FIRST_SCHEMA,
                '            "occasion",\n            name=op.f("uq_deliveries',
                '            "occasion",\n            "id",\n            name=op.f("uq_deliveries',
            ),
            Cut(_FIRST_SCHEMA, 'sa.UniqueConstraint("public_id", ', 'sa.UniqueConstraint("public_id", "id", '),
            Cut(
                _FIRST_SCHEMA,
                '            "key",\n            name=op.f("uq_enrollments',
                '            "key",\n            "id",\n            name=op.f("uq_enrollments',
            ),
        ],
    ),
    Guard(
        "lease token",
        [
            Cut("engage/store/deliveries.py", "d.lease == lease", "d.id > 0", count=3),
            Cut("engage/store/sending.py", "d.lease == lease", "d.id > 0"),
        ],
    ),
    Guard(
        "commit before send",
        [
            Cut("engage/pipeline/deliver.py", _BEGIN, _SENT_BEFORE),
            Cut("engage/pipeline/deliver.py", _SEND, "        results = _sent_before\n"),
        ],
    ),
    Guard(
        "recipient lock",
        [
            Cut(
                "engage/store/people.py",
                'if db.dialect.name == "sqlite":\n        return\n    wanted',
                "if db:\n        return\n    wanted",
            )
        ],
    ),
    Guard("address lock", [Cut("engage/store/people.py", "    if wanted:\n", "    if not wanted:\n")]),
    Guard(
        "cap at sending",
        [
            Cut(
                "engage/pipeline/deliver.py",
                "lost = outranked(db, self.work.library, whose, now, reserved=False)",
                "lost = outranked(db, self.work.library, [], now, reserved=False)",
            )
        ],
    ),
    Guard(
        "reservation",
        [Cut("engage/store/caps.py", "contest_at=None, reserved_at=since", "contest_at=None, reserved_at=None")],
    ),
    Guard("hours at sending", [Cut("engage/pipeline/recheck.py", "decide(case)", "decide(replace(case, hours=None))")]),
    Guard(
        "claim at sending", [Cut("engage/pipeline/recheck.py", "decide(case)", "decide(replace(case, claimed=False))")]
    ),
    Guard(
        "one claim", [Cut("engage/store/coaching.py", "where(_A.id == alert_id, allowed)", "where(_A.id == alert_id)")]
    ),
    Guard(
        "suppression re-check",
        [Cut("engage/store/people.py", "suppressed=row.address_id in blocked", "suppressed=False")],
    ),
    Guard(
        "event dedupe",
        [
            Cut("engage/store/intake/events.py", "if event.key in self._known", "if not event"),
            Cut("engage/store/intake/referrals.py", "if any(known.status == status", "if not key and any(status"),
        ],
    ),
    Guard(
        "local-slot key",
        [Cut("engage/slots/cron.py", "return slot_key(self.local)", "return self.at.isoformat()")],
    ),
    Guard(
        "signature check",
        [
            Cut(
                "engage/providers/webhook_signature.py",
                "return any(_verifies(key, der, signed) for key in keys)",
                "return True",
            )
        ],
    ),
    Guard(
        "age check",
        [
            Cut(
                "engage/providers/webhook_signature.py",
                "return -AHEAD.total_seconds() <= age <= max_age.total_seconds()",
                "return True",
            )
        ],
    ),
    Guard("hubspot signature", [Cut("engage/sources/hubspot.py", "recent(timestamp, now) and any(right)", "True")]),
    Guard("salesforce secret", [Cut("engage/sources/salesforce.py", "return any(right)", "return True")]),
    Guard(
        "doctype",
        [Cut("engage/sources/salesforce.py", 'if "<!DOCTYPE" in text or "<!ENTITY" in text:', "if not text:")],
    ),
    Guard("poison limit", [Cut("engage/store/deliveries.py", "MOST_CLAIMS = 3", "MOST_CLAIMS = 1_000_000")]),
)


def main() -> int:
    wanted = sys.argv[1:] or [guard.name for guard in GUARDS]
    chosen = [guard for guard in GUARDS if guard.name in wanted]
    noticed = 0
    with tempfile.TemporaryDirectory(prefix="engage-mutants-") as folder:
        whole = _copy(Path(folder) / "whole")
        standing = {guard.name: _run(whole, guard.name) for guard in chosen}
        for guard in chosen:
            code, said = standing[guard.name]
            if code != _PASSED:
                print(f"{guard.name}: its tests do not pass while it stands ({said})", flush=True)
                continue
            code, said = _run(_cut(_copy(Path(folder) / "mutant"), guard), guard.name)
            noticed += code == _FAILED
            print(f"{guard.name}: {'noticed' if code == _FAILED else 'NOT NOTICED'} ({said})", flush=True)
    print(f"{noticed} of {len(chosen)}")
    return 0 if noticed == len(chosen) else 1


def _copy(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    return folder


def _cut(folder: Path, guard: Guard) -> Path:
    for cut in guard.cuts:
        path = folder / cut.file
        text = path.read_text()
        found = text.count(cut.text)
        if found != cut.count:
            raise SystemExit(f"{guard.name}: {cut.file} has its text {found} times and not {cut.count}: {cut.text!r}")
        path.write_text(text.replace(cut.text, cut.instead))
    return folder


def _run(folder: Path, guard: str) -> tuple[int, str]:
    """Runs the tests that name the guard; pytest's exit code and last line."""
    mark = re.compile(rf'mark\.guard\("{re.escape(guard)}"\)')
    files = [path for path in sorted(folder.glob("tests/**/test_*.py")) if mark.search(path.read_text())]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", "--guard", guard]
    done = subprocess.run(
        [*command, *map(str, files)],
        cwd=folder,
        # processes that tests start are of the copy too
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["it said nothing"]
    return (done.returncode if files else 5), lines[-1].strip("= ")


if __name__ == "__main__":
    sys.exit(main())
