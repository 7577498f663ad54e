"""What a submission decides about each document, in every state that the document can be in."""

import os
from pathlib import Path
from typing import Any

import pytest
from tests.unit.execution.scene import (
    FULL,
    GRAPH_ONLY,
    INDEX_ONLY,
    INGEST,
    PARSE,
    SMALL,
    TENANT,
    Scene,
    counts,
    pipeline,
    run_batch,
    stage,
)

from penstock.errors import PermanentError, RejectedError, TransientError, UnavailableError, UsageError
from penstock.execution.discovery import origin_of
from penstock.execution.removal import delete
from penstock.execution.submit import Refusal, Submission, submit
from penstock.plan.topology import Policy


def summary(found: Submission) -> tuple[int, int, int, int]:
    """(total, unchanged, jobs, failed)."""
    return found.total, found.unchanged, len(found.jobs), len(found.failed)


def failing(error: Exception) -> Any:
    def answer(ctx: Any, value: Any) -> None:
        raise error

    return answer


def test_new_then_in_flight_then_unchanged(scene: Scene) -> None:
    scene.write(a="aspirin", b="bread")
    first = scene.submit()
    assert summary(first) == (2, 0, 2, 0)
    assert summary(scene.submit()) == (2, 0, 2, 0)
    assert scene.submit().jobs == first.jobs, "what is in flight is not queued again"
    scene.go_on()
    before = len(scene.events())
    assert summary(scene.submit()) == (2, 2, 0, 0)
    assert (len(scene.jobs("a")), len(scene.events())) == (1, before), "what is unchanged leaves no job and no event"


def test_a_changed_document_is_worked_on_and_the_old_version_is_shown_until_then(scene: Scene) -> None:
    scene.write(a="aspirin", b="bread")
    scene.run(FULL)
    scene.write(a="arnica")
    assert summary(scene.submit(FULL)) == (2, 1, 1, 0)
    assert (scene.chunks("a"), scene.entities("a")) == (["aspirin"], ["aspirin"])
    scene.go_on(FULL)
    assert (scene.chunks("a"), scene.entities("a")) == (["arnica"], ["arnica"])
    assert [job.status for job in scene.jobs("a")] == ["completed", "completed"]


def test_a_version_that_was_never_begun_is_left_out_when_the_next_one_comes(scene: Scene) -> None:
    scene.write(a="one")
    scene.submit()
    scene.write(a="two")
    assert summary(scene.submit()) == (1, 0, 1, 0)
    assert [job.status for job in scene.jobs("a")] == ["queued", "superseded"]
    scene.go_on()
    scene.write(a="one")
    assert summary(scene.submit()) == (1, 0, 1, 0), "back to what was superseded is a change"


def test_a_version_that_comes_while_the_last_one_is_worked_on_waits_for_it(scene: Scene) -> None:
    scene.write(a="one")
    scene.submit(FULL)
    with scene.batch(FULL) as batch:
        scene.write(a="two")
        scene.submit(FULL)
        run_batch(batch)
        assert scene.chunks("a") == ["one"]
    scene.go_on(FULL)
    assert scene.chunks("a") == ["two"]


def test_a_changed_setting_is_a_change_and_a_changed_policy_is_none(scene: Scene) -> None:
    scene.write(a="aspirin")
    scene.run()
    patient = pipeline(INGEST, stage("parse", "Parse", "ingest", policy=Policy(max_attempts=9)), SMALL.stages[2])
    assert patient.digest != SMALL.digest
    assert summary(scene.submit(patient)) == (1, 1, 0, 0)
    changed = pipeline(INGEST, stage("parse", "Parse", "ingest", settings={"note": "other"}), SMALL.stages[2])
    assert summary(scene.submit(changed)) == (1, 0, 1, 0)


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (RejectedError("no"), False),
        (PermanentError("no"), False),
        (ValueError("no"), False),
        (TransientError("no"), True),
        (UnavailableError("no"), True),
    ],
)
def test_only_what_may_have_passed_is_tried_again_by_itself(
    scene: Scene, toys: Any, error: Exception, again: bool
) -> None:
    scene.write(a="aspirin", b="bread")
    toys.on["parse"] = failing(error)
    once = pipeline(INGEST, stage("parse", "Parse", "ingest", policy=Policy()))
    scene.run(once)
    toys.calls.clear()
    found = scene.submit(once)
    assert summary(found) == ((2, 0, 2, 0) if again else (2, 0, 0, 2))
    with scene.ledger.read() as cx:
        assert scene.ledger.dead_letters.open_count(cx) == (0 if again else 2)
        states = {each.status for each in scene.ledger.jobs.outlines(cx, found.jobs + found.failed).values()}
        assert states == {"queued" if again else "parse_failed"}
    assert toys.calls == []


def test_a_failed_document_that_changes_is_a_new_start(scene: Scene, toys: Any) -> None:
    scene.write(a="aspirin")
    toys.on["parse"] = failing(RejectedError("no"))
    scene.run()
    toys.on.clear()
    scene.write(a="arnica")
    assert counts(scene.run())["chunk"] == (1, 0, 0)
    assert [job.status for job in scene.jobs("a")] == ["completed", "superseded"]
    with scene.ledger.read() as cx:
        assert scene.ledger.dead_letters.open_count(cx) == 0


def test_a_file_that_cannot_be_read_is_a_failed_document_until_it_can(scene: Scene, toys: Any) -> None:
    toys.letters.update({"toy:a": lambda: b"aspirin", "toy:b": failing_read(PermissionError(13, "Permission denied"))})
    found = scene.submit(SMALL, "toy:")
    assert summary(found) == (2, 0, 1, 1)
    (job,) = jobs_of(scene, "toy:b")
    assert (job.status, job.error_type, job.error_message, job.error_stage) == (
        "ingest_failed",
        "RejectedError",
        "cannot be read: Permission denied",
        "ingest",
    )
    (event,) = scene.events()
    assert (event["type"], event["subject"], event["data"]["status"]) == ("toy.job.failed", "toy:b", "ingest_failed")
    scene.go_on()
    assert summary(scene.submit(SMALL, "toy:")) == (2, 1, 0, 1)
    toys.letters["toy:b"] = lambda: b"bread"
    assert summary(scene.submit(SMALL, "toy:")) == (2, 1, 1, 0)
    scene.go_on()
    assert [job.status for job in jobs_of(scene, "toy:b")] == ["completed", "superseded"]


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (UnicodeError("odd"), "PermanentError", "UnicodeError: odd"),
        (RejectedError("too large"), "RejectedError", "too large"),
        (RejectedError("bad \udcff"), "RejectedError", "bad ?"),
    ],
)
def test_whatever_a_source_raises_is_that_document_s_failure(
    scene: Scene, toys: Any, error: Exception, kind: str, message: str
) -> None:
    toys.letters.update({"toy:a": failing_read(error), "toy:b": lambda: b"bread"})
    assert summary(scene.submit(SMALL, "toy:")) == (2, 0, 1, 1)
    (job,) = jobs_of(scene, "toy:a")
    assert (job.error_type, job.error_message) == (kind, message)


def test_a_document_that_becomes_unreadable_is_shown_as_it_was(scene: Scene, toys: Any) -> None:
    toys.letters["toy:a"] = lambda: b"aspirin"
    scene.submit(FULL, "toy:")
    scene.go_on(FULL)
    shown = rows(scene, "toy:a").index_build
    toys.letters["toy:a"] = failing_read(OSError("gone"))
    assert summary(scene.submit(FULL, "toy:")) == (1, 0, 0, 1)
    assert rows(scene, "toy:a").index_build == shown
    toys.letters["toy:a"] = lambda: b"aspirin"
    scene.submit(FULL, "toy:")
    assert set(counts(scene.go_on(FULL)).values()) == {(0, 1, 0)}, "nothing of it is computed again"


def failing_read(error: Exception) -> Any:
    def read() -> bytes:
        raise error

    return read


def jobs_of(scene: Scene, document: str) -> Any:
    with scene.ledger.read() as cx:
        return scene.ledger.jobs.of_document(cx, TENANT, document)


def rows(scene: Scene, document: str) -> Any:
    with scene.ledger.read() as cx:
        return scene.ledger.documents.get(cx, TENANT, [document])[document]


# ── one input, several inputs ───────────────────────────────────────────────────────────────────────────────────────


def test_the_same_document_twice_is_one_and_with_other_content_it_is_refused(scene: Scene, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    scene.write(a="aspirin", b="bread")
    (other / "a.txt").write_text("aspirin")
    (other / "b.txt").write_text("beer")
    found = scene.submit(SMALL, str(scene.documents), str(other))
    assert (summary(found), found.duplicates) == ((3, 0, 2, 0), 1)
    assert found.refused == [
        Refusal(
            "file:b.txt",
            "DuplicateIdError",
            "`b.txt` has the same id as another document of the input, with other content",
        )
    ]
    scene.go_on()
    assert scene.job("b").content_hash == scene.job("b").content_hash
    assert scene.raw("b").read_text() == "bread", "the first one counts"


def test_an_id_that_no_ledger_can_hold_is_refused_and_the_others_go_on(scene: Scene, toys: Any) -> None:
    toys.letters.update({name: lambda: b"x" for name in ("toy:good", "toy:new\nline", "toy:" + "x" * 600, "  ")})
    found = scene.submit(SMALL, "toy:")
    assert summary(found) == (4, 0, 1, 0)
    assert [each.document[:13] for each in found.refused] == ["toy:new\\nline", "toy:xxxxxxxxx", "  "]


def test_a_file_name_that_is_no_utf8_is_written_out(scene: Scene) -> None:
    Path(os.fsdecode(os.fsencode(scene.documents) + b"/caf\xe9.txt")).write_text("coffee")
    scene.submit()
    scene.go_on()
    assert jobs_of(scene, "file:caf\\xe9.txt")[0].status == "completed"


def test_an_input_has_one_name_however_it_is_written(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(scene.documents.parent)
    monkeypatch.setenv("HOME", str(scene.documents.parent))
    spellings = ["documents", "./documents/", "documents/../documents", str(scene.documents), "~/documents"]
    config = scene.workspace.config
    assert {origin_of(each, config) for each in spellings} == {str(scene.documents)}
    assert origin_of("packages:", config) == "packages:"
    Path("packages:").mkdir()
    assert origin_of("packages:", config) == str(scene.documents.parent / "packages:"), "a path that is there is a path"


def test_where_nothing_is_the_nearest_name_is_told(scene: Scene) -> None:
    with pytest.raises(UsageError, match=rf"there is nothing at `.*documnets`; did you mean `{scene.documents}`\?"):
        scene.submit(SMALL, str(scene.documents.parent / "documnets"))
    with pytest.raises(UsageError, match=r"there is nothing at `/nowhere/at/all`$"):
        scene.submit(SMALL, "/nowhere/at/all")


def test_tenants_do_not_meet(scene: Scene) -> None:
    scene.write(a="aspirin")
    for tenant in ("north", "south"):
        submit(scene.workspace, SMALL, [str(scene.documents)], tenant=tenant)
    assert counts(scene.go_on())["parse"] == (2, 0, 0), "not even to share what they computed"
    assert len(list((scene.home / "raw").rglob("[0-9a-f]" * 64))) == 2


# ── deleted, and other pipelines ────────────────────────────────────────────────────────────────────────────────────


def test_a_deleted_document_that_is_found_again_is_new(scene: Scene) -> None:
    scene.write(a="aspirin")
    scene.run(FULL)
    assert delete(scene.workspace, TENANT, ["file:a.txt", "file:none.txt"]) == ["file:a.txt"]
    assert delete(scene.workspace, TENANT, ["file:a.txt"]) == [], "it is gone already"
    assert (scene.chunks("a"), scene.document("a").deleted_at is None) == ([], False)
    assert summary(scene.submit(FULL)) == (1, 0, 1, 0)
    scene.go_on(FULL)
    assert (scene.chunks("a"), scene.document("a").deleted_at) == (["aspirin"], None)


def test_a_deletion_is_told_once_for_each_document(scene: Scene) -> None:
    scene.write(a="aspirin", b="bread")
    scene.run()
    delete(scene.workspace, TENANT, ["file:a.txt", "file:b.txt"])
    scene.run()
    delete(scene.workspace, TENANT, ["file:a.txt"])
    told = [each for each in scene.events() if each["type"] == "toy.document.deleted"]
    assert [each["subject"] for each in told] == ["file:a.txt", "file:b.txt", "file:a.txt"]
    assert len({each["id"] for each in told}) == 3


def test_the_last_of_two_pipelines_owns_what_both_write(scene: Scene) -> None:
    scene.write(a="aspirin")
    scene.run(FULL)
    first = scene.document("a")
    other = pipeline(*INDEX_ONLY.stages[:2], *rechunked(), name="other")
    assert summary(scene.submit(other)) == (1, 0, 1, 0)
    scene.go_on(other)
    second = scene.document("a")
    assert (second.index_build != first.index_build, second.graph_build) == (True, first.graph_build)
    assert summary(scene.submit(FULL)) == (1, 0, 1, 0), "what it made is no longer shown, so it is made again"


def rechunked() -> Any:
    smaller = stage("chunk", "Chunk", "parse", settings={"note": "smaller"})
    return (smaller, *INDEX_ONLY.stages[3:])


def test_a_pipeline_that_writes_no_graph_keeps_it_where_the_content_is_the_same(scene: Scene) -> None:
    scene.write(a="aspirin")
    scene.run(FULL)
    scene.run(pipeline(*INDEX_ONLY.stages[:2], *rechunked(), name="other"))
    assert (scene.chunks("a"), scene.entities("a")) == (["aspirin"], ["aspirin"])
    scene.write(a="arnica")
    scene.run(pipeline(*INDEX_ONLY.stages[:2], *rechunked(), name="other"))
    assert (scene.chunks("a"), scene.entities("a")) == (["arnica"], []), "and drops it where it has changed"
    scene.run(GRAPH_ONLY)
    assert (scene.chunks("a"), scene.entities("a")) == (["arnica"], ["arnica"])


def test_a_pipeline_that_writes_no_store_takes_nothing_away(scene: Scene) -> None:
    scene.write(a="aspirin")
    scene.run(FULL)
    scene.run(pipeline(INGEST, PARSE, name="reader"))
    assert (scene.chunks("a"), scene.entities("a")) == (["aspirin"], ["aspirin"])
    assert summary(scene.submit(FULL)) == (1, 1, 0, 0)
