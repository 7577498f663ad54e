"""Looking at one document: its versions, its jobs and their stages, and what the stores hold of its active version."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from penstock.events.facts import decode
from penstock.execution.stored_pdfs import newest_pdf
from penstock.execution.workspace import Workspace
from penstock.ledger.pdf_requests import PDFRequest
from penstock.plan.topology import Topology
from penstock.records import Facts

_OF_FAILURE = ("job", "stage", "status", "error_type", "message", "recovery", "attempts", "chain", "raw", "resolution")


def inspect(workspace: Workspace, tenant: str, document: str) -> dict[str, Any]:
    """All that is known of a document, as JSON values. Raises `KeyError` where the ledger has none of that id."""
    ledger, resources = workspace.ledger, workspace.resources
    with ledger.read() as cx:
        row = ledger.documents.get(cx, tenant, [document])[document]
        versions = ledger.documents.versions_of(cx, tenant, document)
        jobs = ledger.jobs.of_document(cx, tenant, document)
        stage_runs = ledger.stage_runs.of(cx, [job.job for job in jobs])
        failures = ledger.dead_letters.of(cx, [job.job for job in jobs])
        requests = ledger.pdf_requests.of_jobs(cx, [job.job for job in jobs])
        pdf = newest_pdf(workspace, cx, jobs, stage_runs)
        contents = {job.topology: ledger.topology(cx, job.topology) for job in jobs}
        events = sum(
            told.events_each
            for told in (decode(facts) for _, _, facts in ledger.outbox.all(cx))
            for fact in told.facts
            if fact.document == document and fact.tenant == tenant
        )
    order = {digest: [each.name for each in Topology.decode(text).stages] for digest, text in contents.items() if text}
    chunks = resources.lexical.build_chunks(tenant, row.index_build) if row.index_build else []
    facts = resources.graph.facts(tenant, row.graph_build) if row.graph_build else Facts()
    return {
        "document": document,
        "tenant": tenant,
        "versions": [
            {
                "content_hash": each["content_hash"],
                "active": each["content_hash"] == row.active_hash,
                "raw": each["content_hash"],
                "created_at": _moment(each["created_at"]),
            }
            for each in versions
        ],
        "jobs": [
            {
                "job": job.job,
                "pipeline": job.pipeline,
                "version": job.version,
                "digest": job.topology,
                "status": job.status,
                "error": job.error_message,
                "requests": [_request(each) for each in requests if each.job == job.job],
                "stages": [
                    {
                        "name": run["stage"],
                        "status": run["status"],
                        "attempts": run["attempts"],
                        "seconds": run["seconds"],
                        "reused": bool(run["reused"]),
                        "error": run["error"],
                        "dagster_run": run["run_id"],
                    }
                    for run in _in_order(stage_runs[job.job], order[job.topology])
                ],
            }
            for job in jobs
        ],
        "failures": [
            {**{name: each[name] for name in _OF_FAILURE}, "created_at": _moment(each["created_at"])}
            for each in failures
        ],
        "pdf": pdf and {**msgspec.structs.asdict(pdf), "tried": list(pdf.tried)},
        "chunks": [
            {
                "chunk": chunk.chunk_id,
                "text": chunk.text,
                "start": chunk.start,
                "end": chunk.end,
                "section": " › ".join(chunk.headings),
                "page": chunk.page,
                "box": chunk.box and [chunk.box.x0, chunk.box.y0, chunk.box.x1, chunk.box.y1],
            }
            for chunk in chunks
        ],
        "entities": [msgspec.to_builtins(each) for each in facts.entities],
        "claims": [msgspec.to_builtins(each) for each in facts.claims],
        "events": events,
    }


def _request(request: PDFRequest) -> dict[str, Any]:
    return {
        "request": request.request,
        "gate": request.gate,
        "state": request.state,
        "object": request.path,
        "sha256": request.sha256,
        "size": request.size,
        "pages": request.pages,
        "deliveries": request.deliveries,
        "worker": request.lease_owner,
        "trouble": request.trouble,
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _in_order(runs: list[dict[str, Any]], stages: list[str]) -> list[dict[str, Any]]:
    return sorted(runs, key=lambda run: stages.index(run["stage"]))
