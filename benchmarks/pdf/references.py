"""What PDFs should be read as: Markdown from the papers' LaTeX, and docling's own output."""

import html
import json
import re
from dataclasses import dataclass
from pathlib import Path

from benchmarks.pdf.measures import Rows

_NOISE = re.compile(
    r"<!--.*?-->|\$\$.*?\$\$|\$[^$\n]*\$|!\[[^\]]*\]\([^)]*\)|\\[a-zA-Z]+(?:\{[^{}]*\})*|\[[\w:.,/\s-]*\d{2,4}\w?\]"
    r"|^\s*\|[\s|:-]*\|\s*$|^#+ |\d+pt[\d.]*ex",
    re.MULTILINE | re.DOTALL,
)
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_SPANS = re.compile(r"^\d\*(?:\]c@c@)?|^\dc\|?")
_ODD = re.compile(r"[\\${}]|ex[A-Z]")


@dataclass(frozen=True)
class Reference:
    """A PDF and what it should be read as. `part`: the PDF is only a part of it. `seen`: the reader was tuned on it."""

    name: str
    path: Path
    text: str
    tables: list[Rows]
    origin: str
    part: bool = False
    seen: bool = False


_LATEX = {"1706.03762v7": "1706.03762_main", "2305.03393v1-pg9": "2305.03393_main"}
_TABLES = {"2305.03393v1-pg9": slice(0, 1)}
"""Which of a paper's tables stand on the pages that there are."""
_SEEN = frozenset(
    {
        *("2206.01062v1-pg4", "2305.03393v1-pg9", "code_and_formula", "multi_page", "normal_4pages"),
        *("right_to_left_01", "right_to_left_03", "table_mislabeled_as_picture"),
    }
)
"""Files that rules and thresholds were chosen on; those of `pdf-science` were looked at as well."""


def references(folder: Path) -> list[Reference]:
    """The PDFs of `pdf-gt-docling` that have a reference, those against LaTeX first."""
    found = []
    paths = {path.stem: path for sub in ("pdf-latex-twin", "pdf") for path in sorted((folder / sub).glob("*.pdf"))}
    for stem, source in _LATEX.items():
        text = (folder / "expected-latex" / f"{source}.tex.md").read_text()
        part = "-pg" in stem
        tables = _pipe_tables(text)[_TABLES.get(stem, slice(None))]
        found.append(Reference(stem, paths[stem], _plain(text), tables, "LaTeX", part, stem in _SEEN))
    for stem, path in paths.items():
        whole = folder / "expected" / f"{stem.split('v1-pg')[0] if 'pg4' in stem else stem}.md"
        if whole.exists():
            exact = whole.stem == stem
            tables = _cells(whole.with_suffix(".json")) if exact else []
            found.append(Reference(stem, path, _plain(whole.read_text()), tables, "docling", not exact, stem in _SEEN))
    return found


def _plain(text: str) -> str:
    """Markdown without what no PDF shows as words: formulas as source, keys of citations, comments, marks."""
    return _LINK.sub(r"\1", _NOISE.sub(" ", html.unescape(text))).replace("|", " ")


def _pipe_tables(text: str) -> list[Rows]:
    """Tables of Markdown; cells that hold the source of formulas, or rubble of macros, are left out."""
    tables: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        if not line.startswith("|"):
            tables.append([])
        elif not re.fullmatch(r"[|\s:-]+", line):
            cells = [_SPANS.sub("", html.unescape(cell).strip()) for cell in line.strip("|").split("|")]
            tables[-1].append(["" if _ODD.search(cell) or "JonasFaceNet" in cell else cell for cell in cells])
    return [table for table in tables if table]


def _cells(path: Path) -> list[Rows]:
    if not path.exists():
        return []
    found: list[Rows] = []
    for table in json.loads(path.read_text())["tables"]:
        data = table["data"]
        rows = [[""] * data["num_cols"] for _ in range(data["num_rows"])]
        for cell in data["table_cells"]:
            rows[cell["start_row_offset_idx"]][cell["start_col_offset_idx"]] = cell["text"]
        found.append(rows)
    return found
