from dataclasses import dataclass
from pathlib import Path

import pytest

from penstock.adapters.stores.jsonl import JsonLinesSink
from penstock.adapters.stores.raw import FolderRawStore
from penstock.adapters.stores.settings import NoSettings
from penstock.adapters.stores.tantivy import TantivyIndex, TantivySettings
from penstock.errors import PermanentError, UnavailableError
from penstock.testing.factories import make_chunks


@dataclass(frozen=True)
class Home:
    home: Path


def test_an_object_that_is_stored_is_not_written_again(tmp_path: Path) -> None:
    store = FolderRawStore(NoSettings(), Home(tmp_path))
    name = store.put("acme", b"content")
    path = tmp_path / "raw" / "acme" / name[:2] / name
    before = path.stat()
    store.put("acme", b"content")
    store.put_many("acme", [b"content", b"other"])
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_raw_object_that_rotted_is_told_from_a_sound_one(tmp_path: Path) -> None:
    store = FolderRawStore(NoSettings(), Home(tmp_path))
    name = store.put("acme", b"content")
    path = tmp_path / "raw" / "acme" / name[:2] / name
    path.write_bytes(b"contemt")
    with pytest.raises(ValueError) as caught:
        store.get("acme", name)
    assert str(caught.value) == f"{path}: the bytes do not match the name; `penstock repair` asks their source"


@pytest.mark.parametrize("torn", [b"", b"{", b'{"id": "3"}', b"x" * 200_000], ids=["none", "brace", "object", "long"])
def test_a_torn_last_line_is_passed_over_and_cut_before_the_next_event(tmp_path: Path, torn: bytes) -> None:
    sink = JsonLinesSink(NoSettings(), Home(tmp_path))
    sink.send([{"id": "1"}, {"id": "2"}])
    path = tmp_path / "events" / "events.jsonl"
    with path.open("ab") as file:
        file.write(torn)
    assert list(sink.read()) == [{"id": "1"}, {"id": "2"}]
    sink.send([{"id": "4"}])
    assert path.read_bytes() == b'{"id":"1"}\n{"id":"2"}\n{"id":"4"}\n'


def test_a_file_of_one_torn_line_is_cut_to_nothing(tmp_path: Path) -> None:
    path = tmp_path / "events" / "events.jsonl"
    path.parent.mkdir()
    path.write_bytes(b'{"id"')
    sink = JsonLinesSink(NoSettings(), Home(tmp_path))
    sink.send([{"id": "1"}])
    assert path.read_bytes() == b'{"id":"1"}\n'


def test_a_line_that_is_no_object_is_told_with_its_number(tmp_path: Path) -> None:
    sink = JsonLinesSink(NoSettings(), Home(tmp_path))
    sink.send([{"id": "1"}])
    path = tmp_path / "events" / "events.jsonl"
    with path.open("ab") as file:
        file.write(b"[]\n")
    with pytest.raises(PermanentError) as caught:
        list(sink.read())
    assert str(caught.value) == f"{path}:2: not a JSON object; `penstock repair` takes it out"


def test_an_index_of_another_stemming_is_refused_with_what_to_do(tmp_path: Path) -> None:
    TantivyIndex(TantivySettings(), Home(tmp_path)).write("acme", {"b1": make_chunks(1)})
    other = TantivyIndex(TantivySettings(stemming="none"), Home(tmp_path))
    with pytest.raises(UnavailableError) as caught:
        other.search("acme", "aspirin", 10, {})
    folder = tmp_path / "lexical" / "acme"
    assert str(caught.value) == (
        f"{folder}: the index is broken or was built in another way; `penstock repair` builds it anew"
    )


def test_without_stemming_words_match_as_they_stand(tmp_path: Path) -> None:
    index = TantivyIndex(TantivySettings(stemming="none"), Home(tmp_path))
    index.write("acme", {"b1": make_chunks(1, text="The proteins {}.")})
    assert [len(index.search("acme", query, 10, {})) for query in ("protein", "proteins", "the")] == [0, 1, 1]


def test_a_title_counts_more_than_the_text(tmp_path: Path) -> None:
    index = TantivyIndex(TantivySettings(title_boost=5), Home(tmp_path))
    in_text = make_chunks(1, text="Malaria {}.", title="Other words here", document_id="text")
    in_title = make_chunks(1, text="Other {}.", title="Malaria words here", document_id="title")
    index.write("acme", {"b1": in_text, "b2": in_title})
    assert [hit[0] for hit in index.search("acme", "malaria", 10, {})] == ["title#0", "text#0"]
