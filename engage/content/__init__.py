"""Emails: compiled once when loaded, rendered in a sandbox for each recipient."""

from engage.content.library import Templates, load_templates
from engage.content.limits import LimitError, RenderError
from engage.content.template import Rendered, Template

__all__ = ["LimitError", "RenderError", "Rendered", "Template", "Templates", "load_templates"]
