"""The tables of docs/formats.md for records that are read by tables: `python -m tests.formats_tables` writes them."""

from collections.abc import Iterator
from pathlib import Path

from penstock.adapters.parse import openalex, scholarly
from penstock.adapters.parse.mapping import Path as RecordPath
from penstock.adapters.parse.mapping import Shape

DOCS = Path(__file__).parents[1] / "docs" / "formats.md"
BEGIN, END = "<!-- written by: python -m tests.formats_tables -->\n", "<!-- end -->\n"
SHAPES: dict[str, Shape] = {
    "openalex: works": openalex._WORK,
    "openalex: other entities": openalex._ENTITY,
    **{name: index.shape for name, index in sorted(scholarly.INDEXES.items())},
}


def tables() -> str:
    """A table for each kind of record."""
    return "\n".join(line for name, shape in SHAPES.items() for line in (f"### {name}", "", *_rows(shape), ""))


def _rows(shape: Shape) -> Iterator[str]:
    yield "| of the record | becomes |"
    yield "|---|---|"
    yield f"| {_shown(shape.titles)} | title |"
    for section in shape.sections:
        kind = "" if section.kind == "text" else f", kind {section.kind}"
        yield f"| {_shown(section.paths)} | section “{section.heading}”{kind} |"
    for name, paths in shape.metadata.items():
        yield f"| {_shown(paths)} | metadata `{name}` |"
    for name, path in shape.fields.items():
        yield f"| {_shown((path,))} | fields `{name}` |"


def _shown(paths: tuple[RecordPath, ...]) -> str:
    return ", ".join(f"`{path if isinstance(path, str) else path.path}`" for path in paths)


def main() -> None:
    text = DOCS.read_text()
    before, after = text.index(BEGIN) + len(BEGIN), text.index(END)
    DOCS.write_text(f"{text[:before]}\n{tables()}{text[after:]}")


if __name__ == "__main__":
    main()
