"""Collecting what processes that ended badly have left: files that were written before the ledger knew of them.

Nothing is looked for while all ends well. Whoever dies, or breaks off, leaves its lock file behind
(`penstock.ledger.presence`), and the next process that sweeps looks through the stores once.
"""

from penstock.effects import effect
from penstock.execution.stored_pdfs import remove_strays
from penstock.execution.workspace import Workspace
from penstock.ledger.presence import left_behind
from penstock.ledger.workers import known_workers


def collect(workspace: Workspace, *, always: bool = False) -> None:
    """Free the jobs of who died; remove packs and raw objects that nothing refers to, and files never finished.

    Args:
        always: look through the stores even where nobody seems to have left anything behind.
    """
    if (notes := left_behind(workspace.home)) or always:
        workspace.ledger.recover()
        _collect_packs(workspace)
        _collect_raw(workspace)
        _collect_objects(workspace)
        for note in notes:
            with effect("worker.unlink"):
                note.unlink(missing_ok=True)


def _collect_packs(workspace: Workspace) -> None:
    """A pack bears the name of its worker. One that is not known any more holds no job, and can refer to no pack."""
    ledger, packs = workspace.ledger, workspace.resources.packs
    packs.tidy()
    names = list(packs.names())
    with ledger.begin() as cx:
        alive = known_workers(cx)
        orphans = {name for name in names if name.partition(".")[0] not in alive}
        packs.remove(sorted(orphans - ledger.artifacts.packs_in_use(cx, sorted(orphans))))


def _collect_raw(workspace: Workspace) -> None:
    """A submission stores its objects again where they are gone, under the lock that this holds too.

    What is older than the ledger is no leftover: it is all that is left where somebody has put the ledger away.
    """
    ledger, raw = workspace.ledger, workspace.resources.raw
    raw.tidy()
    with ledger.read() as cx:
        born = ledger.born_at(cx)
    for tenant in raw.tenants() if born else ():
        names = list(raw.names(tenant, since=born))
        with ledger.begin() as cx:
            raw.remove(tenant, sorted(set(names) - ledger.documents.raw_in_use(cx, tenant, names)))


def _collect_objects(workspace: Workspace) -> None:
    ledger, objects = workspace.ledger, workspace.resources.objects
    objects.tidy()
    with ledger.read() as cx:
        tenants = ledger.documents.tenants(cx)
    for tenant in tenants:
        with ledger.begin() as cx:
            remove_strays(workspace, cx, tenant)
