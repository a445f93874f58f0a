"""Describes campaign files and those of programs as JSON Schema (draft 2020-12), for editors that complete and mark.

Made from the words that the readers beside it read by. A schema says which words may stand where, and accepts whatever
the readers accept. They find more: that words do not go together, or name what is not there.
"""

from engage.authoring.schema.campaigns import campaign_schema
from engage.authoring.schema.programs import further_program_schema, program_schema

__all__ = ["campaign_schema", "further_program_schema", "program_schema"]
