"""sources.yaml becomes `Sources`, or problems that name line, column and what to write instead."""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from engage.authoring.document import Mapping as Entries
from engage.authoring.document import Node, Scalar, read_document
from engage.authoring.reader import Fields, Reader
from engage.domain.errors import AuthoringError, InputError, Problem
from engage.domain.programs import Program
from engage.domain.windows import parse_duration
from engage.sources.authored import load_mapping, read_text
from engage.sources.mapping import KINDS, SourceMapping
from engage.sources.record_reader import RecordReader
from engage.sources.watched import (
    Address,
    FolderSource,
    HubSpot,
    PushSource,
    Salesforce,
    Sources,
    SqlSource,
    WatchedSource,
    parse_url,
)

EVERY = timedelta(minutes=1)
"""How often a source is polled that does not say."""

_MORE = ("every", "status_changes_per_hour")
_SQL, _SQL_MORE = ("source", "url", "query", "cursor"), ("overlap", "key", *_MORE)
_FOLDER = ("source", "folder", "mapping")
_PUSH_MORE = ("status_changes_per_hour",)
_ORGANIZATION = re.compile(r"00D[a-zA-Z0-9]{12}([A-Z0-5]{3})?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def load_sources(path: Path, programs: Mapping[str, Program]) -> Sources:
    """Reads sources.yaml and the mappings that it names; a file that is not there names no sources.

    Raises AuthoringError with every problem found, InputError when the file cannot be read.
    """
    if not path.exists():
        return Sources(str(path))
    root = read_document(read_text(path, "see to its permissions"), str(path))
    return _SourcesReader(path, programs).read(root)


class _SourcesReader:
    """Reads one file. After a problem it goes on, so that one run finds everything."""

    def __init__(self, path: Path, programs: Mapping[str, Program]) -> None:
        self._reader = Reader(str(path))
        self._base = path.parent
        self._programs = programs
        self._problems: list[Problem] = []

    def read(self, root: Node) -> Sources:
        fields = self._reader.fields(root, "sources.yaml", ("sources",), RecordReader.KEYS)
        self._records = RecordReader(self._reader, fields, root, "sources.yaml", self._programs)
        found: dict[str, WatchedSource] = {}
        for node in fields.items("sources"):
            source = self._source(node)
            if source is not None and source.name in found:
                self._reader.problem(node, f"source '{source.name}' stands here twice", "give it another name")
            elif source is not None:
                found[source.name] = source
        self._reader.problems += self._problems
        self._reader.finish()
        return Sources(self._reader.path, tuple(found.values()))

    def _source(self, node: Node) -> WatchedSource | None:
        written = {key.text for key, _ in node.entries} if isinstance(node, Entries) else set()
        if written & {"folder", "mapping"}:
            return self._folder(node)
        if sender := next((kind for kind in (HubSpot.kind, Salesforce.kind) if kind in written), ""):
            return self._push(node, sender)
        return self._sql(node)

    def _push(self, node: Node, sender: str) -> PushSource:
        fields = self._reader.fields(node, "a source", ("source", sender), (*_PUSH_MORE, *KINDS))
        return PushSource(
            name=fields.name("source", "a source's name"),
            program=self._records.program,
            limit=self._limit(fields),
            rows=self._records.read(fields, node, "a source", ("source", sender, *_PUSH_MORE)),
            sender=self._sender(fields[sender], sender) if sender in fields else HubSpot(""),
        )

    def _sender(self, node: Node, sender: str) -> HubSpot | Salesforce:
        required = ("secret",) if sender == HubSpot.kind else ("secret", "organization")
        fields = self._reader.fields(node, f"'{sender}'", required)
        secret = self._secret(fields["secret"]) if "secret" in fields else ""
        if sender == HubSpot.kind:
            return HubSpot(secret)
        return Salesforce(secret, fields.parsed("organization", _organization))

    def _secret(self, node: Node) -> str:
        if isinstance(node, Scalar):  # not repeated: it may be the secret itself
            self._reader.problem(
                node, "'secret' does not stand in this file", "write {env: NAME} and set that variable"
            )
            return ""
        return self._reader.fields(node, "'secret'", ("env",)).parsed("env", _variable)

    def _sql(self, node: Node) -> SqlSource:
        fields = self._reader.fields(node, "a source", _SQL, (*_SQL_MORE, *KINDS))
        return SqlSource(
            name=fields.name("source", "a source's name"),
            program=self._records.program,
            every=fields.duration("every") or EVERY,
            limit=self._limit(fields),
            rows=self._records.read(fields, node, "a source", (*_SQL, *_SQL_MORE)),
            zone=self._records.zone.key,
            address=self._address(fields["url"]) if "url" in fields else Address(),
            query=fields.parsed("query", _query),
            cursor=fields.text("cursor"),
            overlap=self._overlap(fields),
            key=fields.text("key"),
        )

    def _folder(self, node: Node) -> FolderSource | None:
        fields = self._reader.fields(node, "a source", _FOLDER, _MORE)
        mapping = self._mapping(fields) if "mapping" in fields else None
        if mapping is None:
            return None
        return FolderSource(
            name=fields.name("source", "a source's name"),
            program=mapping.program,
            every=fields.duration("every") or EVERY,
            limit=self._limit(fields),
            folder=self._base / fields.text("folder"),
            mapping=mapping,
        )

    def _mapping(self, fields: Fields) -> SourceMapping | None:
        try:
            return load_mapping(self._base / fields.text("mapping"), self._programs)
        except AuthoringError as error:  # they stand in the mapping's own file
            self._problems += [problem for problem in error.problems if problem not in self._problems]
        except InputError as error:
            self._reader.problem(fields["mapping"], error.message, "name a mapping beside sources.yaml")
        return None

    def _overlap(self, fields: Fields) -> timedelta | int | None:
        fallback: timedelta | int = 0
        return self._reader.parsed(fields["overlap"], "'overlap'", _overlap, fallback) if "overlap" in fields else None

    def _limit(self, fields: Fields) -> int | None:
        key = "status_changes_per_hour"
        return self._reader.count(fields[key], f"'{key}'") if key in fields else None

    def _address(self, node: Node) -> Address:
        if not isinstance(node, Scalar):
            return Address(variable=self._reader.fields(node, "'url'", ("env",)).text("env"))
        written = self._reader.text(node, "'url'")
        try:
            parse_url(written)
        except ValueError as error:
            message, _, hint = str(error).partition("; ")
            self._reader.problem(node, f"'url' {message}", f"{hint}, or {{env: CRM_DATABASE_URL}}")
        return Address(written)


def _query(written: str) -> str:
    query = written.rstrip().rstrip(";").rstrip()
    if not re.match(r"(\s|--.*\n)*(select|with)\b", query, re.IGNORECASE):
        raise ValueError("'query' is not a SELECT; write one, such as SELECT * FROM deals")
    return query


def _organization(written: str) -> str:
    if not _ORGANIZATION.fullmatch(written):
        raise ValueError(f"'{written}' is not the id of an organization; Setup, Company Information shows it: 00D…")
    return written


def _variable(written: str) -> str:
    if not _VARIABLE.fullmatch(written):
        raise ValueError("'env' is not the name of a variable; write one such as CRM_SECRET, and set it in .env")
    return written


def _overlap(written: str) -> timedelta | int:
    if re.fullmatch(r"[0-9]{1,15}", written):
        return int(written)
    try:
        return parse_duration(written)
    except ValueError:
        message = f"'{written}' is neither a duration nor a number"
        raise ValueError(f"{message}; write one such as 10m for instants, 1000 for numbers") from None
