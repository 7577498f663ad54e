"""What the columns of several tables share: sizes that are checked, text that any database takes, partial indexes."""

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ColumnElement, Dialect, Integer, Text, TypeDecorator

SERIAL = BigInteger().with_variant(Integer(), "sqlite")
"""A number that the database counts up; SQLite counts 64 bits under the name of `INTEGER` and no other."""


class Message(TypeDecorator[str]):
    """Text that others wrote, such as the message of an error: what a database cannot hold is replaced in it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace lone surrogates, which UTF-8 has no form for, and NUL, which PostgreSQL refuses."""
        return (
            None
            if value is None
            else value.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
        )


def sized(column: str, limit: int) -> CheckConstraint:
    """A text that is not empty and not longer than `limit`, which SQLite does not see to by itself."""
    return CheckConstraint(f"length({column}) between 1 and {limit}", name=f"{column}_length")


def where(condition: ColumnElement[bool]) -> dict[str, Any]:
    """An index over the rows that meet a condition, in the words of either database."""
    return {"sqlite_where": condition, "postgresql_where": condition}
