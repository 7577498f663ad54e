"""Which PDFs the object store should hold, as the ledger has it: for each document the newest that was stored."""

from collections.abc import Collection, Iterator
from typing import NamedTuple

from sqlalchemy import Connection, and_, exists, select

from penstock.ledger.documents import NOT_GONE
from penstock.ledger.status import JobStatus
from penstock.ledger.tables import documents, jobs, stage_runs, sweeps, topologies

_AT_WORK = (JobStatus.QUEUED, JobStatus.RUNNING)


class Download(NamedTuple):
    """A PDF that was stored for a document, and the work key of the output that tells of it.

    `settled`: no job of the document is at work, so that what is stored stands still.
    """

    document: str
    work_key: str
    settled: bool


def newest_downloads(cx: Connection, tenant: str, stages: Collection[tuple[str, str]]) -> Iterator[Download]:
    """The newest download of each document of a tenant that is not gone, by document.

    Args:
        stages: (topology, stage) of the stages that store PDFs.
    """
    other = jobs.alias()
    at_work = exists().where(
        other.c.tenant == documents.c.tenant, other.c.document == documents.c.document, other.c.status.in_(_AT_WORK)
    )
    query = (
        select(jobs.c.document, jobs.c.topology, stage_runs.c.stage, stage_runs.c.work_key, at_work.label("at_work"))
        .join(jobs, jobs.c.job == stage_runs.c.job)
        .join(documents, and_(documents.c.tenant == jobs.c.tenant, documents.c.document == jobs.c.document))
        .where(
            jobs.c.tenant == tenant, NOT_GONE, stage_runs.c.status == "completed", stage_runs.c.work_key.is_not(None)
        )
        .where(stage_runs.c.stage.in_(sorted({stage for _, stage in stages})))
        .order_by(jobs.c.document, jobs.c.generation.desc(), stage_runs.c.finished_at.desc())
    )
    last = ""
    for row in cx.execute(query.execution_options(yield_per=500)):
        if row.document != last and (row.topology, row.stage) in stages:
            last = row.document
            yield Download(row.document, row.work_key, not row.at_work)


def holders(cx: Connection, tenant: str) -> Iterator[tuple[str, bool]]:
    """(document, whether it may have objects) of every document: what is deleted and swept may not."""
    swept = ~exists().where(sweeps.c.tenant == documents.c.tenant, sweeps.c.document == documents.c.document)
    query = select(documents.c.document, (NOT_GONE | ~swept).label("may")).where(documents.c.tenant == tenant)
    for row in cx.execute(query.execution_options(yield_per=2000)):
        yield row.document, bool(row.may)


def stored_topologies(cx: Connection) -> Iterator[tuple[str, str]]:
    """(digest, content) of every pipeline version that was ever submitted."""
    for row in cx.execute(select(topologies.c.digest, topologies.c.content)):
        yield row.digest, row.content
