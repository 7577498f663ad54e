"""Starting the `penstock` command as a user does: in a process of its own, with a home and a config of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Answer:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str
    seconds: float

    def ok(self, *codes: int) -> "Answer":
        """This answer, its exit code checked (0 unless others are named); nobody ever sees a traceback."""
        assert self.code in (codes or (0,)), f"exit {self.code}\n{self.out[-1500:]}\n--- stderr\n{self.err[-2500:]}"
        assert "Traceback" not in self.out + self.err
        return self

    @property
    def json(self) -> Any:
        """All of stdout as one JSON value."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """stdout as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Penstock:
    """A home and a config folder, and the command that works on them. It runs in the folder that holds the home."""

    home: Path
    config: Path
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def at(cls, folder: Path, **environment: str) -> "Penstock":
        """An empty home, and a copy of the shipped configuration, in `folder`; the profile is `tiny`."""
        shutil.copytree(PROJECT / "config", folder / "config")
        return cls(folder / "home", folder / "config", {"PENSTOCK_PROFILE": "tiny"} | environment)

    def beside(self, name: str) -> "Penstock":
        """The same configuration with another home."""
        return replace(self, home=self.home.with_name(name))

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Start the command in a process group of its own, and do not wait."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PENSTOCK_", "DAGSTER_"))}
        places = {"PENSTOCK_HOME": str(self.home), "PENSTOCK_CONFIG": str(self.config)}
        return subprocess.Popen(
            [sys.executable, "-m", "penstock", *map(str, arguments)],
            env=kept | places | self.environment,
            cwd=self.home.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __call__(self, *arguments: object) -> Answer:
        """Run the command to its end."""
        began = time.monotonic()
        process = self.start(*arguments)
        out, err = process.communicate(timeout=200)
        return Answer(process.returncode, out, err, time.monotonic() - began)

    def run(self, pipeline: str, *inputs: object, codes: tuple[int, ...] = (0,), more: tuple[str, ...] = ()) -> Any:
        """`penstock run … --json`: its report."""
        options = [part for each in inputs for part in ("--input", each)]
        return self("run", pipeline, *options, *more, "--json").ok(*codes).json

    def audit(self) -> dict[str, str]:
        """The digests of the stores, after a check that they hold what the ledger says."""
        report = self("audit", "--json").ok().json
        assert report["consistent"] is True
        digest: dict[str, str] = report["digest"]
        return digest

    def found(self, query: str, *options: str) -> list[str]:
        """The documents that a search finds, each once, best first."""
        hits = self("search", query, *options, "--json").ok().json["hits"]
        return list(dict.fromkeys(hit["document"] for hit in hits))


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL to the whole process group."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
