"""Sweeping: what no visible version needs any more goes from the stores, after the switch and never before.

Files go within the transaction that forgets them, and builds before their rows do: whatever a crash interrupts is begun
again by the next call.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from penstock.execution.leftovers import collect
from penstock.execution.stored_pdfs import remove_pdfs
from penstock.execution.workspace import Workspace

_DOCUMENTS = 500


def sweep(workspace: Workspace) -> int:
    """Sweep all that is due; returns how many documents were looked at."""
    ledger = workspace.ledger
    swept = 0
    while True:
        with ledger.read() as cx:
            if not ledger.artifacts.due(cx, 1):
                break
        with ledger.begin() as cx:
            due = ledger.artifacts.due(cx, _DOCUMENTS)
            packs: set[str] = set()
            raws: dict[str, set[str]] = {}
            remove_pdfs(workspace, _gone(workspace, cx, due))
            for tenant, document in due:
                emptied, freed = ledger.artifacts.sweep_document(cx, tenant, document)
                packs.update(emptied)
                raws.setdefault(tenant, set()).update(freed)
            _remove_packs(workspace, cx, sorted(packs))
            for tenant, names in raws.items():
                _remove_raw(workspace, cx, tenant, sorted(names))
        swept += len(due)
    _remove_doomed(workspace)
    collect(workspace, always=workspace.hosts_died)
    if workspace.hosts_died:
        workspace.stages.died = False
    return swept


def _gone(workspace: Workspace, cx: Connection, names: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those that are deleted, and not on their way back."""
    by_tenant: dict[str, list[str]] = {}
    for tenant, document in names:
        by_tenant.setdefault(tenant, []).append(document)
    found = {tenant: workspace.ledger.documents.get(cx, tenant, theirs) for tenant, theirs in by_tenant.items()}
    return [(tenant, name) for tenant, rows in found.items() for name, row in rows.items() if row.is_gone]


def remove_gone(workspace: Workspace, names: Sequence[tuple[str, str]]) -> None:
    """Remove the PDFs of those documents that are deleted by now."""
    with workspace.ledger.begin() as cx:
        remove_pdfs(workspace, _gone(workspace, cx, names))


def remove_builds(workspace: Workspace, builds: Sequence[tuple[str, str, str]]) -> None:
    """Remove builds (tenant, store, build) from their stores."""
    resources = workspace.resources
    by_store: dict[tuple[str, str], list[str]] = {}
    for tenant, store, build in builds:
        by_store.setdefault((tenant, store), []).append(build)
    for (tenant, store), names in by_store.items():
        if store == "index":
            resources.lexical.remove(tenant, names)
            resources.vectors.remove(tenant, names)
        else:
            resources.graph.remove(tenant, names)


def _remove_doomed(workspace: Workspace) -> None:
    ledger = workspace.ledger
    while True:
        with ledger.read() as cx:
            doomed = ledger.artifacts.doomed(cx, _DOCUMENTS)
        if not doomed:
            return
        remove_builds(workspace, doomed)
        with ledger.begin() as cx:
            ledger.artifacts.forget_builds(cx, [build for _, _, build in doomed])


def _remove_packs(workspace: Workspace, cx: Connection, names: Sequence[str]) -> None:
    if names:
        used = workspace.ledger.artifacts.packs_in_use(cx, names)
        workspace.resources.packs.remove(sorted(set(names) - used))


def _remove_raw(workspace: Workspace, cx: Connection, tenant: str, names: Sequence[str]) -> None:
    if names:
        used = workspace.ledger.documents.raw_in_use(cx, tenant, names)
        workspace.resources.raw.remove(tenant, sorted(set(names) - used))
