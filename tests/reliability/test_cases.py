"""The page of named cases names tests that there are."""

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "reliability-cases.md"
CASES = (*range(5, 11), *range(12, 22), 32, 33, 36, 39, 47, 48, 49)
SECURITY = {"S11", "S12", "S13", "S14", "S15", "S16"}


def test_every_named_case_has_a_test_that_there_is() -> None:
    rows = re.findall(r"^\| ([FS]\d\d) \|.*\| `([^`]+)::([^`]+)` \|$", PAGE.read_text(), re.MULTILINE)
    assert {case for case, _, _ in rows} == {f"F{number:02}" for number in CASES} | SECURITY
    absent = [name for _, path, name in rows if f"def {name}(" not in (PROJECT / path).read_text()]
    assert absent == []
