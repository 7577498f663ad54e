"""Where a stage's input comes from: memory, packs, computed again; past stages that are skipped."""

from typing import Any

import pytest
from tests.unit.execution.scene import EXTRACT, GRAPH, INGEST, PARSE, Scene, counts, pipeline, run_batch, stage

THREE = {"a": "aspirin", "b": "bread", "c": "cocoa"}


def stopped_before_chunk(scene: Scene) -> None:
    scene.submit()
    with scene.batch() as batch:
        run_batch(batch, stop_before="chunk")


@pytest.mark.parametrize("damage", ["delete", "flip", "cut"])
def test_an_input_that_is_gone_from_the_packs_is_computed_again(scene: Scene, toys: Any, damage: str) -> None:
    scene.write(**THREE)
    stopped_before_chunk(scene)
    for each in ("ingest", "parse"):
        path = scene.packs(each, "a")
        content = path.read_bytes()
        if damage == "delete":
            path.unlink()
        else:
            path.write_bytes(bytes(len(content)) if damage == "flip" else b"")
    toys.calls.clear()
    assert counts(scene.go_on()) == {"ingest": (3, 3, 0), "parse": (3, 3, 0), "chunk": (3, 0, 0)}
    assert scene.statuses() == dict.fromkeys(THREE, "completed")
    ids = [each["id"] for each in scene.events()]
    assert len(ids) == len(set(ids)), "a second execution is told by events of its own"


def test_only_what_a_cut_pack_no_longer_holds_is_computed_again(scene: Scene, toys: Any) -> None:
    scene.write(**THREE)
    stopped_before_chunk(scene)
    path = scene.packs("parse", "a")
    path.write_bytes(path.read_bytes()[:-1])
    toys.calls.clear()
    scene.go_on()
    assert [each[0] for each in toys.calls].count("parse") == 1
    assert scene.statuses() == dict.fromkeys(THREE, "completed")


def test_a_document_whose_raw_bytes_are_gone_says_so_and_a_run_with_its_input_mends_it(scene: Scene, toys: Any) -> None:
    scene.write(**THREE)
    scene.submit()
    scene.raw("b").unlink()
    assert counts(scene.go_on())["ingest"] == (2, 0, 1)
    job = scene.job("b")
    assert (job.status, job.error_recovery) == ("ingest_failed", "unavailable")
    assert job.error_message == (
        f"raw object `{job.content_hash[:12]}…` is gone; a run with the document among its inputs stores it again"
    )
    assert ("ingest", "file:b.txt", 1) not in toys.calls, "no stage is given bytes that are not there"
    assert counts(scene.run())["chunk"] == (1, 0, 0)
    assert scene.statuses() == dict.fromkeys(THREE, "completed")


def test_stored_outputs_without_their_raw_bytes_are_of_no_use(scene: Scene, toys: Any) -> None:
    scene.write(a="aspirin", b="bread")
    scene.submit()
    with scene.batch() as batch:
        run_batch(batch, stop_before="parse")
    scene.raw("b").unlink()
    assert counts(scene.go_on()) == {"ingest": (0, 2, 1), "parse": (1, 0, 0), "chunk": (1, 0, 0)}
    assert scene.statuses() == {"a": "completed", "b": "ingest_failed"}


def test_raw_bytes_that_were_altered_are_never_read_as_the_document(scene: Scene, toys: Any) -> None:
    scene.write(a="aspirin")
    scene.submit()
    path = scene.raw("a")
    path.chmod(0o644)
    path.write_bytes(b"arsenic")
    scene.go_on()
    job = scene.job("a")
    assert (job.status, job.error_message) == (
        "ingest_failed",
        f"raw object `{job.content_hash[:12]}…` cannot be read back as it was stored: ValueError",
    )


def test_with_pack_and_raw_bytes_gone_the_stage_that_needs_them_fails_and_nothing_else(scene: Scene, toys: Any) -> None:
    scene.write(**THREE)
    stopped_before_chunk(scene)
    for each in ("ingest", "parse"):
        scene.packs(each, "a").unlink()
    scene.raw("b").unlink()
    outcomes = scene.go_on()
    assert [name for name, _ in outcomes["ingest"].failures] == ["file:b.txt"]
    assert scene.statuses() == {"a": "completed", "b": "ingest_failed", "c": "completed"}


def by_tenant(name: str, kind: str, after: str, *accepted: str) -> Any:
    return stage(name, kind, after, when={"tenant": accepted})


def test_a_stage_that_is_skipped_passes_on_what_it_would_have_taken(scene: Scene, toys: Any) -> None:
    topology = pipeline(
        INGEST, PARSE, by_tenant("check", "Validate", "parse", "other"), stage("chunk", "Chunk", "check")
    )
    scene.write(a="aspirin")
    outcomes = scene.run(topology)
    assert counts(outcomes) == {
        "ingest": (1, 0, 0),
        "parse": (1, 0, 0),
        "check": (0, 0, 0),
        "chunk": (1, 0, 0),
    }
    assert outcomes["check"].skipped == 1
    assert scene.job("a").status == "completed"
    assert set(scene.stage_runs("a")) == {"ingest", "parse", "chunk"}
    assert [each[0] for each in toys.calls] == ["ingest", "parse", "chunk"], "from memory, not computed again"


def test_behind_a_stage_that_gives_something_else_all_that_needs_it_is_skipped(scene: Scene, toys: Any) -> None:
    topology = pipeline(
        INGEST,
        PARSE,
        by_tenant("chunk", "Chunk", "parse", "other"),
        stage("embed", "Embed", "chunk"),
        EXTRACT,
        GRAPH,
    )
    scene.write(a="aspirin")
    outcomes = scene.run(topology)
    assert [name for name, each in outcomes.items() if each.skipped] == ["chunk", "embed"]
    assert (scene.job("a").status, scene.entities("a")) == ("completed", ["aspirin"])


def test_documents_of_one_batch_take_different_ways(scene: Scene, toys: Any) -> None:
    topology = pipeline(
        INGEST, PARSE, by_tenant("check", "Validate", "parse", "strict"), stage("chunk", "Chunk", "check")
    )
    scene.write(a="aspirin")
    scene.submit(topology, tenant="strict")
    scene.submit(topology, tenant="lax")
    outcomes = scene.go_on(topology)
    assert (outcomes["check"].executed, outcomes["check"].skipped, outcomes["chunk"].executed) == (1, 1, 2)
    with scene.ledger.read() as cx:
        for tenant in ("strict", "lax"):
            (job,) = scene.ledger.jobs.of_document(cx, tenant, "file:a.txt")
            assert job.status == "completed"
