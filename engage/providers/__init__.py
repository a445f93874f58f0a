"""Hands composed messages to whoever delivers them: SendGrid, an SMTP server, the local mailbox.

Promise: a message is never sent twice by a provider, and whatever happens on the wire, the result says only what is
proven. `selection.build_provider` makes one, `protocol.Provider` is what the rest of engage knows of it.
"""
