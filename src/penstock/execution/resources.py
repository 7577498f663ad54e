"""The stores of a profile, made when they are first asked for."""

from functools import cached_property
from pathlib import Path
from typing import Any

from penstock import registry
from penstock.ports import (
    EventSink,
    GraphStore,
    LexicalIndex,
    ObjectStore,
    PackStore,
    RawStore,
    RequestQueue,
    VectorIndex,
)
from penstock.spec.profile import QUEUE_PORTS, STORE_PORTS, ProfileSpec


class ProfileResources:
    """What adapters may reach (`penstock.ports.Resources`): the folders and the stores that the profile binds."""

    def __init__(self, home: Path, config: Path, profile: ProfileSpec) -> None:
        self.home = home
        self.config = config
        self.allowed_hosts = tuple(profile.network.allow)
        self._profile = profile

    @cached_property
    def raw(self) -> RawStore:
        found: RawStore = self._store("raw")
        return found

    @cached_property
    def packs(self) -> PackStore:
        found: PackStore = self._store("artifacts")
        return found

    @cached_property
    def objects(self) -> ObjectStore:
        found: ObjectStore = self._store("objects")
        return found

    @cached_property
    def lexical(self) -> LexicalIndex:
        found: LexicalIndex = self._store("lexical")
        return found

    @cached_property
    def vectors(self) -> VectorIndex:
        found: VectorIndex = self._store("vectors")
        return found

    @cached_property
    def graph(self) -> GraphStore:
        found: GraphStore = self._store("graph")
        return found

    @cached_property
    def events(self) -> EventSink:
        found: EventSink = self._store("events")
        return found

    @cached_property
    def pdf_queue(self) -> RequestQueue | None:
        """What carries requests to read PDFs; None where the worker looks into the ledger."""
        binding = self._profile.queues.pdf
        found: RequestQueue | None = None
        if binding is not None:
            found = registry.build(QUEUE_PORTS["pdf"], binding.uses, binding.with_, self)
        return found

    def _store(self, name: str) -> Any:
        binding = getattr(self._profile.stores, name)
        port = STORE_PORTS[name]
        return registry.build(port, binding.uses, binding.with_, self)
