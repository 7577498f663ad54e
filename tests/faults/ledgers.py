"""Where the ledgers of the cases lie: SQLite in each home, or databases on a PostgreSQL server."""

import hashlib
from pathlib import Path

import psycopg
from tests.services.postgres import PostgresServer


class InTheHome:
    """SQLite: the ledger is kept and reset with the home."""

    name = "sqlite"
    profile = ""

    def environment(self, place: Path) -> dict[str, str]:
        return {}

    def keep(self, place: Path, scenario: str) -> None:
        pass

    def reset(self, place: Path, scenario: str | None) -> None:
        pass


class OnAServer:
    """PostgreSQL: a database for each place, made anew for each case from a template."""

    name = "postgres"
    profile = "ledger: {url: {env: SWEEP_LEDGER_URL}}\n"

    def __init__(self, server: PostgresServer) -> None:
        self._server = server

    def environment(self, place: Path) -> dict[str, str]:
        return {"SWEEP_LEDGER_URL": self._server.url(_database(place))}

    def keep(self, place: Path, scenario: str) -> None:
        self._make(_database(place, scenario), _database(place))

    def reset(self, place: Path, scenario: str | None) -> None:
        self._make(_database(place), "template0" if scenario is None else _database(place, scenario))

    def _make(self, name: str, template: str) -> None:
        with psycopg.connect(self._server.url("postgres"), autocommit=True) as connection:
            connection.execute(f'drop database if exists "{name}" with (force)'.encode())
            connection.execute(f'create database "{name}" template "{template}"'.encode())


def _database(place: Path, scenario: str = "") -> str:
    return f"sweep_{hashlib.sha256(f'{place} {scenario}'.encode()).hexdigest()[:16]}"
