"""What is wrong in a file, where, and what would be right: for people (`render`) and for programs (`to_dict`)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH = 120
"""The most characters of a source line that are quoted."""

SHOWN = 20
"""The most accepted values that are listed to people."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `line` and `column` count from 1; `quoted` is that line, with its secrets hidden.

    `code` is stable (`unknown-key`, `type-flow`, …). `accepted` lists what would have been right, where that is a
    closed set, and `suggestion` is the one of it that was most likely meant.
    """

    file: str
    line: int
    column: int
    code: str
    message: str
    accepted: tuple[str, ...] = ()
    suggestion: str | None = None
    quoted: str = ""

    def render(self) -> str:
        """The problem as text: place and message, the line with a caret, and what would be right."""
        text = f"{self.file}:{self.line}:{self.column}: {self.message}"
        if self.quoted:
            text += "\n" + self._excerpt()
        advice = []
        if self.suggestion is not None:
            advice.append(f"did you mean {ticked(self.suggestion)}?")
        if self.accepted:
            advice.append(f"accepted: {listed(self.accepted)}")
        return text + ("\n  " + " ".join(advice) if advice else "")

    def to_dict(self) -> dict[str, Any]:
        """The problem as `penstock validate --json` gives it."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "code": self.code,
            "message": self.message,
            "accepted": list(self.accepted),
            "suggestion": self.suggestion,
        }

    def _excerpt(self) -> str:
        start = max(0, self.column - 1 - WIDTH // 2) if len(self.quoted) > WIDTH else 0
        line = printable(self.quoted[start : start + WIDTH])
        number = f"{self.line:>5}"
        return f"{number} | {line.rstrip()}\n{' ' * len(number)} | {' ' * (self.column - 1 - start)}^"


def render(problems: Sequence[Problem]) -> str:
    """Several problems as text, those of each file under one heading."""
    blocks = []
    for file in dict.fromkeys(each.file for each in problems):
        own = [each.render() for each in problems if each.file == file]
        blocks += [f"{file}: {len(own)} problem{'s' if len(own) > 1 else ''}", *own]
    return "\n\n".join(blocks)


def in_file_order(problems: Iterable[Problem]) -> list[Problem]:
    """By line and column, each problem once."""
    return sorted(dict.fromkeys(problems), key=lambda each: (each.line, each.column))


def ticked(text: object) -> str:
    """A name that a user wrote, in backticks, safe to print: cut at 64 characters, without control characters."""
    name = printable(str(text))
    return f"`{name[:63]}…`" if len(name) > 64 else f"`{name}`"


def listed(names: Sequence[str]) -> str:
    """Names in backticks, with commas; the first twenty of many."""
    text = ", ".join(ticked(each) for each in names[:SHOWN])
    return f"{text} and {len(names) - SHOWN} more" if len(names) > SHOWN else text


def printable(text: str) -> str:
    """`text` without anything that a terminal would act on."""
    return "".join(c if c.isprintable() else " " if c == "\t" else "�" for c in text)
