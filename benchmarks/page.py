"""The pages that take figures: what a script has measured stands behind its mark, or between its two."""

from pathlib import Path


def write_below(path: Path, mark: str, text: str) -> None:
    """Put `text` behind the mark, in place of all that stands there."""
    head = path.read_text().partition(mark)[0]
    path.write_text(f"{head}{mark}\n\n{text.rstrip()}\n")


def write_between(path: Path, begin: str, end: str, text: str) -> None:
    """Put `text` between two marks and leave the rest; a page without them gets them at its end."""
    before, found, rest = path.read_text().partition(begin)
    rest = rest.partition(end)[2] if found else "\n"
    path.write_text(f"{before.rstrip()}\n\n{begin}\n\n{text.rstrip()}\n\n{end}{rest}")
