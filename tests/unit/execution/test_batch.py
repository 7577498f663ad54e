"""Claims, their number, and where a job goes from there; looking at what there is."""

import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from tests.unit.execution.scene import (
    FULL,
    GATED,
    GRAPH_ONLY,
    INGEST,
    SMALL,
    TENANT,
    Scene,
    counts,
    gate,
    pipeline,
    run_batch,
    stage,
)

from penstock.errors import LedgerError, MissingDependencyError, RejectedError, UsageError
from penstock.execution.batch import CLAIMS, claim_batch, stages_from
from penstock.execution.encoding import output_count
from penstock.execution.gates import open_by_hand
from penstock.execution.inspection import inspect
from penstock.execution.preview import preview
from penstock.execution.retry import parse_since, retry
from penstock.execution.tenants import check_tenant
from penstock.execution.workspace import Workspace
from penstock.ledger.tables import batches, jobs
from penstock.spec.profile import LedgerSpec, ProfileSpec
from penstock.testing.factories import make_batch, make_chunks, make_document, make_facts

WAITS = pipeline(INGEST, gate("gate", "ingest", "parse"), stage("parse", "Parse", "ingest", segment=1), name="waits")


def claimed(scene: Scene, times: int) -> None:
    """As if the queued jobs had been claimed so often, by workers that died."""
    with scene.ledger.begin() as cx:
        cx.execute(update(jobs).where(jobs.c.status == "queued").values(lease_token=jobs.c.lease_token + times))


def test_a_document_that_takes_its_runs_down_with_it_is_given_up(scene: Scene) -> None:
    scene.write(a="poison", b="bread")
    scene.submit()
    with scene.ledger.begin() as cx:
        cx.execute(update(jobs).where(jobs.c.document == "file:a.txt").values(lease_token=CLAIMS))
    assert counts(scene.go_on())["chunk"] == (1, 0, 0)
    job = scene.job("a")
    assert (job.status, job.error_type, job.error_stage) == ("stage_failed", "WornOutError", "ingest")
    assert job.error_message == f"given up after {CLAIMS} runs that ended before the document did"
    assert scene.told("a") == [("job.failed", "")]


def test_given_up_it_may_be_retried_and_has_as_many_runs_again(scene: Scene) -> None:
    scene.write(a="poison")
    scene.submit()
    claimed(scene, CLAIMS)
    with scene.worker() as worker:
        assert claim_batch(scene.workspace, worker, SMALL, 0) is None
    assert len(retry(scene.workspace, [])) == 1
    claimed(scene, CLAIMS - 1)
    assert counts(scene.go_on())["chunk"] == (1, 0, 0)


def test_failures_are_no_claims_without_an_end(scene: Scene, toys: Any) -> None:
    def fail(ctx: Any, value: Any) -> None:
        raise RejectedError("not today")

    scene.write(a="aspirin")
    scene.submit()
    toys.on["parse"] = fail
    for _ in range(CLAIMS + 2):
        scene.go_on()
        retry(scene.workspace, [])
    toys.on.clear()
    assert counts(scene.go_on())["chunk"] == (1, 0, 0)


def test_a_batch_is_known_by_its_run_and_its_end(scene: Scene) -> None:
    scene.write(a="aspirin", b="bread")
    scene.submit()
    with scene.batch(limit=1) as batch:
        assert [job.document for job in batch.jobs.values()] == ["file:a.txt"]
        with scene.ledger.read() as cx:
            assert scene.ledger.batches.working(cx) == {"run-1"}
        run_batch(batch)
    with scene.ledger.read() as cx:
        (row,) = cx.execute(batches.select())
        assert (row.status, row.run_id, row.size) == ("ended", "run-1", 1)
        assert scene.ledger.batches.working(cx) == set()


def test_stages_behind_a_stage_are_those_that_take_what_it_gives() -> None:
    assert stages_from(FULL, "chunk") == ["chunk", "embed", "index"]
    assert stages_from(FULL, "graph") == ["graph"]
    with pytest.raises(UsageError, match="no stage is named `chnk`; did you mean `chunk`"):
        stages_from(FULL, "chnk")


# ── gates, retries, previews ────────────────────────────────────────────────────────────────────────────────────────


def test_only_what_waits_can_be_let_through(scene: Scene) -> None:
    scene.write(a="aspirin", b="bread")
    scene.run(WAITS)
    with pytest.raises(UsageError, match="no gate that the document waits at is named `gat`; did you mean `gate`"):
        open_by_hand(scene.workspace, TENANT, "file:a.txt", "gat", "why not")
    open_by_hand(scene.workspace, TENANT, "file:a.txt", "gate", "why not")
    assert scene.statuses() == {"a": "queued", "b": "waiting"}
    with pytest.raises(UsageError, match=r"`file:a\.txt` waits at no gate"):
        open_by_hand(scene.workspace, TENANT, "file:a.txt", "gate", "again")
    assert counts(scene.go_on(WAITS, 1)) == {"parse": (1, 0, 0)}


def test_a_stage_behind_a_gate_takes_what_stands_before_it(scene: Scene) -> None:
    scene.write(a="aspirin")
    scene.run(GATED)
    assert counts(scene.go_on(GATED, 1)) == {"more": (1, 0, 0)}


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("5m", 300), ("2h", 7200), ("3d", 259200), ("1w", 604800)])
def test_an_age_is_a_time(text: str, seconds: int) -> None:
    assert time.time() - parse_since(text) == pytest.approx(seconds, abs=5)


def test_a_date_is_a_time() -> None:
    assert parse_since("1970-01-02") == 86400
    assert parse_since("1970-01-01T01:00+01:00") == 0
    with pytest.raises(UsageError, match="`yesterday` is no time: write `2026-01-31`"):
        parse_since("yesterday")


def test_retrying_takes_what_fits_and_nothing_else(scene: Scene, toys: Any) -> None:
    def fail(ctx: Any, value: Any) -> None:
        raise RejectedError("no") if ctx.doc_id == "file:a.txt" else ValueError("odd")

    scene.write(a="aspirin", b="bread")
    toys.on["parse"] = fail
    scene.run()
    for narrowed in ({"stage": "chunk"}, {"error": "OSError"}, {"tenant": "other"}, {"since": "2999-01-01"}):
        assert retry(scene.workspace, [], **narrowed) == []
    assert [job.document for job in retry(scene.workspace, [], error="ValueError", since="1h")] == ["file:b.txt"]
    assert [job.document for job in retry(scene.workspace, ["file:a.txt"], error="parse_failed")] == ["file:a.txt"]
    assert set(scene.statuses().values()) == {"queued"}


def test_a_preview_tells_what_a_run_would_do_and_writes_nothing(scene: Scene, toys: Any) -> None:
    home = Workspace(scene.home.parent / "nowhere", scene.workspace.config, scene.workspace.profile)
    scene.write(a="aspirin", b="bread", c="cocoa")
    fresh = preview(home, SMALL, [str(scene.documents)], tenant=TENANT)
    assert (fresh.documents["new"], fresh.execute["parse"], fresh.seconds) == (3, 3, None)
    assert not home.home.exists()

    def fail(ctx: Any, value: Any) -> None:
        if ctx.doc_id == "file:c.txt":
            raise RejectedError("no")

    toys.on["parse"] = fail
    scene.run()
    scene.write(a="arnica", d="dill")
    (scene.documents / "b.txt").unlink()
    events = len(scene.events())
    found = preview(scene.workspace, SMALL, [str(scene.documents)] * 2, tenant=TENANT)
    assert found.documents == {"new": 1, "changed": 1, "unchanged": 0, "deleted": 1, "failed": 1}
    assert (dict(found.execute), dict(found.reuse)) == ({"ingest": 2, "parse": 2, "chunk": 2}, {})
    assert (found.bytes, found.seconds is not None, len(scene.events())) == (10, True, events)


# ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_document_is_shown_with_its_versions_jobs_and_what_the_stores_hold(scene: Scene) -> None:
    scene.write(a="aspirin tea")
    scene.run(FULL)
    scene.write(a="arnica tea")
    scene.run(FULL)
    shown = inspect(scene.workspace, TENANT, "file:a.txt")
    assert [each["active"] for each in shown["versions"]] == [False, True]
    assert [job["status"] for job in shown["jobs"]] == ["completed", "completed"]
    assert [each["name"] for each in shown["jobs"][0]["stages"]] == [each.name for each in FULL.stages]
    assert [each["text"] for each in shown["chunks"]] == ["arnica tea"]
    assert [each["name"] for each in shown["entities"]] == ["arnica", "tea"]
    assert (len(shown["claims"]), shown["events"]) == (1, 2 * (2 * 7 + 1))
    with pytest.raises(KeyError):
        inspect(scene.workspace, TENANT, "file:none.txt")


def test_outputs_are_counted_by_what_they_hold() -> None:
    found = [output_count(each) for each in (make_document(), make_chunks(3), make_batch(), make_facts(), 7)]
    assert found == [1, 3, 3, 3, 1]


@pytest.mark.parametrize("name", ["", "Upper", "../up", "a" * 64, "-a", "ä"])
def test_a_tenant_s_name_is_safe_as_a_folder(name: str) -> None:
    assert check_tenant("north-1_x") == "north-1_x"
    with pytest.raises(UsageError, match="is no tenant name"):
        check_tenant(name)


def test_a_home_where_nothing_was_run_is_only_looked_at(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home", tmp_path / "config", ProfileSpec(name="p"))
    with pytest.raises(LedgerError, match="holds nothing yet"), workspace.look():
        pass
    workspace.close()
    assert not (tmp_path / "home").exists()


def test_a_pipeline_version_is_kept_with_its_jobs(scene: Scene) -> None:
    scene.write(a="aspirin")
    scene.submit(GRAPH_ONLY)
    assert scene.workspace.topology(GRAPH_ONLY.digest) == GRAPH_ONLY
    with scene.workspace.look() as (ledger, cx):
        assert ledger.topology(cx, GRAPH_ONLY.digest) == GRAPH_ONLY.encode()
    with pytest.raises(LedgerError, match="keeps no pipeline version `unknown`"):
        scene.workspace.topology("unknown")


def test_a_server_s_address_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = LedgerSpec.model_validate({"url": {"env": "PENSTOCK_LEDGER_URL"}})
    workspace = Workspace(tmp_path, tmp_path, ProfileSpec(name="server", ledger=ledger))
    with pytest.raises(MissingDependencyError, match="takes the ledger's address from `PENSTOCK_LEDGER_URL`"):
        _ = workspace.ledger
    monkeypatch.setenv("PENSTOCK_LEDGER_URL", f"sqlite:///{tmp_path / 'other.db'}")
    assert workspace.ledger.database.is_sqlite
    workspace.close()
    assert (tmp_path / "other.db").exists()
