"""The resilience policies in force: those of `resilience.yaml` that are sound, and a `default` in any case."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from penstock.plan.topology import Policy
from penstock.spec.load import read_resilience
from penstock.spec.problems import Problem, in_file_order
from penstock.spec.resilience import BUILT_IN_DEFAULT, PolicySpec

_log = logging.getLogger("penstock.policies")


@dataclass(frozen=True)
class Policies:
    """Policies by name. `unsound` are those declared with a problem; `readable` is False where nothing is known."""

    sound: dict[str, Policy]
    unsound: frozenset[str] = frozenset()
    readable: bool = True
    problems: tuple[Problem, ...] = field(default=())

    @property
    def names(self) -> list[str]:
        return sorted(self.unsound.union(self.sound))


def load_policies(path: Path) -> Policies:
    """The policies of a file; the built-in default alone where there is no such file."""
    built_in = {"default": resolved("default", BUILT_IN_DEFAULT)}
    if not path.exists():
        return Policies(built_in)
    read = read_resilience(path)
    specs = read.spec.policies if read.spec else {}
    declared = (read.file.value or {}).get("policies")
    named: Iterable[str] = declared if isinstance(declared, dict) else ()
    sound = {name: resolved(name, spec) for name, spec in specs.items()}
    unsound = frozenset(named) - sound.keys()
    if "default" not in unsound:
        sound = built_in | sound
    return Policies(sound, unsound, read.spec is not None, tuple(in_file_order(read.problems)))


class LivePolicies:
    """The policies of a file as it is now: read again when it has changed; the last sound ones stay where it is not."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._sound: dict[str, Policy] = {}

    def now(self) -> dict[str, Policy]:
        """Policies by name; empty without a file, or as long as it was never sound."""
        try:
            status = self._path.stat()
        except OSError:
            return self._sound
        seen = (status.st_mtime_ns, status.st_size)
        if seen != self._seen:
            self._seen = seen
            found = load_policies(self._path)
            if found.problems:
                _log.warning("%s is not sound: the last policies stay (penstock validate says why)", self._path)
            else:
                self._sound = found.sound
        return self._sound


def resolved(name: str, spec: PolicySpec) -> Policy:
    """A policy as a plan holds it."""
    breaker = spec.circuit_breaker
    return Policy(
        name=name,
        max_attempts=spec.max_attempts,
        backoff_strategy=spec.backoff_strategy,
        backoff_initial_seconds=spec.backoff_initial_seconds,
        backoff_max_seconds=spec.backoff_max_seconds,
        backoff_jitter_seconds=spec.backoff_jitter_seconds,
        timeout_seconds=spec.timeout_seconds,
        failure_threshold=breaker.failure_threshold if breaker else None,
        reset_timeout_seconds=breaker.reset_timeout_seconds if breaker else None,
        rate_limit_per_second=spec.rate_limit_per_second,
    )
