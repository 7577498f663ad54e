"""What the ledger expects of a store that holds builds: the receipts of the active ones."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import msgspec
from sqlalchemy import Connection, select

from penstock.execution.outputs import read_packs
from penstock.ledger.artifacts import ArtifactRow
from penstock.ledger.tables import artifacts, builds, documents
from penstock.ports import PackStore

_AT_ONCE = 500

Receipt = TypeVar("Receipt")


class ActiveBuild(NamedTuple):
    """A build that queries see. `receipt` is None where it is lost, and with it what the build should hold."""

    build: str
    document: str
    receipt: Any


def active_builds(
    cx: Connection, packs: PackStore, tenant: str, store: str, receipt_type: type[Any]
) -> Iterator[ActiveBuild]:
    """The visible builds of a tenant in a store (`index`, `graph`), a pack after another."""
    build = documents.c[f"{store}_build"]
    columns = [artifacts.c[name] for name in ArtifactRow.__struct_fields__ if name != "build"]
    query = (
        select(documents.c.document, build.label("active"), *columns)
        .outerjoin(builds, builds.c.build == build)
        .outerjoin(artifacts, artifacts.c.work_key == builds.c.work_key)
        .where(documents.c.tenant == tenant, documents.c.active_job.is_not(None), build.is_not(None))
        .order_by(artifacts.c.pack, artifacts.c.start, documents.c.document)
    )
    decoder = msgspec.msgpack.Decoder(receipt_type)
    rows = iter(cx.execute(query))
    while part := list(islice(rows, _AT_ONCE)):
        known = {row.active: _artifact(row) for row in part if row.work_key is not None}
        stored, _ = read_packs(packs, list(known.values()))
        for row in part:
            content = stored.get(row.work_key) if row.work_key is not None else None
            yield ActiveBuild(row.active, row.document, _decoded(decoder, content))


def _artifact(row: Any) -> ArtifactRow:
    return ArtifactRow(work_key=row.work_key, pack=row.pack, start=row.start, length=row.length, checksum=row.checksum)


def _decoded(decoder: msgspec.msgpack.Decoder[Receipt], content: bytes | None) -> Receipt | None:
    if content is None:
        return None
    try:
        return decoder.decode(content)
    except msgspec.DecodeError:
        return None
