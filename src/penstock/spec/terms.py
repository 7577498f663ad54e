"""Files of terms: large dictionaries as tab-separated text beside the ontology that names them.

    name<TAB>aliases<TAB>mesh
    Aspirin<TAB>acetylsalicylic acid|ASA<TAB>D001241

The first line names the columns: `name`, `aliases` where there are any, and a vocabulary of ids for each other one.
Lines that begin with `#` and blank lines are passed over.
"""

import re
from pathlib import Path

from penstock.errors import nearest
from penstock.spec.ontology import TermSpec
from penstock.spec.problems import Problem, ticked

MAX_BYTES = 1 << 28
MAX_NAME = 500
MAX_PROBLEMS = 20
"""The most problems that are told of one file."""

_VOCABULARY = re.compile(r"[a-z][a-z0-9_-]*")


def read_terms(path: Path) -> tuple[tuple[TermSpec, ...], tuple[Problem, ...]]:
    """The terms of a file, in its order, and what is wrong with the other lines. It never raises."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            return (), (_problem(path, 1, 1, "too-large", f"the file is larger than {MAX_BYTES >> 20} MiB; split it"),)
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as exc:
        return (), (_problem(path, 1, 1, "unreadable", f"cannot be read: {exc.strerror or type(exc).__name__}"),)
    except UnicodeDecodeError as exc:
        place = exc.object.count(b"\n", 0, exc.start) + 1
        return (), (_problem(path, place, 1, "not-utf-8", "bytes that are not UTF-8; save the file as UTF-8"),)
    head, *lines = text.split("\n")
    columns = head.rstrip("\r").split("\t")
    problems = _head_problems(path, columns, head)
    terms = []
    for number, line in enumerate(lines if not problems else (), start=2):
        row = line.rstrip("\r")
        if not row.strip() or row.startswith("#"):
            continue
        found = _term(path, number, row, columns)
        if isinstance(found, TermSpec):
            terms.append(found)
        else:
            problems.append(found)
            if len(problems) == MAX_PROBLEMS:
                break
    return tuple(terms), tuple(problems)


def _head_problems(path: Path, columns: list[str], head: str) -> list[Problem]:
    problems = []
    if "name" not in columns:
        message = "no column is named `name`; the first line should name the columns, with tabs between them"
        problems.append(
            _problem(path, 1, 1, "missing-key", message, "name" if nearest("name", columns) else None, head)
        )
    column = 1
    for index, each in enumerate(columns):
        if each in columns[:index]:
            problems.append(
                _problem(path, 1, column, "duplicate-key", f"column {ticked(each)} is there twice", None, head)
            )
        elif not _VOCABULARY.fullmatch(each):
            message = f"column {ticked(each)} should be lower-case letters, digits, `_` and `-`, from a letter on"
            problems.append(_problem(path, 1, column, "bad-value", message, None, head))
        column += len(each) + 1
    return problems


def _term(path: Path, number: int, row: str, columns: list[str]) -> TermSpec | Problem:
    cells = row.split("\t")
    if len(cells) > len(columns):
        column = len("\t".join(cells[: len(columns)])) + 2
        message = f"{len(cells)} cells, and there are {len(columns)} columns"
        return _problem(path, number, column, "bad-value", message, None, row)
    values = dict(zip(columns, (each.strip() for each in cells), strict=False))
    name = values.pop("name", "")
    aliases = tuple(alias for each in values.pop("aliases", "").split("|") if (alias := each.strip()))
    for each in (name, *aliases):
        if not 2 <= len(each) <= MAX_NAME:
            column = row.find(each) + 1 if each else 1
            message = f"name {ticked(each)} should have 2 to {MAX_NAME} characters"
            return _problem(path, number, column, "bad-value", message, None, row)
    return TermSpec.model_construct(
        name=name, aliases=aliases, identifiers={key: value for key, value in values.items() if value}
    )


def _problem(
    path: Path, line: int, column: int, code: str, message: str, suggestion: str | None = None, quoted: str = ""
) -> Problem:
    return Problem(str(path), line, column, code, message, (), suggestion, quoted[:8_192])
