"""Stage outputs as bytes: checked against the stage's contract, encoded as msgpack, decoded again."""

from collections.abc import Callable
from functools import cache
from typing import Any, get_args

import msgspec

from penstock.errors import PermanentError, RejectedError
from penstock.ports import RawStore
from penstock.records import EmbeddingBatch, Facts, GraphWriteReceipt, IndexReceipt, RawPayload
from penstock.registry import Contract

_ENCODER = msgspec.msgpack.Encoder()
_COUNTS: dict[type, Callable[[Any], int]] = {
    list: len,
    EmbeddingBatch: lambda value: len(value.chunks),
    IndexReceipt: lambda value: len(value.marks),
    Facts: lambda value: len(value.entities) + len(value.claims),
    GraphWriteReceipt: lambda value: value.entities + value.relations,
}


@cache
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind)


def encode(value: Any, contract: Contract) -> bytes:
    """An output as bytes.

    Raises:
        PermanentError: the adapter gave something else than its contract says.
        RejectedError: a plural output is empty.
    """
    _check(value, contract)
    if contract.plural and isinstance(value[0], RawPayload):
        value = [msgspec.structs.replace(payload, content=b"") for payload in value]
    try:
        return _ENCODER.encode(value)
    except (TypeError, OverflowError, ValueError) as exc:
        raise PermanentError(f"`{_shown(contract)}` cannot be stored: {exc}") from exc


def decode(data: bytes, contract: Contract, tenant: str, raw: RawStore) -> Any:
    """The output again, raw payloads with their content. Raises `msgspec.DecodeError`, `KeyError` or `ValueError`."""
    value = _decoder(contract.type).decode(data)
    if contract.plural and value and isinstance(value[0], RawPayload):
        return [msgspec.structs.replace(payload, content=raw.get(tenant, payload.raw)) for payload in value]
    return value


def output_count(value: Any) -> int:
    """How many things an output holds: chunks, vectors, entities and claims; 1 for a document."""
    count = _COUNTS.get(type(value))
    return 1 if count is None else count(value)


def _check(value: Any, contract: Contract) -> None:
    if not contract.plural:
        if not isinstance(value, contract.type):
            raise PermanentError(f"the adapter gave `{type(value).__name__}`, not `{_shown(contract)}`")
        return
    if not isinstance(value, list):
        raise PermanentError(f"the adapter gave `{type(value).__name__}`, not `{_shown(contract)}`")
    if not value:
        raise RejectedError(f"nothing came of it: no `{contract.name}`")
    (expected,) = get_args(contract.type) or (object,)
    odd = next((each for each in value if not isinstance(each, expected)), None)
    if odd is not None:
        raise PermanentError(f"the adapter gave a list with `{type(odd).__name__}` in it, not `{_shown(contract)}`")


def _shown(contract: Contract) -> str:
    return f"list[{contract.name}]" if contract.plural else contract.name
