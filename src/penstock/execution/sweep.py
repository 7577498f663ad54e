"""Sweeping: what no visible version needs any more goes from the stores, after the switch and never before.

Each step can be repeated; whatever is left by a crash is swept by the next call.
"""

from collections.abc import Sequence

from penstock.execution.workspace import Workspace

_DOCUMENTS = 500


def sweep(workspace: Workspace) -> int:
    """Sweep all that is due; returns how many documents were looked at."""
    ledger = workspace.ledger
    swept = 0
    while True:
        with ledger.read() as cx:
            due = ledger.artifacts.due(cx, _DOCUMENTS)
        if not due:
            break
        packs: set[str] = set()
        raws: dict[str, set[str]] = {}
        with ledger.begin() as cx:
            ledger.database.exclusive(cx)
            still = set(ledger.artifacts.due(cx, _DOCUMENTS))
            for tenant, document in due:
                if (tenant, document) in still:
                    emptied, freed = ledger.artifacts.sweep_document(cx, tenant, document)
                    packs.update(emptied)
                    raws.setdefault(tenant, set()).update(freed)
        _remove_packs(workspace, sorted(packs))
        for tenant, names in raws.items():
            _remove_raw(workspace, tenant, sorted(names))
        swept += len(due)
    _remove_builds(workspace)
    return swept


def _remove_builds(workspace: Workspace) -> None:
    ledger, resources = workspace.ledger, workspace.resources
    while True:
        with ledger.read() as cx:
            doomed = ledger.artifacts.doomed(cx, _DOCUMENTS)
        if not doomed:
            return
        by_store: dict[tuple[str, str], list[str]] = {}
        for tenant, store, build in doomed:
            by_store.setdefault((tenant, store), []).append(build)
        for (tenant, store), builds in by_store.items():
            if store == "index":
                resources.lexical.remove(tenant, builds)
                resources.vectors.remove(tenant, builds)
            else:
                resources.graph.remove(tenant, builds)
        with ledger.begin() as cx:
            ledger.artifacts.forget_builds(cx, [build for _, _, build in doomed])


def _remove_packs(workspace: Workspace, names: Sequence[str]) -> None:
    if names:
        with workspace.ledger.read() as cx:
            used = workspace.ledger.artifacts.packs_in_use(cx, names)
        workspace.resources.packs.remove(sorted(set(names) - used))


def _remove_raw(workspace: Workspace, tenant: str, names: Sequence[str]) -> None:
    if names:
        with workspace.ledger.read() as cx:
            used = workspace.ledger.documents.raw_in_use(cx, tenant, names)
        workspace.resources.raw.remove(tenant, sorted(set(names) - used))
