"""`penstock status` says which breakers hold calls back."""

import json
from pathlib import Path

from sqlalchemy import update
from tests.homes import CONFIG
from typer.testing import CliRunner

from penstock.cli.app import app
from penstock.ledger.ledger import Ledger
from penstock.ledger.shared import LedgerState
from penstock.ledger.tables import breakers


def status(home: Path, *options: str) -> str:
    place = ["--home", str(home), "--config", str(CONFIG), "--profile", "tiny"]
    result = CliRunner().invoke(app, [*place, "status", *options])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_breakers_that_are_not_closed_are_listed(home: Path) -> None:
    ledger = Ledger.open(home)
    state = LedgerState(ledger.database)
    for key, failures in {"embed": 3, "fetch": 2, "parse": 4, "rank": 3}.items():
        for _ in range(failures):
            state.failed(key, 3, 600)
    with ledger.begin() as cx:
        cx.execute(update(breakers).where(breakers.c.breaker.in_(["parse", "rank"])).values(opened_at=0.0))
    assert state.claim_trial("parse", 600, 600)
    ledger.close()
    found = json.loads(status(home, "--json"))["breakers"]
    seconds = [each.pop("retry_in_seconds") for each in found]
    assert found == [
        {"key": "embed", "state": "open", "failures": 3},
        {"key": "parse", "state": "half-open", "failures": 4},
        {"key": "rank", "state": "open", "failures": 3},
    ]
    assert (500 < seconds[0] <= 600, seconds[2]) == (True, 0.0)
    lines = status(home).splitlines()
    assert lines[1].startswith("breaker embed is open after 3 failures in a row; it is tried again in ")
    assert lines[2:-1] == [
        "breaker parse is half-open after 4 failures in a row; one call is trying it now",
        "breaker rank is open after 3 failures in a row; the next call tries it",
    ]


def test_nothing_is_said_of_breakers_where_all_are_closed(home: Path) -> None:
    ledger = Ledger.open(home)
    LedgerState(ledger.database).failed("embed", 3, 600)
    ledger.close()
    assert json.loads(status(home, "--json"))["breakers"] == []
    assert status(home).splitlines() == ["no jobs", "0 dead letters, 0 events to send"]
