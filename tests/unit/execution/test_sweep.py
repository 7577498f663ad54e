"""What goes from the stores, when, and what never does."""

from typing import Any

import pytest
from tests.unit.execution.scene import (
    FULL,
    GRAPH,
    GRAPH_ONLY,
    INGEST,
    PARSE,
    TENANT,
    Scene,
    counts,
    pipeline,
    run_batch,
    stage,
)

from penstock.errors import RejectedError
from penstock.execution.preview import preview
from penstock.execution.removal import delete, prune
from penstock.execution.retry import retry
from penstock.execution.sweep import sweep


def stored(scene: Scene, tenant: str = TENANT) -> dict[str, int]:
    """How many things each store holds, visible or not."""
    resources = scene.workspace.resources
    return {
        "raw": len(list(resources.raw.names(tenant))),
        "packs": len(list(resources.packs.names())),
        "chunks": len(list(resources.lexical.scan(tenant))),
        "graphs": len(list(resources.graph.scan(tenant))),
    }


def one_each(**more: int) -> dict[str, int]:
    return {"raw": 1, "packs": 7, "chunks": 1, "graphs": 1} | more


def test_after_a_change_only_the_new_version_s_outputs_are_left(scene: Scene) -> None:
    scene.write(a="aspirin")
    scene.run(FULL)
    assert (sweep(scene.workspace), stored(scene)) == (0, one_each())
    scene.write(a="arnica")
    scene.run(FULL)
    assert stored(scene) == one_each(raw=2, packs=14, chunks=2, graphs=2)
    assert (sweep(scene.workspace), stored(scene)) == (1, one_each(raw=2)), "raw bytes stay while the document does"
    assert (scene.chunks("a"), sweep(scene.workspace)) == (["arnica"], 0)


def test_after_a_deletion_nothing_is_left(scene: Scene) -> None:
    scene.write(a="aspirin", b="bread")
    scene.run(FULL)
    delete(scene.workspace, TENANT, ["file:a.txt"])
    sweep(scene.workspace)
    assert stored(scene) == one_each(), "what it shared a pack with is there still"
    delete(scene.workspace, TENANT, ["file:b.txt"])
    sweep(scene.workspace)
    assert stored(scene) == dict.fromkeys(stored(scene), 0)


def test_raw_bytes_of_two_documents_go_with_the_last_of_them(scene: Scene) -> None:
    scene.write(a="same", b="same")
    scene.run(FULL)
    assert stored(scene)["raw"] == 1
    delete(scene.workspace, TENANT, ["file:a.txt"])
    sweep(scene.workspace)
    assert stored(scene)["raw"] == 1
    delete(scene.workspace, TENANT, ["file:b.txt"])
    sweep(scene.workspace)
    assert stored(scene)["raw"] == 0


def test_what_is_in_flight_is_left_alone(scene: Scene) -> None:
    scene.write(a="aspirin")
    scene.run(FULL)
    scene.write(a="arnica")
    scene.run(FULL)
    scene.write(a="anise")
    scene.submit(FULL)
    assert sweep(scene.workspace) == 0
    with scene.batch(FULL) as batch:
        run_batch(batch, stop_before="graph")
        before = stored(scene)
        assert (sweep(scene.workspace), stored(scene)) == (0, before)
    scene.go_on(FULL)
    assert (sweep(scene.workspace), scene.chunks("a"), scene.entities("a")) == (1, ["anise"], ["anise"])
    assert stored(scene) == one_each(raw=3)


def test_what_a_failed_job_left_is_kept_for_its_retry(scene: Scene, toys: Any) -> None:
    scene.write(a="aspirin")
    scene.run(FULL)

    def fail(ctx: Any, value: Any) -> None:
        raise RejectedError("not today")

    toys.on["extract"] = fail
    scene.write(a="arnica")
    scene.run(FULL)
    with scene.ledger.begin() as cx:
        scene.ledger.documents.ask_for_sweep(cx, [(TENANT, "file:a.txt")])
    sweep(scene.workspace)
    assert (scene.chunks("a"), scene.entities("a")) == (["aspirin"], ["aspirin"]), "the old version is shown still"
    toys.on.clear()
    retry(scene.workspace, [])
    assert [name for name, each in counts(scene.go_on(FULL)).items() if each[0]] == ["extract", "graph"]
    assert (scene.chunks("a"), scene.entities("a")) == (["arnica"], ["arnica"])
    sweep(scene.workspace)
    assert stored(scene) == one_each(raw=2)


def test_retried_from_a_stage_what_stands_behind_it_is_computed_again(scene: Scene, toys: Any) -> None:
    scene.write(a="aspirin")

    def fail(ctx: Any, value: Any) -> None:
        raise RejectedError("not today")

    toys.on["extract"] = fail
    scene.run(FULL)
    toys.on.clear()
    retry(scene.workspace, [], from_stage="chunk")
    assert [name for name, each in counts(scene.go_on(FULL)).items() if each[0]] == [
        "chunk",
        "embed",
        "index",
        "extract",
        "graph",
    ]
    with scene.ledger.begin() as cx:
        scene.ledger.documents.ask_for_sweep(cx, [(TENANT, "file:a.txt")])
    sweep(scene.workspace)
    assert (stored(scene)["chunks"], scene.chunks("a")) == (1, ["aspirin"])


def test_when_another_pipeline_takes_over_what_it_replaced_goes(scene: Scene) -> None:
    scene.write(a="aspirin")
    scene.run(FULL)
    other = pipeline(
        INGEST, PARSE, stage("extract", "Extract", "parse", settings={"note": "other"}), GRAPH, name="other"
    )
    scene.run(other)
    sweep(scene.workspace)
    assert (stored(scene)["graphs"], stored(scene)["chunks"]) == (1, 1)
    assert (scene.chunks("a"), scene.entities("a")) == (["aspirin"], ["aspirin"])


@pytest.mark.parametrize("part", ["packs", "raw", "lexical", "graph"])
def test_a_sweep_that_is_interrupted_is_done_by_the_next_one(
    scene: Scene, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.write(a="aspirin", b="bread")
    scene.run(FULL)
    delete(scene.workspace, TENANT, ["file:a.txt", "file:b.txt"])
    store = getattr(scene.workspace.resources, part)

    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(type(store), "remove", full)
        with pytest.raises(OSError, match="No space"):
            sweep(scene.workspace)
    sweep(scene.workspace)
    assert stored(scene) == dict.fromkeys(stored(scene), 0)


# ── pruning ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def deleted(scene: Scene, *targets: str) -> int:
    """How many documents a plan says that pruning would delete."""
    return preview(scene.workspace, GRAPH_ONLY, targets, tenant=TENANT).documents["deleted"]


def test_pruning_deletes_what_an_input_no_longer_holds(scene: Scene) -> None:
    scene.write(a="aspirin", b="bread")
    scene.run(GRAPH_ONLY)
    (scene.documents / "a.txt").unlink()
    found = scene.submit(GRAPH_ONLY)
    assert deleted(scene, str(scene.documents)) == 1
    assert prune(scene.workspace, TENANT, [str(scene.documents)], found.seen) == ["file:a.txt"]
    assert prune(scene.workspace, TENANT, [str(scene.documents)], found.seen) == []
    assert (deleted(scene, str(scene.documents)), scene.document("a").deleted_at is None) == (0, False)


def test_pruning_leaves_what_another_input_holds(scene: Scene) -> None:
    other = scene.documents.parent / "other"
    other.mkdir()
    for folder in (scene.documents, other):
        (folder / "a.txt").write_text("aspirin")
    here, there = str(scene.documents), str(other)
    scene.submit(GRAPH_ONLY, here)
    scene.submit(GRAPH_ONLY, there)
    (scene.documents / "a.txt").unlink()
    assert deleted(scene, here) == 0
    assert prune(scene.workspace, TENANT, [here], scene.submit(GRAPH_ONLY, here).seen) == []
    (other / "a.txt").unlink()
    assert deleted(scene, here, there) == 1
    assert prune(scene.workspace, TENANT, [here, there], set()) == ["file:a.txt"]


def test_pruning_two_inputs_at_once_deletes_what_both_have_lost(scene: Scene) -> None:
    other = scene.documents.parent / "other"
    other.mkdir()
    for folder in (scene.documents, other):
        (folder / "a.txt").write_text("aspirin")
    both = [str(scene.documents), str(other)]
    scene.submit(GRAPH_ONLY, *both)
    scene.submit(GRAPH_ONLY, both[1])
    for folder in (scene.documents, other):
        (folder / "a.txt").unlink()
    assert deleted(scene, *both) == 1
    assert prune(scene.workspace, TENANT, both, []) == ["file:a.txt"]


def test_what_cannot_be_read_is_not_gone(scene: Scene, toys: Any) -> None:
    def unreadable() -> bytes:
        raise OSError("offline")

    toys.letters["toy:a"] = lambda: b"aspirin"
    scene.submit(GRAPH_ONLY, "toy:")
    toys.letters["toy:a"] = unreadable
    assert prune(scene.workspace, TENANT, ["toy:"], scene.submit(GRAPH_ONLY, "toy:").seen) == []


def test_another_tenant_s_documents_are_none_of_its_business(scene: Scene) -> None:
    scene.write(a="aspirin")
    scene.submit(GRAPH_ONLY, tenant="north")
    assert prune(scene.workspace, "south", [str(scene.documents)], []) == []
    assert delete(scene.workspace, "south", ["file:a.txt"]) == []
