"""The whole command line on a ledger in PostgreSQL: the same end state as on SQLite, whatever happens on the way."""

import signal
from pathlib import Path

import pytest
from tests.command import Penstock
from tests.services.postgres import PostgresServer

pytestmark = pytest.mark.services

PROFILE = "name: server\nextends: tiny\nledger: {url: {env: TEST_LEDGER_URL}}\n"


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    for number in range(30):
        text = f"# Note {number}\n\n" + " ".join(f"word{number}x{i}" for i in range(400)) + "\n"
        (folder / f"{number:02}.md").write_text(text)
    return folder


@pytest.fixture
def local(tmp_path: Path) -> Penstock:
    folder = tmp_path / "local"
    folder.mkdir()
    return Penstock.at(folder)


@pytest.fixture
def server(tmp_path: Path, postgres: PostgresServer) -> Penstock:
    folder = tmp_path / "server"
    folder.mkdir()
    made = Penstock.at(folder, PENSTOCK_PROFILE="server", TEST_LEDGER_URL=postgres.database())
    (made.config / "profiles" / "server.yaml").write_text(PROFILE)
    return made


def digest(penstock: Penstock) -> object:
    return penstock("audit", "--json").ok().json["digest"]


def test_first_changed_deleted_and_unchanged_runs_end_as_on_sqlite(
    local: Penstock, server: Penstock, notes: Path
) -> None:
    for each in (local, server):
        assert each("run", "auto", "--input", notes, "--json").ok().json["documents"]["done"] == 30
    (notes / "07.md").write_text("# Note 7\n\nNow about zanthomycin.\n")
    (notes / "08.md").unlink()
    for each in (local, server):
        counts = each("run", "auto", "--input", notes, "--prune", "--json").ok().json["documents"]
        assert (counts["done"], counts["unchanged"], counts["deleted"]) == (1, 28, 1)
    again = server("run", "auto", "--input", notes, "--json").ok().json
    assert again["documents"]["unchanged"] == 29
    assert again["runs"] == []
    assert not (server.home / "ledger.db").exists()
    assert digest(server) == digest(local)
    [hit, *_] = server("search", "zanthomycin", "--mode", "bm25", "--json").ok().json["hits"]
    assert hit["document"] == "file:07.md"


def test_a_killed_run_is_finished_by_the_next(local: Penstock, server: Penstock, notes: Path) -> None:
    local("run", "auto", "--input", notes, "--json").ok()
    process = server.start("run", "auto", "--input", notes, "--json")
    assert process.stderr is not None
    for line in process.stderr:
        if line.split()[:1] == ["chunk"]:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    final = server("run", "auto", "--input", notes, "--json").ok().json
    assert final["documents"]["failed"] == 0
    assert digest(server) == digest(local)


def test_two_at_once_share_the_work(server: Penstock, notes: Path) -> None:
    both = [server.start("run", "auto", "--input", notes, "--json") for _ in range(2)]
    ends = [process.communicate(timeout=200) for process in both]
    assert [process.returncode for process in both] == [0, 0], [err[-800:] for _, err in ends]
    report = server("status", "--json").ok().json
    assert report["jobs"] == {"completed": 30}
    seen = [
        (e["subject"], e["data"]["stage"])
        for e in server("events").ok().lines
        if "completed" in e["type"] and "stage" in e["data"]
    ]
    assert len(seen) == len(set(seen)) == 30 * 8


def test_the_workers_of_a_run_share_its_documents(local: Penstock, server: Penstock, notes: Path) -> None:
    local("run", "auto", "--input", notes, "--json").ok()
    report = server("run", "auto", "--input", notes, "--workers", "3", "--json").ok().json
    assert [stage["executed"] for stage in report["stages"]] == [30] * 8
    assert len(report["runs"]) > 1
    assert digest(server) == digest(local)


def test_a_server_that_is_not_there_is_told_with_its_address_and_without_the_password(server: Penstock) -> None:
    secret = "hunter2-very-secret"
    server.environment["TEST_LEDGER_URL"] = f"postgresql://who:{secret}@127.0.0.1:9/none"
    answer = server("status")
    assert answer.code == 3
    assert "127.0.0.1:9" in answer.err
    assert secret not in answer.out + answer.err
    assert "Traceback" not in answer.err
