"""A disk that is full, and one that cannot be written: a clear word, nothing lost, and the same command finishes."""

from pathlib import Path
from typing import Any

import pytest
from tests.command import Penstock
from tests.disks import Disk, disk

DOCUMENTS = 60
TEXT = "We gave 100 mg of aspirin a day to 240 adults with hypertension and type 2 diabetes. " * 30


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("papers") / "papers"
    folder.mkdir()
    for number in range(DOCUMENTS):
        (folder / f"{number:02d}.md").write_text(f"# Paper {number}\n\n## Methods\n\n{number}: {TEXT}\n")
    return folder


@pytest.fixture(scope="module")
def digest(tmp_path_factory: pytest.TempPathFactory, papers: Path) -> dict[str, str]:
    """What the audit says of a home that nothing has disturbed."""
    penstock = Penstock.at(tmp_path_factory.mktemp("undisturbed"))
    penstock.run("auto", papers)
    return penstock.audit()


CHECK = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('pragma integrity_check').fetchone())"
WRITE = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("update jobs set kind_hint = kind_hint")
os._exit(0)
"""


def audit(small: Disk, penstock: Penstock) -> Any:
    return small.run(penstock, "audit", "--json").ok().json


FULL = {
    "the ledger": ("", "900k"),
    "everything": ("", "3m"),
    "the packs": ("artifacts", "100k"),
    "the words": ("lexical", "40k"),
    "the vectors": ("vectors", "60k"),
    "the raw store": ("raw", "60k"),
    "the events": ("events", "8k"),
    "Dagster": ("dagster", "200k"),
}


@pytest.mark.slow
@pytest.mark.parametrize("where", FULL)
def test_a_disk_that_fills_up_is_told_and_the_same_command_finishes_once_there_is_space(
    tmp_path: Path, papers: Path, digest: dict[str, str], where: str
) -> None:
    folder, size = FULL[where]
    penstock = Penstock.at(tmp_path)
    with disk(penstock.home / folder, size) as small:
        command = ("run", "auto", "--input", papers, "--json")
        full = small.run(penstock, *command).ok(1, 3)
        if full.code == 3:
            assert "penstock: the disk is full: " in full.err
            assert f"`{penstock.home}`" in full.err
            assert "next: free space, then run the same command again" in full.err
        else:  # the documents have failed, each for this reason, and are tried again by themselves
            assert {each["error_type"] for each in full.json["failures"]} == {"UnavailableError"}
        assert small.python(CHECK, penstock.home / "ledger.db") == "('ok',)\n"
        small.remount("size=100m")
        report = small.run(penstock, *command).ok().json
        assert report["documents"]["failed"] == report["documents"]["waiting"] == 0
        after = audit(small, penstock)
    assert (after["consistent"], after["digest"]) == (True, digest)
    assert after["documents"]["active"] == DOCUMENTS


@pytest.mark.slow
def test_a_temporary_folder_that_is_full_is_named(tmp_path: Path, papers: Path, digest: dict[str, str]) -> None:
    penstock = Penstock.at(tmp_path, TMPDIR=str(tmp_path / "scratch"))
    with disk(tmp_path / "scratch", "4k") as small:
        full = small.run(penstock, "run", "auto", "--input", papers).ok(3)
        assert f"the disk is full: `{tmp_path / 'scratch'}` has " in full.err
        small.remount("size=10m")
        small.run(penstock, "run", "auto", "--input", papers).ok()
        after = audit(small, penstock)
    assert (after["consistent"], after["digest"]) == (True, digest)


LOOKING = (
    ("status",),
    ("show", "file:03.md"),
    ("events", "--document", "file:03.md"),
    ("search", "aspirin", "--json"),
    ("graph", "aspirin", "--json"),
    ("audit", "--json"),
    ("repair", "--dry-run"),
)


@pytest.mark.parametrize("log", [False, True], ids=["closed", "with a log"])
def test_on_a_read_only_home_looking_works_and_writing_says_that_it_cannot(
    tmp_path: Path, papers: Path, digest: dict[str, str], log: bool
) -> None:
    penstock = Penstock.at(tmp_path)
    with disk(penstock.home, "100m") as small:
        small.run(penstock, "run", "auto", "--input", papers).ok()
        if log:  # as a process leaves it that was killed
            small.python(WRITE, penstock.home / "ledger.db")
            assert "ledger.db-wal" in small.shell(f"ls {penstock.home}")
        small.remount("ro")
        answers = {words[0]: small.run(penstock, *words).ok() for words in LOOKING}
        assert len(answers["search"].json["hits"]) == 10
        assert answers["graph"].json["relations"]
        report = answers["audit"].json
        assert (report["consistent"], report["digest"]) == (True, digest)
        for words in (("run", "auto", "--input", papers), ("delete", "file:03.md")):
            refused = small.run(penstock, *words).ok(3)
            assert f"penstock: `{penstock.home}` cannot be written: it is mounted read-only" in refused.err
        small.remount("rw")
        small.run(penstock, "run", "auto", "--input", papers).ok()
