"""One of many: a condition whose values are bound as one, so that its statement is the same for any number."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Dialect, String, TypeDecorator, bindparam
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

_SURROGATE = re.compile("[\ud800-\udfff]")
"""Alone, it has no form in UTF-8: no column holds a value with one."""


class _Strings(TypeDecorator[Sequence[str]]):
    """Text values: an array in PostgreSQL, a JSON array in SQLite."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(String()) if dialect.name == "postgresql" else String())

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> Any:
        values = [each for each in value or () if each.isascii() or not _SURROGATE.search(each)]
        return values if dialect.name == "postgresql" else msgspec.json.encode(values).decode()


class _Listed(FunctionElement[str]):
    """The values as a subquery of one column."""

    name = "listed"
    type = String()
    inherit_cache = True

    def __init__(self, values: Sequence[str]) -> None:
        super().__init__(bindparam(None, values, type_=_Strings()))


def among(column: ColumnElement[Any], values: Sequence[str]) -> ColumnElement[bool]:
    """Whether a text column holds one of these values; for thousands of them.

    `in_` writes a parameter for each value, which costs twice what looking it up does. But there SQLite sees how many
    there are: here it takes another index, where the condition has one, that may lead through the whole table.
    """
    return column.op("IN", is_comparison=True)(_Listed(values))


@compiles(_Listed, "sqlite")
def _sqlite(element: _Listed, compiler: Any, **kw: Any) -> str:
    return f"(SELECT value FROM json_each({compiler.process(element.clauses, **kw)}))"  # noqa: S608 - one bound value


@compiles(_Listed, "postgresql")
def _postgresql(element: _Listed, compiler: Any, **kw: Any) -> str:
    return f"(SELECT unnest({compiler.process(element.clauses, **kw)}))"
