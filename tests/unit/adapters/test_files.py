"""Which documents a file, a folder or a glob holds, and what they are called."""

import json
import os
from pathlib import Path

import pytest

from penstock.adapters.sources.files import FileSettings, FileSource, origin
from penstock.errors import RejectedError, UsageError
from penstock.testing.factories import make_resources


@pytest.fixture
def source(tmp_path: Path) -> FileSource:
    return FileSource(FileSettings(max_bytes=10_000, max_line_bytes=200), make_resources(tmp_path))


def write(folder: Path, *names: str, content: bytes = b"words") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def ids(source: FileSource, target: object) -> list[str]:
    return [item.document_id for item in source.discover(str(target))]


def study(number: str) -> bytes:
    return json.dumps({"hasResults": False, "protocolSection": {"identificationModule": {"nctId": number}}}).encode()


def test_a_folder_is_read_in_the_order_of_its_paths(source: FileSource, tmp_path: Path) -> None:
    write(tmp_path, "b.md", "a/c.md", "a-b.md", "a.md", "a/b/d.md")
    assert ids(source, tmp_path) == ["file:a-b.md", "file:a.md", "file:a/b/d.md", "file:a/c.md", "file:b.md"]
    assert ids(source, tmp_path) == sorted(ids(source, tmp_path))


def test_hidden_files_and_folders_are_left_out(source: FileSource, tmp_path: Path) -> None:
    write(tmp_path, "a.md", ".hidden.md", ".git/config", "b/.c/d.md")
    assert ids(source, tmp_path) == ["file:a.md"]


def test_a_hidden_file_that_is_named_is_read(source: FileSource, tmp_path: Path) -> None:
    write(tmp_path, ".notes.md")
    assert ids(source, tmp_path / ".notes.md") == ["file:.notes.md"]


def test_an_item_tells_where_it_was_found_and_reads_its_bytes_later(source: FileSource, tmp_path: Path) -> None:
    write(tmp_path, "a/b.md", content=b"first")
    (item,) = source.discover(str(tmp_path))
    write(tmp_path, "a/b.md", content=b"second")
    assert (item.source, item.locator, item.metadata) == ("file", str(tmp_path / "a/b.md"), {"path": "a/b.md"})
    assert (item.kind_hint, item.read()) == ("", b"second")


def test_a_link_that_leads_in_a_circle_is_not_followed(source: FileSource, tmp_path: Path) -> None:
    write(tmp_path, "in/a/b.md")
    (tmp_path / "in/a/up").symlink_to(tmp_path / "in")
    (tmp_path / "in/again").symlink_to(tmp_path / "in/a")
    (tmp_path / "in/self").symlink_to(tmp_path / "in/self")
    assert ids(source, tmp_path / "in") == ["file:a/b.md", "file:self"]


def test_a_link_to_another_folder_is_followed_once(source: FileSource, tmp_path: Path) -> None:
    write(tmp_path, "out/b.md", "in/a.md")
    (tmp_path / "in/one").symlink_to(tmp_path / "out")
    (tmp_path / "in/two").symlink_to(tmp_path / "out")
    assert ids(source, tmp_path / "in") == ["file:a.md", "file:one/b.md"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.md", ["file:a.md", "file:b.md"]),
        ("?.md", ["file:a.md", "file:b.md"]),
        ("[a]*.md", ["file:a.md"]),
        ("**/*.md", ["file:a.md", "file:b.md", "file:sub/c.md", "file:sub/deep/d.md"]),
        ("**/deep/**", ["file:sub/deep/d.md"]),
        ("sub/*", ["file:c.md", "file:deep/d.md"]),
        ("s*", ["file:sub/c.md", "file:sub/deep/d.md"]),
        ("*/d*/*.md", ["file:sub/deep/d.md"]),
    ],
)
def test_a_glob_names_documents_below_its_fixed_part(
    source: FileSource, tmp_path: Path, pattern: str, found: list[str]
) -> None:
    write(tmp_path, "a.md", "b.md", "c.txt", "sub/c.md", "sub/deep/d.md", ".e.md")
    assert ids(source, tmp_path / pattern) == found


def test_a_file_whose_name_looks_like_a_glob_is_that_file(source: FileSource, tmp_path: Path) -> None:
    write(tmp_path, "a[1].md", "a1.md", "in [x]/b.md")
    assert ids(source, tmp_path / "a[1].md") == ["file:a[1].md"]
    assert ids(source, tmp_path / "in [x]" / "*.md") == ["file:b.md"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing.md", "no file or folder at `{}`"),
        ("*.md", "no file matches `{}`"),
        ("no/*.md", "no file matches `{}`"),
    ],
)
def test_what_is_not_there_is_a_mistake_of_the_user(
    source: FileSource, tmp_path: Path, name: str, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        ids(source, tmp_path / name)
    assert str(caught.value) == message.format(tmp_path / name)


def test_an_empty_folder_holds_no_documents(source: FileSource, tmp_path: Path) -> None:
    assert ids(source, tmp_path) == []


def test_a_study_has_the_id_of_its_registry(source: FileSource, tmp_path: Path) -> None:
    write(tmp_path, "one.json", content=b"\n " + study("NCT00002938"))
    write(tmp_path, "two.json", content=b"\xef\xbb\xbf" + study("NCT00002939"))
    found = [(item.document_id, item.source, item.metadata) for item in source.discover(str(tmp_path))]
    assert found == [
        ("clinicaltrials:NCT00002938", "clinicaltrials", {"path": "one.json"}),
        ("clinicaltrials:NCT00002939", "clinicaltrials", {"path": "two.json"}),
    ]


@pytest.mark.parametrize(
    "content",
    [b'{"protocolSection": {"identificationModule": {"nctId": "NCT00002938"', study("NCT1"), b'{"protocolSection": 1}'],
    ids=["cut short", "no number of the registry", "another shape"],
)
def test_what_is_no_sound_study_keeps_its_path(source: FileSource, tmp_path: Path, content: bytes) -> None:
    write(tmp_path, "a.json", content=content)
    assert ids(source, tmp_path) == ["file:a.json"]


def test_each_line_of_a_json_lines_file_is_a_document(source: FileSource, tmp_path: Path) -> None:
    lines = [
        b'{"id": "a", "text": "x"}\r\n',
        b"\n",
        b'  {"_id": 4983}\n',
        b'{"doc_id": "c/d"}\n',
        b'{"text": "none"}\n',
        b'{"id": "cut\n',
        b'{"id": ["no name"]}\n',
        study("NCT00002938"),
    ]
    write(tmp_path, "sub/c.jsonl", content=b"".join(lines))
    items = list(source.discover(str(tmp_path)))
    assert [item.document_id for item in items] == [
        "file:sub/c.jsonl#a",
        "file:sub/c.jsonl#4983",
        "file:sub/c.jsonl#c/d",
        "file:sub/c.jsonl#5",
        "file:sub/c.jsonl#6",
        "file:sub/c.jsonl#7",
        "clinicaltrials:NCT00002938",
    ]
    assert [item.read() for item in items] == [line.rstrip(b"\r\n") for line in lines if line.strip()]
    assert items[0].locator == f"{tmp_path / 'sub/c.jsonl'}#a"
    assert items[3].metadata == {"path": "sub/c.jsonl"}


def test_a_byte_order_mark_is_no_part_of_the_first_line(source: FileSource, tmp_path: Path) -> None:
    write(tmp_path, "c.ndjson", content=b'\xef\xbb\xbf{"id": 1}\n{"id": 2}')
    items = list(source.discover(str(tmp_path / "c.ndjson")))
    assert [(item.document_id, item.read()) for item in items] == [
        ("file:c.ndjson#1", b'{"id": 1}'),
        ("file:c.ndjson#2", b'{"id": 2}'),
    ]


@pytest.mark.parametrize("excess", [1, 2, 70_000, 200_000])
def test_a_line_that_is_too_long_is_rejected_and_the_next_is_read(
    source: FileSource, tmp_path: Path, excess: int
) -> None:
    write(tmp_path, "c.jsonl", content=b"x" * (200 + excess) + b"\r\n" + b'{"id": 2}\n')
    long, after = source.discover(str(tmp_path))
    with pytest.raises(RejectedError) as caught:
        long.read()
    assert str(caught.value) == f"a line of {200 + excess} bytes; at most 200 would be right"
    assert (after.document_id, after.read()) == ("file:c.jsonl#2", b'{"id": 2}')


def test_a_file_that_is_too_large_is_rejected_unread(source: FileSource, tmp_path: Path) -> None:
    write(tmp_path, "a.md", content=b"x" * 10_001)
    (item,) = source.discover(str(tmp_path))
    with pytest.raises(RejectedError) as caught:
        item.read()
    assert str(caught.value) == "10001 bytes; at most 10000 would be right"


def test_what_is_no_regular_file_is_rejected_without_waiting(source: FileSource, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (item,) = source.discover(str(tmp_path))
    with pytest.raises(RejectedError):
        item.read()


def test_a_link_to_nothing_is_an_item_that_cannot_be_read(source: FileSource, tmp_path: Path) -> None:
    (tmp_path / "gone.jsonl").symlink_to(tmp_path / "nothing")
    (item,) = source.discover(str(tmp_path))
    assert item.document_id == "file:gone.jsonl"
    with pytest.raises(OSError, match="No such file"):
        item.read()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_an_item_or_a_mistake(source: FileSource, tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl")
    (tmp_path / "a.jsonl").chmod(0)
    (item,) = source.discover(str(tmp_path))
    with pytest.raises(PermissionError):
        item.read()
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(UsageError, match="not readable"):
        ids(source, tmp_path)


def test_a_name_that_is_no_text_is_written_out(source: FileSource, tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.md")).write_bytes(b"words")
    (item,) = source.discover(str(tmp_path))
    assert (item.document_id, item.read()) == ("file:caf\\xe9.md", b"words")
    assert item.locator == f"{tmp_path}/caf\\xe9.md"


def test_the_origin_is_the_same_from_wherever_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert origin("in/") == origin("./in") == origin(str(tmp_path / "in")) == str(tmp_path / "in")
    assert origin("in/../*.md") == f"{tmp_path}/*.md"
