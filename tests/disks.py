"""Small disks, and disks that cannot be written: real ones (tmpfs), in a mount namespace that the tests make."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest
from tests.command import Answer, Penstock

_MOUNT = 'mount -t tmpfs -o "size=$1" tmpfs "$2" && echo mounted && exec cat'


@dataclass(frozen=True)
class Disk:
    """A disk that is mounted at `path` for those who enter the namespace of the process `holder`."""

    path: Path
    holder: int

    def run(self, penstock: Penstock, *arguments: object) -> Answer:
        """A command, run where the disk is mounted."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PENSTOCK_", "DAGSTER_"))}
        places = {"PENSTOCK_HOME": str(penstock.home), "PENSTOCK_CONFIG": str(penstock.config)}
        ended = subprocess.run(
            [*self._enter(penstock.home.parent), sys.executable, "-m", "penstock", *map(str, arguments)],
            env=kept | places | penstock.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        return Answer(ended.returncode, ended.stdout, ended.stderr, 0.0)

    def remount(self, options: str) -> None:
        """Change the disk: `size=100m`, `ro`."""
        self.shell(f"mount -o 'remount,{options}' '{self.path}'")

    def shell(self, command: str) -> str:
        """What a command says that is run where the disk is mounted."""
        return self._run("sh", "-c", command)

    def python(self, code: str, *arguments: object) -> str:
        """What a program says that is run where the disk is mounted."""
        return self._run(sys.executable, "-c", code, *map(str, arguments))

    def _run(self, *command: str) -> str:
        ended = subprocess.run(
            [*self._enter(Path("/")), *command], capture_output=True, text=True, check=True, timeout=60
        )
        return ended.stdout

    def _enter(self, folder: Path) -> list[str]:
        return ["nsenter", "-t", str(self.holder), "-U", "-m", "--preserve-credentials", f"--wdns={folder}"]


@contextmanager
def disk(path: Path, size: str) -> Iterator[Disk]:
    """A disk of that size at `path`; skips the test where none can be mounted."""
    path.mkdir(parents=True, exist_ok=True)
    try:
        holder = subprocess.Popen(
            ["unshare", "-rm", "sh", "-c", _MOUNT, "sh", size, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    except FileNotFoundError:
        pytest.skip("`unshare` is not here: no disk of its own can be mounted")
    with holder:
        try:
            if _line(holder.stdout) != "mounted":
                pytest.skip(f"no disk can be mounted here: {_line(holder.stderr)}")
            yield Disk(path, holder.pid)
        finally:
            if holder.stdin:
                holder.stdin.close()


def _line(stream: IO[str] | None) -> str:
    return stream.readline().strip() if stream else ""
