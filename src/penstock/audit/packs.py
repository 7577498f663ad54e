"""Stage outputs in packs: readable, and the bytes that were written."""

from collections.abc import Iterable, Iterator

from penstock.audit.findings import StoreFindings
from penstock.execution.outputs import read_packs
from penstock.ledger.artifacts import ArtifactRow
from penstock.ports import PackStore

_BYTES = 32 << 20
_ROWS = 2000


def check_artifacts(rows: Iterable[ArtifactRow], packs: PackStore, findings: StoreFindings) -> None:
    """Every output that the ledger has: found where its bytes are there and have the right checksum, else missing."""
    for part in _parts(rows):
        stored, _ = read_packs(packs, part)
        findings.count.expected += len(part)
        findings.count.found += len(stored)
        for row in part:
            if row.work_key not in stored:
                findings.add("missing", f"{row.work_key} in pack {row.pack}", key=row.work_key)


def _parts(rows: Iterable[ArtifactRow]) -> Iterator[list[ArtifactRow]]:
    part: list[ArtifactRow] = []
    size = 0
    for row in rows:
        part.append(row)
        size += row.length
        if size >= _BYTES or len(part) >= _ROWS:
            yield part
            part, size = [], 0
    if part:
        yield part
