"""Many rows under one statement: compiled once, its parameters laid out as the driver takes them.

SQLAlchemy's own executemany looks at every parameter of every row again, which costs three times what SQLite takes to
write the row (`docs/performance.md`).
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, CursorResult, Dialect
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
            if convert is not None:
                self._converts[name] = convert
        defaults = {str(each.key): getattr(each.default, "arg", None) for each in compiled.insert_prefetch}
        values = compiled.params | defaults
        self._fixed = {name: values[name] for name in compiled.bind_names.values() if name not in keys}
        self._names = tuple(compiled.positiontup or compiled.bind_names.values())
        self._pick = itemgetter(*self._names) if compiled.positional else None

    def execute(self, cx: Connection, rows: Sequence[Mapping[str, Any]]) -> CursorResult[Any]:
        """Execute the statement for every row, in the caller's transaction."""
        return cx.exec_driver_sql(self._sql, [self._laid_out(row) for row in rows])

    def _laid_out(self, row: Mapping[str, Any]) -> Any:
        values = {**self._fixed, **row}
        for name, convert in self._converts.items():
            values[name] = convert(values[name])
        return self._pick(values) if self._pick else {name: values[name] for name in self._names}
