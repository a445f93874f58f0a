"""The consoles: what operators, marketing and sales see and do, behind a login."""
