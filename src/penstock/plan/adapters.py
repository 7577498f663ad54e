"""Which adapter does a stage's work, with which settings: what the stage says, laid over what the profile says."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from penstock import registry
from penstock.errors import PenstockError, nearest
from penstock.spec.explain import explain
from penstock.spec.pipeline import StageSpec
from penstock.spec.problems import Problem, printable, ticked
from penstock.spec.profile import QUEUE_PORTS, STORE_PORTS, WORKER_PORTS, Binding, ProfileSpec
from penstock.spec.source import Loc, YamlFile
from penstock.spec.sources import SourceSpec


@dataclass(frozen=True)
class Bound:
    """An adapter with its settings, defaults filled in. `fingerprint` stands for what it reads besides."""

    uses: str
    settings: dict[str, Any]
    code_version: str
    fingerprint: str = ""


@dataclass
class Binder:
    """Binds stages and stores of one config folder under one profile; what was bound once is not checked again.

    `sound` is False where the profile has problems: what it then lacks is not told once more in each pipeline.
    """

    config: Path
    profile: ProfileSpec
    sound: bool = True

    def __post_init__(self) -> None:
        self._known: dict[bytes, Bound] = {}

    def bind_stage(
        self, file: YamlFile, loc: Loc, stage: StageSpec, where: str, problems: list[Problem]
    ) -> Bound | None:
        """The adapter of a stage, or None; problems in what the profile itself says are left to the profile's file."""
        binding = self.profile.stages.get(stage.type)
        uses = stage.uses or (binding.uses if binding else None)
        if uses is None:
            if self.sound:
                problems.append(self._unbound(file, loc, stage, where))
            return None
        inherited = binding.with_ if binding and binding.uses == uses else {}
        own = bool(stage.uses or stage.with_)
        at = (*loc, "uses") if stage.uses else (*loc, "type")
        return self._bind(file, stage.type, uses, inherited | stage.with_, where, loc, at, problems if own else [])

    def bind_worker(self, file: YamlFile, loc: Loc, work: str, where: str, problems: list[Problem]) -> Bound | None:
        """The adapter of the worker that opens a gate, or None; problems in the profile are left to its own file."""
        binding: Binding | None = getattr(self.profile.workers, work)
        if binding is None:
            if self.sound:
                what = f"profile `{self.profile.name}` binds nothing to `workers.{work}`; the gate would stay shut"
                accepted = tuple(registry.names(WORKER_PORTS[work]))
                problems.append(file.problem("unbound-worker", f"{where}: {what}", loc, accepted=accepted))
            return None
        return self._bind(file, WORKER_PORTS[work], binding.uses, binding.with_, where, loc, loc, [])

    def check_profile(self, file: YamlFile, profile: ProfileSpec, problems: list[Problem]) -> None:
        """Bind everything that one profile file says by itself."""
        for kind, each in profile.stages.items():
            if kind in registry.stage_type_names():
                loc: Loc = ("stages", kind)
                self._bind(file, kind, each.uses, each.with_, f"stage type `{kind}`", loc, (*loc, "uses"), problems)
        for role in sorted(profile.stores.model_fields_set):
            each, loc = getattr(profile.stores, role), ("stores", role)
            self._bind(file, STORE_PORTS[role], each.uses, each.with_, f"store `{role}`", loc, (*loc, "uses"), problems)
        for part, ports in (("workers", WORKER_PORTS), ("queues", QUEUE_PORTS)):
            for work in sorted(getattr(profile, part).model_fields_set):
                if (each := getattr(getattr(profile, part), work)) is not None:
                    where, loc = f"{part.removesuffix('s')} `{work}`", (part, work)
                    self._bind(file, ports[work], each.uses, each.with_, where, loc, (*loc, "uses"), problems)

    def check_source(self, file: YamlFile, source: SourceSpec, problems: list[Problem]) -> None:
        """Bind the adapter of a source."""
        where = f"source {ticked(source.name)}"
        self._bind(file, "Source", source.uses, source.with_, where, (), ("uses",), problems)

    def _bind(
        self,
        file: YamlFile,
        port: str,
        uses: str,
        given: dict[str, Any],
        where: str,
        loc: Loc,
        at: Loc,
        problems: list[Problem],
    ) -> Bound | None:
        key = msgspec.json.encode((port, uses, given))
        if key in self._known:
            return self._known[key]
        known = registry.names(port)
        if uses not in known:
            message = f"{where}: no adapter of `{port}` is named {ticked(uses)}"
            found = nearest(uses, known)
            problems.append(file.problem("unknown-adapter", message, at, accepted=tuple(known), suggestion=found))
            return None
        try:
            self._known[key] = self._make(port, uses, given)
            return self._known[key]
        except ValidationError as exc:
            model = registry.adapter(port, uses).settings_type
            text = f"{where}, adapter {ticked(uses)}"
            problems += explain(file, exc, model, text, (*loc, "with"), "adapter-settings")
        except PenstockError as exc:
            problems.append(file.problem("adapter-broken", f"{where}: {exc.message}", at))
        except OSError as exc:
            message = f"{where}, adapter {ticked(uses)}: cannot read `{printable(str(exc.filename))}`"
            problems.append(file.problem("adapter-settings", message, (*loc, "with")))
        except Exception as exc:  # noqa: BLE001  # an adapter is foreign code: it must not take the other files down
            message = f"{where}: adapter {ticked(uses)} failed while it was looked at ({type(exc).__name__})"
            problems.append(file.problem("adapter-broken", message, at))
        return None

    def _make(self, port: str, uses: str, given: dict[str, Any]) -> Bound:
        adapter = registry.adapter(port, uses)
        settings = adapter.settings_type.model_validate(given)
        fingerprint = adapter.fingerprint(settings, self.config) if hasattr(adapter, "fingerprint") else ""
        return Bound(uses, settings.model_dump(mode="json", by_alias=True), adapter.version, fingerprint)

    def _unbound(self, file: YamlFile, loc: Loc, stage: StageSpec, where: str) -> Problem:
        message = (
            f"{where}: profile `{self.profile.name}` binds no adapter to {ticked(stage.type)}; name one with `uses`"
        )
        accepted = tuple(registry.names(stage.type))
        return file.problem("unbound-stage", message, (*loc, "type"), accepted=accepted)
