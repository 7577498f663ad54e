"""Whatever is written into a file, it is told, and never raised."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.plan.load import validate
from penstock.spec.problems import render

CONFIG = Path(__file__).parents[3] / "config"
TEXTS = [path.read_text() for path in sorted(CONFIG.rglob("*.yaml"))]
PIECES = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "? ",
    "&a ",
    "*a",
    "!!x ",
    "no",
    "~",
    "-1",
    "1e9",
    '"',
    "'",
]
PIECES += ["|\n", "#", "%", "@", "`", "\t", "---\n", "é", "\0", "\x1b", "\u2028", "\x85", "Gate", "stages", "{env: X}"]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        text = text[:start] + draw(st.sampled_from(PIECES)) + text[start + draw(st.sampled_from([0, 1, 5, 40])) :]
    return text


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mutations") / "any.yaml"


@given(text=mutated())
def test_a_mutated_file_is_sound_or_told(text: str, path: Path) -> None:
    path.write_text(text, newline="")
    loaded = validate([path], CONFIG, "tiny")
    assert "\x1b" not in render(loaded.problems)
    assert all(each.line >= 1 and each.column >= 1 for each in loaded.problems)
    for topology in loaded.topologies.values():
        assert type(topology).decode(topology.encode()) == topology
