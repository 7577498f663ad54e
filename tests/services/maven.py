"""Servers written in Java, from Maven Central: jars are fetched once and kept outside the checkout, by version."""

import contextlib
import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import pytest

_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
_START_SECONDS = 180.0
_GRACE_SECONDS = 20.0


def java() -> str:
    """The Java program; skips where there is none."""
    found = shutil.which("java")
    if found is None:
        pytest.skip("java is not installed (Debian: openjdk-17-jre-headless)")
    return found


def jars(name: str, *coordinates: str) -> Path:
    """A folder with these artifacts (`group:artifact:version`) and all that they need at run time.

    Skips where Maven is not installed or cannot fetch them. What was fetched once is not asked for again.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock-tests"
    folder = cache / f"{name}-{sha256(' '.join(coordinates).encode()).hexdigest()[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        if not folder.is_dir():
            _fetch(folder, coordinates)
    return folder


def _fetch(folder: Path, coordinates: tuple[str, ...]) -> None:
    if shutil.which("mvn") is None:
        pytest.skip(f"the jars of {folder.name} are not cached, and Maven (mvn), which fetches them, is not installed")
    wanted = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version></dependency>"
        for group, artifact, version in (each.split(":") for each in coordinates)
    )
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        work = Path(scratch)
        (work / "pom.xml").write_text(
            '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
            "<groupId>local</groupId><artifactId>server</artifactId><version>1</version>"
            f"<dependencies>{wanted}</dependencies></project>"
        )
        done = subprocess.run(
            ["mvn", "-q", "-B", _COPY, "-DincludeScope=runtime", f"-DoutputDirectory={work / 'jars'}"],
            cwd=work,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"Maven could not fetch {' '.join(coordinates)}: {done.stdout.strip()[-300:]}")
        (work / "jars").rename(folder)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody has, below those that the kernel gives to clients: a restart finds them free."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(15_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found += [port] if port not in found else []
    return found


class JavaServer:
    """One process of a server, in a private folder, with what it says in `folder/log`."""

    def __init__(self, folder: Path, classpath: Path, *command: str, environment: Mapping[str, str] = {}) -> None:
        self.folder = folder
        self._command = [java(), "-cp", f"{classpath}/*", *command]
        self._environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **environment}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What the server has said."""
        return (self.folder / "log").read_text(errors="replace")

    def start(self, answers: Callable[[], bool]) -> None:
        """Start the server, and wait until it really answers."""
        assert self._process is None or self._process.poll() is not None, "a second server would damage the data"
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self.folder, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + _START_SECONDS
        while not answers():
            assert self._process.poll() is None, f"the server ended:\n{self.log[-3000:]}"
            assert time.monotonic() < deadline, f"the server does not answer:\n{self.log[-3000:]}"
            time.sleep(0.1)

    def stop(self) -> None:
        """SIGTERM, then SIGKILL where that was not enough."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL, as the kernel does where memory is short."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def pause(self) -> None:
        """Let the process hang: connections stay open, and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
