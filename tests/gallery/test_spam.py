"""Every email as SpamAssassin sees it: the MIME message that the SMTP provider sends, scored by the local rules."""

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engage.domain.messages import Mailbox, Message
from engage.providers.smtp_mime import mime
from tests.gallery.shown import FAMILIES, family
from tests.support.unavailable import unavailable

WORST = 2.0
"""Mail servers commonly refuse or file away from 5.0."""
SAMPLES = ("usual", "bare")
SENT = datetime(2026, 11, 23, 14, 2, tzinfo=UTC)
_SCORE = re.compile(r"^X-Spam-Status: \w+, score=(-?[\d.]+).*?tests=(.*?)\s+autolearn", re.MULTILINE | re.DOTALL)
_ID = re.compile(r"^Message-ID: <(.+)@", re.MULTILINE)

pytestmark = pytest.mark.slow


def scores(messages: list[Message], folder: Path) -> dict[str, tuple[float, str]]:
    """By message id: the score, and the rules that made it. One run for all: it takes seconds to start."""
    program = shutil.which("spamassassin")
    if program is None:
        unavailable("no SpamAssassin; on Debian: apt-get install spamassassin")
    mails = folder / "mails"
    mails.mkdir()
    for number, message in enumerate(messages):
        (mails / str(number)).write_bytes(mime(message, SENT))
    (folder / "prefs").touch()
    command = [program, "--local", "--test-mode", f"--prefspath={folder}/prefs", str(mails)]
    home = {**os.environ, "HOME": str(folder)}
    answer = subprocess.run(command, capture_output=True, env=home, check=True).stdout.decode(errors="replace")
    found = {}
    for score in _SCORE.finditer(answer):
        named = _ID.search(answer, score.end())
        assert named is not None
        found[named[1]] = float(score[1]), " ".join(score[2].split())
    return found


@pytest.mark.parametrize("name", FAMILIES)
def test_none_looks_like_spam(tmp_path: Path, name: str) -> None:
    messages = [one.message for one in family(name)[0] if one.sample in SAMPLES]
    if not messages:
        pytest.skip("nothing of this folder is sent")
    found = scores(messages, tmp_path)
    assert found.keys() == {message.id for message in messages}
    assert not {id_: score for id_, score in found.items() if score[0] >= WORST}


def test_what_looks_like_spam_is_told_apart(tmp_path: Path) -> None:
    shouting = "<html><body><p>MAKE MONEY FAST!!! Viagra, cheap, click here now, dear friend!</p></body></html>"
    spam = Message("spam", Mailbox("x@example.com"), Mailbox("y@example.com"), "FREE VIAGRA!!!", shouting, "")
    assert scores([spam], tmp_path)["spam"][0] >= WORST
