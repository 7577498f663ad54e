"""F47. Names that no ledger can hold are refused wherever they come in; those that only look dangerous are no paths."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.exc import DatabaseError
from tests.unit.execution.scene import INGEST, TENANT, Scene, pipeline, stage
from tests.unit.execution.test_fencing import WHOLE

from penstock.errors import LedgerError, UsageError
from penstock.execution.removal import delete
from penstock.execution.retry import retry
from penstock.execution.tenants import check_tenant
from penstock.ledger.documents import is_name
from penstock.ledger.tables import metadata
from penstock.records import AdapterRequest, RawPayload, StageContext

BLANK = st.text(alphabet=" \t\n\u00a0\u2003\u3000", max_size=4)
ENDLESS = st.integers(513, 10_240).map("x".__mul__)
CONTROLS = st.sampled_from("\0\n\r\t\x01\x1b\x7f\ud800\udfff")
WITH_CONTROLS = st.tuples(st.text(max_size=8), CONTROLS, st.text(max_size=8)).map("".join)
UNUSABLE = st.one_of(BLANK, ENDLESS, WITH_CONTROLS)

DANGEROUS = [
    "../../../../etc/passwd",
    "/etc/passwd",
    "..",
    ".",
    "-rf",
    "..\\..\\x",
    "%2e%2e%2f",
    "C:\\x",
    "'; drop table jobs; --",
    "\u202etxt.exe",
    "caf\u00e9",
    "cafe\u0301",
    "a\u2215b",
    "x" * 512,
]
SOME = settings(
    max_examples=50,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def rows(scene: Scene) -> dict[str, int]:
    """How many rows each table has; pipeline versions are kept, whatever becomes of documents."""
    with scene.ledger.read() as cx:
        counts = {table.name: cx.execute(select(func.count()).select_from(table)).scalar_one() for table in TABLES}
    return {name: count for name, count in counts.items() if count}


TABLES = [table for table in metadata.sorted_tables if table.name != "topologies"]


@SOME
@given(name=UNUSABLE)
def test_a_document_whose_id_is_unusable_is_refused_and_leaves_no_row(scene: Scene, toys: Any, name: str) -> None:
    assert not is_name(name)
    toys.letters.clear()
    toys.letters[name] = lambda: b"text"
    found = scene.submit(WHOLE, "toy:")
    assert (found.total, found.jobs, [each.error_type for each in found.refused]) == (1, [], ["UnusableIdError"])
    assert found.refused[0].document.isprintable() or not found.refused[0].document.strip()
    assert rows(scene) == {}
    assert list(scene.workspace.resources.raw.names(TENANT)) == []


@SOME
@given(name=UNUSABLE)
def test_the_ledger_itself_refuses_it_too(scene: Scene, toys: Any, name: str) -> None:
    for tenant, document in ((TENANT, name), (name, "toy:a")):
        with pytest.raises((LedgerError, DatabaseError)), scene.ledger.begin() as cx:
            scene.ledger.documents.raise_generation(cx, tenant, {document: "toy"})
    assert rows(scene) == {}


@SOME
@given(name=st.one_of(UNUSABLE, st.sampled_from(DANGEROUS), st.text(min_size=1).filter(lambda t: not t.isascii())))
def test_no_such_name_is_one_of_a_tenant(name: str) -> None:
    with pytest.raises(UsageError, match="is no tenant name"):
        check_tenant(name)


@SOME
@given(name=UNUSABLE.filter(lambda name: "\0" not in name))
def test_asking_for_it_finds_nothing_and_changes_nothing(scene: Scene, toys: Any, name: str) -> None:
    with storable(name):
        assert delete(scene.workspace, TENANT, [name]) == []
    with storable(name):
        assert retry(scene.workspace, [name]) == []
    assert rows(scene) == {}


@contextmanager
def storable(name: str) -> Iterator[None]:
    """A lone surrogate, which no command line can bring in, is refused by the driver."""
    try:
        yield
    except UnicodeEncodeError:
        assert any("\ud800" <= each <= "\udfff" for each in name)


@SOME
@given(name=st.one_of(UNUSABLE, st.none(), st.booleans(), st.floats(allow_nan=False), st.lists(st.just("a"))))
def test_a_line_whose_id_is_unusable_is_known_by_its_number(scene: Scene, toys: Any, name: Any) -> None:
    path = scene.documents / "lines.jsonl"
    path.write_text(json.dumps({"_id": name, "text": "words"}) + "\n")
    with scene.ledger.read() as cx:
        from penstock.execution.discovery import Finder

        (part,) = Finder(scene.workspace.resources).find([str(path)])
        assert [found.item.document_id for found in part] == ["file:lines.jsonl#1"]
        assert scene.ledger.jobs.counts(cx) == []


@pytest.mark.parametrize("name", ["a\nb.txt", "a\x1bb.txt", " \t.txt"])
def test_a_file_whose_name_is_unusable_is_refused_and_the_others_are_done(scene: Scene, toys: Any, name: str) -> None:
    (scene.documents / name).write_text("words")
    (scene.documents / "good.txt").write_text("words")
    found = scene.submit()
    assert (len(found.jobs), len(found.refused)) == (1, 1)


def test_names_that_look_like_paths_or_code_are_names_and_nothing_is_written_elsewhere(
    scene: Scene, tmp_path: Path, toys: Any
) -> None:
    toys.letters.update({name: lambda name=name: f"of {len(name)}".encode() for name in DANGEROUS})
    before = {path for path in tmp_path.rglob("*") if scene.home not in path.parents}
    elsewhere = Path("/etc/passwd").stat()
    assert len(scene.submit(WHOLE, "toy:").jobs) == len(DANGEROUS)
    scene.go_on(WHOLE)
    with scene.ledger.read() as cx:
        assert {row.document for row in scene.ledger.documents.active(cx)} == set(DANGEROUS)
    assert {path for path in tmp_path.rglob("*") if scene.home not in path.parents} == before
    assert Path("/etc/passwd").stat() == elsewhere
    assert sorted(delete(scene.workspace, TENANT, DANGEROUS)) == sorted(DANGEROUS)


def pdf(ctx: StageContext, request: AdapterRequest) -> list[RawPayload]:
    return [
        RawPayload(
            document_id=request.document_id,
            source=request.source,
            kind="pdf",
            locator=request.locator,
            raw=request.raw,
            size=request.size,
            content=request.content,
        )
    ]


def test_what_is_stored_under_such_a_name_stays_in_the_folder_of_its_tenant(
    scene: Scene, tmp_path: Path, toys: Any
) -> None:
    toys.on["ingest"] = pdf
    toys.letters.update({name: lambda: b"%PDF-1.7" for name in DANGEROUS})
    topology = pipeline(INGEST, stage("fetch", "Download", "ingest", uses="stored"), name="fetches")
    scene.submit(topology, "toy:")
    outcome = scene.go_on(topology)["fetch"]
    assert (outcome.executed, outcome.failed) == (len(DANGEROUS), 0)
    folder = scene.home / "objects" / "tenants" / TENANT / "pdfs"
    assert len(list(folder.iterdir())) == len(DANGEROUS)
    assert all(os.path.realpath(path).startswith(str(folder)) for path in folder.iterdir())
