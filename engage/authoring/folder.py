"""Reads the campaigns folder: program.yaml and every campaign, good files though others are wrong."""

from dataclasses import dataclass
from pathlib import Path

from engage.authoring.campaigns import parse_campaign
from engage.authoring.document import read_document
from engage.authoring.programs import order_nodes, read_programs
from engage.authoring.reader import Reader, did_you_mean
from engage.domain.campaigns import Campaign
from engage.domain.errors import AuthoringError, Problem
from engage.domain.programs import Program

PROGRAM_FILE = "program.yaml"


@dataclass(frozen=True, slots=True)
class Authored:
    """What a campaigns folder says. A file with a problem is left out of `programs` and `campaigns`.

    Campaigns are keyed by name, which is unique in the folder. `program_source` is the text of program.yaml, for
    keeping as a version; "" if it has problems.
    """

    programs: dict[str, Program]
    campaigns: dict[str, Campaign]
    problems: tuple[Problem, ...]
    program_source: str = ""


def load_campaigns(directory: Path) -> Authored:
    """Reads everything below `directory`. Wrong input is in `problems`, sorted by place; nothing is raised for it.

    Without a faultless program.yaml no campaign can be judged to the end: then its problems and those that the
    campaigns show anyway are reported, and nothing is loaded.
    """
    return _Folder(directory).load()


class _Folder:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.shown = directory.name or directory.resolve().name
        self.problems: list[Problem] = []
        self.campaigns: dict[str, Campaign] = {}

    def load(self) -> Authored:
        if not self.directory.is_dir():
            self._report(self.shown, "there is no such folder", "name the folder that holds program.yaml")
            return Authored({}, {}, tuple(self.problems))
        source = self._program_source()
        drafts = self._drafts(source)
        sound = not self.problems
        for file in self._campaign_files():
            self._campaign(file, drafts)
        if source is None or not sound:
            return Authored({}, {}, tuple(sorted(self.problems)))
        if not self.problems:  # a campaign with problems is missing here, and would be reported as unknown
            self._check_order(source)
        return Authored(drafts, self.campaigns, tuple(sorted(self.problems)), source)

    def _program_source(self) -> str | None:
        file = self.directory / PROGRAM_FILE
        if not file.exists():
            self._report(self._path(file), f"there is no {PROGRAM_FILE}", "begin with the one in docs/campaigns.md")
            return None
        return self._text(file)

    def _drafts(self, source: str | None) -> dict[str, Program]:
        if source is None:
            return {}
        try:
            programs, reader = read_programs(source, self._path(self.directory / PROGRAM_FILE))
        except AuthoringError as error:
            self.problems += error.problems
            return {}
        self.problems += reader.problems
        return programs

    def _campaign_files(self) -> list[Path]:
        found = []
        for file in sorted(self.directory.rglob("*")):
            parts = file.relative_to(self.directory).parts
            # Names with a dot are the operating system's and editors'; those with _ are the author's notes.
            if any(part.startswith((".", "_")) for part in parts) or file.is_dir() or parts == (PROGRAM_FILE,):
                continue
            if file.name == PROGRAM_FILE:
                self._report(self._path(file), f"{PROGRAM_FILE} lies in the wrong place", f"move it to {self.shown}/")
            elif file.suffix != ".yaml":
                hint = "name campaigns x.yaml, and begin the names of other files with _"
                self._report(self._path(file), "this is not a campaign", hint)
            else:
                found.append(file)
        return found

    def _campaign(self, file: Path, programs: dict[str, Program]) -> None:
        path, source = self._path(file), self._text(file)
        if source is None:
            return
        try:
            if not programs:
                read_document(source, path)  # at least its YAML can be judged
                return
            campaign = parse_campaign(source, path, programs)
        except AuthoringError as error:
            self.problems += error.problems
            return
        if campaign.name in self.campaigns:
            message = f"campaign '{campaign.name}' stands in {self.campaigns[campaign.name].path} too"
            place = Reader(path).fields(read_document(source, path), "campaign", ("campaign",))["campaign"]
            self._report(path, message, "each campaign has a name of its own", place.line, place.column)
            return
        self.campaigns[campaign.name] = campaign

    def _check_order(self, source: str) -> None:
        """The order names campaigns of other files: a mistake there is reported, and breaks nothing that runs."""
        for program, node in order_nodes(source, self._path(self.directory / PROGRAM_FILE)):
            own = [name for name, campaign in self.campaigns.items() if campaign.program == program]
            if node.text not in own:
                message = f"the order names '{node.text}', and '{program}' has no such campaign"
                hint = did_you_mean(node.text, own)
                self._report(self._path(self.directory / PROGRAM_FILE), message, hint, node.line, node.column)

    def _text(self, file: Path) -> str | None:
        try:
            return file.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = error.object[: error.start].split(b"\n")
            place = (len(before), len(before[-1]) + 1)
            self._report(self._path(file), "this is not UTF-8 text", "save the file as UTF-8", *place)
        except OSError as error:
            self._report(self._path(file), f"the file cannot be read ({error.strerror})", "look at its permissions")
        return None

    def _path(self, file: Path) -> str:
        return f"{self.shown}/{file.relative_to(self.directory).as_posix()}"

    def _report(self, path: str, message: str, hint: str, line: int = 1, column: int = 1) -> None:
        self.problems.append(Problem(path, line, column, message, hint))
