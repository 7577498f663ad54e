"""Short names → adapter classes and stage types, from entry points. Nothing is imported until it is asked for.

An adapter is registered under the group `penstock.<Port>` (`penstock.ChunkStage`, `penstock.RawStore`), a stage type
under `penstock.stage_types`. A distribution outside Penstock adds either without touching it.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, distributions
from typing import Any

from penstock.errors import MissingDependencyError, PenstockError

STAGE_TYPE_GROUP = "penstock.stage_types"
STORES = ("index", "graph")
"""The stores that a document's version owns builds in; the output of any other stage type is an artifact."""


class AdapterError(PenstockError):
    """An adapter or stage type that is registered but not usable; the message names what is amiss."""


@dataclass(frozen=True, slots=True)
class Contract:
    """What flows between two stages: a name for messages and a type that msgspec can encode.

    `plural` contracts are lists; an empty one is a stated outcome, never a silent "done".
    """

    name: str
    type: Any
    plural: bool = False


@dataclass(frozen=True, slots=True)
class StageType:
    """What a stage type means: the contracts it accepts (any one of them), the one it gives, and how it fails.

    `store` names the store that its output lives in (`index`, `graph`); such outputs are owned by a document version.
    `transparent` stages give what they accept, so that a stage skipped by `when` passes its input on.
    """

    name: str
    protocol: type
    accepts: tuple[Contract, ...]
    gives: Contract
    failed_status: str
    summary: str
    store: str | None = None

    @property
    def transparent(self) -> bool:
        return self.accepts == (self.gives,)


@cache
def _groups() -> dict[str, dict[str, EntryPoint]]:
    found: dict[str, dict[str, EntryPoint]] = {}
    for each in (point for found_in in distributions() for point in found_in.entry_points):
        if each.group.startswith("penstock."):
            found.setdefault(each.group, {}).setdefault(each.name, each)
    return found


def names(port: str) -> list[str]:
    """The short names registered for a port, sorted."""
    return sorted(_groups().get(f"penstock.{port}", {}))


def stage_type_names() -> list[str]:
    """The names of the stage types that pipelines may use, `Gate` apart."""
    return sorted(_groups().get(STAGE_TYPE_GROUP, {}))


@cache
def stage_type(name: str) -> StageType:
    """The stage type of that name. Raises `KeyError` when there is none, `AdapterError` when it is not usable."""
    found = _load(_groups()[STAGE_TYPE_GROUP][name])
    if not isinstance(found, StageType):
        raise AdapterError(f"entry point `{name}` of `{STAGE_TYPE_GROUP}` is no `penstock.registry.StageType`")
    if found.store not in (None, *STORES):
        raise AdapterError(f"stage type `{name}` names a store that is not there: `{found.store}`; there are {STORES}")
    if found.name != name:
        raise AdapterError(f"stage type `{found.name}` is registered under another name: `{name}`")
    return found


@cache
def adapter(port: str, name: str) -> type[Any]:
    """The adapter class registered for a port under a short name.

    Raises `KeyError` when there is none, `AdapterError` when it misses its Protocol (the message names the method and
    the mismatch), `MissingDependencyError` when a package that it imports is not installed.
    """
    found = _load(_groups()[f"penstock.{port}"][name])
    from penstock.conformance import mismatches  # the import is deferred: most commands check no adapter

    problems = mismatches(found, _protocol(port))
    if problems:
        raise AdapterError(f"adapter `{name}` does not satisfy `{port}`: " + "; ".join(problems))
    return found  # type: ignore[no-any-return]  # a class, as `mismatches` has just checked


def build(port: str, name: str, settings: Mapping[str, Any], resources: Any) -> Any:
    """An adapter, made from its settings. Raises as `adapter` does, and `pydantic.ValidationError`."""
    made = adapter(port, name)
    try:
        return made(made.settings_type.model_validate(settings), resources)
    except ImportError as exc:
        raise MissingDependencyError(
            f"adapter `{name}` of `{port}` needs the package `{exc.name}`, which is not installed",
            hint="pip install 'penstock[local]'",
        ) from exc


def _protocol(port: str) -> type:
    if port in _groups().get(STAGE_TYPE_GROUP, {}):
        return stage_type(port).protocol
    from penstock import ports

    found = getattr(ports, port, None)
    if not inspect.isclass(found):
        raise AdapterError(f"there is no port named `{port}`")
    return found


def _load(point: EntryPoint) -> Any:
    try:
        return point.load()
    except ImportError as exc:
        raise MissingDependencyError(
            f"`{point.value}` cannot be imported: {exc}", hint="install the package, or remove the one that names it"
        ) from exc
    except AttributeError as exc:
        raise AdapterError(f"entry point `{point.name}` names `{point.value}`, which is not there") from exc
