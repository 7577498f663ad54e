"""One of many: any number of values, any text, one statement."""

from typing import Any

import pytest
from sqlalchemy import event, select
from tests.unit.ledger.steps import add

from penstock.ledger.among import among
from penstock.ledger.ledger import Ledger
from penstock.ledger.tables import jobs

ODD = ['it"s', "it's", "back\\slash", "🜲 ünï", "[1]", "%s", ":name", "null"]


def test_text_of_any_kind_is_found_by_itself(ledger: Ledger) -> None:
    add(ledger, "other", *ODD)
    with ledger.read() as cx:
        for name in ODD:
            assert list(cx.execute(select(jobs.c.document).where(among(jobs.c.document, [name]))).scalars()) == [name]


def test_text_that_no_column_can_hold_is_not_there(ledger: Ledger) -> None:
    add(ledger, "a")
    with ledger.read() as cx:
        found = cx.execute(select(jobs.c.document).where(among(jobs.c.document, ["\ud800", "a", "x\udfff"])))
        assert list(found.scalars()) == ["a"]


@pytest.mark.parametrize("count", [0, 1, 40_000])
def test_any_number_of_values_is_one_statement_with_one_parameter(ledger: Ledger, count: int) -> None:
    add(ledger, "a", "b", "c")
    asked: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, values: Any, *more: Any) -> None:
        asked.append((statement, values))

    event.listen(ledger.database.engine, "before_cursor_execute", note)
    with ledger.read() as cx:
        names = ["a", *map(str, range(count))][:count]
        found = list(cx.execute(select(jobs.c.document).where(among(jobs.c.document, names))).scalars())
    event.remove(ledger.database.engine, "before_cursor_execute", note)
    assert found == (["a"] if count else [])
    [(_, values)] = [each for each in asked if each[0].startswith("SELECT jobs")]
    assert len(values) == 1
