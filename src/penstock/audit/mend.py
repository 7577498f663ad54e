"""The repair: an audit, what mends each thing that it names, and an audit again, until nothing changes any more."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec

from penstock.audit.compare import faults_of_ledger, look
from penstock.audit.findings import Difference, Fault, Findings
from penstock.events.facts import decode
from penstock.execution.leftovers import collect
from penstock.execution.repair import Name, keep_unknown_raw, queue_again, restore_raw
from penstock.execution.stored_pdfs import remove_pdfs
from penstock.execution.sweep import remove_builds, sweep
from penstock.execution.workspace import Workspace
from penstock.ledger import mending
from penstock.ledger.salvage import Salvage, salvage
from penstock.ledger.status import is_failure
from penstock.ports import Mendable

_ROUNDS = 3
_STORE_OF = {"lexical": "index", "vectors": "index", "graph": "graph"}
_RESOURCE = {"artifacts": "packs"}
_REBUILT, _REMOVED, _COMPUTED, _SENT = "rebuilt", "removed", "computed again", "sent again"
_FETCHED = "stored again by its pipeline"
_STORED, _FORGOTTEN, _ASIDE = "stored again from its source", "forgotten", "set aside"
_SALVAGED = "set aside, and what can be read of it salvaged"

Finding = Difference | Fault
Run = Callable[[Sequence[str]], None]
"""Takes queued jobs to their end."""


@dataclass(frozen=True)
class Action:
    """What was done about a finding; or, with `next`, why nothing could be done and what would help."""

    store: str
    what: str
    item: str
    tenant: str
    document: str
    action: str
    next: str = ""


@dataclass
class Repair:
    """What a repair came to. `jobs` counts the documents' ways through their pipelines that it took."""

    dry_run: bool
    mended: list[Action] = field(default_factory=list)
    unmended: list[Action] = field(default_factory=list)
    jobs: int = 0
    salvage: Salvage | None = None
    after: Findings = field(default_factory=Findings)

    def to_json(self) -> dict[str, Any]:
        """As `penstock repair --json` prints it; `audit` is what an audit says now."""
        return {
            "consistent": self.after.consistent,
            "dry_run": self.dry_run,
            "jobs": self.jobs,
            "salvaged": {"rows": self.salvage.rows, "incomplete": self.salvage.incomplete} if self.salvage else None,
            "mended": [{name: value for name, value in asdict(each).items() if name != "next"} for each in self.mended],
            "unmended": [asdict(each) for each in self.unmended],
            "audit": self.after.to_json(),
        }


def repair(workspace: Workspace, run: Run, *, tenant: str | None = None, dry_run: bool = False) -> Repair:
    """Mend what an audit names, from the ledger and the raw store. Safe while others work, and to be called again.

    Args:
        run: takes jobs to their end, as `penstock run` does.
        tenant: mend only what is this tenant's.
        dry_run: say what would be done, and do nothing.
    """
    work = _Work(workspace, run, tenant, dry_run)
    work.ledger()
    if work.found.ledger and dry_run:
        return work.report()
    seen: set[Finding] | None = None
    for _ in range(_ROUNDS):
        work.found = look(workspace, listed=None)
        now = set(work.findings)
        if (work.found.consistent and not any(work.found.leftovers.values())) or now == seen:
            break
        seen = now
        work.round()
        if dry_run:
            break
    return work.report()


class _Work:
    """A repair on its way: the findings of the round, and what has been done about each."""

    def __init__(self, workspace: Workspace, run: Run, tenant: str | None, dry_run: bool) -> None:
        self.workspace = workspace
        self.run = run
        self.tenant = tenant
        self.dry_run = dry_run
        self.found = Findings(None)
        self.done: dict[Difference | Fault, str] = {}
        self.hints: dict[Name, tuple[str, str]] = {}
        self.jobs = 0
        self.salvage: Salvage | None = None

    def ledger(self) -> None:
        """A ledger that is damaged, first of all: what can be read of it goes into a new one."""
        for each in faults_of_ledger(self.workspace):
            self.found.ledger.append(each)
            self.done[each] = _SALVAGED
        if self.found.ledger and not self.dry_run:
            self.salvage = salvage(self.workspace.home)
            keep_unknown_raw(self.workspace, self.salvage.aside)
            self._drop_unreadable_facts()

    def round(self) -> None:
        """Mend what was found, the stores themselves first: what they have lost then shows in the next look."""
        faults = [each for each in self.found.faults if self._mine(each.tenant)]
        for each in faults:
            store = getattr(self.workspace.resources, _RESOURCE.get(each.store, each.store))
            if isinstance(store, Mendable) and (self.dry_run or store.mend(each.tenant)):
                self.done[each] = _ASIDE
            elif each.store == "events" and self._drop_unreadable_facts():
                self.done[each] = _FORGOTTEN
        if faults and not self.dry_run:
            self.found = look(self.workspace, listed=None)
        self._raw(self._differences("raw"))
        self._strangers([each for each in self._differences(*_STORE_OF) if not each.document])
        self._objects([each for each in self._differences("objects") if each.what == "extra"])
        self._documents(
            [each for each in self._differences(*_STORE_OF) if each.document],
            [each for each in self._differences("objects") if each.what != "extra"],
        )
        self._events(self._differences("events"))
        if not self.dry_run:
            sweep(self.workspace)
            collect(self.workspace, always=True)
            self.workspace.send_events()

    def report(self) -> Repair:
        """What was mended, and what stands as it stood: with a dry run, what there is to mend."""
        now = self.findings
        if self.dry_run:
            mended = [self._action(each, how) for each, how in self.done.items()]
            unmended = [self._left(each) for each in now if each not in self.done]
        else:
            left = set(now)
            mended = [self._action(each, how) for each, how in self.done.items() if each not in left]
            unmended = [self._left(each) for each in now]
        return Repair(self.dry_run, mended, unmended, self.jobs, self.salvage, self.found)

    @property
    def findings(self) -> list[Finding]:
        return [*self.found.differences, *self.found.faults]

    def _drop_unreadable_facts(self) -> bool:
        """Rows of the outbox that a salvaged ledger holds, and nobody can read: they would hold up all others."""
        ledger = self.workspace.ledger
        with ledger.read() as cx:
            bad = [sequence for sequence, _, facts in ledger.outbox.all(cx) if not _is_readable(facts)]
        with ledger.begin() as cx:
            mending.drop_facts(cx, bad)
        return bool(bad)

    # ── one kind of finding after the other ─────────────────────────────────────────────────────────────────────────

    def _raw(self, lost: Sequence[Difference]) -> None:
        """Bytes that are gone: asked of their source; else an old version is forgotten, and a visible one told of."""
        raw, ledger = self.workspace.resources.raw, self.workspace.ledger
        for tenant in sorted({each.tenant for each in lost}):
            theirs = {each.item: each for each in lost if each.tenant == tenant}
            if self.dry_run:
                self._note(theirs.values(), _STORED)
                continue
            if isinstance(raw, Mendable):
                raw.mend(tenant)
            with ledger.read() as cx:
                versions = mending.versions_of_raw(cx, tenant, sorted(theirs))
            wanted: dict[str, set[str]] = {}
            for each in versions:
                wanted.setdefault(each.document, set()).add(each.content_hash)
            restored = restore_raw(self.workspace, tenant, wanted)
            self._note([theirs[name] for name in sorted(restored)], _STORED)
            needed = {each.content_hash for each in versions if each.needed}
            for each in versions:
                if each.content_hash not in restored | needed:
                    with ledger.begin() as cx:
                        mending.forget_version(cx, each)
                    self._note([theirs[each.content_hash]], _FORGOTTEN)
                elif each.content_hash not in restored:
                    self._advise_source(theirs[each.content_hash], tenant, each.document)

    def _strangers(self, rows: Sequence[Difference]) -> None:
        """Rows of builds that the ledger does not know: their names are used once, so nothing ever asks for them."""
        if not self.dry_run:
            remove_builds(self.workspace, sorted({(each.tenant, _STORE_OF[each.store], each.key) for each in rows}))
        self._note(rows, _REMOVED)

    def _objects(self, extra: Sequence[Difference]) -> None:
        """Files of deleted documents go. What belongs to none that is known may be the last copy: it is told of."""
        gone = [each for each in extra if each.document]
        if not self.dry_run:
            remove_pdfs(self.workspace, [(each.tenant, each.document) for each in gone])
        self._note(gone, _REMOVED)
        for each in extra:
            if not each.document:
                why = "the ledger knows no document that it belongs to"
                self.hints[each.tenant, each.item] = (why, "remove it from the object store where nobody wants it")

    def _documents(self, rows: Sequence[Difference], files: Sequence[Difference]) -> None:
        """Builds and files that are not as they were written, outputs that are lost: made anew, by the pipeline."""
        outputs = {each.key: each for each in self.found.stores["artifacts"].differences}
        with self.workspace.ledger.read() as cx:
            owned = list(mending.documents_of_outputs(cx, sorted(outputs)))
        names = {(each.tenant, each.document) for each in rows}
        names |= {(tenant, document) for _, tenant, document in owned if self._mine(tenant)}
        names |= {(each.tenant, each.document) for each in files}
        self._note(rows, _REBUILT)
        self._note(files, _FETCHED)
        computed = {key for key, _, _ in owned}
        for key, each in outputs.items():
            self._note([each], _COMPUTED if key in computed else _FORGOTTEN)
        if self.dry_run:
            return
        lost = sorted({*outputs, *(each.key for each in files)})
        started_over = {(each.tenant, each.document) for each in files}
        queued = queue_again(self.workspace, names, lost, {each.key for each in rows}, started_over)
        for name in queued.unknown:
            self.hints[name] = ("the ledger does not know any more how it was made", _input_again(name))
        for wave in queued.waves:
            self.run(wave)
            self.jobs += len(wave)
        with self.workspace.ledger.read() as cx:
            ended = self.workspace.ledger.jobs.get(cx, list(queued.jobs))
        for job in ended.values():
            if is_failure(job.status):
                where = f"{job.error_stage} failed ({job.error_type}): {job.error_message}"
                self.hints[job.tenant, job.document] = (where, f"penstock show {job.document}")

    def _events(self, lost: Sequence[Difference]) -> None:
        """Events that the sink has lost: owed again, as the outbox still has them."""
        if lost and not self.dry_run:
            with self.workspace.ledger.begin() as cx:
                mending.owe_again(cx, sorted({int(each.key) for each in lost}))
        self._note(lost, _SENT)

    # ── telling ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _differences(self, *stores: str) -> list[Difference]:
        return [each for name in stores for each in self.found.stores[name].differences if self._mine(each.tenant)]

    def _mine(self, tenant: str) -> bool:
        return self.tenant is None or tenant in ("", self.tenant)

    def _note(self, found: Iterable[Difference], how: str) -> None:
        self.done.update(dict.fromkeys(found, how))

    def _advise_source(self, lost: Difference, tenant: str, document: str) -> None:
        with self.workspace.ledger.read() as cx:
            origins = sorted(mending.origins_of(cx, tenant, [document]))
        why = f"the bytes of `{document}` are gone, and its source does not have them any more; it is still served"
        self.hints[tenant, lost.item] = (why, _input_again((tenant, document), *origins))

    def _action(self, found: Finding, how: str, then: str = "") -> Action:
        if isinstance(found, Fault):
            return Action(found.store, "fault", found.message, found.tenant, "", how, then)
        return Action(found.store, found.what, found.item, found.tenant, found.document, how, then)

    def _left(self, found: Finding) -> Action:
        if not self._mine(found.tenant):
            return self._action(found, "another tenant's", f"penstock repair --tenant {found.tenant}")
        document = "" if isinstance(found, Fault) else found.document or found.item
        why, then = self.hints.get((found.tenant, document), ("not mended", "penstock repair"))
        return self._action(found, why, then)


def _is_readable(facts: bytes) -> bool:
    try:
        decode(facts)
    except msgspec.MsgspecError:
        return False
    return True


def _input_again(name: Name, *origins: str) -> str:
    tenant, document = name
    whose = "" if tenant == "default" else f" --tenant {tenant}"
    where = f"--input '{origins[0]}'" if origins else "with its input"
    return f"penstock run …{whose} {where}, or penstock delete {document}{whose}"
