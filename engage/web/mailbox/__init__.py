"""The local mailbox: takes mail as SendGrid would and shows it, so that nothing has to leave the machine to be seen.

Promise: what it accepts SendGrid would accept, what it was given it still has after a restart, and nothing in a message
can run in the reader's browser.
"""

from engage.web.mailbox.routes import build_router, mailbox_app
from engage.web.mailbox.store import MailStore, read_log
from engage.web.mailbox.webhooks import Webhooks

__all__ = ["MailStore", "Webhooks", "build_router", "mailbox_app", "read_log"]
