"""What sources.yaml says: databases that are polled, folders that exports are dropped into, systems that push."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from engage.authoring.reader import did_you_mean
from engage.domain.errors import InputError, ServiceUnreachable
from engage.domain.facts import Feed
from engage.domain.programs import Program
from engage.sources.mapping import RowMapping, SourceMapping

SHORTEST_SECRET = 16
"""In characters: what is shorter can be guessed."""


class SourceDown(ServiceUnreachable):
    """A source does not answer: it is tried again by itself."""


class SourceChanged(InputError):
    """A source is not as sources.yaml says: it is held until somebody mends one of the two."""


class Overtaken(Exception):
    """Another poller has the source now: whatever this one was about to write is not written."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is: a URL, or the environment variable that holds it. Nothing prints a password."""

    url: str = field(default="", repr=False)
    variable: str = ""

    def resolve(self, environ: Mapping[str, str]) -> sa.URL:
        """The URL. Raises SourceChanged when the variable is not set or does not hold one."""
        written = self.url or environ.get(self.variable, "")
        if not written:
            raise SourceChanged(f"{self.variable} is not set", "set it where workers and this command run, or in .env")
        try:
            return parse_url(written)
        except ValueError as error:
            raise SourceChanged(f"{self.variable or 'url'} {error}", "see docs/connect.md") from None


def parse_url(written: str) -> sa.URL:
    """A SQLAlchemy URL. Raises ValueError that does not repeat it: it may hold a password."""
    rest = written.partition("://")[2]
    if not rest.startswith("/") and rest.count("@") > 1:  # else part of the password would be read, and shown, as host
        raise ValueError("has a second @; in a password, @ : / % are written %40 %3A %2F %25")
    try:
        url = sa.make_url(written)
    except (sa.exc.ArgumentError, ValueError):
        raise ValueError("is not a database URL; write one such as postgresql://user@host/name") from None
    # the name that hosters use, which SQLAlchemy does not know
    return url.set(drivername="postgresql") if url.drivername == "postgres" else url


@dataclass(frozen=True, slots=True)
class SqlSource:
    """A query that is polled. `overlap`: how far before the highest cursor value each poll reads again.

    `zone`: where instants without an offset are meant. `key`: the column that names a row from one version to the next.
    """

    name: str
    program: Program
    every: timedelta
    limit: int | None
    rows: RowMapping
    zone: str
    address: Address
    query: str
    cursor: str
    overlap: timedelta | int | None = None
    key: str = ""

    kind = "sql"

    @property
    def feeds(self) -> frozenset[Feed]:
        return self.rows.feeds


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A folder that the files of a mapping are dropped into."""

    name: str
    program: Program
    every: timedelta
    limit: int | None
    folder: Path
    mapping: SourceMapping

    kind = "folder"

    @property
    def feeds(self) -> frozenset[Feed]:
        return self.mapping.feeds


@dataclass(frozen=True, slots=True)
class HubSpot:
    """HubSpot's webhooks. `secret`: the variable that holds the app's client secret."""

    secret: str

    kind = "hubspot"


@dataclass(frozen=True, slots=True)
class Salesforce:
    """Salesforce's outbound messages. `secret`: the variable that holds the last part of the endpoint's path.

    `organization`: the id of the organization that is believed, in its form of 15 or 18 characters.
    """

    secret: str
    organization: str

    kind = "salesforce"


@dataclass(frozen=True, slots=True)
class PushSource:
    """A system that sends its changes to /hooks/<name>. Only what was rejected of them is tried again as polls do."""

    name: str
    program: Program
    limit: int | None
    rows: RowMapping
    sender: HubSpot | Salesforce

    every = timedelta(minutes=1)
    """How often rejected rows are tried again."""

    @property
    def kind(self) -> str:
        return self.sender.kind

    @property
    def feeds(self) -> frozenset[Feed]:
        return self.rows.feeds

    def secrets(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """The secrets that are accepted. Raises SourceChanged when none is set, or one that can be guessed."""
        variable = self.sender.secret
        found = tuple(part.strip() for part in environ.get(variable, "").split(",") if part.strip())
        if not found:
            raise SourceChanged(f"{variable} is not set", "set it where the web process runs, or in .env")
        if any(len(secret) < SHORTEST_SECRET for secret in found):
            raise SourceChanged(f"{variable} has fewer than {SHORTEST_SECRET} characters", "take one that is random")
        return found


WatchedSource = SqlSource | FolderSource | PushSource


@dataclass(frozen=True, slots=True)
class Sources:
    """All watched sources, in the order of the file."""

    path: str
    sources: tuple[WatchedSource, ...] = ()

    def pushed(self, name: str) -> PushSource | None:
        """The source of this name, if it is one that pushes."""
        return next((each for each in self.sources if each.name == name and isinstance(each, PushSource)), None)

    def find(self, name: str) -> WatchedSource:
        """Raises InputError when there is none of this name."""
        for source in self.sources:
            if source.name == name:
                return source
        if not self.sources:
            raise InputError(f"there is no source '{name}': {self.path} names none", "docs/connect.md says how")
        raise InputError(
            f"there is no source '{name}' in {self.path}", did_you_mean(name, [each.name for each in self.sources])
        )
