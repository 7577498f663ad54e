"""Each damage ends in a state that the audit names, and the repair mends it from the ledger and the raw store."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from penstock.audit import audit
from penstock.execution.retry import retry
from penstock.records import Facts, content_name

Home = Any
NewHome = Callable[..., Home]


@pytest.fixture(scope="module")
def sound(papers: Home) -> Home:
    papers.workspace.relay.send()
    return papers


@pytest.fixture
def home(sound: Home, new_home: NewHome) -> Home:
    """A copy of a home in which all is well, to be damaged."""
    return new_home(sound)


@pytest.fixture(scope="module")
def digest(sound: Home) -> dict[str, str]:
    return audit(sound.workspace)["digest"]  # type: ignore[no-any-return]  # a report is JSON


def flip(path: Path, at: int | None = None) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if at is None else at] ^= 1
    path.write_bytes(content)


def flip_first(path: Path) -> None:
    flip(path, 0)


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garble(path: Path) -> None:
    path.write_bytes(b"not what it was, " * 200)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def of_each_kind(folder: Path) -> Iterator[Path]:
    """A file of each suffix."""
    yield from {path.suffix: path for path in sorted(folder.iterdir()) if not path.name.startswith(".")}.values()


def actions(repair: Any) -> list[tuple[str, str, str]]:
    return sorted({(each.store, each.what, each.action) for each in repair.mended})


def row_of(home: Home, document: str, tenant: str = "default") -> Any:
    with home.workspace.ledger.read() as cx:
        return home.workspace.ledger.documents.get(cx, tenant, [document])[document]


def raw_file(home: Home, name: str) -> Path:
    digest = content_name((home.documents / name).read_bytes())
    return home.path / "raw" / "default" / digest[:2] / digest


def assert_mended(home: Home, digest: dict[str, str], **options: Any) -> Any:
    """The audit names the damage, the repair leaves nothing of it, and a second one finds nothing to do."""
    assert not audit(home.workspace)["consistent"]
    found = home.repair(**options)
    assert [each.item for each in found.unmended] == []
    report = audit(home.workspace)
    assert (report["consistent"], report["digest"]) == (True, digest)
    again = home.repair()
    assert (again.mended, again.unmended, again.jobs) == ([], [], 0)
    return found


# ── artifacts ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("damage", [Path.unlink, halve, flip, empty])
def test_packs_are_computed_again(home: Home, digest: dict[str, str], damage: Callable[[Path], None]) -> None:
    before = audit(home.workspace)["stores"]["artifacts"]["expected"]
    for pack in sorted((home.path / "artifacts").glob("*/*.pack")):
        damage(pack)
    found = assert_mended(home, digest)
    assert ("artifacts", "missing", "computed again") in actions(found)
    assert found.jobs == (2 if damage is flip else 3)
    assert audit(home.workspace)["stores"]["artifacts"]["found"] == before


def test_an_output_of_the_middle_alone_is_computed_alone(home: Home, digest: dict[str, str]) -> None:
    build = row_of(home, "file:tea.md").index_build
    with home.workspace.ledger.read() as cx:
        [job] = home.workspace.ledger.jobs.of_document(cx, "default", "file:tea.md")
        keys = {run["stage"]: run["work_key"] for run in home.workspace.ledger.stage_runs.of(cx, [job.job])[job.job]}
        [row] = home.workspace.ledger.artifacts.find(cx, [keys["chunk"]]).values()
    [pack] = (home.path / "artifacts").glob(f"*/{row.pack}.pack")
    flip(pack, row.start)
    found = assert_mended(home, digest)
    assert (actions(found), found.jobs) == ([("artifacts", "missing", "computed again")], 1)
    assert row_of(home, "file:tea.md").index_build == build
    with home.workspace.ledger.read() as cx:
        [newest, _] = home.workspace.ledger.jobs.of_document(cx, "default", "file:tea.md")
        runs = home.workspace.ledger.stage_runs.of(cx, [newest.job])[newest.job]
    assert [run["stage"] for run in runs if not run["reused"]] == ["chunk"]


# ── words and vectors ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("damage", [halve, flip_first])
def test_an_index_with_a_damaged_file_is_built_anew(
    home: Home, digest: dict[str, str], damage: Callable[[Path], None], new_home: NewHome
) -> None:
    names = [path.name for path in of_each_kind(home.path / "lexical" / "default")]
    assert len(names) == 7
    for name in names:
        copy = new_home(home)
        damage(copy.path / "lexical" / "default" / name)
        found = assert_mended(copy, digest)
        assert ("lexical", "missing", "rebuilt") in actions(found), name


def test_an_index_whose_folder_is_gone_is_built_anew(home: Home, digest: dict[str, str]) -> None:
    shutil.rmtree(home.path / "lexical")
    shutil.rmtree(home.path / "vectors")
    found = assert_mended(home, digest)
    assert actions(found) == [("lexical", "missing", "rebuilt"), ("vectors", "missing", "rebuilt")]


def test_an_index_that_was_emptied_is_filled_again(home: Home, digest: dict[str, str]) -> None:
    lexical = home.workspace.resources.lexical
    lexical.remove("default", {build for build, _, _ in lexical.scan("default")})
    assert actions(assert_mended(home, digest)) == [("lexical", "missing", "rebuilt")]


def segments(home: Home) -> list[Path]:
    """Three segments: the documents' own, one that says nothing any more, and one that is written here."""
    vectors = home.workspace.resources.vectors
    build = row_of(home, "file:tea.md").index_build
    [batch] = [each for name, each in batches(home) if name == build]
    vectors.write("default", {"other": batch})
    vectors.remove("default", ["other"])
    return sorted((home.path / "vectors" / "default").glob("*.seg"))


def batches(home: Home) -> Iterator[tuple[str, Any]]:
    """Each document's build and its vectors, as the embed stage gave them."""
    import msgspec

    from penstock.execution.outputs import read_packs
    from penstock.records import EmbeddingBatch

    ledger = home.workspace.ledger
    with ledger.read() as cx:
        for row in list(ledger.documents.active(cx)):
            runs = {run["stage"]: run for run in ledger.stage_runs.of(cx, [row.active_job])[row.active_job]}
            found = ledger.artifacts.find(cx, [runs["embed"]["work_key"]])
            stored, _ = read_packs(home.workspace.resources.packs, list(found.values()))
            yield row.index_build, msgspec.msgpack.decode(*stored.values(), type=EmbeddingBatch)


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("damage", [Path.unlink, halve, flip, garble, empty])
def test_vectors_go_on_without_a_broken_segment_and_what_it_held_is_rebuilt(
    home: Home, digest: dict[str, str], damage: Callable[[Path], None], which: int
) -> None:
    files = segments(home)
    assert len(files) == 3
    damage(files[which])
    if damage is Path.unlink and which == 2:  # at the end there is no gap: the other build is back, and not known
        assert [each.what for each in home.repair().mended] == ["extra"]
    else:
        assert_mended(home, digest)
    assert audit(home.workspace)["digest"] == digest
    aside = sorted((home.path / "damaged").glob("vectors-*/*")) if damage is not Path.unlink else []
    assert [path.name for path in aside] == ([f"vectors-default-{files[which].name}"] if aside else [])


def test_a_half_written_segment_beside_sound_ones_disturbs_nobody(home: Home) -> None:
    [segment] = (home.path / "vectors" / "default").glob("*.seg")
    shutil.copy(segment, segment.with_name(f".{segment.name}.partial"))
    halve(segment.with_name(f".{segment.name}.partial"))
    assert audit(home.workspace)["consistent"]


def test_a_file_of_another_name_among_the_segments_is_set_aside(home: Home, digest: dict[str, str]) -> None:
    (home.path / "vectors" / "default" / "backup.seg").write_bytes(b"a copy that somebody made")
    assert_mended(home, digest)
    [aside] = (home.path / "damaged").glob("vectors-*/*")
    assert aside.name == "vectors-default-backup.seg"


def test_rows_of_a_build_that_nobody_knows_are_removed(home: Home, digest: dict[str, str]) -> None:
    [batch] = [each for build, each in batches(home) if build == row_of(home, "file:tea.md").index_build]
    home.workspace.resources.lexical.write("default", {"stray": batch.chunks})
    home.workspace.resources.vectors.write("default", {"stray": batch})
    home.workspace.resources.graph.write("default", {"stray": ("file:tea.md", Facts())})
    found = assert_mended(home, digest)
    assert actions(found) == [(store, "extra", "removed") for store in ("graph", "lexical", "vectors")]
    assert found.jobs == 0


def test_rows_that_came_to_another_tenant_are_removed_there_and_stay_where_they_belong(
    sound: Home, new_home: NewHome
) -> None:
    home = new_home(sound)
    home.ingest(tenant="north")
    home.workspace.relay.send()
    digest = audit(home.workspace)["digest"]
    for name in ("lexical", "vectors"):
        shutil.rmtree(home.path / name / "north")
        shutil.copytree(home.path / name / "default", home.path / name / "north")
    found = assert_mended(home, digest)
    assert actions(found) == [
        (store, what, action)
        for store in ("lexical", "vectors")
        for what, action in (("extra", "removed"), ("missing", "rebuilt"))
    ]
    assert {each.tenant for each in found.mended} == {"north"}


# ── graph ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("damage", [Path.unlink, halve, garble, empty])
def test_a_graph_that_is_broken_or_gone_is_built_anew(
    home: Home, digest: dict[str, str], damage: Callable[[Path], None]
) -> None:
    damage(home.path / "graph.db")
    found = assert_mended(home, digest)
    assert ("graph", "missing", "rebuilt") in actions(found)
    aside = [path.name for path in (home.path / "damaged").glob("graph-*/graph.db")]
    assert aside == ([] if damage is Path.unlink else ["graph.db"])


def test_a_graph_with_a_page_overwritten_is_built_anew(home: Home, digest: dict[str, str]) -> None:
    path = home.path / "graph.db"
    content = bytearray(path.read_bytes())
    for page in range(1, len(content) // 4096):
        damaged = content[: page * 4096] + b"\xa5" * 4096 + content[(page + 1) * 4096 :]
        path.write_bytes(damaged)
        if not audit(home.workspace)["consistent"]:  # a page that nothing uses is no damage
            assert_mended(home, digest)
            content = bytearray(path.read_bytes())


def test_a_log_that_its_graph_has_lost_is_never_read_into_a_new_one(home: Home, digest: dict[str, str]) -> None:
    path = home.path / "graph.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("SELECT count(*) FROM builds").fetchone()
        home.workspace.resources.graph.write("default", {"stray": ("file:tea.md", Facts())})
        log = path.with_name("graph.db-wal").read_bytes()
    path.unlink()
    path.with_name("graph.db-wal").write_bytes(log)
    assert_mended(home, digest)


# ── raw ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("damage", [Path.unlink, halve, flip, garble, empty])
def test_a_raw_object_is_stored_again_from_its_source(
    home: Home, sound: Home, digest: dict[str, str], damage: Callable[[Path], None]
) -> None:
    damage(raw_file(home, "tea.md"))  # the source is the folder that the documents were first read from
    found = assert_mended(home, digest)
    assert (actions(found), found.jobs) == ([("raw", "missing", "stored again from its source")], 0)


@pytest.mark.parametrize("damage", [Path.unlink, halve, garble, empty])
def test_a_run_with_the_source_stores_a_lost_or_cut_raw_object_again(
    home: Home, digest: dict[str, str], damage: Callable[[Path], None]
) -> None:
    damage(raw_file(home, "tea.md"))
    home.ingest()
    report = audit(home.workspace)
    assert (report["consistent"], report["digest"]) == (True, digest)


def test_storing_the_same_bytes_replaces_damaged_ones(home: Home) -> None:
    path, content = raw_file(home, "tea.md"), (home.documents / "tea.md").read_bytes()
    raw = home.workspace.resources.raw
    for put in (lambda: raw.put("default", content), lambda: raw.put_many("default", [content])):
        flip(path, 3)
        put()
        assert path.read_bytes() == content


def lose_source(home: Home) -> Path:
    """Documents that came from a folder of this home's own, which is gone now."""
    folder = home.documents.with_name("once")
    home.documents.rename(folder)
    home.write({"only.md": "# Only\n\nA treatment of hypertension.\n"})
    home.ingest()
    home.workspace.relay.send()
    path = raw_file(home, "only.md")
    shutil.rmtree(home.documents)
    return path


def test_a_raw_object_whose_source_is_gone_is_told_and_its_document_stays_served(home: Home) -> None:
    flip(lose_source(home), 3)
    build = row_of(home, "file:only.md").index_build
    found = home.repair()
    assert found.mended == []
    [left] = found.unmended
    assert (
        left.action
        == "the bytes of `file:only.md` are gone, and its source does not have them any more; it is still served"
    )
    assert left.next == f"penstock run … --input '{home.documents}', or penstock delete file:only.md"
    assert row_of(home, "file:only.md").index_build == build
    assert home.workspace.resources.lexical.build_chunks("default", build)
    home.write({"only.md": "# Only\n\nA treatment of hypertension.\n"})
    home.ingest()
    assert audit(home.workspace)["consistent"]


def test_a_document_that_has_lost_everything_but_its_ledger_says_what_it_needs(home: Home) -> None:
    lose_source(home).unlink()
    shutil.rmtree(home.path / "artifacts")
    home.repair()
    found = home.repair()
    assert {each.document or each.item for each in found.unmended if "gone" not in each.action} <= {"file:only.md"}
    assert not audit(home.workspace)["consistent"]
    home.write({"only.md": "# Only\n\nA treatment of hypertension.\n"})
    retry(home.workspace, [])
    home.ingest()
    home.repair()
    assert audit(home.workspace)["consistent"]


def test_an_old_version_whose_bytes_are_gone_is_forgotten(home: Home) -> None:
    old = raw_file(home, "tea.md")
    home.write({"tea.md": "# Tea\n\nBlack tea.\n"})
    home.ingest()
    home.sweep()
    home.workspace.relay.send()
    digest = audit(home.workspace)["digest"]
    shutil.copytree(home.documents, home.documents.with_name("documents-kept"))
    for path in (old, raw_file(home, "metformin.md")):
        path.unlink()
    assert audit(home.workspace)["stores"]["raw"]["missing"] == 2
    found = home.repair()
    assert found.unmended == []
    assert ("raw", "missing", "stored again from its source") in actions(found)
    assert audit(home.workspace)["digest"] == digest


# ── events ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_events_that_are_lost_or_garbled_are_sent_again(home: Home, digest: dict[str, str]) -> None:
    path = home.path / "events" / "events.jsonl"
    before = {each["id"] for each in home.workspace.resources.events.read()}
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = b"\x00" * (len(lines[3]) - 1) + b"\n"
    path.write_bytes(b"".join([*lines[:10], *lines[12:]]))
    found = assert_mended(home, digest)
    assert actions(found) == [("events", "fault", "set aside"), ("events", "missing", "sent again")]
    assert {each["id"] for each in home.workspace.resources.events.read()} == before
    [aside] = (home.path / "damaged").glob("events-*/*")
    assert aside.read_bytes() == b"".join([*lines[:10], *lines[12:]])


def test_a_file_of_events_that_is_gone_is_written_again(home: Home, digest: dict[str, str]) -> None:
    before = {each["id"] for each in home.workspace.resources.events.read()}
    (home.path / "events" / "events.jsonl").unlink()
    assert_mended(home, digest)
    assert {each["id"] for each in home.workspace.resources.events.read()} == before


# ── the repair itself ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_dry_run_says_what_would_be_done_and_does_nothing(home: Home) -> None:
    garble(home.path / "graph.db")
    raw_file(home, "tea.md").unlink()
    shutil.rmtree(home.path / "lexical")
    before = {path: path.read_bytes() for path in home.path.rglob("*") if path.is_file() and "ledger" not in path.name}
    found = home.repair(dry_run=True)
    assert actions(found) == [
        ("graph", "fault", "set aside"),
        ("graph", "missing", "rebuilt"),
        ("lexical", "missing", "rebuilt"),
        ("raw", "missing", "stored again from its source"),
    ]
    assert (found.unmended, found.jobs) == ([], 0)
    after = {path: path.read_bytes() for path in home.path.rglob("*") if path.is_file() and "ledger" not in path.name}
    assert after == before


def test_a_repair_of_one_tenant_leaves_the_others_alone(sound: Home, new_home: NewHome) -> None:
    home = new_home(sound)
    home.ingest(tenant="north")
    home.workspace.relay.send()
    shutil.rmtree(home.path / "lexical")
    found = home.repair(tenant="north")
    assert {each.tenant for each in found.mended} == {"north"}
    assert {(each.tenant, each.action) for each in found.unmended} == {("default", "another tenant's")}
    report = audit(home.workspace)
    assert report["stores"]["lexical"]["missing"] == 4
    assert home.repair().unmended == []


def test_the_old_version_is_served_until_the_new_one_is_whole(home: Home) -> None:
    row = row_of(home, "file:aspirin.md")
    lexical = home.workspace.resources.lexical
    chunks = lexical.build_chunks("default", row.index_build)
    lexical.write("default", {row.index_build: chunks[:1]})

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    home.work, work = interrupted, home.work
    with pytest.raises(KeyboardInterrupt):
        home.repair()
    home.work = work
    assert row_of(home, "file:aspirin.md").index_build == row.index_build
    assert lexical.build_chunks("default", row.index_build) == chunks[:1]
    found = home.repair()
    assert (found.unmended, found.jobs) == ([], 1)
    assert row_of(home, "file:aspirin.md").index_build != row.index_build
    assert [build for build, _, _ in lexical.scan("default")].count(row.index_build) == 0


def test_what_two_pipelines_have_made_together_is_made_again_in_their_order(home: Home, sound: Home) -> None:
    """The index comes from one pipeline and the graph from a later one; the damage is in both."""
    shipped = (home.config / "pipelines" / "auto.yaml").read_text()
    facts = shipped.replace("name: auto", "name: facts")
    assert facts != shipped
    (home.config / "pipelines" / "facts.yaml").write_text(facts)
    home.ingest(pipeline="facts")
    home.workspace.relay.send()
    before = row_of(home, "file:tea.md")
    digest = audit(home.workspace)["digest"]
    shutil.rmtree(home.path / "lexical")
    garble(home.path / "graph.db")
    assert_mended(home, digest)
    after = row_of(home, "file:tea.md")
    with home.workspace.ledger.read() as cx:
        jobs = home.workspace.ledger.jobs.get(cx, [before.active_job, after.active_job])
    assert {job.pipeline for job in jobs.values()} == {"facts"}


def test_a_document_that_is_deleted_or_in_flight_is_left_alone(home: Home) -> None:
    home.delete("file:tea.md")
    (home.documents / "tea.md").unlink()
    home.write({"metformin.md": "# Metformin\n\nOther words.\n"})
    home.ingest(stop_before="index")
    shutil.rmtree(home.path / "lexical")
    home.repair()
    home.workspace.ledger.recover()
    home.ingest()
    home.repair()
    report = audit(home.workspace)
    assert (report["consistent"], report["documents"]) == (True, {"active": 2, "deleted": 1})
    assert [
        each.text
        for each in home.workspace.resources.lexical.build_chunks(
            "default", row_of(home, "file:metformin.md").index_build
        )
    ] == ["Other words."]


def test_files_that_nothing_refers_to_are_counted_and_collected(home: Home) -> None:
    home.workspace.resources.packs.write("nobody.1", b"a pack that was written and never recorded")
    home.workspace.resources.raw.put("default", b"an object that was stored and never submitted")
    report = audit(home.workspace)
    assert (report["consistent"], report["leftovers"]) == (True, {"raw": 1, "artifacts": 1})
    found = home.repair()
    assert (found.mended, found.unmended, found.jobs) == ([], [], 0)
    assert audit(home.workspace)["leftovers"] == {"raw": 0, "artifacts": 0}


def test_a_ledger_that_has_lost_its_documents_loses_no_raw_object(home: Home) -> None:
    home.workspace.close()
    with closing(sqlite3.connect(home.path / "ledger.db")) as ledger:
        ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = {path.name: path.read_bytes() for path in (home.path / "raw").glob("*/*/*")}
    broken, *_ = sorted((home.path / "raw").glob("*/*/*"))
    broken.write_bytes(b"no longer what its name says")
    before.pop(broken.name)
    with (home.path / "ledger.db").open("rb+") as file:  # the list of tables stands on the first pages
        file.truncate(8192)
    copy = type(home)(home.path, home.config, home.documents)
    found = copy.repair()
    assert (found.unmended, found.salvage.rows) == ([], {})
    kept = {path.name: path.read_bytes() for path in (home.path / "damaged").glob("ledger-*/raw/default/*")}
    assert kept == before
    assert [path.read_bytes() for path in (home.path / "damaged").rglob(f"*{broken.name}*")] == [
        b"no longer what its name says"
    ]
    copy.ingest()
    copy.repair()
    assert audit(copy.workspace)["consistent"]
    copy.workspace.close()
