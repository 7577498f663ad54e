"""PDFs in the object store: replaced with their document, removed with it, compared with what was stored."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from penstock import effects
from penstock.audit import audit
from penstock.errors import LostLeaseError
from penstock.execution.batch import claim_batch
from penstock.execution.runner import run_stage
from penstock.execution.submit import submit
from penstock.object_keys import fetched_key, pdf_folder, pdf_key, scratch_stem
from penstock.plan.load import load_topology
from penstock.testing.factories import make_pdf

Home = Any
PDF = make_pdf("words")
OTHER = make_pdf("other words")


@pytest.fixture
def home(new_home: Callable[..., Home]) -> Home:
    """A home in which two documents wait at the gate with their PDFs stored, and a third has none."""
    home = new_home()
    home.documents.mkdir()
    (home.documents / "a.pdf").write_bytes(PDF)
    (home.documents / "b.pdf").write_bytes(PDF + b"%b")
    (home.documents / "c.md").write_text("words")
    ingest(home)
    return home


def ingest(home: Home) -> list[str]:
    """Up to the gate; returns the stages that were executed."""
    topology = load_topology(home.config, "tiny", "pdf-two-phase")
    submit(home.workspace, topology, [str(home.documents)], tenant="default")
    executed = []
    with home.workspace.ledger.worker(60) as worker:
        while batch := claim_batch(home.workspace, worker, topology, 0):
            executed += [stage.name for stage in batch.stages if run_stage(batch, stage).executed]
    home.workspace.relay.send()
    return executed


def objects(home: Home) -> Any:
    return home.workspace.resources.objects


def stored(home: Home) -> list[str]:
    return list(objects(home).names(pdf_folder("default")))


def counts(home: Home) -> dict[str, int]:
    report = audit(home.workspace)
    assert report["consistent"] == (
        not any(report["stores"]["objects"][each] for each in ("missing", "extra", "stale"))
    )
    return report["stores"]["objects"]  # type: ignore[no-any-return]  # a report is JSON


def same(home: Home, **changes: int) -> bool:
    return counts(home) == {"expected": 2, "found": 2, "missing": 0, "extra": 0, "stale": 0, **changes}


def path(home: Home, name: str) -> Path:
    return home.path / "objects" / pdf_key("default", name)  # type: ignore[no-any-return]  # homes are `Any` here


def test_what_is_stored_is_what_is_expected(home: Home) -> None:
    assert same(home)
    assert stored(home) == sorted(pdf_key("default", f"file:{name}.pdf") for name in "ab")


def test_a_new_version_replaces_the_pdf(home: Home) -> None:
    (home.documents / "a.pdf").write_bytes(OTHER)
    ingest(home)
    assert objects(home).get(pdf_key("default", "file:a.pdf")) == OTHER
    assert same(home)


def test_a_version_that_comes_back_does_not_take_over_the_pdf_of_the_one_between(home: Home) -> None:
    for content in (OTHER, PDF):
        (home.documents / "a.pdf").write_bytes(content)
        assert ingest(home)
    assert objects(home).get(pdf_key("default", "file:a.pdf")) == PDF
    assert same(home)


def test_a_deleted_document_takes_its_pdf_along(home: Home) -> None:
    store, note = objects(home), fetched_key("default", "file:a.pdf")
    store.put(note, b"{}")
    part = scratch_stem(home.path, "default", "file:a.pdf")
    part.parent.mkdir(parents=True)
    part.with_name(f"{part.name}-0.part").write_bytes(b"half")
    home.delete("file:a.pdf")
    assert same(home, expected=1, found=1)  # what waits for the sweep is not extra
    home.sweep()
    assert stored(home) == [pdf_key("default", "file:b.pdf")]
    assert store.size(note) is None
    assert list(part.parent.iterdir()) == []
    assert same(home, expected=1, found=1)


def test_a_pdf_of_a_deleted_document_that_comes_late_is_collected(home: Home) -> None:
    home.delete("file:a.pdf")
    home.sweep()
    objects(home).put(pdf_key("default", "file:a.pdf"), PDF)
    assert same(home, expected=1, found=2, extra=1)
    found = home.repair()
    assert [(each.store, each.what, each.action) for each in found.mended] == [("objects", "extra", "removed")]
    assert same(home, expected=1, found=1)


def test_what_belongs_to_nobody_is_told_of_and_left(home: Home) -> None:
    key = pdf_key("default", "file:unknown.pdf")
    objects(home).put(key, PDF)
    assert same(home, found=3, extra=1)
    [left] = home.repair().unmended
    assert (left.item, left.action) == (key, "the ledger knows no document that it belongs to")
    assert objects(home).get(key) == PDF


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (Path.unlink, "missing"),
        (lambda file: file.write_bytes(OTHER), "stale"),
        (lambda file: file.write_bytes(b""), "stale"),
    ],
    ids=["gone", "another", "empty"],
)
def test_a_damaged_pdf_is_stored_again(home: Home, damage: Callable[[Path], None], what: str) -> None:
    damage(path(home, "file:a.pdf"))
    assert same(home, **{"found": 1 if what == "missing" else 2, what: 1})
    dry = home.repair(dry_run=True)
    assert [(each.store, each.what, each.action) for each in dry.mended] == [
        ("objects", what, "stored again by its pipeline")
    ]
    found = home.repair()
    assert [(each.store, each.document) for each in found.mended] == [("objects", "file:a.pdf")]
    assert (found.unmended, found.jobs) == ([], 1)
    assert objects(home).get(pdf_key("default", "file:a.pdf")) == PDF
    assert same(home)
    with home.workspace.ledger.read() as cx:
        statuses = [job.status for job in home.workspace.ledger.jobs.of_document(cx, "default", "file:a.pdf")]
    assert statuses == ["waiting", "superseded"]


def test_a_store_that_cannot_be_read_is_a_fault(home: Home) -> None:
    place = path(home, "file:a.pdf")
    place.unlink()
    place.mkdir()
    (place / "within").write_bytes(b"")
    report = audit(home.workspace)
    assert not report["consistent"]


def test_a_document_that_is_deleted_while_its_pdf_is_stored_leaves_none(home: Home) -> None:
    (home.documents / "late.pdf").write_bytes(OTHER)

    @contextmanager
    def delete_it(name: str) -> Iterator[None]:
        yield
        if name == "object.rename":
            effects.install(None)
            home.delete("file:late.pdf")
            home.sweep()  # before the stage is through

    effects.install(delete_it)
    try:
        with pytest.raises(LostLeaseError):  # its only job
            ingest(home)
    finally:
        effects.install(None)
    assert objects(home).size(pdf_key("default", "file:late.pdf")) is None
    assert same(home)
