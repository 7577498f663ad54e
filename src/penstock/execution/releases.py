"""Versions of pipelines: bringing in force what an edited config folder declares, and rolling back.

A running or waiting job is not touched by either: it keeps the topology that it was submitted with.
"""

import getpass
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Connection

from penstock.errors import UsageError
from penstock.events.facts import Fact, FactBatch, encode
from penstock.execution.workspace import Workspace
from penstock.ledger.ledger import Ledger
from penstock.ledger.releases import Release, Version
from penstock.plan.folder import PIPELINES, RESILIENCE
from penstock.plan.load import Loaded
from penstock.plan.topology import Policy, Topology
from penstock.records import short_hash

EVERYBODY = "*"
"""Whom a change of the configuration concerns: no tenant has this name."""

_MESSAGE = 2_000


def release(workspace: Workspace, loaded: Loaded) -> dict[str, str]:
    """Put what a config folder declares in force; returns pipeline → digest of what is new.

    A `config.reloaded` event tells of each version that takes the place of another one, and `config.rejected` of each
    file that was sound before and is not now: the version in force stays. Harmless however often and by how many it is
    called.
    """
    ledger = workspace.ledger
    changed: dict[str, str] = {}
    with ledger.begin() as cx:
        for name, topology in loaded.topologies.items():
            ledger.keep_topology(cx, topology.digest, name, topology.version, topology.encode())
            before = ledger.releases.declare(cx, name, topology.digest, loaded.paths[name].name)
            if before is not None:
                changed[name] = topology.digest
            if before:
                _tell(ledger, cx, "config.reloaded", topology, {"before": before, "file": loaded.paths[name].name})
        for kept, problem in _spoilt(workspace.config, loaded, ledger.releases.all(cx)).items():
            if ledger.releases.spoil(cx, kept, problem):
                in_force = ledger.releases.all(cx)[kept]
                topology = Topology.decode(ledger.topology(cx, in_force.digest) or "")
                _tell(ledger, cx, "config.rejected", topology, {"file": in_force.file, "problem": problem})
    return changed


def tell_policies(workspace: Workspace, policies: Mapping[str, Policy]) -> None:
    """Tell that `resilience.yaml` says something else now. Stages ask it anew with every batch."""
    digest = short_hash(*(repr(policies[name]) for name in sorted(policies)))
    detail = {"file": "resilience.yaml", "digest": digest}
    ledger = workspace.ledger
    with ledger.begin() as cx:
        fact = Fact(digest, EVERYBODY, "resilience.yaml", digest, ledger.outbox.told(cx), detail=detail)
        ledger.outbox.add(cx, encode(FactBatch("config.reloaded", "", "", "", "", "", (fact,))), 1)


def in_force(workspace: Workspace, loaded: Loaded) -> dict[str, Topology]:
    """The version in force of each pipeline: what its file declares, what it was rolled back to, or, where the file is
    not sound, what it declared before."""
    found = dict(loaded.topologies)
    ledger = workspace.existing_ledger
    if ledger is None:
        return found
    with ledger.read() as cx:
        releases = ledger.releases.all(cx)
    spoilt = _spoilt(workspace.config, loaded, releases)
    for name, kept in releases.items():
        declared = loaded.topologies.get(name)
        if name in spoilt or (declared is not None and kept.declared == declared.digest != kept.digest):
            found[name] = workspace.topology(kept.digest)
    return found


def rolled_back(workspace: Workspace, declared: Topology) -> Topology:
    """What is in force of a pipeline whose sound file declares this version: this one, unless it was rolled back."""
    ledger = workspace.existing_ledger
    if ledger is None:
        return declared
    with ledger.read() as cx:
        kept = ledger.releases.all(cx).get(declared.pipeline)
    if kept is None or kept.declared != declared.digest or kept.digest == declared.digest:
        return declared
    return workspace.topology(kept.digest)


def roll_back(workspace: Workspace, pipeline: str, to: str, declared: Topology | None) -> Version:
    """Put an older version of a pipeline in force; returns it.

    It stays until the file declares another version than it does now, or another version is chosen.

    Args:
        to: a digest, or the beginning of one, or a `version`, which means the newest of that name; empty: the version
            before the one in force.
        declared: what the file declares now; None where it is not sound.

    Raises `UsageError` where there is no such version.
    """
    ledger = workspace.ledger
    with ledger.begin() as cx:
        if declared is not None:
            ledger.keep_topology(cx, declared.digest, pipeline, declared.version, declared.encode())
        now = ledger.releases.all(cx).get(pipeline)
        current = now.digest if now else declared.digest if declared else ""
        chosen = _chosen(ledger.releases.versions(cx, pipeline), pipeline, to, current)
        row = Release(
            pipeline=pipeline,
            digest=chosen.digest,
            declared=declared.digest if declared else now.declared if now else "",
            file=now.file if now else "",
            problem=now.problem if now else None,
            changed_by=getpass.getuser(),
        )
        if chosen.digest != current:
            ledger.releases.choose(cx, row)
            topology = Topology.decode(ledger.topology(cx, chosen.digest) or "")
            before = {"before": current} if current else {}
            _tell(ledger, cx, "config.reloaded", topology, before | {"by": row.changed_by})
    return chosen


def _chosen(versions: list[Version], pipeline: str, to: str, current: str) -> Version:
    if not versions:
        raise UsageError(f"no version of pipeline `{pipeline}` is known", hint="penstock versions")
    if to:
        for each in versions:
            if to == each.version or (len(to) >= 4 and each.digest.startswith(to)):
                return each
        known = [f"{each.digest[:12]} ({each.version})" for each in versions]
        raise UsageError.unknown(f"version of `{pipeline}`", to, known)
    digests = [each.digest for each in versions]
    at = digests.index(current) if current in digests else -1
    if at + 1 == len(versions):
        raise UsageError(f"pipeline `{pipeline}` has no version before this one", hint=f"penstock versions {pipeline}")
    return versions[at + 1]


def _spoilt(config: Path, loaded: Loaded, releases: Mapping[str, Release]) -> dict[str, str]:
    """Pipelines whose file is there and not sound, or names a policy that is not → the first thing that is wrong."""
    wrong: dict[str, str] = {}
    for problem in loaded.problems:
        wrong.setdefault(Path(problem.file).name, problem.render().splitlines()[0][:_MESSAGE])
    found: dict[str, str] = {}
    for name, kept in releases.items():
        if name in loaded.topologies or not kept.file or not (config / PIPELINES / kept.file).exists():
            continue
        first = wrong.get(kept.file) or wrong.get(RESILIENCE)
        if first is not None:
            found[name] = first
    return found


def _tell(ledger: Ledger, cx: Connection, kind: str, topology: Topology, detail: dict[str, str]) -> None:
    """Owe an event about a pipeline version, under an id of its own: the same may come into force again."""
    told = ledger.outbox.told(cx)
    detail = detail | {"digest": topology.digest}
    fact = Fact(topology.digest, EVERYBODY, topology.pipeline, topology.digest, told, detail=detail)
    batch = FactBatch(kind, topology.pipeline, topology.version, "", "", "", (fact,))
    ledger.outbox.add(cx, encode(batch), 1)
