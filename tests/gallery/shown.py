"""Every email as its campaign would send it, in each locale, to somebody like each sample. Found, never listed."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cache

from engage.content import RenderError
from engage.domain.messages import Message
from engage.pipeline.sampling import Showcase
from tests.support.command import ROOT

CAMPAIGNS, TEMPLATES = ROOT / "campaigns", ROOT / "email_templates"
FAMILIES = sorted({path.parent.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.md")} - {"stories"})


@dataclass(frozen=True, slots=True)
class Shown:
    """One email in one locale with one sample."""

    email: str
    locale: str
    sample: str
    message: Message

    def __str__(self) -> str:
        return f"{self.email}{self.locale and '.' + self.locale}, {self.sample}"


@cache
def showcase() -> Showcase:
    return Showcase.load(CAMPAIGNS, TEMPLATES)


@cache
def family(name: str) -> tuple[tuple[Shown, ...], tuple[str, ...]]:
    """All that a family's emails can look like, and what cannot be rendered at all, as lines."""
    shown, broken = [], []
    for template in showcase().emails:
        if template.name.rpartition("/")[0] != name:
            continue
        for sample in showcase().samples:
            try:
                message = showcase().message(template.name, sample, template.locale)
                shown.append(Shown(template.name, template.locale, sample, message))
            except RenderError as error:
                broken.append(f"{template.path}, {sample}: {error}")
    return tuple(shown), tuple(broken)


def said(findings: list[tuple[Shown, str]]) -> str:
    """Findings as a person mends them: by email, each with the samples that show it."""
    by_finding: dict[tuple[str, str], list[str]] = defaultdict(list)
    for shown, finding in findings:
        by_finding[f"{shown.email}{shown.locale and '.' + shown.locale}", finding].append(shown.sample)
    return "\n".join(f"{email}: {what}  [{', '.join(those)}]" for (email, what), those in sorted(by_finding.items()))
