"""mapping.yaml becomes a `SourceMapping`, or problems that name line, column and what to write instead."""

import codecs
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from engage.authoring.document import Node, read_document
from engage.authoring.reader import Reader
from engage.domain.errors import InputError
from engage.domain.programs import Program
from engage.sources.mapping import KINDS, FileMapping, SourceMapping
from engage.sources.record_reader import RecordReader

_FILE_KEYS = ("file", "encoding", "delimiter")


def load_mapping(path: Path, programs: Mapping[str, Program]) -> SourceMapping:
    """Reads a mapping for one of the programs: the one it names, or the only one.

    Raises AuthoringError with every problem found, InputError when the file cannot be read.
    """
    source = read_text(path, "give the mapping with --mapping")
    return _MappingReader(str(path), programs).read(read_document(source, str(path)))


def read_text(path: Path, hint: str) -> str:
    """What an authored file holds. Raises InputError when it cannot be read, with the hint."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", hint) from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (byte {error.start + 1})", "save it as UTF-8") from None


class _MappingReader:
    """Reads one mapping. After a problem it goes on, so that one run finds everything."""

    def __init__(self, path: str, programs: Mapping[str, Program]) -> None:
        self._reader = Reader(path)
        self._programs = programs

    def read(self, root: Node) -> SourceMapping:
        fields = self._reader.fields(root, "a mapping", ("files",), RecordReader.KEYS)
        records = RecordReader(self._reader, fields, root, "a mapping", self._programs)
        nodes = fields.items("files")
        files = tuple(self._file(node, records) for node in nodes)
        seen: set[str] = set()
        for file, node in zip(files, nodes, strict=True):
            if file.file in seen:
                self._reader.problem(node, f"{file.file} stands here twice", "put all its records under one entry")
            seen.add(file.file)
        self._reader.finish()
        return SourceMapping(self._reader.path, records.program, files)

    def _file(self, node: Node, records: RecordReader) -> FileMapping:
        fields = self._reader.fields(node, "a file", ("file",), (*_FILE_KEYS[1:], *KINDS))
        rows = records.read(fields, node, "a file", _FILE_KEYS)
        return FileMapping(
            rows.records,
            rows.columns,
            file=fields.parsed("file", _file_name),
            encoding=fields.parsed("encoding", _encoding, "utf-8"),
            delimiter=fields.parsed("delimiter", _delimiter, ","),
        )


def _file_name(written: str) -> str:
    path = PurePosixPath(written)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"'{written}' is not a file in the imported folder; write its name there")
    return str(path)


def _encoding(written: str) -> str:
    try:
        "".encode(written)
        return codecs.lookup(written).name
    except LookupError:
        raise ValueError(f"'{written}' is not an encoding; write one such as utf-8, cp1252 or utf-16") from None


def _delimiter(written: str) -> str:
    if written == "tab":
        return "\t"
    if len(written) != 1 or written in '"\n\r':
        raise ValueError(f"'{written}' is not a delimiter; write one character in quotes, or the word tab")
    return written
