"""Steps: what is sent, waited for, asked and decided on the way."""

from engage.authoring.hours import TIME_OF_DAY
from engage.authoring.schema.conditions import CONDITION
from engage.authoring.schema.values import (
    EMAIL_NAME,
    LENGTH,
    LENGTH_PATTERN,
    LIMIT,
    NAMED,
    NEXT,
    TEXT,
    Schema,
    either,
    exactly_one,
    keys,
    one_of,
    own_keys,
    said,
    some,
    spelled,
)
from engage.authoring.schema.words import Words
from engage.authoring.steps import EDITION, KINDS, MOST_ANSWERS
from engage.domain.campaigns import Choice, Edge
from engage.domain.programs import ALERTED

STEPS: Schema = {"$ref": "#/$defs/steps"}

EMAIL = said("An email, by its path below the templates folder without `.md`.", EMAIL_NAME)
_SEVERAL: dict[str, Schema] = {
    Choice.ROTATE: said(
        "Each partner gets each of these emails once, in order.", some(EMAIL, 2) | {"uniqueItems": True}
    ),
    Choice.VARIANTS: said(
        "Each partner always gets the same one of these emails; the number is its weight.",
        {"type": "object", "additionalProperties": LIMIT, "propertyNames": EMAIL_NAME, "minProperties": 2},
    ),
}
_EDITION = {
    EDITION: said(
        "A folder with one email for each month, such as 2026-12; the schedule's date says which.", EMAIL_NAME
    )
}
_ASK = {
    "question": said("The question's name, by which the fact `answer` asks for it.", NAMED),
    "send": said("The email that puts the question.", EMAIL_NAME),
    "answers": said(
        "The answers to choose from: the key that the fact has, and what the button says.",
        own_keys(TEXT, minProperties=2, maxProperties=MOST_ANSWERS),
    ),
}
_WAIT = {"until": said("The next such day and time where the partner is.", NEXT)}
_BRANCH = {
    "if": said("The condition that is looked at when the partner comes here.", CONDITION),
    "then": said("The steps if it holds.", STEPS),
    "else": said("The steps if it does not hold.", STEPS),
}
_INSTANT = f"(?:{'|'.join(Edge)})(?:\\s*[+-]\\s*{LENGTH_PATTERN})?(?:\\s+{TIME_OF_DAY.pattern})?"
_DONE: dict[str, Schema] = {
    "send": said(
        "Mails an email, one of several, or the edition of the month.",
        either(EMAIL_NAME, keys("send", (), _SEVERAL | _EDITION, minProperties=1, maxProperties=1)),
    ),
    "wait": said(
        "Waits, for a time or until one, such as 14d or {until: next weekday 09:00}.",
        either(LENGTH, keys("wait", ("until",), _WAIT)),
    ),
    "at": said(
        "Waits for an instant of the campaign's promotion.",
        spelled(_INSTANT, "write start, end, end - 3d or end + 1d 09:00", "start", "end - 3d", "end + 1d 09:00"),
    ),
    "branch": said("Goes on this way or that.", keys("branch", ("if", "then"), _BRANCH)),
    "ask": said("Mails a question that is answered with one click.", keys("ask", tuple(_ASK), _ASK)),
}


def steps(words: Words) -> Schema:
    """A list of steps; within a branch it may be empty."""
    desks = one_of((*ALERTED, *words.desks)) if words.programs else NAMED
    alert = {
        "to": said(
            "Who is told: the salesperson who owns the partner or who works the referral, or a desk of program.yaml.",
            desks,
        ),
        "say": said("The email, by its path below `alerts/` in the templates folder.", EMAIL_NAME),
    }
    done = {**_DONE, "alert": said("Mails an alert to our own staff.", keys("alert", tuple(alert), alert))}
    id_ = said("The step's name in the history; keep it when you give the step another email.", NAMED)
    return {"type": "array", "items": keys("the step", (), {**done, "id": id_}, oneOf=exactly_one(KINDS))}
