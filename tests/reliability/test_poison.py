"""F36. Documents that are poison to a stage: each is set aside for its own reason, and costs no other anything."""

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.command import Penstock

PLUGIN = Path(__file__).parent / "plugin"
ATTEMPTS = 2
POLICIES = f"""
policies:
  default: {{max_attempts: {ATTEMPTS}, backoff_strategy: none, timeout_seconds: 2}}
  gpu-bound: {{max_attempts: 1, backoff_strategy: none, timeout_seconds: 60}}
"""
PROFILE = """
name: poison
extends: tiny
stages: {ParseStage: {uses: poison}, EmbedStage: {uses: poison}}
batch: {documents: BATCH}
"""


class Poison(NamedTuple):
    """What is in the file, and what must be said of it."""

    suffix: str
    content: bytes
    stage: str
    error: str
    reason: str
    attempts: int = 1
    state: str = ""

    @property
    def status(self) -> str:
        return self.state or f"{self.stage}_failed"


def deed(name: str, stage: str, error: str, reason: str, attempts: int = 1) -> Poison:
    text = f"# A deed\n\nSome words before it.\n\ndeed: {name}\n"
    return Poison(".md", text.encode(), stage, error, reason, attempts)


LAUGHS = '<?xml version="1.0"?><!DOCTYPE article [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><article>&b;</article>'
DIED = "the stage host died: "
POISONS = {
    "empty": Poison(".md", b"", "ingest", "RejectedError", "content: empty"),
    "binary": Poison(".txt", bytes(range(256)) * 9, "ingest", "RejectedError", "not text in UTF-8"),
    "nul": Poison(".md", b"# Title\n\nwords \0 with \0 NUL\n", "ingest", "RejectedError", "binary data"),
    "image": Poison(".md", b"\x89PNG\r\n\x1a\n" + bytes(64), "ingest", "RejectedError", "a PNG image"),
    "pdf": Poison(
        ".md", b"%PDF-1.7\n1 0 obj\n<< /Ty", "parse", "RejectedError", "PDF: broken beyond mending", state="pdf_broken"
    ),
    "half": Poison(".json", b'{"protocolSection": {"identif', "parse", "RejectedError", "JSON ends too early"),
    "nested": Poison(".json", b"[" * 50_000 + b"]" * 50_000, "parse", "RejectedError", "64 levels deep"),
    "laughs": Poison(".xml", LAUGHS.encode(), "parse", "RejectedError", "declares entities"),
    "segfault": deed("segfault", "parse", "StageCrashError", DIED + "it crashed (SIGSEGV)", ATTEMPTS),
    "killed": deed("killed", "parse", "StageCrashError", DIED + "it was killed (SIGKILL)", ATTEMPTS),
    "hang": deed("hang", "parse", "StageTimeoutError", "no answer within 2 s (policy `default`)", ATTEMPTS),
    "memory": deed("memory", "parse", "TransientError", "there is no memory left", ATTEMPTS),
    "nan": deed("nan", "embed", "PermanentError", "is not finite"),
    "dimension": deed("dimension", "embed", "PermanentError", "a vector of 1023 numbers; the settings say 1024"),
    "unchecked-nan": deed("unchecked_nan", "index", "RejectedError", "a number that is not finite"),
    "unchecked-dimension": deed("unchecked_dimension", "index", "PermanentError", "of dimension 1025 need"),
}
HEAVY = ("segfault", "killed", "hang")
"""Those that cost seconds each, since the stage host is started again: few of them."""

GOOD_NAMES = {
    "\u202etxt.elur.md": "# A name that is written to the left\n\nThe quillfish swims under it.\n",
    "\u0645\u0631\u062d\u0628\u0627.md": "# Greetings\n\nA marhabaword stands in it.\n",
    "token.txt": "a" * 1_000_000,
}
"""Documents that look dangerous and are none."""


def write(folder: Path, total: int, counts: dict[str, int]) -> dict[str, Poison]:
    """So many documents, so many of each poison among them; returns the poisonous ones by document."""
    folder.mkdir()
    made = {
        f"{kind}-{number}{POISONS[kind].suffix}": POISONS[kind]
        for kind, count in counts.items()
        for number in range(count)
    }
    for name, text in GOOD_NAMES.items():
        (folder / name).write_text(text)
    for name, poison in made.items():
        (folder / name).write_bytes(poison.content)
    for number in range(total - len(made) - len(GOOD_NAMES)):
        (folder / f"good-{number:04}.md").write_text(f"# Note {number}\n\nIt tells of word{number} and bread.\n")
    return {f"file:{name}": poison for name, poison in made.items()}


@pytest.fixture
def penstock(tmp_path: Path) -> Penstock:
    made = Penstock.at(tmp_path, PENSTOCK_PROFILE="poison", PYTHONPATH=str(PLUGIN))
    (made.config / "resilience.yaml").write_text(POLICIES)
    (made.config / "profiles" / "poison.yaml").write_text(PROFILE.replace("BATCH", "256"))
    return made


def check_failures(report: dict[str, Any], poisons: dict[str, Poison]) -> None:
    """Each poisonous document failed, for its own reason, and no other."""
    found = {each["document"]: each for each in report["failures"]}
    assert {name: (each["stage"], each["status"], each["error_type"]) for name, each in found.items()} == {
        name: (poison.stage, poison.status, poison.error) for name, poison in poisons.items()
    }
    unclear = {name: each["message"] for name, each in found.items() if poisons[name].reason not in each["message"]}
    assert unclear == {}


def attempts(penstock: Penstock) -> Counter[str]:
    """How often each document's deed was done, as the adapters have noted it."""
    return Counter((penstock.home / "attempts").read_text().split("\n")[:-1])


def check_dead_letters(penstock: Penstock, poisons: dict[str, Poison]) -> None:
    """What `show` knows of each: the reason, the stage, the attempts, the chain of errors and where the bytes are."""
    from penstock.adapters.stores.raw import FolderRawStore
    from penstock.execution.inspection import inspect
    from penstock.execution.workspace import Workspace
    from penstock.plan.profiles import load_profile

    workspace = Workspace(penstock.home, penstock.config, load_profile(penstock.config, "tiny"))
    raw = workspace.resources.raw
    assert isinstance(raw, FolderRawStore)
    for name, poison in poisons.items():
        (letter,) = inspect(workspace, "default", name)["failures"]
        assert (letter["stage"], letter["status"], letter["error_type"], letter["attempts"], letter["resolution"]) == (
            poison.stage,
            poison.status,
            poison.error,
            poison.attempts,
            None,
        )
        assert poison.reason in letter["message"]
        assert raw.get("default", letter["raw"]) == poison.content
    chained = inspect(workspace, "default", "file:memory-0.md")["failures"][0]
    assert chained["chain"] == ["MemoryError"]
    workspace.close()


def test_of_1000_documents_the_50_poisonous_ones_are_set_aside_and_may_be_tried_again(
    penstock: Penstock, tmp_path: Path
) -> None:
    light = [kind for kind in POISONS if kind not in HEAVY]
    counts = dict.fromkeys(HEAVY, 2) | dict.fromkeys(light[:5], 4) | dict.fromkeys(light[5:], 3)
    poisons = write(tmp_path / "documents", 1000, counts)
    assert (len(poisons), len(counts)) == (50, 16)

    report = penstock.run("auto", "documents", codes=(1,))
    assert {name: count for name, count in report["documents"].items() if count} == {
        "total": 1000,
        "done": 950,
        "failed": 50,
    }
    check_failures(report, poisons)
    assert attempts(penstock) == {name: each.attempts for name, each in poisons.items() if b"deed" in each.content}
    check_dead_letters(penstock, poisons)
    status = penstock("status", "--json").ok().json
    assert (status["jobs"]["completed"], sum(status["jobs"].values()), status["dead_letters"]) == (950, 1000, 50)
    penstock.audit()
    assert penstock.found("quillfish", "--mode", "bm25") == ["file:\u202etxt.elur.md"]
    retry_some(penstock, poisons)


def retry_some(penstock: Penstock, poisons: dict[str, Poison]) -> None:
    """`penstock retry` by stage, error and age, and from a stage; what was cured meanwhile is done."""

    def retried(*options: str) -> int:
        return int(penstock("retry", *options, "--json").ok().json["retried"])

    def failing(**by: str) -> list[str]:
        return [name for name, each in poisons.items() if all(getattr(each, k) == v for k, v in by.items())]

    assert retried("--since", "2999-01-01") == 0
    assert retried("--stage", "embed", "--since", "2h") == len(failing(stage="embed"))
    assert retried("--error", "StageCrashError") == len(failing(error="StageCrashError"))
    assert retried("--stage", "index", "--from", "embed") == len(failing(stage="index"))
    (penstock.home / "cured").touch()
    report = penstock.run("auto", "documents", codes=(1,))
    # what a timeout or lack of memory has failed is tried again without being told
    cured = {name for name, each in poisons.items() if b"deed" in each.content}
    executed = {stage["name"]: stage["executed"] for stage in report["stages"]}
    by_itself = len(failing(error="StageTimeoutError")) + len(failing(error="TransientError"))
    assert (report["documents"]["done"], report["documents"]["failed"]) == (len(cured), 50 - len(cured))
    assert executed["ingest"] == 0, "what was done before is not done again"
    assert executed["parse"] == len(failing(error="StageCrashError")) + by_itself
    assert executed["embed"] == executed["index"] == len(cured), "from `embed` on, what had been indexed from"
    shown = penstock("show", "file:segfault-0.md", "--json").ok().json
    assert [(each["error_type"], each["resolution"]) for each in shown["failures"]] == [("StageCrashError", "retried")]
    assert shown["jobs"][0]["status"] == "completed"
    assert penstock("status", "--json").ok().json["dead_letters"] == 50 - len(cured)
    penstock.audit()


def test_in_batches_of_one_document_the_poisonous_ones_do_not_block_the_queue(
    penstock: Penstock, tmp_path: Path
) -> None:
    profile = penstock.config / "profiles" / "poison.yaml"
    profile.write_text(PROFILE.replace("BATCH", "1"))
    kinds = {"empty": 1, "half": 1, "segfault": 1, "nan": 1, "unchecked-nan": 1}
    poisons = write(tmp_path / "documents", 12, kinds)
    report = penstock.run("auto", "documents", codes=(1,))
    assert (report["documents"]["done"], report["documents"]["failed"], len(report["runs"])) == (7, 5, 12)
    check_failures(report, poisons)
    penstock.audit()
