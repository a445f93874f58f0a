"""Replays in one process: the past of a test's database, walked through on a scratch database."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from engage.bootstrap import Services
from engage.domain.campaigns import CampaignState
from engage.pipeline.compose import Composer
from engage.pipeline.replaying import Period, Replay
from engage.providers.files import FileMailbox
from engage.reporting.replays import SentMail, Tally, sent_mails, tally
from engage.signing import Signer
from engage.store.database import Database
from engage.store.past import Past
from engage.store.schema import migrate


@contextmanager
def scratch(folder: Path) -> Iterator[Database]:
    """An empty database with engage's schema."""
    path = folder / "scratch.db"
    path.unlink(missing_ok=True)
    database = Database(f"sqlite:///{path}", durable=False)
    try:
        migrate(database)
        yield database
    finally:
        database.close()


def replayed(
    services: Services, first: date, last: date, folder: Path, *names: str, mails: Path | None = None
) -> tuple[list[Tally], list[SentMail]]:
    """Replays the named campaigns, or all live ones, of the only programme."""
    library = services.library()
    (program,) = library.programs.values()
    campaigns = [library.find(name) for name in names] or [
        campaign for campaign in library.campaigns.values() if campaign.state is CampaignState.LIVE
    ]
    with services.database.read() as db:
        past = Past.read(db, program)
    with scratch(folder) as database:
        replay = Replay(database, past, Period.of_days(first, last, program.zone))
        provider = FileMailbox(mails, lambda: replay.now, program.zone)
        for _ in replay.walk(library, campaigns, Composer(Signer(["test"]), "https://example.com"), provider):
            pass
        with database.read() as db:
            return tally(db, [c.name for c in campaigns], program.zone), sent_mails(db, program.zone)
