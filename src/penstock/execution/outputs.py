"""Stage outputs: encoded as msgpack, kept in packs (one file for a batch and stage), found by work key."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, get_args

import msgspec

from penstock.errors import PermanentError, RejectedError
from penstock.ledger.artifacts import ArtifactRow
from penstock.ports import PackStore, RawStore
from penstock.records import EmbeddingBatch, Facts, GraphWriteReceipt, IndexReceipt, RawPayload
from penstock.registry import Contract

_ENCODER = msgspec.msgpack.Encoder()


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


def write_pack(
    packs: PackStore, worker: str, outputs: Mapping[str, bytes], builds: Mapping[str, str]
) -> list[ArtifactRow]:
    """Store outputs by work key in one new pack of a worker; returns the rows for the ledger."""
    name = f"{worker}.{secrets.token_hex(9)}"
    rows: list[ArtifactRow] = []
    at = 0
    for key, data in outputs.items():
        rows.append(
            ArtifactRow(
                work_key=key, pack=name, start=at, length=len(data), checksum=_checksum(data), build=builds.get(key)
            )
        )
        at += len(data)
    packs.write(name, b"".join(outputs.values()))
    return rows


def read_packs(packs: PackStore, rows: Sequence[ArtifactRow]) -> tuple[dict[str, bytes], list[str]]:
    """The outputs by work key, and the keys whose pack is gone or does not hold what was written."""
    by_pack: dict[str, list[ArtifactRow]] = {}
    for row in rows:
        by_pack.setdefault(row.pack, []).append(row)
    found: dict[str, bytes] = {}
    for members in by_pack.values():
        found |= _read_pack(packs, members)
    return found, [row.work_key for row in rows if row.work_key not in found]


def _read_pack(packs: PackStore, members: Sequence[ArtifactRow]) -> dict[str, bytes]:
    try:
        parts = packs.read(members[0].pack, [(row.start, row.length) for row in members])
    except (KeyError, OSError):
        return {}
    except ValueError:  # the pack ends too early: what stands before its end is still good
        if len(members) == 1:
            return {}
        return {key: data for row in members for key, data in _read_pack(packs, [row]).items()}
    pairs = zip(members, parts, strict=True)
    return {row.work_key: data for row, data in pairs if _checksum(data) == row.checksum}


def output_count(value: Any) -> int:
    """How many things an output holds: chunks, vectors, entities and claims; 1 for a document."""
    match value:
        case list():
            return len(value)
        case EmbeddingBatch():
            return len(value.chunks)
        case IndexReceipt():
            return len(value.marks)
        case Facts():
            return len(value.entities) + len(value.claims)
        case GraphWriteReceipt():
            return value.entities + value.relations
    return 1


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


def _checksum(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _shown(contract: Contract) -> str:
    return f"list[{contract.name}]" if contract.plural else contract.name
