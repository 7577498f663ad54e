"""From YAML events to values and places, in one bounded pass over libyaml's parser.

Values are those of YAML 1.2's core schema. What YAML 1.1 would read as something else (`010`, `1:30`, `2024-01-01`) is
refused rather than guessed; `yes`, `no`, `on` and `off` are booleans, as most readers and editors have them.
"""

import math
import re
from itertools import chain
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from penstock.spec import secrets
from penstock.spec.problems import Problem, ticked
from penstock.spec.source import Loc, Node, Place, YamlFile

MAX_DEPTH = 16
MAX_NODES = 10_000

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVERS: dict[str | None, list[tuple[str, re.Pattern[str]]]] = yaml.SafeLoader.yaml_implicit_resolvers
_STR, _BOOL, _NULL, _MERGE = ("tag:yaml.org,2002:" + each for each in ("str", "bool", "null", "merge"))
_READS_AS = {_BOOL: "a boolean", _NULL: "nothing", "tag:yaml.org,2002:timestamp": "a date"}
_TRUE = frozenset({"true", "yes", "on"})
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NO_KEY = -1
"""Stands in a `Loc` for a key that is none."""


def compose(file: YamlFile) -> None:
    """Fill in `value`, `nodes` and `problems` from `text`."""
    try:
        file.value = _Composer(file).document()
    except _RefusedError as exc:
        file.problems.append(exc.problem)
    except yaml.MarkedYAMLError as exc:
        file.problems.append(_syntax(file, exc))
    except yaml.reader.ReaderError as exc:
        before = file.text.encode()[: exc.position].decode(errors="ignore")
        place = Place(before.count("\n") + 1, len(before) - before.rfind("\n"))
        file.problems.append(file.problem_at(place, "yaml-syntax", "a control character; YAML has none in its text"))


def reads_as(plain: str) -> str:
    """What YAML takes a plain scalar for that is no text: "a boolean", "a number", …"""
    return _READS_AS.get(_tag(plain), "a number")


class _RefusedError(Exception):
    """The rest of the file is not looked at."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class _Composer:
    def __init__(self, file: YamlFile) -> None:
        self._file = file
        self._events = yaml.parse(file.text, Loader=_LOADER)
        self._event: Any = next(self._events)
        self._count = 0

    def document(self) -> dict[str, Any]:
        self._advance()
        if isinstance(self._event, StreamEndEvent):
            self._refuse("empty-file", "the file is empty; a mapping of keys to values is expected", Place(1, 1))
        self._advance()
        start = _start(self._event)
        value = self._node((), None, secret=False)
        if not isinstance(value, dict):
            self._refuse("bad-value", "a mapping of keys to values is expected at the top of the file", start)
        self._advance()
        if not isinstance(self._event, StreamEndEvent):
            message = "a second document starts here; a file holds one, so put this into a file of its own"
            self._refuse("several-documents", message)
        return value  # type: ignore[no-any-return]  # a dict, as has just been checked

    def _advance(self) -> Any:
        passed, self._event = self._event, next(self._events)
        return passed

    def _node(self, loc: Loc, key: Place | None, *, secret: bool) -> Any:
        event = self._event
        self._check(event, loc)
        raw = event.value if isinstance(event, ScalarEvent) and event.implicit[0] else None
        self._file.nodes[loc] = Node(_start(event), key, raw)
        if event.tag is not None and event.tag != "!":
            self._file.tell(self._file.problem("tag", "a tag; write the plain value", loc), loc)
        self._advance()
        if isinstance(event, ScalarEvent):
            return self._scalar(event, loc, secret=secret)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(loc, secret=secret)
        return self._mapping(loc, secret=secret)

    def _check(self, event: Any, loc: Loc) -> None:
        self._count += 1
        if isinstance(event, AliasEvent) or event.anchor is not None:
            self._refuse("alias", "anchors (`&`) and aliases (`*`) are not read; write the value out")
        if self._count > MAX_NODES:
            self._refuse("too-large", f"more than {MAX_NODES:,} values; split the file")
        if len(loc) > MAX_DEPTH:
            self._refuse("too-large", f"nested deeper than {MAX_DEPTH} levels; make it flatter")

    def _sequence(self, loc: Loc, *, secret: bool) -> list[Any]:
        items: list[Any] = []
        while not isinstance(self._event, SequenceEndEvent):
            items.append(self._node((*loc, len(items)), None, secret=secret))
        self._advance()
        return items

    def _mapping(self, loc: Loc, *, secret: bool) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(self._event, MappingEndEvent):
            place = _start(self._event)
            key = self._key(loc)
            if key is None:
                self._node((*loc, _NO_KEY), None, secret=secret)
            elif key in values:
                first = self._file.node((*loc, key)).key or place
                message = f"{ticked(key)} stands twice in this mapping; the first is at line {first.line}"
                self._file.problems.append(self._file.problem_at(place, "duplicate-key", message))
                self._node((*loc, _NO_KEY), None, secret=secret or secrets.is_secret_key(key))
            else:
                values[key] = self._node((*loc, key), place, secret=secret or secrets.is_secret_key(key))
        self._advance()
        return values

    def _key(self, loc: Loc) -> str | None:
        event, place = self._event, _start(self._event)
        if not isinstance(event, ScalarEvent):
            self._node((*loc, _NO_KEY), None, secret=False)
            self._note(place, "bad-key", "a key should be a plain word, not a list or a mapping")
            return None
        self._check(event, loc)
        self._advance()
        if event.implicit[0] and event.tag is None and _tag(event.value) != _STR:
            if _tag(event.value) == _MERGE:
                self._note(place, "bad-key", "merge keys (`<<`) are not read; write the keys out")
            else:
                message = f"a key should be text, and YAML reads this as {reads_as(event.value)}; quote it"
                self._note(place, "bad-key", message, f'"{event.value}"')
            return None
        return str(event.value)

    def _scalar(self, event: Any, loc: Loc, *, secret: bool) -> Any:
        text: str = event.value
        value, ambiguous = _plain(text) if event.implicit[0] and event.tag is None else (text, False)
        exposed = secret and not isinstance(value, bool | None) and not (loc[-1] == "env" and secrets.is_env_name(text))
        if exposed:
            self._hide(event)
        if exposed or secrets.has_url_password(text):
            self._file.tell(self._file.problem("literal-secret", secrets.LITERAL_SECRET, loc), loc)
        elif ambiguous:
            message = "not every YAML reader takes this for the same value; quote it, or write a plain decimal number"
            self._file.tell(self._file.problem("ambiguous-value", message, loc), loc)
        return value

    def _hide(self, event: Any) -> None:
        first, last = event.start_mark, event.end_mark
        self._file.hidden.setdefault(first.line + 1, first.column + 1)
        self._file.hidden |= dict.fromkeys(range(first.line + 2, last.line + 2), 1)

    def _note(self, place: Place, code: str, message: str, suggestion: str | None = None) -> None:
        self._file.problems.append(self._file.problem_at(place, code, message, suggestion=suggestion))

    def _refuse(self, code: str, message: str, place: Place | None = None) -> None:
        raise _RefusedError(self._file.problem_at(place or _start(self._event), code, message))


def _start(event: Any) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)


def _tag(text: str) -> str:
    patterns = chain(_RESOLVERS.get(text[:1], ()), _RESOLVERS.get(None, ()))
    return next((tag for tag, pattern in patterns if pattern.match(text)), _STR)


def _plain(text: str) -> tuple[Any, bool]:
    """The value of a plain scalar, and whether YAML 1.1 has another."""
    tag = _tag(text)
    if tag == _NULL:
        return None, False
    if tag == _BOOL:
        return text.lower() in _TRUE, False
    if _INT.fullmatch(text):
        return int(text), abs(int(text)) >= 1 << 63
    if _FLOAT.fullmatch(text):
        return float(text), not math.isfinite(float(text))
    return text, tag != _STR


def _syntax(file: YamlFile, exc: yaml.MarkedYAMLError) -> Problem:
    mark, context = exc.problem_mark or exc.context_mark, exc.context_mark
    if mark is None:
        return file.problem_at(Place(1, 1), "yaml-syntax", f"not YAML: {exc.problem or exc.context}")
    message = f"not YAML: {exc.problem or exc.context}"
    if context is not None and context.line != mark.line:
        message += f", {exc.context} that starts at line {context.line + 1}"
    line = file.lines[mark.line] if mark.line < len(file.lines) else ""
    if line[mark.column : mark.column + 1] == "\t":
        message = "not YAML: a tab; YAML indents by spaces"
    if context is not None and not line.strip():
        mark = context
    return file.problem_at(Place(mark.line + 1, mark.column + 1), "yaml-syntax", message)
