from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.adapters.stores import segments
from penstock.adapters.stores.faiss import FaissIndex
from penstock.adapters.stores.settings import NoSettings
from penstock.errors import UnavailableError
from penstock.testing.vector_index import make_batch, rows


@dataclass(frozen=True)
class Home:
    home: Path


@pytest.fixture
def few_files() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "_FILES", 2)
        patch.setattr(segments, "_DEAD_ROWS", 2)
        yield


def open_index(home: Path) -> FaissIndex:
    return FaissIndex(NoSettings(), Home(home))


def files(home: Path) -> list[str]:
    return sorted(path.suffix for path in (home / "vectors" / "acme").iterdir() if not path.name.startswith("."))


BUILDS = st.sampled_from(["b1", "b2", "b3"])
WRITE = st.dictionaries(BUILDS, st.lists(st.sampled_from([1.0, 0.5, 0.25]), max_size=3), max_size=3)
REMOVE = st.sets(BUILDS)


@pytest.mark.usefixtures("few_files")
@settings(max_examples=40, deadline=None)
@given(steps=st.lists(WRITE | REMOVE, max_size=12))
def test_any_series_of_writes_and_removals_leaves_what_a_dictionary_would_hold(
    steps: list[dict[str, list[float]] | set[str]],
) -> None:
    model: dict[str, list[float]] = {}
    with TemporaryDirectory() as folder:
        reader, writer = open_index(Path(folder)), open_index(Path(folder))
        for step in steps:
            if isinstance(step, set):
                writer.remove("acme", step)
                model = {build: values for build, values in model.items() if build not in step}
            else:
                writer.write("acme", {b: make_batch(b, *[(value, 1.0) for value in v]) for b, v in step.items()})
                model |= step
            hits = reader.search("acme", "m", (1.0, 0.0), 100)
            expected = [(f"{b}#{n}", b, value) for b, values in model.items() for n, value in enumerate(values)]
            assert sorted(hits) == sorted(expected)
        assert sorted(open_index(Path(folder)).scan("acme")) == sorted(
            row for b, v in model.items() for row in rows(make_batch(b, *[(value, 1.0) for value in v]), b)
        )


def test_many_small_files_are_merged_into_one(tmp_path: Path) -> None:
    index = open_index(tmp_path)
    for number in range(64):
        index.write("acme", {f"b{number}": make_batch(f"d{number}", (1.0, number / 100))})
    before = index.search("acme", "m", (0.0, 1.0), 100)
    assert files(tmp_path) == [".seg"] * 64
    index.write("acme", {"b0": make_batch("d0", (1.0, 0.0))})
    assert files(tmp_path) == [".base"]
    assert index.search("acme", "m", (0.0, 1.0), 100) == before


def test_files_of_mostly_dead_rows_are_merged(tmp_path: Path) -> None:
    index = open_index(tmp_path)
    batch = make_batch("d", *[(1.0, 0.0)] * 700)
    for _ in range(2):
        index.write("acme", {"b1": batch})
    assert files(tmp_path) == [".seg", ".seg"]
    index.write("acme", {"b1": batch})
    assert files(tmp_path) == [".base"]
    assert list(index.scan("acme")) == rows(batch, "b1")


def test_removing_what_is_not_there_writes_no_file(tmp_path: Path) -> None:
    index = open_index(tmp_path)
    index.write("acme", {"b1": make_batch("d", (1.0, 0.0))})
    index.remove("acme", ["b2"])
    assert files(tmp_path) == [".seg"]


def test_a_folder_written_anew_is_not_mistaken_for_the_one_it_replaced(tmp_path: Path) -> None:
    index = open_index(tmp_path)
    index.write("acme", {"b1": make_batch("d", (1.0, 0.0))})
    assert [hit[1] for hit in index.search("acme", "m", (1.0, 0.0), 9)] == ["b1"]
    (tmp_path / "vectors").rename(tmp_path / "old")
    assert index.search("acme", "m", (1.0, 0.0), 9) == []
    open_index(tmp_path).write("acme", {"b2": make_batch("d", (1.0, 0.0))})
    assert [hit[1] for hit in index.search("acme", "m", (1.0, 0.0), 9)] == ["b2"]


@pytest.mark.parametrize("where", [0, 10, 30, -20, -1], ids=["magic", "length", "header", "rows", "digest"])
def test_a_flipped_byte_is_told_with_the_name_of_the_file(tmp_path: Path, where: int) -> None:
    open_index(tmp_path).write("acme", {"b1": make_batch("d", (1.0, 0.0))})
    [path] = (tmp_path / "vectors" / "acme").glob("*.seg")
    content = bytearray(path.read_bytes())
    content[where] ^= 1
    path.write_bytes(content)
    expected = f"{path}: the segment is broken; `penstock repair` builds it anew"
    with pytest.raises(UnavailableError) as search:
        open_index(tmp_path).search("acme", "m", (1.0, 0.0), 9)
    with pytest.raises(UnavailableError) as scan:
        list(open_index(tmp_path).scan("acme"))
    assert (str(search.value), str(scan.value)) == (expected, expected)


@pytest.mark.parametrize("kept", [0, 8, 60, -1])
def test_a_cut_file_is_broken(tmp_path: Path, kept: int) -> None:
    open_index(tmp_path).write("acme", {"b1": make_batch("d", (1.0, 0.0))})
    [path] = (tmp_path / "vectors" / "acme").glob("*.seg")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UnavailableError, match="the segment is broken"):
        open_index(tmp_path).search("acme", "m", (1.0, 0.0), 9)


def test_a_missing_file_is_noticed(tmp_path: Path) -> None:
    for build in ("b1", "b2", "b3"):
        open_index(tmp_path).write("acme", {build: make_batch("d", (1.0, 0.0))})
    sorted((tmp_path / "vectors" / "acme").glob("*.seg"))[1].unlink()
    with pytest.raises(UnavailableError, match="a segment is missing"):
        open_index(tmp_path).search("acme", "m", (1.0, 0.0), 9)


@pytest.mark.usefixtures("few_files")
def test_a_reader_never_sees_a_mix_while_builds_are_replaced_and_files_merged(tmp_path: Path) -> None:
    open_index(tmp_path).write("acme", {"b1": make_batch("0", *[(1.0, 0.0)] * 5)})

    def replace_many_times() -> None:
        writer = open_index(tmp_path)
        for number in range(1, 150):
            writer.write("acme", {"b1": make_batch(str(number), *[(1.0, 0.0)] * 5)})

    thread = Thread(target=replace_many_times)
    thread.start()
    reader = open_index(tmp_path)
    seen = []
    while thread.is_alive():
        seen.append([hit[0].split("#")[0] for hit in reader.search("acme", "m", (1.0, 0.0), 100)])
    thread.join()
    assert all(len(hits) == 5 and len(set(hits)) == 1 for hits in seen)
    versions = [int(hits[0]) for hits in seen]
    assert versions == sorted(versions)
    assert len(set(versions)) > 1
