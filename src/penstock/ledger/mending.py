"""What a repair asks of the ledger, and the few things that it changes there by itself."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, and_, delete, exists, select

from penstock.ledger.database import slices
from penstock.ledger.documents import DocumentRow
from penstock.ledger.job_rows import JOB_COLUMNS, Job, job_of
from penstock.ledger.status import JobStatus
from penstock.ledger.tables import (
    artifacts,
    builds,
    documents,
    jobs,
    origins,
    outbox,
    outbox_pending,
    stage_runs,
    versions,
)

_SETTLED = (JobStatus.COMPLETED, JobStatus.SUPERSEDED)


class Version(NamedTuple):
    """A stored content of a document. `needed`: the visible version, or one that a job still has to read."""

    tenant: str
    document: str
    content_hash: str
    needed: bool


def makers(cx: Connection, row: DocumentRow) -> list[Job]:
    """The jobs behind what is visible of a document, in the order in which they made it."""
    shown = [build for build in (row.index_build, row.graph_build) if build]
    ids = set(cx.execute(select(builds.c.job).where(builds.c.build.in_(shown))).scalars()) | {row.active_job}
    query = select(*JOB_COLUMNS).where(jobs.c.job.in_([each for each in ids if each])).order_by(jobs.c.generation)
    return [job_of(each) for each in cx.execute(query)]


def outputs_of_builds(cx: Connection, names: Iterable[str]) -> list[str]:
    """The work keys whose outputs are these builds."""
    found: list[str] = []
    for part in slices(sorted(names)):
        found += cx.execute(select(artifacts.c.work_key).where(artifacts.c.build.in_(part))).scalars()
    return found


def documents_of_outputs(cx: Connection, keys: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """(work key, tenant, document) where a job behind what is visible of the document has left the output."""
    shown = builds.c.build.in_([documents.c.index_build, documents.c.graph_build])
    made = exists().where(builds.c.job == jobs.c.job, shown)
    of_document = and_(documents.c.tenant == jobs.c.tenant, documents.c.document == jobs.c.document)
    query = (
        select(stage_runs.c.work_key, jobs.c.tenant, jobs.c.document)
        .join(jobs, jobs.c.job == stage_runs.c.job)
        .join(documents, of_document)
        .where((documents.c.active_job == jobs.c.job) | made)
        .distinct()
    )
    for part in slices(keys):
        yield from cx.execute(query.where(stage_runs.c.work_key.in_(part)))


def versions_of_raw(cx: Connection, tenant: str, names: Sequence[str]) -> list[Version]:
    """The versions of documents whose bytes these raw objects are."""
    active = exists().where(
        documents.c.tenant == versions.c.tenant,
        documents.c.document == versions.c.document,
        documents.c.active_hash == versions.c.content_hash,
    )
    open_job = exists().where(
        jobs.c.tenant == versions.c.tenant,
        jobs.c.document == versions.c.document,
        jobs.c.content_hash == versions.c.content_hash,
        jobs.c.status.not_in(_SETTLED),
    )
    found: list[Version] = []
    for part in slices(names):
        query = select(versions.c.document, versions.c.content_hash, (active | open_job).label("needed"))
        where = (versions.c.tenant == tenant, versions.c.content_hash.in_(part))
        for row in cx.execute(query.where(*where).order_by(versions.c.document)):
            found.append(Version(tenant, row.document, row.content_hash, bool(row.needed)))
    return found


def origins_of(cx: Connection, tenant: str, names: Sequence[str]) -> dict[str, set[str]]:
    """The inputs that hold these documents, each with those that it holds."""
    found: dict[str, set[str]] = {}
    for part in slices(names):
        query = select(origins.c.origin, origins.c.document)
        for origin, document in cx.execute(query.where(origins.c.tenant == tenant, origins.c.document.in_(part))):
            found.setdefault(origin, set()).add(document)
    return found


def forget_version(cx: Connection, version: Version) -> None:
    """Drop an old version whose bytes are gone: nothing can be made of it any more."""
    mine = (versions.c.tenant == version.tenant, versions.c.document == version.document)
    cx.execute(delete(versions).where(*mine, versions.c.content_hash == version.content_hash))


def owe_again(cx: Connection, sequences: Sequence[int]) -> None:
    """Owe the facts of these outbox rows once more: the sink has lost them."""
    for first in range(0, len(sequences), 500):
        part = sequences[first : first + 500]
        known = select(outbox.c.sequence).where(outbox.c.sequence.in_(part))
        missing = known.where(outbox.c.sequence.not_in(select(outbox_pending.c.sequence)))
        cx.execute(outbox_pending.insert().from_select(["sequence"], missing))


def drop_facts(cx: Connection, sequences: Sequence[int]) -> None:
    """Drop outbox rows that hold nothing that can be read."""
    for first in range(0, len(sequences), 500):
        for table in (outbox, outbox_pending):
            cx.execute(delete(table).where(table.c.sequence.in_(sequences[first : first + 500])))
