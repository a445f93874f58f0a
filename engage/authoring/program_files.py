"""Finds the programs in their files: all that `program.yaml` holds, and one in each `programs/<key>.yaml` beside it.

Nodes know the file that they are from, and so problems are reported there, whoever inherits what they say.
"""

from collections.abc import Mapping as AbstractMapping
from dataclasses import replace
from pathlib import PurePosixPath

from engage.authoring.document import Mapping, Node, Scalar, read_document
from engage.authoring.reader import Reader
from engage.domain.errors import AuthoringError, Problem

PROGRAM_FILE = "program.yaml"
FURTHER = "programs"
"""The folder, beside program.yaml, of files that hold one program each."""
KEY = "program"
"""What such a file names its program by."""


def is_program_file(path: str) -> bool:
    """Whether `path`, which begins with the name of the campaigns folder, is that of a file of programs."""
    within = PurePosixPath(path).parts[1:]
    return within == (PROGRAM_FILE,) or (len(within) == 2 and within[0] == FURTHER and within[1].endswith(".yaml"))


def written_programs(reader: Reader, source: str, further: AbstractMapping[str, str]) -> list[tuple[Scalar, Node]]:
    """The key and the node of each program: those of program.yaml in the order written, then one of each further file.

    `source` is the text of program.yaml, whose path is the reader's; `further` has those of other files by path.
    Raises AuthoringError where one of them is no YAML at all.
    """
    roots = _documents({reader.path: source, **further})
    fields = reader.fields(roots.pop(reader.path), PROGRAM_FILE, ("programs",))
    found = list(fields.entries("programs"))
    if "programs" in fields and not found and not reader.problems:
        reader.problem(fields["programs"], "there is no program", "add one: its key, and what it is")
    known = {key.text for key, _ in found}
    for node in roots.values():
        if (one := _further(reader, node)) is not None:
            if one[0].text in known:
                reader.problem(one[0], f"program '{one[0].text}' stands in {PROGRAM_FILE} too", "remove one of the two")
            else:
                found.append(one)
    return found


def _documents(sources: AbstractMapping[str, str]) -> dict[str, Node]:
    roots: dict[str, Node] = {}
    problems: list[Problem] = []
    for path, source in sources.items():
        try:
            roots[path] = read_document(source, path)
        except AuthoringError as error:
            problems += error.problems
    if problems:
        raise AuthoringError(tuple(sorted(problems)))
    return roots


def _further(reader: Reader, node: Node) -> tuple[Scalar, Node] | None:
    """The program that is a file of its own: its key, and the rest of what the file says."""
    entries = reader.entries(node, "a program's file")
    written = {key.text: (key, value) for key, value in entries}
    if "campaign" in written:
        reader.problem(
            written["campaign"][0], f"this is a campaign, and {FURTHER}/ holds programs", "move it elsewhere"
        )
        return None
    if KEY not in written:
        if entries:
            reader.problem(node, "the file does not say which program it is", f"begin with {KEY}: and its key")
        return None
    _, key = written[KEY]
    text = reader.text(key, f"'{KEY}'")
    if not isinstance(key, Scalar) or not text or not isinstance(node, Mapping):
        return None
    path = PurePosixPath(node.file)
    if path.stem != text:
        reader.problem(key, f"program '{text}' stands in a file of another name", f"call the file {text}{path.suffix}")
    return key, replace(node, entries=tuple(entry for entry in entries if entry[0].text != KEY))
