"""An auditor of what was sent, who shares no code with engage."""
