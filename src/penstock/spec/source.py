"""A YAML file as values with the place of each, so that what is wrong is told where it stands."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from penstock.spec.problems import Problem
from penstock.spec.secrets import redacted

MAX_QUOTED = 8_192
"""The most characters of a line that a problem keeps."""

Loc = tuple[str | int, ...]
"""The way from the top of a file to a value: keys and indexes, as pydantic has it."""

_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


class Place(NamedTuple):
    """A line and a column, both from 1."""

    line: int
    column: int


class Node(NamedTuple):
    """Where a value and its key stand; `raw` is a plain scalar as it was written."""

    value: Place
    key: Place | None = None
    raw: str | None = None


@dataclass
class YamlFile:
    """A file that was read: its text, its values, where they stand, and what is wrong with it as YAML.

    `value` is a mapping, or None where the file could not be read as one. `told` holds the places that a problem
    speaks of already, so that a second check need not say it again.
    """

    path: str
    text: str = ""
    value: dict[str, Any] | None = None
    nodes: dict[Loc, Node] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    told: set[Loc] = field(default_factory=set)
    hidden: dict[int, int] = field(default_factory=dict)
    """Lines that hold a secret → the column from which on."""

    @cached_property
    def lines(self) -> list[str]:
        return _LINE_END.split(self.text)

    def node(self, loc: Loc) -> Node:
        """The node at `loc`, or the nearest one around it. Steps that are not in the file (union tags) are left out."""
        found: Loc = ()
        for step in loc:
            if (*found, step) in self.nodes:
                found = (*found, step)
        return self.nodes.get(found, Node(Place(1, 1)))

    def problem(
        self,
        code: str,
        message: str,
        loc: Loc = (),
        *,
        at_key: bool = False,
        accepted: tuple[str, ...] = (),
        suggestion: str | None = None,
    ) -> Problem:
        """A problem of the value, or of the key, at `loc`."""
        node = self.node(loc)
        place = node.key if at_key and node.key else node.value
        return self.problem_at(place, code, message, accepted=accepted, suggestion=suggestion)

    def problem_at(
        self, place: Place, code: str, message: str, *, accepted: tuple[str, ...] = (), suggestion: str | None = None
    ) -> Problem:
        """A problem at a place."""
        return Problem(self.path, *place, code, message, accepted, suggestion, self._quoted(place.line))

    def tell(self, problem: Problem, loc: Loc) -> None:
        """Note a problem of the value at `loc`, which later checks then leave alone."""
        self.problems.append(problem)
        self.told.add(loc)

    def is_told(self, loc: Loc) -> bool:
        """Whether a problem speaks already of the value at `loc`, or of one around it."""
        return any(loc[:length] in self.told for length in range(1, len(loc) + 1))

    def _quoted(self, number: int) -> str:
        lines = self.lines
        line = lines[number - 1][:MAX_QUOTED] if number <= len(lines) else ""
        if number in self.hidden:
            line = line[: self.hidden[number] - 1] + "…"
        return redacted(line)
