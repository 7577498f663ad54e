"""MinerU behind the gate, from outside: from a PDF to a hit with its box; and no GPU where one is wanted."""

import shutil
from pathlib import Path

import pytest
from PIL import Image
from tests.command import Penstock
from tests.mineru_server import MinerUServer, mineru_server, recorded

from penstock.testing.factories import make_pdf

OUTPUT = recorded("result_4.json")["files"][0]["content"]["middle_json"]


def with_mineru(penstock: Penstock, *servers: MinerUServer) -> None:
    profile = penstock.config / "profiles" / "tiny.yaml"
    addresses = ", ".join(server.address for server in servers)
    profile.write_text(f"{profile.read_text()}\nworkers:\n  pdf: {{uses: mineru, with: {{servers: [{addresses}]}}}}\n")


@pytest.fixture
def paper(tmp_path: Path) -> Path:
    path = tmp_path / "pumps.pdf"
    path.write_bytes(make_pdf("Pumps move water.", "Valves stop it."))
    return path


def test_a_pdf_is_read_by_mineru_found_and_drawn(penstock: Penstock, paper: Path, tmp_path: Path) -> None:
    with mineru_server(release=4, output=OUTPUT) as server:
        with_mineru(penstock, server)
        assert penstock("run", "pdf-two-phase", "--input", paper, "--json").ok().json["documents"]["waiting"] == 1
        penstock("worker", "pdf", "--drain").ok()
        assert [each["query"]["tier"] for each in server.journal() if each["method"] == "POST"] == ["standard"]
    assert penstock("run", "pdf-two-phase", "--input", paper, "--json").ok().json["documents"]["done"] == 1
    [hit] = penstock("search", "valves", "--mode", "bm25", "--json").ok().json["hits"]
    assert (hit["document"], hit["page"], hit["box"]) == ("file:pumps.pdf", 1, [72.2, 80.8, 178.1, 95.0])

    shutil.rmtree(penstock.home / "raw")  # what is drawn is the PDF that the worker read
    drawn = tmp_path / "page.png"
    shown = penstock("show", "file:pumps.pdf", "--page", "2", "--image", drawn, "--json").ok().json
    assert [(box["kind"], box["text"]) for box in shown["boxes"]] == [("text", "Valves stop it.")]
    with Image.open(drawn) as image:
        assert image.size == (1224, 1584)
        assert image.convert("RGB").getpixel((200, round(2 * 80.8))) == (25, 118, 210)


def test_without_a_gpu_there_every_document_fails_at_once_and_none_is_read(penstock: Penstock, paper: Path) -> None:
    no_gpu = {"status": 503, "code": "model_preload_device_unavailable", "message": "CUDA is not available"}
    with mineru_server(release=4, output=OUTPUT, health=no_gpu) as server:
        with_mineru(penstock, server)
        penstock("run", "pdf-two-phase", "--input", paper, "--json").ok()
        penstock("worker", "pdf", "--drain").ok(0, 1)
        assert {each["method"] for each in server.journal()} == {"GET"}
    assert penstock("status", "--json").ok(0, 1).json["jobs"] == {"gpu_unavailable": 1}
    told = [event["data"] for event in penstock("events", "--document", "file:pumps.pdf").ok().lines]
    assert [data for data in told if "no_gpu" in str(data)]
    assert penstock("search", "valves", "--mode", "bm25", "--json").ok().json["hits"] == []
    assert penstock("show", "file:pumps.pdf", "--page", "1").code == 2


def test_a_worker_that_does_not_know_where_mineru_is_takes_no_pdf(penstock: Penstock, paper: Path) -> None:
    profile = penstock.config / "profiles" / "tiny.yaml"
    reader = "{uses: mineru, with: {servers: {env: MINERU_NOWHERE}}}"
    profile.write_text(f"{profile.read_text()}\nworkers: {{pdf: {reader}}}\n")
    penstock("run", "pdf-two-phase", "--input", paper, "--json").ok()
    answer = penstock("worker", "pdf", "--drain").ok(3)
    assert "the environment variable `MINERU_NOWHERE` of `servers` is not set" in answer.err
    assert penstock("status", "--json").ok().json["jobs"] == {"waiting": 1}
