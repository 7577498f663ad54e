"""Processes that are killed while they write, and processes that write at once.

Run as a program, this file is the process that writes: `STORE HOME FIRST COUNT`.
"""

import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from penstock.adapters.stores.faiss import FaissIndex
from penstock.adapters.stores.graph import SQLiteGraph
from penstock.adapters.stores.jsonl import JsonLinesSink
from penstock.adapters.stores.objects import FolderObjectStore
from penstock.adapters.stores.packs import FolderPackStore
from penstock.adapters.stores.raw import FolderRawStore
from penstock.adapters.stores.tantivy import TantivyIndex
from penstock.errors import UnavailableError
from penstock.records import Chunk, Entity, Facts
from penstock.testing.factories import make_chunks
from penstock.testing.vector_index import make_batch

ROWS = 20


@dataclass(frozen=True)
class Home:
    home: Path


STORES: dict[str, Any] = {
    "raw": FolderRawStore,
    "packs": FolderPackStore,
    "objects": FolderObjectStore,
    "lexical": TantivyIndex,
    "vectors": FaissIndex,
    "graph": SQLiteGraph,
    "events": JsonLinesSink,
}


def open_store(kind: str, home: Path) -> Any:
    return STORES[kind](STORES[kind].settings_type(), Home(home))


def write(kind: str, store: Any, number: int) -> None:
    """Write the build of that number: `ROWS` rows, or as many objects or events."""
    build = f"build-{number:05d}"
    match kind:
        case "raw":
            store.put_many("acme", contents(number))
        case "packs":
            store.write(build, contents(number)[0])
        case "objects":
            store.put(f"tenants/acme/pdfs/{build}.pdf", contents(number)[0])
        case "lexical":
            store.write("acme", {build: chunks(number)})
        case "vectors":
            store.write("acme", {build: make_batch(build, *[(float(number), float(row)) for row in range(ROWS)])})
        case "graph":
            entities = tuple(Entity(entity_id=f"t:{row}", name=str(number), type="t") for row in range(ROWS))
            store.write("acme", {build: (build, Facts(entities=entities))})
        case "events":
            store.send([{"build": number, "row": row, "text": "x" * 500} for row in range(ROWS)])


def row_counts(kind: str, store: Any) -> dict[int, int]:
    """How many rows of each build the store gives, reading all of them."""
    match kind:
        case "raw":
            stored = {name: store.get("acme", name) for name in store.names("acme")}
            numbers = [int(content[:5]) for content in stored.values()]
        case "packs":
            numbers = [int(store.read(name, [(0, 10_000)])[0][:5]) for name in store.names() for _ in range(ROWS)]
        case "objects":
            names = list(store.names("tenants/acme/pdfs"))
            numbers = [int(store.get(name)[:5]) for name in names for _ in range(ROWS)]
        case "graph":
            builds = [build for build, _ in store.scan("acme")]
            numbers = [int(build[6:]) for build in builds for _ in store.facts("acme", build).entities]
        case "events":
            numbers = [event["build"] for event in store.read()]
        case _:
            numbers = [int(build[6:]) for build, _, _ in store.scan("acme")]
    return dict(Counter(numbers))


def contents(number: int) -> list[bytes]:
    return [f"{number:05d}{row:05d}".encode() * 1000 for row in range(ROWS)]


def chunks(number: int) -> list[Chunk]:
    return make_chunks(ROWS, document_id=f"doc-{number}")


KINDS = ["raw", "packs", "objects", "lexical", "vectors", "graph", "events"]


def start(kind: str, home: Path, first: int, count: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, __file__, kind, str(home), str(first), str(count)], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_writer_loses_nothing_it_acknowledged_and_shows_nothing_half(kind: str, tmp_path: Path) -> None:
    told: set[int] = set()
    for first, kill_after in ((0, 1), (1000, 9), (2000, 70)):
        with start(kind, tmp_path, first, 900) as process:
            assert process.stdout
            for _ in range(kill_after):
                told.add(int(process.stdout.readline()))
            process.kill()  # while it writes the next one
            told.update(map(int, process.stdout.read().split()))
        counts = row_counts(kind, open_store(kind, tmp_path))
        assert told <= {number for number, count in counts.items() if count == ROWS}
        half_visible = {number for number, count in counts.items() if count != ROWS}
        assert half_visible == set() or kind in ("raw", "events")  # whose units are the object and the line
    store = open_store(kind, tmp_path)
    write(kind, store, 5000)
    assert row_counts(kind, store)[5000] == ROWS


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_that_write_at_once_from_the_first_use_on_lose_nothing(kind: str, tmp_path: Path) -> None:
    processes = [start(kind, tmp_path, first, 35) for first in (0, 1000)]
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0]
    expected = {first + number: ROWS for first in (0, 1000) for number in range(35)}
    assert row_counts(kind, open_store(kind, tmp_path)) == expected


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """No file of this process may grow beyond `limit` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("kind", "limit"), [*((kind, limit) for kind in KINDS for limit in (0, 150, 400)), ("events", 36_000)]
)
def test_a_write_that_the_disk_refuses_changes_nothing_and_the_next_one_works(
    kind: str, limit: int, tmp_path: Path
) -> None:
    store = open_store(kind, tmp_path)
    for number in range(3):
        write(kind, store, number)
    with full_disk(limit), pytest.raises((OSError, UnavailableError)):
        write(kind, store, 3)
    write(kind, store, 4)
    expected = dict.fromkeys((0, 1, 2, 4), ROWS)
    assert row_counts(kind, store) == expected
    assert row_counts(kind, open_store(kind, tmp_path)) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_reading_a_store_that_is_not_there_makes_nothing(kind: str, tmp_path: Path) -> None:
    home = tmp_path / "state"
    assert row_counts(kind, open_store(kind, home)) == {}
    assert not home.exists()


if __name__ == "__main__":
    kind, home, first, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    store = open_store(kind, home)
    for number in range(first, first + count):
        write(kind, store, number)
        print(number, flush=True)
