"""Packs: the encoded outputs of one stage for one batch in one file, each found by its work key."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from itertools import accumulate, repeat

from penstock.ledger.artifacts import ArtifactRow
from penstock.ports import PackStore


def write_pack(
    packs: PackStore, worker: str, outputs: Mapping[str, bytes], builds: Mapping[str, str]
) -> list[ArtifactRow]:
    """Store outputs by work key in one new pack of a worker; returns the rows for the ledger."""
    name = f"{worker}.{secrets.token_hex(9)}"
    lengths = [len(data) for data in outputs.values()]
    starts = accumulate(lengths, initial=0)
    checksums, built = map(_checksum, outputs.values()), map(builds.get, outputs)
    rows = list(map(ArtifactRow, outputs, repeat(name), starts, lengths, checksums, built))
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


def _checksum(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
