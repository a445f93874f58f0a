"""Sources of partners and referrals: exported files, read through a mapping of their columns to engage's records."""

from engage.sources.authored import load_mapping
from engage.sources.importing import Counts, FileReport, Progress, Report, Take, import_directory
from engage.sources.mapping import SourceMapping
from engage.sources.watch_file import load_sources

__all__ = [
    "Counts",
    "FileReport",
    "Progress",
    "Report",
    "SourceMapping",
    "Take",
    "import_directory",
    "load_mapping",
    "load_sources",
]
