import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from penstock.audit import audit
from penstock.cli.app import app
from penstock.records import content_name

Home = Any
NewHome = Callable[..., Home]


def counts(expected: int, found: int, missing: int = 0, extra: int = 0, stale: int = 0) -> dict[str, int]:
    return {"expected": expected, "found": found, "missing": missing, "extra": extra, "stale": stale}


CLEAN = {
    "raw": counts(3, 3),
    "artifacts": counts(24, 24),
    "objects": counts(0, 0),
    "lexical": counts(4, 4),
    "vectors": counts(4, 4),
    "graph": counts(3, 3),
    "events": counts(51, 51),
}


def send_events(home: Home) -> None:
    home.workspace.relay.send()


def differences(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(each["store"], each["what"], each["document"]) for each in report["differences"]]


def row_of(home: Home, document: str) -> Any:
    with home.workspace.ledger.read() as cx:
        return home.workspace.ledger.documents.get(cx, "default", [document])[document]


@pytest.fixture(scope="module")
def audited(papers: Home) -> Home:
    send_events(papers)
    return papers


@pytest.fixture
def home(audited: Home, new_home: NewHome) -> Home:
    """A copy of a home in which all is well, to be damaged."""
    return new_home(audited)


def test_a_clean_home_is_consistent(audited: Home) -> None:
    report = audit(audited.workspace)
    assert {name: value for name, value in report.items() if name != "digest"} == {
        "consistent": True,
        "documents": {"active": 3, "deleted": 0},
        "stores": CLEAN,
        "leftovers": {"raw": 0, "artifacts": 0},
        "differences": [],
        "faults": [],
    }
    assert report["digest"]["chunks"] == report["digest"]["lexical"]


def test_an_empty_home_is_consistent_and_left_empty(new_home: NewHome) -> None:
    home = new_home()
    report = audit(home.workspace)
    assert (report["consistent"], report["documents"]) == (True, {"active": 0, "deleted": 0})
    assert report["stores"] == dict.fromkeys(CLEAN, counts(0, 0))
    assert not home.path.exists()


def test_a_raw_object_that_is_lost_or_altered_is_missing(home: Home) -> None:
    names = [content_name((home.documents / name).read_bytes()) for name in ("aspirin.md", "tea.md")]
    files = [home.path / "raw" / "default" / name[:2] / name for name in names]
    files[0].unlink()
    files[1].write_bytes(b"something else")
    report = audit(home.workspace)
    assert report["stores"] == CLEAN | {"raw": counts(3, 1, missing=2)}
    assert sorted(each["item"] for each in report["differences"]) == sorted(names)


def damage_last_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def cut_last_byte(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(("damage", "lost"), [(Path.unlink, 3), (damage_last_byte, 1), (cut_last_byte, 1)])
def test_an_output_that_is_lost_altered_or_cut_is_missing(
    home: Home, damage: Callable[[Path], None], lost: int
) -> None:
    with home.workspace.ledger.read() as cx:
        packs = [row.pack for row in home.workspace.ledger.artifacts.all(cx) if row.build is None]
    [path] = (home.path / "artifacts").glob(f"*/{packs[0]}.pack")
    damage(path)
    report = audit(home.workspace)
    assert report["stores"] == CLEAN | {"artifacts": counts(24, 24 - lost, missing=lost)}


def test_a_build_that_is_lost_from_the_words_is_missing(home: Home) -> None:
    home.workspace.resources.lexical.remove("default", [row_of(home, "file:aspirin.md").index_build])
    report = audit(home.workspace)
    assert report["stores"] == CLEAN | {"lexical": counts(4, 2, missing=2)}
    assert differences(report) == [("lexical", "missing", "file:aspirin.md")] * 2


def test_other_text_under_a_chunk_is_stale_and_another_chunk_is_extra(home: Home) -> None:
    from msgspec.structs import replace

    build = row_of(home, "file:aspirin.md").index_build
    lexical = home.workspace.resources.lexical
    first, second = lexical.build_chunks("default", build)
    changed = [replace(first, text="Other words."), replace(second, chunk_id="file:aspirin.md#9")]
    lexical.write("default", {build: changed})
    report = audit(home.workspace)
    assert report["stores"] == CLEAN | {"lexical": counts(4, 4, missing=1, extra=1, stale=1)}
    assert {what for _, what, _ in differences(report)} == {"missing", "extra", "stale"}
    assert report["digest"]["lexical"] != report["digest"]["chunks"]


def test_a_build_that_is_lost_from_the_vectors_is_missing(home: Home) -> None:
    home.workspace.resources.vectors.remove("default", [row_of(home, "file:tea.md").index_build])
    report = audit(home.workspace)
    assert report["stores"] == CLEAN | {"vectors": counts(4, 3, missing=1)}
    assert differences(report) == [("vectors", "missing", "file:tea.md")]


def test_a_vector_that_is_altered_is_told(home: Home) -> None:
    [segment] = (home.path / "vectors" / "default").glob("*.seg")
    content = bytearray(segment.read_bytes())
    content[-100] ^= 1
    segment.write_bytes(content)
    report = audit(home.workspace)
    assert report["stores"] == CLEAN | {"vectors": counts(4, 0, missing=4)}
    assert report["faults"] == [
        f"vectors of tenant `default`: {segment}: the segment is broken; `penstock repair` builds it anew"
    ]


def test_a_graph_that_lost_rows_is_stale_and_one_that_lost_a_build_misses_it(home: Home) -> None:
    with closing(sqlite3.connect(home.path / "graph.db")) as connection, connection:
        connection.execute("PRAGMA foreign_keys = ON")
        where = "(SELECT number FROM builds WHERE document = ?)"
        connection.execute(f"DELETE FROM relations WHERE build IN {where}", ("file:aspirin.md",))
        connection.execute(f"DELETE FROM builds WHERE number IN {where}", ("file:tea.md",))
    report = audit(home.workspace)
    assert report["stores"] == CLEAN | {"graph": counts(3, 2, missing=1, stale=1)}
    assert sorted(differences(report)) == [("graph", "missing", "file:tea.md"), ("graph", "stale", "file:aspirin.md")]


def test_events_that_were_sent_and_are_gone_are_missing(home: Home) -> None:
    file = home.path / "events" / "events.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:-2], lines[0]]))
    report = audit(home.workspace)
    assert report["stores"] == CLEAN | {"events": counts(51, 49, missing=2)}
    assert sorted(each["item"] for each in report["differences"]) == sorted(
        json.loads(each)["id"] for each in lines[-2:]
    )


def test_events_that_are_owed_are_not_missing(papers: Home, new_home: NewHome) -> None:
    home = new_home()
    home.write({"a.md": "# Tea\n\nGreen tea.\n"})
    home.ingest()
    assert audit(home.workspace)["stores"]["events"] == counts(0, 0)


def test_a_lost_receipt_is_told_and_what_it_spoke_for_is_not_called_extra(home: Home) -> None:
    with home.workspace.ledger.read() as cx:
        packs = {row.pack for row in home.workspace.ledger.artifacts.all(cx) if row.build is not None}
    home.workspace.resources.packs.remove(packs)
    report = audit(home.workspace)
    assert report["stores"] == CLEAN | {
        "artifacts": counts(24, 18, missing=6),
        "lexical": counts(3, 4, missing=3),
        "vectors": counts(3, 4, missing=3),
        "graph": counts(3, 3, missing=3),
    }


def test_what_waits_for_the_sweep_or_is_not_switched_to_counts_for_nothing(home: Home) -> None:
    home.write({"tea.md": "# Tea\n\nBlack tea treats diabetes mellitus.\n"})
    home.ingest()
    home.write({"metformin.md": "# Metformin\n\nOther words.\n"})
    home.ingest(stop_before="kg")
    home.delete("file:aspirin.md")
    report = audit(home.workspace)
    assert (report["consistent"], report["documents"]) == (True, {"active": 2, "deleted": 1})
    assert report["stores"]["lexical"] == counts(2, 2)
    home.workspace.ledger.recover()
    home.ingest()
    home.sweep()
    swept = audit(home.workspace)
    assert (swept["consistent"], swept["documents"]) == (True, {"active": 3, "deleted": 0})


def test_a_deleted_document_that_comes_back_with_other_content_is_consistent(home: Home) -> None:
    home.delete("file:tea.md")
    home.sweep()
    home.write({"tea.md": "# Tea\n\nBlack tea.\n"})
    home.ingest()
    home.sweep()
    assert audit(home.workspace)["stores"]["raw"] == counts(3, 3)


def test_order_and_batches_leave_no_mark_on_the_digests(audited: Home, new_home: NewHome) -> None:
    other = new_home()
    texts = {path.name: path.read_text() for path in audited.documents.iterdir()}
    for name in sorted(texts, reverse=True):
        other.write({name: f"# Draft\n\nOf {name}, with aspirin.\n"})
        other.ingest()
        other.write({name: texts[name]})
        other.ingest()
    report = audit(other.workspace)
    assert report["digest"] == audit(audited.workspace)["digest"]
    other.sweep()
    assert audit(other.workspace)["digest"] == report["digest"]


def test_other_content_or_another_tenant_changes_every_digest(audited: Home, new_home: NewHome) -> None:
    changed, moved = new_home(), new_home()
    texts = {path.name: path.read_text() for path in audited.documents.iterdir()}
    changed.write(texts | {"tea.md": "# Tea\n\nBlack tea.\n"})
    changed.ingest()
    moved.write(texts)
    moved.ingest(tenant="north")
    digests = [audit(each.workspace)["digest"] for each in (audited, changed, moved)]
    for name in digests[0]:
        assert len({each[name] for each in digests}) == 3, name


def test_to_delete_and_run_again_mends_a_document(home: Home) -> None:
    row = row_of(home, "file:aspirin.md")
    before = audit(home.workspace)["digest"]
    home.workspace.resources.lexical.remove("default", [row.index_build])
    home.workspace.resources.vectors.remove("default", [row.index_build])
    home.workspace.resources.raw.remove("default", [row.active_hash])
    assert not audit(home.workspace)["consistent"]
    home.delete("file:aspirin.md")
    home.sweep()
    home.ingest()
    report = audit(home.workspace)
    assert (report["consistent"], report["digest"]) == (True, before)


def invoke(home: Home, *words: str) -> Any:
    return CliRunner().invoke(
        app, ["--home", str(home.path), "--config", str(home.config), "--profile", "tiny", *words]
    )


def test_the_command_sends_what_is_owed_first(papers: Home, new_home: NewHome) -> None:
    home = new_home()
    home.write({"a.md": "# Tea\n\nGreen tea.\n"})
    home.ingest()
    result = invoke(home, "audit", "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["consistent"], result.stderr) == (0, True, "")
    assert report["stores"]["events"] == counts(17, 17)


def test_the_command_ends_with_1_and_says_what_to_do(home: Home) -> None:
    shutil.rmtree(home.path / "lexical")
    result = invoke(home, "audit")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert "lexical 4 0 4 0 0" in lines
    assert lines[-1] == "not consistent: 4 differences"
    assert result.stderr == "next: penstock repair\n"
