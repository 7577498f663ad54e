"""Submitting: documents are found, their bytes stored, and what is not done yet becomes ledger jobs.

What is unchanged costs a read, a hash and a share of one query; it leaves no job, no event and no run.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection

from penstock.events.facts import FactBatch, encode, fact_of
from penstock.execution.cursors import kept_cursors
from penstock.execution.decisions import Decision, decide, is_retried
from penstock.execution.discovery import Finder, Found
from penstock.execution.garbage import seldom_collected
from penstock.execution.pdf_requests import ask_again
from penstock.execution.workspace import Workspace
from penstock.ledger.documents import is_name
from penstock.ledger.jobs import Failure, Job
from penstock.ledger.ledger import Ledger
from penstock.ledger.presence import Presence
from penstock.ledger.status import LIVE, JobStatus, is_failure
from penstock.plan.topology import Topology, root_key, work_keys
from penstock.records import SourceItem, new_id

_STORED = (Decision.NEW, Decision.CHANGED, Decision.RETRY)


class Refusal(NamedTuple):
    """A document that was found and cannot become a job."""

    document: str
    error_type: str
    message: str


@dataclass
class Submission:
    """What a submission came to. `jobs` are to be worked on; `failed` failed before and would fail again."""

    total: int = 0
    unchanged: int = 0
    jobs: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    duplicates: int = 0
    seen: set[str] = field(default_factory=set)


def submit(
    workspace: Workspace,
    topology: Topology,
    targets: Sequence[str],
    *,
    tenant: str,
    source: str = "",
    afresh: bool = False,
    on_jobs: Callable[[Sequence[str]], None] = lambda jobs: None,
) -> Submission:
    """Store what the inputs hold and queue a job for each document that is not done.

    A service is asked only for what it has new since this pipeline last asked, unless `afresh`.

    Args:
        on_jobs: told, while the search goes on, of jobs that are to be worked on.
    """
    ledger = workspace.ledger
    submission = Submission()
    hashes: dict[str, str] = {}
    with ledger.begin() as cx:
        ledger.keep_topology(cx, topology.digest, topology.pipeline, topology.version, topology.encode())
    finder = Finder(workspace.resources, workspace.shared)
    with seldom_collected():
        for part in finder.find(targets, source, kept_cursors(ledger, tenant, topology, afresh=afresh)):
            fresh = list(without_doubles(part, hashes, submission))
            before = len(submission.jobs)
            _submit_part(workspace, topology, tenant, fresh, submission)
            on_jobs(submission.jobs[before:])
    submission.seen = set(hashes)
    if not afresh:
        before = len(submission.jobs)
        _take_up(workspace, topology, tenant, targets, hashes, submission)
        on_jobs(submission.jobs[before:])
    submission.total = len(hashes) + len(submission.refused)
    return submission


def _take_up(
    workspace: Workspace,
    topology: Topology,
    tenant: str,
    targets: Sequence[str],
    hashes: dict[str, str],
    submission: Submission,
) -> None:
    """What a service gave before, did not give again, and is not done: a run finishes it as it does with files."""
    ledger = workspace.ledger
    with ledger.read() as cx:
        left = [
            job
            for origin in targets
            if ledger.cursors.get(cx, tenant, topology.pipeline, origin) is not None
            for job in ledger.jobs.unfinished(cx, tenant, topology.pipeline, origin)
            if job.document not in hashes and job.work_digest == topology.work_digest
        ]
    if not left:
        return
    with ledger.begin() as cx:
        spent = spent_on(ledger, cx, {job.document: job for job in left})
        for job in left:
            hashes[job.document] = job.content_hash
            if job.status in LIVE:
                submission.jobs.append(job.job)
            elif is_retried(job, spent):
                _retry(ledger, cx, job, submission)
            else:
                submission.failed.append(job.job)


def _retry(ledger: Ledger, cx: Connection, job: Job, submission: Submission) -> None:
    ledger.dead_letters.resolve(cx, [job.job], "retried")
    again = ledger.jobs.requeue_failed(cx, [job.job])
    ask_again(ledger, cx, [job] if again else [])
    submission.jobs += again


def spent_on(ledger: Ledger, cx: Connection, heads: Mapping[str, Job]) -> dict[str, int]:
    """The attempts that have been spent on the jobs among `heads` that have failed."""
    return ledger.dead_letters.attempts(cx, [job.job for job in heads.values() if is_failure(job.status)])


def _submit_part(
    workspace: Workspace, topology: Topology, tenant: str, part: Sequence[Found], submission: Submission
) -> None:
    ledger = workspace.ledger
    names = [found.item.document_id for found in part]
    with ledger.read() as cx:
        heads = ledger.jobs.latest(cx, tenant, topology.pipeline, names)
        rows = ledger.documents.get(cx, tenant, names)
        spent = spent_on(ledger, cx, heads)
    decisions = {n: decide(f, heads.get(n), rows.get(n), topology, spent) for f, n in zip(part, names, strict=True)}
    due = [f for f in part if decisions[f.item.document_id] in _STORED and f.error is None]
    raw = workspace.resources.raw
    with Presence(workspace.home, new_id()) if due else nullcontext():
        raw.put_many(tenant, [found.content for found in due])
        _store_what_is_lost(workspace, tenant, [f for f in part if decisions[f.item.document_id] is Decision.UNCHANGED])
        with ledger.begin() as cx:
            origins = [(found.origin, found.item.document_id) for found in part if found.error is None]
            ledger.documents.note_origin(cx, tenant, origins)
            if all(each is Decision.UNCHANGED for each in decisions.values()):
                submission.unchanged += len(part)
            else:
                _take_in(workspace, cx, topology, tenant, part, submission)


def _take_in(
    workspace: Workspace, cx: Connection, topology: Topology, tenant: str, part: Sequence[Found], submission: Submission
) -> None:
    """Decide again, since another submission may have been here, now that nobody else can; and queue what is due."""
    ledger, raw = workspace.ledger, workspace.resources.raw
    names = [found.item.document_id for found in part]
    heads = ledger.jobs.latest(cx, tenant, topology.pipeline, names)
    rows = ledger.documents.get(cx, tenant, names)
    spent = spent_on(ledger, cx, heads)
    queued: list[Found] = []
    # a sweep may have found bytes before they belonged to anything
    gone = raw.lacking(tenant, {found.content_hash: found.size for found in part if found.error is None})
    for found in part:
        name = found.item.document_id
        head = heads.get(name)
        decision = decide(found, head, rows.get(name), topology, spent)
        if decision in _STORED and found.error is None and found.content_hash in gone:
            raw.put(tenant, found.content)
        if decision is Decision.UNCHANGED:
            submission.unchanged += 1
        elif decision is Decision.IN_FLIGHT and head:
            submission.jobs.append(head.job)
        elif decision is Decision.FAILED and head:
            submission.failed.append(head.job)
        elif decision is Decision.RETRY and head:
            _retry(ledger, cx, head, submission)
        else:
            queued.append(found)
    _queue(ledger, cx, topology, tenant, queued, submission)


def _store_what_is_lost(workspace: Workspace, tenant: str, unchanged: Sequence[Found]) -> None:
    """Bytes that the raw store has lost since are at hand here; told by their size, which costs no reading."""
    lost = workspace.resources.raw.lacking(tenant, {found.content_hash: found.size for found in unchanged})
    workspace.resources.raw.put_many(tenant, [found.content for found in unchanged if found.content_hash in lost])


def _queue(
    ledger: Ledger, cx: Connection, topology: Topology, tenant: str, part: list[Found], submission: Submission
) -> None:
    sources = {found.item.document_id: found.item.source for found in part}
    generations = ledger.documents.raise_generation(cx, tenant, sources)
    readable = [found for found in part if found.error is None]
    ledger.documents.add_versions(
        cx,
        [
            {"tenant": tenant, "document": f.item.document_id, "content_hash": f.content_hash, "size": f.size}
            for f in readable
        ],
    )
    rows = {found.item.document_id: _row(found, tenant, topology, generations) for found in part}
    ledger.jobs.add(cx, list(rows.values()))
    submission.jobs += [rows[found.item.document_id]["job"] for found in readable]
    broken = [rows[found.item.document_id]["job"] for found in part if found.error is not None]
    if broken:
        made = list(ledger.jobs.get(cx, broken).values())
        ledger.dead_letters.add(cx, [(job, _unreadable(job)) for job in made])
        facts = tuple(
            fact_of(job, error_type=job.error_type, error_message=job.error_message, detail={"status": job.status})
            for job in made
        )
        told = FactBatch("job.failed", topology.pipeline, topology.version, "", "", "", facts)
        ledger.outbox.add(cx, encode(told), len(facts))
        submission.failed += broken


def _row(found: Found, tenant: str, topology: Topology, generations: Mapping[str, int]) -> dict[str, Any]:
    item = found.item
    row: dict[str, Any] = {
        "job": new_id(),
        "tenant": tenant,
        "document": item.document_id,
        "source": item.source,
        "pipeline": topology.pipeline,
        "version": topology.version,
        "topology": topology.digest,
        "work_digest": topology.work_digest,
        "content_hash": found.content_hash,
        "size": found.size,
        "locator": item.locator,
        "kind_hint": found.kind_hint,
        "metadata": item.metadata,
        "generation": generations[item.document_id],
        "status": JobStatus.QUEUED.value,
        "correlation_id": new_id(),
    }
    if found.error is not None:
        row |= {
            "status": "ingest_failed",
            "error_type": type(found.error).__name__,
            "error_message": found.error.message,
            "error_stage": topology.stages[0].name,
            "error_recovery": "rejected",
        }
    return row


def _unreadable(job: Job) -> Failure:
    return Failure(
        job=job.job,
        stage=job.error_stage or "",
        status=job.status,
        error_type=job.error_type or "",
        message=job.error_message or "",
        recovery=job.error_recovery or "",
        attempts=1,
    )


def keys_of(
    topology: Topology, tenant: str, item: SourceItem | Job, content_hash: str, kind_hint: str
) -> dict[str, str | None]:
    """The work key of each stage for one document (`penstock.plan.topology.work_keys`)."""
    document = item.document if isinstance(item, Job) else item.document_id
    facts = {"tenant": tenant, "source": item.source}
    hint = msgspec.json.encode([kind_hint, item.source, item.metadata], order="deterministic")
    return work_keys(topology, root_key(tenant, document, content_hash, hint), facts, document)


def without_doubles(part: Iterable[Found], hashes: dict[str, str], submission: Submission) -> Iterator[Found]:
    """What of a part becomes a job: each document once, by the first place where it was found (`hashes`)."""
    for found in part:
        name = found.item.document_id
        if not is_name(name):
            message = "the id is blank, too long or has control characters; at most 512 printable ones would be right"
            submission.refused.append(Refusal(ascii(name)[1:-1], "UnusableIdError", message))
        elif name not in hashes or (found.paged and hashes[name] != found.content_hash):
            hashes[name] = found.content_hash
            yield found
        elif hashes[name] == found.content_hash:
            submission.duplicates += 1
        else:
            file = Path(found.item.locator).name
            message = f"`{file}` has the same id as another document of the input, with other content"
            submission.refused.append(Refusal(name, "DuplicateIdError", message))
