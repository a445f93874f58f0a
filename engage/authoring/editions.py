"""Editions: which steps may send the email of a month. A slot says the month, so they are of schedules."""

from engage.authoring.document import Scalar
from engage.authoring.reader import Reader
from engage.domain.campaigns import Campaign, ScheduleTrigger, Text, texts_of
from engage.domain.journeys import path_of


def check_editions(reader: Reader, campaign: Campaign) -> None:
    """Reports editions of campaigns on events, and those that something is waited for first."""
    path = path_of(campaign.steps)
    for step, wait in path.mails_from(path.first):
        for text in texts_of(step):
            if not text.edition:
                continue
            if not isinstance(campaign.trigger, ScheduleTrigger):
                _problem(reader, text, "an edition belongs to a schedule: its date says which month's it is")
            elif wait is not None:
                _problem(reader, text, "an edition goes out when the schedule comes, and here something is waited for")


def _problem(reader: Reader, text: Text, message: str) -> None:
    node = Scalar(text.template, True, text.place.line, text.place.column)
    reader.problem(node, message, "write send: and the name of one email")
