"""A package outside Penstock, as `docs/guides/adapters.md` builds it: built, installed, validated, run."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.command import Penstock

PACKAGE = Path(__file__).parent / "acme_penstock"
PIPELINE = """\
version: "1.0"
name: digest
stages:
  - {name: ingest, type: IngestStage}
  - {name: parse, type: ParseStage, depends_on: [ingest]}
  - {name: summary, type: SummaryStage, uses: first_sentence, with: {abbreviations: words.txt}, depends_on: [parse]}
  - {name: chunk, type: ChunkStage, uses: paragraphs, with: {min_characters: 20}, depends_on: [parse]}
  - {name: embed, type: EmbedStage, depends_on: [chunk]}
  - {name: index, type: IndexStage, depends_on: [embed]}
"""
TEXT = "# Bread\n\nDr. Smith bakes bread from flour. She sells it.\n\nThe oven stays hot until the evening.\n"


def install(package: Path, target: Path) -> None:
    """Build the wheel by its build backend (PEP 517) and unpack it, which is how a pure wheel is installed."""
    build = "import sys, hatchling.build as backend; print(backend.build_wheel(sys.argv[1]))"
    built = subprocess.run(
        [sys.executable, "-c", build, str(target.parent)], cwd=package, capture_output=True, text=True, check=True
    )
    with zipfile.ZipFile(target.parent / built.stdout.split()[-1]) as wheel:
        wheel.extractall(target)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The package's sources, to be changed."""
    return Path(shutil.copytree(PACKAGE, tmp_path / "acme_penstock"))


@pytest.fixture
def penstock(tmp_path: Path) -> Penstock:
    made = Penstock.at(tmp_path, PYTHONPATH=str(tmp_path / "site"))
    (made.config / "pipelines" / "digest.yaml").write_text(PIPELINE)
    (made.config / "words.txt").write_text("Dr.\n")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "bread.md").write_text(TEXT)
    return made


def test_an_adapter_and_a_stage_type_from_outside_run_like_the_shipped_ones(
    package: Path, penstock: Penstock, tmp_path: Path
) -> None:
    install(package, tmp_path / "site")
    valid = penstock("validate", penstock.config / "pipelines" / "digest.yaml", "--json").ok().json
    assert [each["stages"] for each in valid["pipelines"]] == [
        ["ingest", "parse", "summary", "chunk", "embed", "index"]
    ]
    first = penstock.run("digest", "notes")
    assert [(stage["name"], stage["type"], stage["executed"]) for stage in first["stages"]][2:4] == [
        ("summary", "SummaryStage", 1),
        ("chunk", "ChunkStage", 1),
    ]
    shown = penstock("show", "file:bread.md", "--json").ok().json
    assert [chunk["text"] for chunk in shown["chunks"]] == [
        "Dr. Smith bakes bread from flour. She sells it.",
        "The oven stays hot until the evening.",
    ]
    assert [stage["status"] for stage in shown["jobs"][0]["stages"]] == ["completed"] * 6
    (penstock.config / "words.txt").write_text("Dr.\nProf.\n")
    again = penstock.run("digest", "notes")
    assert {stage["name"]: stage["executed"] for stage in again["stages"]} == {
        "ingest": 0,
        "parse": 0,
        "summary": 1,
        "chunk": 0,
        "embed": 0,
        "index": 0,
    }


def test_the_contract_suites_hold_for_the_package(package: Path, tmp_path: Path) -> None:
    install(package, tmp_path / "site")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "tests"],
        cwd=package,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-3000:]


def test_an_adapter_without_its_method_is_refused_by_name(package: Path, penstock: Penstock, tmp_path: Path) -> None:
    change(package / "src" / "acme_penstock" / "chunk.py", "def execute", "def split")
    install(package, tmp_path / "site")
    answer = penstock("validate", "--json").ok(1)
    assert [(each["code"], each["line"], each["message"]) for each in answer.json["problems"]] == [
        (
            "adapter-broken",
            7,
            "stage `chunk`: adapter `paragraphs` does not satisfy `ChunkStage`: "
            "method `execute(ctx, document)` is missing",
        )
    ]
    assert "auto" in [each["name"] for each in answer.json["pipelines"]]


def test_an_adapter_that_gives_something_else_is_refused(package: Path, penstock: Penstock, tmp_path: Path) -> None:
    change(
        package / "src" / "acme_penstock" / "summary.py",
        r"document: Document\) -> Summary:$",
        "document: Document) -> str:",
    )
    install(package, tmp_path / "site")
    answer = penstock("validate", "--json").ok(1)
    assert [each["message"] for each in answer.json["problems"]] == [
        "stage `summary`: adapter `first_sentence` does not satisfy `SummaryStage`: "
        "method `execute` must return `Summary`, not `str`"
    ]


def test_a_wrong_setting_is_told_at_its_place(package: Path, penstock: Penstock, tmp_path: Path) -> None:
    install(package, tmp_path / "site")
    change(penstock.config / "pipelines" / "digest.yaml", "min_characters: 20", "min_characters: 0")
    answer = penstock("validate", "--json").ok(1)
    assert [(each["line"], each["column"], each["message"]) for each in answer.json["problems"]] == [
        (
            7,
            78,
            "stage `chunk`, adapter `paragraphs`: `min_characters` should be greater than or equal to 1",
        )
    ]


def change(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, path.read_text(), flags=re.MULTILINE)
    assert count == 1
    path.write_text(text)
