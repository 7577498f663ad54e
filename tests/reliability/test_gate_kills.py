"""Whoever is killed while PDFs go through their gate, and whenever: the end is that of an undisturbed run.

`penstock run`, the PDF worker and `penstock up` (Dagster's daemon, the dispatcher, a worker and the relay) are started
in turn, and all that belongs to the home is killed at a random moment. The moments follow from the seed.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.command import Penstock

from penstock.testing.factories import make_pdf

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the processes of a home in /proc")

PIPELINE = "pdf-two-phase"
BROKEN = b"%PDF-1.7 nothing more"


def papers(folder: Path, count: int) -> Path:
    """PDFs of one to four pages; every tenth does not open."""
    folder.mkdir()
    for number in range(count):
        pages = [f"Paper {number} says word{number}x{page} on page {page}." for page in range(1 + number % 4)]
        (folder / f"{number:03}.pdf").write_bytes(BROKEN if number % 10 == 9 else make_pdf(*pages))
    return folder


def kill_all(home: Path) -> None:
    """SIGKILL to every process that works on a home, until there is none."""
    mark = f"PENSTOCK_HOME={home}".encode()
    found = True
    while found:
        found = False
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    os.kill(int(entry.name), signal.SIGKILL)
                    found = True
        time.sleep(0.05)


def finish(penstock: Penstock, folder: Path) -> dict[str, Any]:
    """Go on, undisturbed, until nothing waits; returns the last report."""
    for _ in range(5):
        report: dict[str, Any] = penstock.run(PIPELINE, folder, codes=(0, 1))
        if not report["documents"]["waiting"]:
            return report
        penstock("worker", "pdf", "--drain", "--json").ok(0, 1)
    raise AssertionError(f"documents wait for ever: {report['documents']}")


def end_of(penstock: Penstock, folder: Path) -> dict[str, Any]:
    """What queries, operators and scripts see in the end, without ids, times and order."""
    shown = [penstock("show", f"file:{path.name}", "--json").ok().json for path in sorted(folder.iterdir())[::7]]
    return {
        "digest": penstock.audit(),
        "jobs": penstock("status", "--json").ok().json["jobs"],
        "shown": [
            [(job["status"], [stage["name"] for stage in job["stages"]]) for job in each["jobs"]] for each in shown
        ],
    }


def completed(penstock: Penstock) -> Counter[tuple[str, str]]:
    """How often each stage of each document was told to be completed, by different events."""
    events = {each["id"]: each for each in penstock("events").ok().lines if each["type"].endswith(".stage.completed")}
    return Counter((each["subject"], each["data"]["stage"]) for each in events.values())


def check(tmp_path: Path, count: int, kills: int, seed: int) -> None:
    folder = papers(tmp_path / "papers", count)
    calm = Penstock.at(tmp_path)
    began = time.monotonic()
    finish(calm, folder)
    seconds = (time.monotonic() - began) / 3  # of three commands
    expected = end_of(calm, folder)
    hit = calm.beside("hit")
    moments = random.Random(seed)
    for _ in range(kills):
        what = moments.choice(["run", "worker", "up"])
        commands = {
            "run": ("run", PIPELINE, "--input", folder, "--json"),
            "worker": ("worker", "pdf"),
            "up": ("up", "--port", free_port()),
        }
        process = hit.start(*commands[what])
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=moments.uniform(0.0, 1.5 * seconds))
        kill_all(hit.home)
        process.communicate()
    finish(hit, folder)
    assert end_of(hit, folder) == expected
    told, calmly = completed(hit), completed(calm)
    assert told.keys() == calmly.keys()
    gates = {key: times for key, times in told.items() if key[1] == "pdf_gate"}
    assert gates == {key: times for key, times in calmly.items() if key[1] == "pdf_gate"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.timeout(900)
def test_a_few_kills_change_nothing(tmp_path: Path) -> None:
    check(tmp_path, count=12, kills=4, seed=5)


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_fifty_kills_over_sixty_pdfs_change_nothing(tmp_path: Path) -> None:
    check(tmp_path, count=60, kills=50, seed=50)
