"""Many rows under one statement: compiled once, its parameters laid out as the driver takes them.

SQLAlchemy's own executemany looks at every parameter of every row again, which costs three times what SQLite takes to
write the row (`docs/performance.md`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
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

    def execute(self, cx: Connection, columns: Mapping[str, Sequence[Any]]) -> CursorResult[Any]:
        """Execute the statement for rows, given column by column, in the caller's transaction."""
        count = len(next(iter(columns.values())))
        rows = zip(*(self._column(name, columns, count) for name in self._names), strict=True)
        if self._positional:
            return cx.exec_driver_sql(self._sql, list(rows))
        return cx.exec_driver_sql(self._sql, [dict(zip(self._names, row, strict=True)) for row in rows])

    def _column(self, name: str, columns: Mapping[str, Sequence[Any]], count: int) -> Iterable[Any]:
        if name in self._fixed:
            return repeat(self._convert(name, self._fixed[name]), count)
        if name in self._converts:
            return [self._convert(name, value) for value in columns[name]]
        return columns[name]

    def _convert(self, name: str, value: Any) -> Any:
        return value if value is None or name not in self._converts else self._converts[name](value)
