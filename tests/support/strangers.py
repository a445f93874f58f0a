"""What a stranger, or a system with a key, may send: a word planted in every place of every route there is."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from fastapi import FastAPI

HEADERS = ("User-Agent", "Referer", "Cookie", "X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "Origin", "From")
_FIELD = re.compile(r'name="([\w-]+)"')

Get = Callable[[str], str]
"""The text of a page."""


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""


def routes_of(app: FastAPI) -> list[tuple[str, str]]:
    """(method, pattern) of each route, also of routers that are included."""
    return sorted({(m, r.path) for r in _flat(app.router.routes) for m in getattr(r, "methods", None) or ()})


def _flat(routes: Any) -> Iterator[Any]:
    for route in routes:
        if hasattr(route, "original_router"):
            yield from _flat(route.original_router.routes)
        else:
            yield route


def requests_with(word: str, app: FastAPI, tokens: Mapping[str, str], key: str, get: Get) -> Iterator[Request]:
    """Requests to every route that have `word` in their path, query, headers or body.

    `tokens` are genuine ones by what their paths begin with, such as "/unsubscribe/"; `key` is a bearer key.
    """
    described = orjson.loads(get("/openapi.json"))
    in_headers = {name: _in_header(word) for name in HEADERS}
    for method, pattern in routes_of(app):
        for path in _paths(pattern, word, tokens):
            yield Request(method, path)
            yield Request(method, f"{path}?{urlencode({'q': word, 'email': word, 'next': word, 'url': word})}")
            yield Request(method, path, in_headers | {"Authorization": _in_header(word)})
            if method not in ("GET", "HEAD"):
                operation = described["paths"].get(pattern, {}).get(method.lower())
                for kind, content in _bodies(word, operation, described, _fields(pattern, tokens, get)):
                    yield Request(method, path, {"Content-Type": kind, "Authorization": f"Bearer {key}"}, content)


def _in_header(word: str) -> str:
    return quote(word, safe=" !#$%&'*+-./:;<=>?@[]^_`{|}~")


def _paths(pattern: str, word: str, tokens: Mapping[str, str]) -> Iterator[str]:
    if "{" not in pattern:
        yield pattern
        return
    yield re.sub(r"\{.*?\}", quote(word, safe=""), pattern)
    yield re.sub(r"\{.*?\}", quote(word, safe=":/@"), pattern)  # as who does not know that / separates
    begin = pattern.partition("{")[0]
    if begin in tokens:
        yield re.sub(r"\{.*?\}", tokens[begin], pattern)
        yield re.sub(r"\{.*?\}", tokens[begin] + quote(word, safe=""), pattern)


def _fields(pattern: str, tokens: Mapping[str, str], get: Get) -> list[str]:
    """The names of the fields of the forms on the page behind the link."""
    begin = pattern.partition("{")[0]
    found = _FIELD.findall(get(begin + tokens[begin])) if begin in tokens else []
    return sorted({*found, "List-Unsubscribe", "email", "name", "url", "code"})


def _bodies(word: str, operation: Any, described: Any, names: list[str]) -> Iterator[tuple[str, bytes]]:
    yield "application/x-www-form-urlencoded", urlencode(dict.fromkeys(names, word)).encode()
    yield "text/plain", word.encode()
    yield "application/json", orjson.dumps(word)
    yield "application/json", orjson.dumps(dict.fromkeys(names, word) | {word: word})
    yield "text/xml", _XML.format(word=word).encode()
    if operation is None:
        return
    content = operation["requestBody"]["content"]["application/json"]
    yield "application/json", orjson.dumps(_filled(content["schema"], word, described))
    for example in content["examples"].values():
        for planted in _planted(example["value"], word):
            yield "application/json", orjson.dumps(planted)


_XML = """<?xml version="1.0"?>
<!DOCTYPE x SYSTEM "{word}" [<!ENTITY e SYSTEM "{word}"><!ENTITY % p SYSTEM "{word}"> %p;]>
<x xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="{word}"/>&e;</x>"""


def _filled(schema: Any, word: str, described: Any) -> Any:
    """A document of this schema with the word wherever a text may stand."""
    if "$ref" in schema:
        return _filled(described["components"]["schemas"][schema["$ref"].rpartition("/")[2]], word, described)
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return _filled(schema[several][-1 if several == "oneOf" else 0], word, described)
    if "const" in schema:
        return schema["const"]
    if schema.get("type") == "object":
        return {name: _filled(of, word, described) for name, of in schema.get("properties", {}).items()} or {word: word}
    if schema.get("type") == "array":
        return [_filled(schema["items"], word, described)]
    return word


def _planted(document: Any, word: str) -> Iterator[Any]:
    """Copies of the document, each with the word in place of one text."""
    if isinstance(document, str):
        yield word
    elif isinstance(document, list):
        for place, inner in enumerate(document):
            for planted in _planted(inner, word):
                yield [*document[:place], planted, *document[place + 1 :]]
    elif isinstance(document, dict):
        for name, inner in document.items():
            for planted in _planted(inner, word):
                yield document | {name: planted}
