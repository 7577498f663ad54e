"""Many rows under one statement: compiled once, its parameters laid out as the driver takes them.

SQLAlchemy's own executemany looks at every parameter of every row again, which costs three times what SQLite takes to
write the row (`docs/performance.md`).
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Boolean, Connection, CursorResult, Dialect, Float
from sqlalchemy.sql.dml import UpdateBase

_Convert = Callable[[Any], Any]


class Bulk:
    """A statement for rows that all have the same keys.

    Args:
        keys: the names of a row's values; the statement's own constants and column defaults fill in the others.
    """

    def __init__(self, statement: UpdateBase, dialect: Dialect, keys: Sequence[str]) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=list(keys))
        self._sql = compiled.string
        self._converts: dict[str, _Convert] = {}
        for bind, name in compiled.bind_names.items():
            convert = bind.type.dialect_impl(dialect).bind_processor(dialect)
            if convert is not None and not isinstance(bind.type, Boolean | Float):  # the drivers take these as they are
                self._converts[name] = convert
        defaults = {str(each.key): getattr(each.default, "arg", None) for each in compiled.insert_prefetch}
        values = compiled.params | defaults
        self._fixed = {name: values[name] for name in compiled.bind_names.values() if name not in keys}
        self._names = tuple(compiled.positiontup or compiled.bind_names.values())
        self._positional = compiled.positional

    def execute(self, cx: Connection, rows: Sequence[Mapping[str, Any]]) -> CursorResult[Any]:
        """Execute the statement for every row, in the caller's transaction."""
        return cx.exec_driver_sql(self._sql, self._laid_out(rows))

    def _laid_out(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        if self._fixed:
            rows = [{**self._fixed, **row} for row in rows]
        for name, convert in self._converts.items():
            rows = [row if row[name] is None else {**row, name: convert(row[name])} for row in rows]
        if not self._positional:
            return [{name: row[name] for name in self._names} for row in rows]
        if len(self._names) == 1:
            return [(row[self._names[0]],) for row in rows]
        return list(map(itemgetter(*self._names), rows))
