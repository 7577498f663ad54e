from typing import Any

import pytest
from tests.unit.ledger.steps import TENANT, add, claim_one, complete, delete, fail, job_row, run, wait

from penstock.errors import LedgerError
from penstock.ledger.ledger import Ledger


def shown(ledger: Ledger, document: str = "a") -> tuple[Any, ...]:
    """What queries may see of a document: generation, content, build of the index, build of the graph."""
    with ledger.read() as cx:
        row = ledger.documents.get(cx, TENANT, [document])[document]
    return (row.active_generation, row.active_hash, row.index_build, row.graph_build)


def test_a_document_is_counted_up_with_each_job(ledger: Ledger) -> None:
    with ledger.begin() as cx:
        assert ledger.documents.raise_generation(cx, TENANT, {"a": "file", "b": "file"}) == {"a": 1, "b": 1}
        assert ledger.documents.raise_generation(cx, TENANT, {"b": "file", "c": "file"}) == {"b": 2, "c": 1}
        assert ledger.documents.raise_generation(cx, "other", {"a": "file"}) == {"a": 1}
        assert ledger.documents.raise_generation(cx, TENANT, {}) == {}
        assert ledger.documents.tenants_of(cx, "a") == [TENANT, "other"]


def test_nothing_of_a_document_is_visible_before_its_first_job_is_done(ledger: Ledger) -> None:
    add(ledger, "a")
    assert shown(ledger) == (0, None, None, None)


def test_the_switch_shows_what_the_newest_job_has_built(ledger: Ledger) -> None:
    run(ledger, "a", index_build="i1", graph_build="g1")
    run(ledger, "a", content="c2", index_build="i2", graph_build="g2")
    assert shown(ledger) == (2, "c2", "i2", "g2")
    with ledger.read() as cx:
        assert ledger.documents.active_builds(cx, TENANT, "index", ["i1", "i2"]) == {"i2"}
        assert ledger.documents.active_builds(cx, TENANT, "graph", ["g2"]) == {"g2"}
        assert ledger.documents.active_builds(cx, "other", "graph", ["g2"]) == set()
        assert ledger.documents.counts(cx) == {"active": 1, "deleted": 0}


def test_a_pipeline_that_writes_one_store_keeps_the_other_of_the_same_content(ledger: Ledger) -> None:
    run(ledger, "a", pipeline="graph-only", graph_build="g1")
    assert shown(ledger) == (1, "c1", None, "g1")
    run(ledger, "a", pipeline="index-only", index_build="i1")
    assert shown(ledger) == (2, "c1", "i1", "g1")


def test_a_pipeline_that_writes_one_store_empties_the_other_when_the_content_has_changed(ledger: Ledger) -> None:
    run(ledger, "a", index_build="i1", graph_build="g1")
    run(ledger, "a", content="c2", pipeline="index-only", index_build="i2")
    assert shown(ledger) == (2, "c2", "i2", None)


def test_a_pipeline_that_writes_no_store_makes_its_content_the_active_one(ledger: Ledger) -> None:
    run(ledger, "a", index_build="i1")
    run(ledger, "a", content="c2", pipeline="none")
    assert shown(ledger) == (2, "c2", None, None)


def overtaken(ledger: Ledger, older_content: str, newer_content: str, **newer_builds: str) -> None:
    """A job waits at a gate, a newer one of another pipeline is done meanwhile, then the older one is done too."""
    (older,) = add(ledger, "a", content=older_content, pipeline="pdf")
    wait(ledger, older)
    run(ledger, "a", content=newer_content, **newer_builds)
    with ledger.begin() as cx:
        ledger.jobs.open_gate(cx, "pdf", "gate", "pdf_ir_ready", False)
    complete(ledger, claim_one(ledger, older, segment=1), index_build="late-i", graph_build="late-g")


def test_an_overtaken_job_of_other_content_shows_nothing_and_is_swept(ledger: Ledger) -> None:
    overtaken(ledger, "c1", "c2", index_build="i2")
    assert shown(ledger) == (2, "c2", "i2", None)
    with ledger.read() as cx:
        assert ledger.artifacts.due(cx, 10) == [(TENANT, "a")]


def test_an_overtaken_job_of_the_same_content_fills_what_is_empty(ledger: Ledger) -> None:
    overtaken(ledger, "c1", "c1", index_build="i2")
    assert shown(ledger) == (2, "c1", "i2", "late-g")


def test_a_deleted_document_leaves_a_tombstone_and_shows_nothing(ledger: Ledger) -> None:
    run(ledger, "a", index_build="i1", graph_build="g1")
    delete(ledger, "a")
    assert shown(ledger) == (2, None, None, None)
    with ledger.read() as cx:
        assert ledger.documents.counts(cx) == {"active": 0, "deleted": 1}
        assert list(ledger.documents.active(cx)) == []
        assert ledger.documents.raw_in_use(cx, TENANT, ["c1"]) == set()
        assert list(ledger.documents.raw_expected(cx)) == []


def test_a_job_that_was_running_at_the_deletion_does_not_bring_the_document_back(ledger: Ledger) -> None:
    (job,) = add(ledger, "a")
    running = claim_one(ledger, job)
    delete(ledger, "a")
    complete(ledger, running, index_build="i1")
    assert shown(ledger) == (2, None, None, None)


def test_a_deleted_document_comes_back_with_a_new_job(ledger: Ledger) -> None:
    run(ledger, "a", index_build="i1")
    delete(ledger, "a")
    (job,) = add(ledger, "a", content="c1")
    with ledger.read() as cx:
        assert ledger.documents.raw_in_use(cx, TENANT, ["c1", "c2"]) == {"c1"}
        assert list(ledger.documents.raw_expected(cx)) == [(TENANT, "c1")]
    complete(ledger, claim_one(ledger, job), index_build="i3", graph_build="g3")
    assert shown(ledger) == (3, "c1", "i3", "g3")
    with ledger.read() as cx:
        assert ledger.documents.counts(cx) == {"active": 1, "deleted": 0}


def test_a_failed_job_changes_nothing_that_is_visible(ledger: Ledger) -> None:
    run(ledger, "a", index_build="i1", graph_build="g1")
    fail(ledger, *add(ledger, "a", content="c2"))
    assert shown(ledger) == (1, "c1", "i1", "g1")


def test_raw_objects_are_in_use_while_any_document_has_them(ledger: Ledger) -> None:
    run(ledger, "a", content="same", index_build="i1")
    run(ledger, "b", content="same", index_build="i2")
    delete(ledger, "a")
    with ledger.read() as cx:
        assert ledger.documents.raw_in_use(cx, TENANT, ["same"]) == {"same"}
        assert ledger.documents.raw_in_use(cx, "other", ["same"]) == set()
    delete(ledger, "b")
    with ledger.read() as cx:
        assert ledger.documents.raw_in_use(cx, TENANT, ["same"]) == set()


def test_versions_are_listed_once_and_oldest_first(ledger: Ledger) -> None:
    for content in ("c1", "c2", "c1"):
        run(ledger, "a", content=content, index_build=content)
    with ledger.read() as cx:
        found = ledger.documents.versions_of(cx, TENANT, "a")
    assert [(version["content_hash"], version["size"]) for version in found] == [("c1", 2), ("c2", 2)]


def test_documents_that_no_input_holds_any_more_are_orphans(ledger: Ledger) -> None:
    add(ledger, "a", "b")
    with ledger.begin() as cx:
        ledger.documents.note_origin(cx, TENANT, [("one", "a"), ("one", "b"), ("two", "b"), ("one", "a")])
        assert ledger.documents.of_origin(cx, TENANT, "one") == ["a", "b"]
        assert ledger.documents.of_origin(cx, TENANT, "one", "auto") == ["a", "b"]
        assert ledger.documents.of_origin(cx, TENANT, "one", "pdf") == []
        assert ledger.documents.forget_origins(cx, TENANT, "one", ["a", "b"]) == ["a"]
        assert ledger.documents.forget_origins(cx, TENANT, "two", ["b"]) == ["b"]
        assert ledger.documents.of_origin(cx, TENANT, "one") == []


def test_a_deleted_document_is_in_no_input(ledger: Ledger) -> None:
    run(ledger, "a", index_build="i1")
    with ledger.begin() as cx:
        ledger.documents.note_origin(cx, TENANT, [("one", "a")])
    delete(ledger, "a")
    with ledger.read() as cx:
        assert ledger.documents.of_origin(cx, TENANT, "one") == []


@pytest.mark.parametrize("name", ["", "  ", "a\x00b", "line\nbreak", "half \ud800 pair"])
def test_a_name_that_no_ledger_can_hold_is_refused(ledger: Ledger, name: str) -> None:
    for tenant, document in ((TENANT, name), (name, "a")):
        with pytest.raises(LedgerError) as caught, ledger.begin() as cx:
            ledger.documents.raise_generation(cx, tenant, {document: "file"})
        assert str(caught.value) == (
            f"{name!a} is no name of a document or tenant: it is blank or has control characters"
        )
    with ledger.read() as cx:
        assert ledger.documents.tenants(cx) == []


def test_names_that_differ_by_case_or_unicode_form_are_different_documents(ledger: Ledger) -> None:
    names = ["Paper.md", "paper.md", "caf\u00e9", "cafe\u0301", "日本", "../a", "a"]
    jobs = add(ledger, *names)
    with ledger.read() as cx:
        assert set(ledger.documents.get(cx, TENANT, names)) == set(names)
        assert {job.document for job in ledger.jobs.get(cx, jobs).values()} == set(names)


def test_a_row_of_another_tenant_is_another_document(ledger: Ledger) -> None:
    run(ledger, "a", index_build="i1")
    with ledger.begin() as cx:
        ledger.documents.raise_generation(cx, "other", {"a": "file"})
        ledger.jobs.add(cx, [job_row("a", 1, "c9", tenant="other")])
    assert shown(ledger) == (1, "c1", "i1", None)
