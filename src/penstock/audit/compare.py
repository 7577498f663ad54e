"""The audit itself: one state of the ledger, compared with every store, tenant by tenant."""

from collections.abc import Collection
from functools import partial
from typing import Any

from sqlalchemy import Connection, func, select

from penstock.audit.findings import LISTED, Fault, Findings
from penstock.audit.objects import check_objects
from penstock.audit.packs import check_artifacts
from penstock.audit.receipts import active_builds
from penstock.audit.stores import check_events, check_graph, check_raw, check_rows
from penstock.execution.workspace import Workspace
from penstock.ledger.health import ledger_faults
from penstock.ledger.ledger import Ledger
from penstock.ledger.tables import artifacts, outbox, outbox_pending, sweeps
from penstock.records import GraphWriteReceipt, IndexReceipt

_ATTEMPTS = 3


def audit(workspace: Workspace) -> dict[str, Any]:
    """Compare the ledger with every store; returns JSON values, `consistent` first."""
    return look(workspace).to_json()


def faults_of_ledger(workspace: Workspace) -> list[Fault]:
    """What is wrong with the ledger itself, where it is a file; PostgreSQL is looked after by its own tools."""
    if workspace.profile.ledger.url is not None:
        return []
    return [Fault("ledger", each) for each in ledger_faults(workspace.home)]


def look(workspace: Workspace, listed: int | None = LISTED) -> Findings:
    """Compare the ledger with every store.

    What is visible to queries must be there and be what was written, and events that were sent must be in the sink.
    What waits for the sweep, and what is not visible yet, counts for nothing. `digest` holds hashes of the visible
    content that do not depend on times, run ids, paths or the order of work. Where the ledger changes under the audit
    and there seems to be a difference, it looks again. Where the ledger itself is damaged, nothing can be compared.

    Args:
        listed: how many differences of a store are told one by one; None: all.
    """
    findings = Findings(listed)
    findings.ledger = faults_of_ledger(workspace)
    ledger = None if findings.ledger else workspace.existing_ledger
    if ledger is None:
        return findings
    for _ in range(_ATTEMPTS):
        with ledger.read() as cx:
            before = _state(cx)
            findings = _look(workspace, ledger, cx, listed)
        with ledger.read() as cx:
            if findings.consistent or _state(cx) == before:
                break
    return findings


def _look(workspace: Workspace, ledger: Ledger, cx: Connection, listed: int | None) -> Findings:
    findings = Findings(listed)
    stores, resources = findings.stores, workspace.resources
    findings.documents = ledger.documents.counts(cx)
    for row in ledger.documents.active(cx):
        findings.digest["documents"].add(row.tenant, row.document, row.active_hash or "")
    check_raw(ledger.documents.raw_expected(cx), resources.raw, stores["raw"])
    check_artifacts(ledger.artifacts.all(cx), resources.packs, stores["artifacts"])
    _count_leftovers(workspace, cx, findings)
    for tenant in ledger.documents.tenants(cx):
        check_objects(workspace, cx, tenant, stores["objects"])
        _check_index(workspace, cx, tenant, findings)
        _check_graph(workspace, cx, tenant, findings)
    owed = outbox.c.sequence.in_(select(outbox_pending.c.sequence))
    query = select(outbox.c.sequence, outbox.c.created_at, outbox.c.facts).where(~owed)
    relayed = cx.execute(query.execution_options(yield_per=200))
    check_events(relayed, resources.events, stores["events"])
    return findings


def _count_leftovers(workspace: Workspace, cx: Connection, findings: Findings) -> None:
    """Files that nothing refers to: of a process that works, or of one that died. They are no difference."""
    ledger, resources = workspace.ledger, workspace.resources
    packs = list(resources.packs.names())
    findings.leftovers["artifacts"] = len(set(packs) - ledger.artifacts.packs_in_use(cx, packs))
    for tenant in resources.raw.tenants():
        names = list(resources.raw.names(tenant))
        findings.leftovers["raw"] += len(set(names) - ledger.documents.raw_in_use(cx, tenant, names))


def _check_index(workspace: Workspace, cx: Connection, tenant: str, findings: Findings) -> None:
    resources = workspace.resources
    strangers = partial(_strangers, workspace, cx, "index")
    documents: dict[str, str] = {}
    texts: dict[str, dict[str, str] | None] = {}
    vectors: dict[str, dict[str, str] | None] = {}
    for build, document, receipt in active_builds(cx, resources.packs, tenant, "index", IndexReceipt):
        documents[build] = document
        marks = None if receipt is None else receipt.marks
        texts[build] = None if marks is None else {mark.chunk_id: mark.text_hash for mark in marks}
        vectors[build] = None if marks is None else {mark.chunk_id: mark.vector_hash for mark in marks}
        for mark in marks or ():
            findings.digest["chunks"].add(tenant, mark.chunk_id, mark.text_hash)
    for name, expected, scan in (
        ("lexical", texts, resources.lexical.scan),
        ("vectors", vectors, resources.vectors.scan),
    ):
        check_rows(tenant, expected, documents, scan, strangers, findings.stores[name], findings.digest[name])


def _check_graph(workspace: Workspace, cx: Connection, tenant: str, findings: Findings) -> None:
    resources = workspace.resources
    found = list(active_builds(cx, resources.packs, tenant, "graph", GraphWriteReceipt))
    documents = {each.build: each.document for each in found}
    expected = {each.build: each.receipt.digest if each.receipt else None for each in found}
    strangers = partial(_strangers, workspace, cx, "graph")
    scan = resources.graph.scan
    check_graph(tenant, expected, documents, scan, strangers, findings.stores["graph"], findings.digest["graph"])
    for each in workspace.ledger.decisions.all(cx, tenant):
        findings.digest["graph"].add(tenant, each.first, each.second, "same" if each.same else "different")


def _strangers(workspace: Workspace, cx: Connection, store: str, tenant: str, names: Collection[str]) -> list[str]:
    """The builds that the ledger does not know, nor has come to know while the store was read."""
    unknown = sorted(set(names) - workspace.ledger.artifacts.known_builds(cx, tenant, store, names))
    if not unknown:
        return []
    with workspace.ledger.read() as fresh:
        return sorted(set(unknown) - workspace.ledger.artifacts.known_builds(fresh, tenant, store, unknown))


def _state(cx: Connection) -> tuple[int, ...]:
    """Changes with every switch, deletion and sweep."""
    newest = cx.execute(select(func.max(outbox.c.sequence))).scalar() or 0
    counts = [cx.execute(select(func.count()).select_from(table)).scalar_one() for table in (sweeps, artifacts)]
    return newest, *counts
