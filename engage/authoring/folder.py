"""Reads the campaigns folder: the programs and every campaign, good files though others are wrong."""

from dataclasses import dataclass, field
from pathlib import Path

from engage.authoring.campaigns import parse_campaign
from engage.authoring.document import read_document
from engage.authoring.inheritance import names_of
from engage.authoring.program_files import FURTHER, PROGRAM_FILE, is_program_file
from engage.authoring.programs import names_listed, read_programs
from engage.authoring.questions import misasked
from engage.authoring.reader import Reader, did_you_mean
from engage.domain.campaigns import Campaign, CampaignKey
from engage.domain.errors import AuthoringError, Problem
from engage.domain.programs import Program, gather_campaign


@dataclass(frozen=True, slots=True)
class Authored:
    """What a campaigns folder says. A file with a problem is left out of `programs` and `campaigns`.

    `campaigns` are those that have files: a name is unique in its program. `program_sources` are the texts
    of program.yaml and of further programs' files by path, for keeping as versions; none if one has problems.
    """

    programs: dict[str, Program]
    campaigns: dict[CampaignKey, Campaign]
    problems: tuple[Problem, ...]
    program_sources: dict[str, str] = field(default_factory=dict)


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
        self.campaigns: dict[CampaignKey, Campaign] = {}

    def load(self) -> Authored:
        if not self.directory.is_dir():
            self._report(self.shown, "there is no such folder", "name the folder that holds program.yaml")
            return Authored({}, {}, tuple(self.problems))
        sources = self._program_sources()
        drafts = self._drafts(sources)
        sound = not self.problems
        for file in self._campaign_files():
            self._campaign(file, drafts)
        if not sources or not sound:
            return Authored({}, {}, tuple(sorted(self.problems)))
        if not self.problems:  # a campaign with problems is missing here, and would be reported as unknown
            self._check_names(sources, drafts)
            self.problems += misasked(self.campaigns, drafts)
        return Authored(drafts, self.campaigns, tuple(sorted(self.problems)), sources)

    def _program_sources(self) -> dict[str, str]:
        """By path, that of program.yaml first; none of them without it."""
        file = self.directory / PROGRAM_FILE
        if not file.exists():
            self._report(self._path(file), f"there is no {PROGRAM_FILE}", "begin with the one in docs/program.md")
            return {}
        further = [one for one in sorted((self.directory / FURTHER).glob("*.yaml")) if one.name[0] not in "._"]
        texts = {self._path(one): self._text(one) for one in (file, *further)}
        sources = {path: text for path, text in texts.items() if text is not None}
        return sources if self._path(file) in sources else {}

    def _drafts(self, sources: dict[str, str]) -> dict[str, Program]:
        if not sources:
            return {}
        try:
            programs, reader = read_programs(*_split(sources))
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
            if any(part.startswith((".", "_")) for part in parts) or file.is_dir():
                continue
            if is_program_file(self._path(file)):
                continue
            if file.name == PROGRAM_FILE:
                self._report(self._path(file), f"{PROGRAM_FILE} lies in the wrong place", f"move it to {self.shown}/")
            elif parts[0] == FURTHER:
                self._report(self._path(file), "this is not a program", f"name programs {FURTHER}/<key>.yaml")
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
        if taken := self._taken(campaign, programs[campaign.program]):
            place = Reader(path).fields(read_document(source, path), "campaign", ("campaign",))["campaign"]
            self._report(path, taken, "each campaign of a program has a name of its own", place.line, place.column)
            return
        self.campaigns[campaign.key] = campaign

    def _taken(self, campaign: Campaign, program: Program) -> str:
        """What has the campaign's name already; "" if nothing has."""
        if campaign.key in self.campaigns:
            return f"campaign '{campaign.name}' stands in {self.campaigns[campaign.key].path} too"
        gathering = (topic.key for topic in program.topics.values() if topic.gather is not None)
        topic = next((key for key in gathering if gather_campaign(key) == campaign.name), None)
        return f"'{campaign.name}' is the daily mail of topic '{topic}'" if topic else ""

    def _check_names(self, sources: dict[str, str], programs: dict[str, Program]) -> None:
        """`order` and `without` name campaigns of other files: a mistake is reported, and breaks nothing that runs."""
        for program, node in names_listed(*_split(sources), "order"):
            own = names_of(self.campaigns, programs, programs[program])
            if node.text not in own:
                message = f"the order names '{node.text}', and '{program}' has no such campaign"
                self._report(node.file, message, did_you_mean(node.text, own), node.line, node.column)
        for program, node in names_listed(*_split(sources), "without"):
            theirs = [name for key, name in self.campaigns if key in programs[program].ancestors]
            if node.text not in theirs:
                message = f"'{program}' is without '{node.text}', and inherits no such campaign"
                self._report(node.file, message, did_you_mean(node.text, theirs), node.line, node.column)

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


def _split(sources: dict[str, str]) -> tuple[str, str, dict[str, str]]:
    """The text and the path of program.yaml, and the other files."""
    (path, source), *further = sources.items()
    return source, path, dict(further)
