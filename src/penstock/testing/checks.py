"""What holds for the output of every stage, whatever its type."""

from collections.abc import Sequence
from typing import Any

import msgspec

from penstock.errors import StageError
from penstock.records import StageContext


def check_encodes(output: Any, type_: Any) -> None:
    """`output` is of the contract's type and comes back from msgpack as it went in."""
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(output), type=type_) == output


def outcomes(adapter: Any, items: Sequence[tuple[StageContext, Any]]) -> list[Any]:
    """What `execute` gives for each item: its result, or the type of the error that it raised."""
    found = []
    for ctx, item in items:
        try:
            found.append(adapter.execute(ctx, item))
        except StageError as error:
            found.append(type(error))
    return found


def check_batch_form(adapter: Any, items: Sequence[tuple[StageContext, Any]]) -> None:
    """The batch form, where there is one, gives for each item what `execute` gives; an error fails its item alone."""
    if not hasattr(adapter, "execute_batch"):
        return
    results = adapter.execute_batch(items)
    got = [type(each) if isinstance(each, StageError) else each for each in results]
    assert got == outcomes(adapter, items)
