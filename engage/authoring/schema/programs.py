"""program.yaml, and the files of further programs."""

from engage.authoring.inheritance import INHERITS, WITHOUT
from engage.authoring.program_files import KEY
from engage.authoring.programs import MARK
from engage.authoring.schema.hours import quiet_hours, send_window
from engage.authoring.schema.values import (
    AMOUNT,
    BOOLEAN,
    DIALECT,
    EMAIL_NAME,
    LENGTH,
    LIMIT,
    NAMED,
    SHARE,
    TEXT,
    TIME,
    Schema,
    either,
    keys,
    one_of,
    one_or_more,
    own_keys,
    said,
    some,
    spelled,
    word,
)
from engage.authoring.schema.words import ATTRIBUTE_TYPES
from engage.domain.facts import METRICS, Feed
from engage.domain.limits import Per
from engage.domain.programs import ALERTED, Regression, StatusKind, TierPeriod, TopicKind

_REQUIRED = ("name", "brand", "zone", "locale", "currency", "ladder", "topics", "feeds")
_WORD: Schema = {"type": "string", "minLength": 1}
_ADDRESS = spelled("[^@]+@[^@]+", "write an address, such as partners@example.com")
_URL = spelled(r"https?://\S+", "write an https URL, such as https://partners.example.com")
_URL_OF_A_PARTNER = spelled(
    r"https?://(?:[^\s{}]|\{partner\})+",
    "write an https URL; {partner} in it is the partner's id",
    "https://partners.example.com/join?id={partner}",
)
_MARK = word(MARK.pattern, "write one to three letters, such as N")
_COLOR = spelled("#[0-9a-fA-F]{6}", 'write it in quotes, such as "#1f4b99"')
_HOST = spelled("[a-z0-9.-]+", "write a host's name only, such as partners.example.com")
_CURRENCY = spelled("[A-Z]{3}", "write its ISO 4217 code, such as USD or EUR")
_COUNTRY = spelled("[A-Z]{2}", "write its ISO 3166 code of two letters, such as US or DE")


def program_schema() -> Schema:
    """Describes program.yaml."""
    several = own_keys(_one_program(), minProperties=1)
    root = keys("program.yaml", ("programs",), {"programs": said("Each program, by the key that data uses.", several)})
    return {"$schema": DIALECT, **root}


def further_program_schema() -> Schema:
    """Describes a file that holds one more program."""
    one = _one_program()
    key = said("Its key, which data uses and which is the name of the file.", NAMED)
    return {"$schema": DIALECT, **one, "properties": {KEY: key, **one["properties"]}, "required": [KEY]}


def _one_program() -> Schema:
    free, needed = _apart(keys("program", _REQUIRED, _program()))
    return {**free, "if": {"required": [INHERITS]}, "else": needed}


_DEMANDS = ("required", "minProperties", "dependentRequired")


def _apart(schema: Schema) -> tuple[Schema, Schema]:
    """What the schema says without its demands, and these: who inherits may leave out any key, but not in lists."""
    free = {word: value for word, value in schema.items() if word not in _DEMANDS}
    needed = {word: value for word, value in schema.items() if word in _DEMANDS}
    parts = {key: _apart(value) for key, value in schema.get("properties", {}).items()}
    if parts:
        free["properties"] = {key: part for key, (part, _) in parts.items()}
    if demanding := {key: part for key, (_, part) in parts.items() if part}:
        needed["properties"] = demanding
    if isinstance(others := schema.get("additionalProperties"), dict):
        free["additionalProperties"], part = _apart(others)
        needed |= {"additionalProperties": part} if part else {}
    return free, needed


def _program() -> dict[str, Schema]:
    return {
        INHERITS: said("The program whose keys and campaigns are its own too, where it says nothing else.", NAMED),
        WITHOUT: said("The campaigns of the program it inherits from that are not its own.", some(NAMED)),
        "name": said("Its name, as partners know it.", TEXT),
        "brand": said("How mails look and whom they are from.", _brand()),
        "zone": said("Where it lives: schedules, days and tier periods are local to it.", _WORD),
        "locale": said("How dates and amounts are written where a partner has no locale.", _WORD),
        "currency": said("The currency of all amounts, by its ISO 4217 code.", _CURRENCY),
        "default_owner": said("The address that alerts go to when nobody owns the partner.", _ADDRESS),
        "desks": said("Whom alerts may go to by name: an address, or an address and a name.", _desks()),
        "ladder": said("The statuses of a referral, in order.", some(_status())),
        "tiers": said("What partners can reach, lowest first.", _tiers()),
        "topics": said("The kinds of mail, by the key that campaigns use.", own_keys(_topic())),
        "feeds": said("The data that arrives, each with the silence after which something is wrong.", _feeds()),
        "named_with": said("The attribute, a boolean, of partners who agreed to be named to others.", NAMED),
        "attributes": said(
            "What else is imported about partners, each with its type.", own_keys(one_of(ATTRIBUTE_TYPES))
        ),
        "limits": said("How much news at once is held and asked about.", _limits()),
        "order": said("Campaigns by importance, the most important first.", some(NAMED) | {"uniqueItems": True}),
        "frequency_caps": said("How many marketing mails anybody gets in a stretch of time.", some(_cap())),
        "dispatch_window": said("How long marketing mails wait to be compared; 15m without it.", LENGTH),
        "quiet_hours": said("The hours in which no marketing mail goes out, where the partner is.", quiet_hours()),
        "holidays": said("Whether no marketing mail goes out on public holidays where the partner is.", BOOLEAN),
        "country": said("Whose holidays count where a partner's zone does not say.", _COUNTRY),
        "control_group": said("The share of partners who get no marketing mail at all, to compare with.", SHARE),
        "sunset": said("Who gives no sign of life is mailed less, then not at all.", _sunset()),
        "link_tags": said("Parameters that the links in mails to partners get, by name.", _link_tags()),
        "tracking": said("What engage learns of how partners use their mails.", _tracking()),
        "locales": said("The locales in which emails are to be there.", one_or_more(_WORD)),
        "words": said("What its mails say instead of a text of frame, blocks or program.yaml.", _words()),
    }


def _desks() -> Schema:
    known = {
        "email": said("The address that alerts go to.", _ADDRESS),
        "name": said("Who is there, where it is one person.", TEXT),
    }
    desk = either(_ADDRESS, keys("desk", ("email",), known))
    return own_keys(desk) | {"propertyNames": {**NAMED, "not": {"enum": list(ALERTED)}}}


def _brand() -> Schema:
    known = {
        "from": said("Whom mails are from: Northwind Partners <partners@example.com>, or an address.", _ADDRESS),
        "reply_to": said("Where answers go; without it, to the sender.", _ADDRESS),
        "postal_address": said("What the law wants at the end of each mail.", TEXT),
        "portal_url": said("Where partners see how their referrals stand.", _URL),
        "refer_url": said("Where partners make a referral.", _URL),
        "logo": said("A picture for the head of each mail; without it, the program's name.", _URL),
        "color": said("The colour of headings and buttons, in quotes.", _COLOR),
        "accent": said("The colour of what stands out, in quotes.", _COLOR),
        "mark": said("One to three letters in a coloured square before the name, where there is no logo.", _MARK),
        "ally": said("The name of a second brand, beside the own one in the head of each mail.", TEXT),
        "ally_mark": said("The ally's letters in a square of the second colour.", _MARK),
        "register_url": said("Where somebody who is invited joins; {partner} is their id.", _URL_OF_A_PARTNER),
        "share_url": said("A partner's own link for their contacts; {partner} is their id.", _URL_OF_A_PARTNER),
    }
    demanded = {"ally_mark": ["ally"]}
    return keys("brand", ("from", "postal_address", "portal_url", "refer_url"), known, dependentRequired=demanded)


def _status() -> Schema:
    known = {
        "status": said("The key that data and campaigns use.", NAMED),
        "label": said("What partners read.", TEXT),
        "kind": said("What it counts as; needed where the key is none of these words.", one_of(StatusKind)),
        "next": said("What happens after it, in words for partners.", TEXT),
    }
    own_kind: Schema = {"properties": {"status": one_of(StatusKind)}}
    return keys("a status", ("status", "label"), known, anyOf=[own_kind, {"required": ["kind"]}])


def _tiers() -> Schema:
    tier = {
        "tier": said("The key that campaigns use.", NAMED),
        "label": said("What partners read.", TEXT),
        "threshold": said("From how many, or from what amount, a partner has it; more than the one before.", AMOUNT),
        "benefit": said("What it brings, in words for partners.", TEXT),
    }
    known = {
        "metric": said("What is counted.", one_of(METRICS)),
        "period": said("The calendar's period in which it is counted.", one_of(TierPeriod)),
        "steps": said("The tiers, lowest first.", some(keys("a tier", tuple(tier), tier))),
    }
    return keys("tiers", tuple(known), known)


def _topic() -> Schema:
    gather = {
        "at": said("When, on the partner's own clock.", TIME),
        "send": said("The email that shows the day's updates.", EMAIL_NAME),
    }
    known = {
        "kind": said("Transactional mail cannot be refused, marketing mail can.", one_of(TopicKind)),
        "label": said("What partners read where they refuse mail.", TEXT),
        "description": said("What it brings, for partners.", TEXT),
        "frequency": said("How often it comes, in words, for partners.", TEXT),
        "ignore_older_than": said(
            "An event older than this when it is learned of sends nothing; 3d without it.", LENGTH
        ),
        "send_within": said("How long a mail is worth sending; 3d without it.", LENGTH),
        "sendgrid_group": said("The id of SendGrid's unsubscribe group that is this topic.", LIMIT),
        "opt_in": said("Whether only those get it who said yes.", BOOLEAN),
        "counts": said("Whether its mails use up frequency caps; without it, marketing mails do.", BOOLEAN),
        "send_window": said("The hours in which its mails may go out, where the partner is.", send_window()),
        "collapse": said("Several updates of one referral within this time become one mail, about the last.", LENGTH),
        "gather": said(
            "One mail a day for partners who want its updates once a day.", keys("gather", tuple(gather), gather)
        ),
        "regression": said("What becomes of an update that takes good news back.", one_of(Regression)),
    }
    return keys("topic", ("label", "kind"), known)


def _feeds() -> Schema:
    silence = {feed.value: said("After how much silence it is stale.", LENGTH) for feed in Feed}
    return keys("feeds", (), silence)


def _limits() -> Schema:
    changes = said("How many status changes of one source within an hour are not held; 1000 without it.", LIMIT)
    return keys("limits", (), {"status_changes_per_hour": changes})


def _cap() -> Schema:
    known = {
        "at_most": said("How many mails.", LIMIT),
        "per": said("Whose mails are counted; those of an address over all programs.", one_of(Per)),
        "in": said("In any stretch of this length; an hour or more.", LENGTH),
        "topic": said("Only mails of this topic are counted and held.", NAMED),
    }
    return keys("a frequency cap", ("at_most", "per", "in"), known)


def _sunset() -> Schema:
    known = {
        "light_after": said("Who gave no sign of life for so long is mailed less.", LENGTH),
        "light": said("At most one marketing mail in this time for them.", LENGTH),
        "rest_after": said("Who gave no sign of life for so long gets no marketing mail.", LENGTH),
    }
    return keys("sunset", tuple(known), known)


def _tracking() -> Schema:
    known = {
        "clicks": said("Whether links lead over engage, which counts clicks; true without it.", BOOLEAN),
        "opens": said("Whether mails bring a picture that tells of opens; false without it.", BOOLEAN),
    }
    return keys("tracking", (), known)


def _words() -> Schema:
    return {"type": "object", "additionalProperties": TEXT}


def _link_tags() -> Schema:
    hosts = said("The hosts whose links get them, with their subdomains.", one_or_more(_HOST))
    return {
        "type": "object",
        "properties": {"hosts": hosts},
        "required": ["hosts"],
        "additionalProperties": TEXT,
        "minProperties": 2,
    }
