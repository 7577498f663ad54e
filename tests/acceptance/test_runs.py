"""Documents reach one end state; what did not change is not touched; what is gone is gone everywhere."""

import json
import shutil
from pathlib import Path
from typing import Any

from tests.acceptance.conftest import BROKEN, NAMES
from tests.command import Penstock

STAGES = ["ingest", "parse", "ir_validation", "chunk", "embed", "index", "extract", "kg"]


def counts(report: Any) -> dict[str, int]:
    """The counts that are not 0."""
    return {name: count for name, count in report["documents"].items() if count}


def executed(report: Any) -> dict[str, int]:
    return {stage["name"]: stage["executed"] for stage in report["stages"]}


def test_a_first_a_second_and_a_third_run(penstock: Penstock, documents: Path) -> None:
    (documents / "broken.json").write_text(BROKEN)
    plan = penstock("plan", "auto", "--input", documents, "--json").ok().json
    assert {name: plan["documents"][name] for name in ("new", "changed", "unchanged", "deleted")} == {
        "new": 8,
        "changed": 0,
        "unchanged": 0,
        "deleted": 0,
    }
    assert not penstock.home.exists(), "a plan writes nothing"

    first = penstock.run("auto", documents, codes=(1,))
    assert counts(first) == {"total": 8, "done": 7, "failed": 1}
    assert executed(first) == dict.fromkeys(STAGES, 7) | {"ingest": 8}
    assert [(each["document"], each["stage"], each["status"]) for each in first["failures"]] == [
        ("file:broken.json", "parse", "parse_failed")
    ]
    assert first["failures"][0]["error_type"] == "RejectedError"
    shown = {name: penstock("show", name, "--json").ok().json for name in (NAMES[0], "file:broken.json")}
    assert [stage["status"] for stage in shown[NAMES[0]]["jobs"][0]["stages"]] == ["completed"] * 8
    assert {entity["name"] for entity in shown[NAMES[0]]["entities"]} >= {"Quillarine", "Dry Eye"}
    assert shown["file:broken.json"]["jobs"][0]["status"] == "parse_failed"
    digest = penstock.audit()
    events = penstock("events", "--type", "org.medicalkg.orchestration.stage.completed").ok().lines
    assert sorted({(each["subject"], each["data"]["stage"]) for each in events}) == sorted(
        [(name, stage) for name in NAMES for stage in STAGES] + [("file:broken.json", "ingest")]
    )
    assert len({each["id"] for each in events}) == len(events)

    second = penstock.run("auto", documents, codes=(1,))
    assert (counts(second), set(executed(second).values())) == ({"total": 8, "unchanged": 7, "failed": 1}, {0})
    (documents / "broken.json").unlink()
    third = penstock.run("auto", documents)
    assert (counts(third), third["runs"]) == ({"total": 7, "unchanged": 7}, [])
    assert penstock.audit() == digest


def test_what_changes_and_what_goes_leaves_no_trace(penstock: Penstock, documents: Path) -> None:
    penstock.run("auto", documents)
    (documents / "plain.txt").write_text("The zanthomycin boat leaves at noon.\n")
    (documents / "page.html").unlink()
    plan = penstock("plan", "auto", "--input", documents, "--json").ok().json["documents"]
    assert [plan[name] for name in ("new", "changed", "unchanged", "deleted")] == [0, 1, 5, 1]
    kept = penstock.run("auto", documents)
    assert (counts(kept), executed(kept)) == (
        {"total": 6, "done": 1, "unchanged": 5},
        dict.fromkeys(STAGES, 1),
    )
    assert penstock.found("zanthomycin", "--mode", "bm25") == ["file:plain.txt"]
    assert penstock.found("ferry morning evening", "--mode", "bm25") == []
    assert "file:page.html" in penstock.found("flour, water and salt")
    pruned = penstock.run("auto", documents, more=("--prune",))
    assert counts(pruned) == {"total": 6, "unchanged": 6, "deleted": 1}
    assert penstock("delete", "file:guides/retry.md", "--json").ok().json["deleted"] == ["file:guides/retry.md"]
    left = penstock.found("flour, water, salt, calls that fail are tried again", "--top-k", "50")
    assert not {"file:page.html", "file:guides/retry.md"} & set(left)
    gone = penstock("show", "file:guides/retry.md", "--json").ok().json
    assert (any(version["active"] for version in gone["versions"]), gone["chunks"]) == (False, [])
    digest = penstock.audit()

    fresh = penstock.beside("fresh")
    (documents / "guides" / "retry.md").unlink()
    fresh.run("auto", documents)
    assert fresh.audit() == digest, "as if what is gone had never been there"


def test_a_changed_setting_recomputes_from_its_stage_on_only(penstock: Penstock, documents: Path) -> None:
    penstock.run("auto", documents)
    path = penstock.config / "pipelines" / "auto.yaml"
    text = path.read_text()
    assert text.count("    # with: {split_by: sentence, split_length: 8}") == 1
    path.write_text(text.replace("    # with: {split_by: sentence, split_length: 8}", "    with: {split_length: 60}"))
    plan = penstock("plan", "auto", "--input", documents, "--json").ok().json
    want = {"ingest": 0, "parse": 0, "ir_validation": 0, "chunk": 7, "embed": 7, "index": 7, "extract": 0, "kg": 0}
    assert {stage["name"]: stage["execute"] for stage in plan["stages"]} == want
    assert executed(penstock.run("auto", documents)) == want
    penstock.audit()


def test_tenants_never_see_each_other(penstock: Penstock, documents: Path) -> None:
    north, south = documents / "guides", documents / "plain.txt"
    penstock.run("auto", north, more=("--tenant", "north"))
    penstock.run("auto", south, more=("--tenant", "south"))
    everything = "calls caches ferry morning"
    assert penstock.found(everything, "--tenant", "south") == ["file:plain.txt"]
    assert sorted(penstock.found(everything, "--tenant", "north")) == ["file:cache.rst", "file:retry.md"]
    assert penstock.found(everything) == []
    answer = penstock("show", "file:plain.txt", "--tenant", "north").ok(2)
    assert "tenant `south` has one" in answer.err


def test_a_home_can_be_moved(penstock: Penstock, documents: Path) -> None:
    penstock.run("auto", documents)
    digest = penstock.audit()
    moved = penstock.beside("elsewhere")
    shutil.move(penstock.home, moved.home)
    assert moved.audit() == digest
    assert moved.found("first compiler")[0] == "file:people.jsonl#grace"
    assert counts(moved.run("auto", documents)) == {"total": 7, "unchanged": 7}
    assert not penstock.home.exists()


def test_a_document_waits_at_its_gate_as_a_row(penstock: Penstock, tmp_path: Path) -> None:
    pdf = tmp_path / "paper.pdf"
    pdf.write_bytes(b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n")
    report = penstock.run("pdf-two-phase", pdf)
    assert counts(report) == {"total": 1, "waiting": 1}
    status = penstock("status", "--json").ok().json
    assert [(each["pipeline"], each["gate"], each["count"]) for each in status["waiting"]] == [
        ("pdf-two-phase", "pdf_gate", 1)
    ]
    assert json.dumps(status["jobs"]) == '{"waiting": 1}'
