"""The plan of one pipeline version, as data: serialisable, hashed, kept in the ledger with every job.

The work key of a stage is a hash of what its output depends on and nothing else:

    work key = hash(stage type, adapter, code version, fingerprint, settings, work key of its input)

so an output is found by its key or computed, and a changed setting recomputes from its stage on, and only there.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import msgspec

from penstock.records import short_hash

_STAGE, _DOCUMENT = 3, 24
"""So much of a stage's signature and of a document's id stands in a work key, before the hash of 32 digits."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A resilience policy, resolved: see `penstock.spec.resilience.PolicySpec` for bounds and units."""

    name: str = "default"
    max_attempts: int = 1
    backoff_strategy: str = "none"
    backoff_initial_seconds: float = 1.0
    backoff_max_seconds: float = 10.0
    backoff_jitter_seconds: float = 0.0
    timeout_seconds: float = 60.0
    failure_threshold: int | None = None
    reset_timeout_seconds: float | None = None
    rate_limit_per_second: float | None = None


class GateRule(msgspec.Struct, frozen=True, kw_only=True):
    """When a gate lets a job through: `ledger_field` equals `equals`. It fails closed after `timeout_seconds`."""

    ledger_field: str
    equals: Any
    resume_stage: str
    timeout_seconds: float | None = None


class PlannedStage(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One stage, resolved. `input` names the stage whose output it takes (None: the document's request).

    `when` holds per-document conditions, field → accepted values; a document that meets none skips the stage.
    A gate has `type` `Gate` and a `gate` rule; its adapter is that of the worker that opens it, where there is one.
    `segment` counts the gates that stand before the stage.
    """

    name: str
    type: str
    uses: str = ""
    settings: dict[str, Any] = {}
    code_version: str = ""
    fingerprint: str = ""
    policy: Policy = Policy()
    depends_on: tuple[str, ...] = ()
    input: str | None = None
    when: dict[str, tuple[str, ...]] = {}
    gate: GateRule | None = None
    segment: int = 0
    description: str = ""

    @cached_property
    def signature(self) -> str:
        """A hash of what this stage itself adds to the work key."""
        worked = (self.uses, self.code_version, self.fingerprint, _canonical(self.settings))
        if self.gate is not None:
            return short_hash("Gate", self.gate.ledger_field, _canonical(self.gate.equals), *worked)
        return short_hash(self.type, *worked)


class Topology(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A pipeline version: its stages in the order in which they run."""

    pipeline: str
    version: str
    stages: tuple[PlannedStage, ...]
    description: str = ""
    applicable_sources: tuple[str, ...] = ()
    profile: str = ""
    yaml: str = ""
    deadline_seconds: float | None = None

    @cached_property
    def digest(self) -> str:
        """Names this version: a hash of everything declared, policies and wiring included, the YAML's layout not."""
        return short_hash(_canonical(msgspec.structs.replace(self, yaml="")))

    @cached_property
    def work_digest(self) -> str:
        """A hash of what the outputs depend on: equal for versions that differ in names of policies or prose only."""
        return short_hash(*(f"{s.name}\0{s.signature}\0{s.input}\0{_canonical(s.when)}" for s in self.stages))

    def upstream(self, name: str) -> frozenset[str]:
        """The stages that stand before a stage, directly or not."""
        found: set[str] = set()
        left = [name]
        while left:
            before = [each for each in self.stage(left.pop()).depends_on if each not in found]
            found.update(before)
            left += before
        return frozenset(found)

    @property
    def segments(self) -> int:
        """How many runs a job takes: one more than there are gates."""
        return self.stages[-1].segment + 1 if self.stages else 0

    def stage(self, name: str) -> PlannedStage:
        """The stage of that name. Raises `KeyError`."""
        for each in self.stages:
            if each.name == name:
                return each
        raise KeyError(name)

    def segment(self, number: int) -> tuple[PlannedStage, ...]:
        """The stages of one segment, the gate that ends it left out."""
        return tuple(s for s in self.stages if s.segment == number and s.gate is None)

    def gate_after(self, number: int) -> PlannedStage | None:
        """The gate that ends a segment, or None where the pipeline ends with it."""
        return next((s for s in self.stages if s.gate is not None and s.segment == number), None)

    def encode(self) -> str:
        """As JSON, for the ledger."""
        return _canonical(self)

    @classmethod
    def decode(cls, text: str | bytes) -> "Topology":
        return msgspec.json.decode(text, type=cls)


def applies(stage: PlannedStage, facts: Mapping[str, str]) -> bool:
    """Whether the stage's `when` lets a document with these facts (source, tenant, kind, …) in."""
    return all(facts.get(field, "") in accepted for field, accepted in stage.when.items())


def work_keys(topology: Topology, root: str, facts: Mapping[str, str], document: str = "") -> dict[str, str | None]:
    """The work key of every stage for one document; None where the stage is skipped for it.

    Args:
        root: a hash of what stands before the first stage: tenant, document id, content hash and source hint.
        facts: what `when` conditions may ask of the document.
        document: its id. Its end stands in the keys, so that those of one stage and of documents that were found one
            after another lie together in the ledger: they are written to a few pages, not to a thousand.
    """
    near = document[-_DOCUMENT:]
    keys: dict[str, str | None] = {}
    passed: dict[str, str | None] = {}
    for stage in topology.stages:
        before = root if stage.input is None else passed[stage.input]
        if before is None:
            keys[stage.name] = passed[stage.name] = None
        elif not stage.when or applies(stage, facts):
            signature = stage.signature
            key = f"{signature[:_STAGE]}{near}:{short_hash(signature, before)}"
            keys[stage.name] = passed[stage.name] = key
        else:
            keys[stage.name] = None
            passed[stage.name] = before if _transparent(stage) else None
    return keys


def root_key(tenant: str, document: str, content_hash: str, hint: str | bytes = "") -> str:
    """What a document's first stage depends on."""
    return short_hash(tenant, document, content_hash, hint)


def stage_names(topology: Topology) -> Iterator[str]:
    """The names of the stages that do work, gates left out."""
    return (stage.name for stage in topology.stages if stage.gate is None)


def _transparent(stage: PlannedStage) -> bool:
    from penstock.registry import stage_type  # loads the type's entry point: only where a `when` skips a stage

    return stage.gate is None and stage_type(stage.type).transparent


def _canonical(value: Any) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()
