"""A Penstock, opened: a home, a config folder and a profile, with the ledger and the stores that they name."""

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from penstock import registry
from penstock.errors import LedgerError, MissingDependencyError, UnavailableError
from penstock.events.relay import Relay
from penstock.execution.lines import ProcessLine, ThreadLine
from penstock.execution.messages import Open
from penstock.execution.resources import ProfileResources
from penstock.execution.stages import Stages
from penstock.ledger.ledger import Ledger
from penstock.ledger.shared import LedgerState
from penstock.plan.folder import RESILIENCE
from penstock.plan.policies import LivePolicies
from penstock.plan.topology import PlannedStage, Policy, Topology
from penstock.resilience.shared import SharedState
from penstock.spec.profile import ProfileSpec

_log = logging.getLogger("penstock.events")


class Workspace:
    """Everything that work on one home needs. Nothing is created before it is needed."""

    def __init__(self, home: Path, config: Path, profile: ProfileSpec) -> None:
        self.home = home
        self.config = config
        self.profile = profile
        self.resources = ProfileResources(home, config, profile)
        self._topologies: dict[str, Topology] = {}
        self._adapters: dict[tuple[str, str, str], Any] = {}
        self._policies = LivePolicies(config / RESILIENCE)
        self.paces: dict[tuple[str, str], float] = {}
        """The seconds that a document has last taken in a stage (name and signature)."""
        self._owing = False

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger, created where it is absent."""
        found = self.__dict__.get("existing_ledger")
        if isinstance(found, Ledger):
            return found
        return Ledger.open(self.home, self._ledger_url())

    @cached_property
    def existing_ledger(self) -> Ledger | None:
        """The ledger, or None in a home that has none yet; for commands that only look."""
        if "ledger" in self.__dict__:
            return self.ledger
        return Ledger.open_existing(self.home, self._ledger_url())

    @cached_property
    def stages(self) -> Stages:
        """The adapters of stages at work: in a process of their own, or in a thread where the profile says so."""
        if self.profile.isolation == "inline":
            return Stages(ThreadLine(self.resources))
        return Stages(ProcessLine(self.opening()))

    @property
    def hosts_died(self) -> bool:
        """Whether a stage host has come to a bad end, and nobody has looked for what it left."""
        return "stages" in self.__dict__ and self.stages.died

    def opening(self) -> Open:
        """What a process that works adapters is told first."""
        profile = self.profile.model_dump_json(by_alias=True, exclude_unset=True).encode()
        return Open(str(self.home.absolute()), str(self.config.absolute()), profile, tuple(sys.path))

    @cached_property
    def shared(self) -> SharedState:
        """Breakers and rates, as all processes on this ledger know them."""
        return LedgerState(self.ledger.database)

    def policy(self, stage: PlannedStage) -> Policy:
        """The stage's policy as `resilience.yaml` has it now, or as it was planned where the file does not say."""
        return self._policies.now().get(stage.policy.name, stage.policy)

    @contextmanager
    def look(self) -> Iterator[Any]:
        """The ledger and a connection to read it by. Raises `LedgerError` in a home where nothing was ever run."""
        ledger = self.existing_ledger
        if ledger is None:
            raise LedgerError(f"`{self.home}` holds nothing yet", hint="penstock run auto --input PATH")
        with ledger.read() as cx:
            yield ledger, cx

    def adapter(self, stage: PlannedStage) -> Any:
        """The adapter of a stage, made once for each adapter and settings."""
        key = (stage.type, stage.uses, json.dumps(stage.settings, sort_keys=True))
        if key not in self._adapters:
            self._adapters[key] = registry.build(stage.type, stage.uses, stage.settings, self.resources)
        return self._adapters[key]

    def topology(self, digest: str) -> Topology:
        """A pipeline version that the ledger keeps. Raises `LedgerError` when it does not."""
        if digest not in self._topologies:
            with self.ledger.read() as cx:
                content = self.ledger.topology(cx, digest)
            if content is None:
                raise LedgerError(f"the ledger keeps no pipeline version `{digest}`")
            self._topologies[digest] = Topology.decode(content)
        return self._topologies[digest]

    @cached_property
    def relay(self) -> Relay:
        """What sends the events that the outbox owes."""
        resources = self.resources
        return Relay(self.ledger, resources.events, self.profile.events.type_prefix, resources.pdf_queue)

    def send_events(self) -> int:
        """Send what the outbox owes; returns how many events were sent.

        For work that goes on where the sink is not there: then they stay owed, and a warning says so, once.
        """
        try:
            return self.relay.send()
        except UnavailableError as exc:
            if not self._owing:
                _log.warning("events stay owed, and go out once this is mended: %s", exc)
            self._owing = True
            return 0

    def close(self) -> None:
        if "stages" in self.__dict__:
            self.stages.close()
            del self.stages
        ledger = self.__dict__.get("ledger") or self.__dict__.get("existing_ledger")
        if ledger is not None:
            ledger.close()

    def _ledger_url(self) -> str | None:
        url = self.profile.ledger.url
        if url is None or isinstance(url, str):
            return url
        found = os.environ.get(url.env)
        if not found:
            raise MissingDependencyError(
                f"profile `{self.profile.name}` takes the ledger's address from `{url.env}`, which is not set"
            )
        return found
