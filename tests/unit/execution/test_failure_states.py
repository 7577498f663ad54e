"""Every state that a job can fail in is reached, by what leads there in earnest; and what failed is never forgotten."""

from collections.abc import Callable
from typing import Any

import onnxruntime  # type: ignore[import-untyped]  # it has no stubs
import pytest
from sqlalchemy import update
from tests.unit.execution.scene import CHUNK, EMBED, EXTRACT, FULL, GRAPH, INDEX, INGEST, PARSE, Scene, pipeline, stage

from penstock.adapters.device import gpu_error
from penstock.errors import PermanentError, TransientError
from penstock.execution.batch import CLAIMS, claim_batch
from penstock.execution.inspection import inspect
from penstock.ledger.status import FAILURES
from penstock.ledger.tables import jobs
from penstock.plan.topology import Policy, Topology

ONCE = Policy(name="once", max_attempts=1)
ON_GPU = stage("embed", "Embed", "chunk", uses="minilm", settings={"device": "gpu"}, policy=ONCE)
OUT_OF_MEMORY = "CUDA failure 2: out of memory ; GPU=0 ; hostname=h ; expr=cudaMalloc((void**)&p, size);"


def raising(error: Exception) -> Callable[..., None]:
    def answer(ctx: Any, value: Any) -> None:
        raise error

    return answer


def fails_at(name: str, topology: Topology, error: Exception | None = None) -> Callable[[Scene, Any], Topology]:
    def prepare(scene: Scene, toys: Any) -> Topology:
        toys.on[name] = raising(error or PermanentError("no"))
        return topology

    return prepare


def no_gpu(scene: Scene, toys: Any) -> Topology:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime knows CUDA")
    return pipeline(INGEST, PARSE, CHUNK, ON_GPU)


def broken_graph(scene: Scene, toys: Any) -> Topology:
    (scene.home / "graph.db").write_bytes(b"no database at all" * 99)
    return pipeline(INGEST, PARSE, EXTRACT, GRAPH)


def worn_out(scene: Scene, toys: Any) -> None:
    topology = pipeline(INGEST, PARSE)
    scene.submit(topology)
    with scene.ledger.begin() as cx:
        cx.execute(update(jobs).values(lease_token=CLAIMS))
    with scene.worker() as worker:
        assert claim_batch(scene.workspace, worker, topology, 0) is None, "all are given up, none is left to work on"


VALIDATE = stage("validate", "Validate", "parse")
FETCH = stage("fetch", "Download", "ingest")
LEADS_TO: dict[str, Callable[[Scene, Any], Topology | None]] = {
    "ingest_failed": fails_at("ingest", FULL),
    "parse_failed": fails_at("parse", FULL),
    "validation_failed": fails_at("validate", pipeline(INGEST, PARSE, VALIDATE)),
    "pdf_download_failed": fails_at("fetch", pipeline(INGEST, FETCH)),
    "chunk_failed": fails_at("chunk", FULL),
    "embed_failed": fails_at("embed", FULL),
    "embed_failed_no_gpu": no_gpu,
    "gpu_unavailable": lambda scene, toys: pipeline(stage("ingest", "Ingest", uses="unbuildable", policy=ONCE)),
    "gpu_out_of_memory": fails_at("embed", FULL, gpu_error(RuntimeError(OUT_OF_MEMORY), "model `m`")),
    "index_failed": fails_at("index", pipeline(INGEST, PARSE, CHUNK, EMBED, INDEX), OSError(28, "No space left")),
    "extract_failed": fails_at("extract", FULL),
    "kg_failed": broken_graph,
    "stage_failed": worn_out,
}

ELSEWHERE = {
    "needs_ocr": "a PDF whose pages are pictures, where no tesseract is installed (tests/unit/adapters/pdf)",
    "pdf_broken": "a PDF that does not open (tests/unit/adapters/pdf)",
    "pdf_empty": "a PDF without text (tests/unit/adapters/pdf)",
    "pdf_encrypted": "a PDF with a password (tests/unit/adapters/pdf)",
    "pdf_too_large": "a PDF of more than its reader may take (workers/test_pdf)",
    "quarantined": "a PDF that takes its readers down (workers/test_pdf)",
    "rejected": "a document whose id no job can bear (test_submit)",
    "gate_timeout": "a job that waits too long (test_gates)",
    "no_document": "a gate that is opened by hand before its document was read (compiler/test_launch)",
}


def test_every_failure_is_in_the_table() -> None:
    assert sorted([*LEADS_TO, *ELSEWHERE]) == sorted(FAILURES)


@pytest.mark.parametrize("status", LEADS_TO)
def test_every_failure_is_reached(status: str, scene: Scene, toys: Any) -> None:
    scene.write(a="aspirin", b="bread")
    if topology := LEADS_TO[status](scene, toys):
        scene.run(topology)
    assert scene.statuses() == {"a": status, "b": status}
    with scene.ledger.read() as cx:
        assert scene.ledger.dead_letters.open_count(cx) == 2


def test_a_gpu_that_is_not_there_embeds_nothing_on_the_cpu(scene: Scene, toys: Any) -> None:
    scene.write(**{name: name for name in "abcde"})
    outcomes = scene.run(no_gpu(scene, toys))
    assert (outcomes["embed"].executed, outcomes["embed"].failed) == (0, 5)
    assert {(scene.job(name).error_message, scene.job(name).error_recovery) for name in "abcde"} == {
        ("adapter `minilm`: no_gpu: this onnxruntime knows no GPU", "unavailable")
    }
    assert not (scene.home / "models").exists(), "no model was even built"


def failures(scene: Scene) -> list[tuple[str, str, str, str | None]]:
    """What `show` tells of the document's failures, oldest first."""
    shown = inspect(scene.workspace, "default", "file:a.txt")["failures"]
    return [(each["stage"], each["status"], each["message"], each["resolution"]) for each in shown]


def test_an_error_is_told_for_ever_also_after_a_retry_and_a_success(scene: Scene, toys: Any) -> None:
    scene.write(a="aspirin")
    topology = pipeline(INGEST, stage("parse", "Parse", "ingest", policy=ONCE))
    toys.on["parse"] = raising(TransientError("busy"))
    scene.run(topology)
    assert failures(scene) == [("parse", "parse_failed", "busy", None)]
    toys.on["parse"] = raising(PermanentError("broken"))
    scene.run(topology)
    told = [("parse", "parse_failed", "busy", "retried"), ("parse", "parse_failed", "broken", None)]
    assert failures(scene) == told
    toys.on.clear()
    scene.write(a="aspirin, mended")
    scene.run(topology)
    assert scene.job("a").status == "completed"
    assert [each[2] for each in failures(scene)] == ["busy", "broken"]
