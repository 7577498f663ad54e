"""One of many: a condition whose values are bound as one, so that its statement is the same for any number."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Dialect, String, TypeDecorator, bindparam
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine


class _Strings(TypeDecorator[Sequence[str]]):
    """Text values: an array in PostgreSQL, a JSON array in SQLite."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(String()) if dialect.name == "postgresql" else String())

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> Any:
        values = list(value or ())
        try:
            encoded = msgspec.json.encode(values)
        except UnicodeEncodeError:  # no column holds such a value
            return self.process_bind_param([each for each in values if _is_storable(each)], dialect)
        return values if dialect.name == "postgresql" else encoded.decode()


def _is_storable(value: str) -> bool:
    """Whether it has no lone surrogates, which UTF-8 has no form for."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Listed(FunctionElement[str]):
    """The values as a subquery of one column."""

    name = "listed"
    type = String()
    inherit_cache = True

    def __init__(self, values: Sequence[str]) -> None:
        super().__init__(bindparam(None, values, type_=_Strings()))


def among(column: ColumnElement[Any], values: Sequence[str]) -> ColumnElement[bool]:
    """Whether a text column holds one of these values. For a column whose index is the only one that comes to mind.

    `in_` writes a parameter for each value, which costs more than to look a row up (`docs/performance.md`); but then
    the database sees how many there are.
    """
    return column.op("IN", is_comparison=True)(_Listed(values))


@compiles(_Listed, "sqlite")
def _sqlite(element: _Listed, compiler: Any, **kw: Any) -> str:
    return f"(SELECT value FROM json_each({compiler.process(element.clauses, **kw)}))"  # noqa: S608 - one bound value


@compiles(_Listed, "postgresql")
def _postgresql(element: _Listed, compiler: Any, **kw: Any) -> str:
    return f"(SELECT unnest({compiler.process(element.clauses, **kw)}))"
