"""What a run came to: counts by stage, failures, and progress on the way."""

from collections.abc import Callable
from dataclasses import dataclass, field

from penstock.ledger.jobs import Failure

Progress = Callable[[str, int, int], None]
"""Called with (stage, documents done, documents in this batch)."""


def no_progress(stage: str, done: int, total: int) -> None:
    """Tells nobody."""


@dataclass(slots=True)
class StageOutcome:
    """What a stage did for a batch: how many documents it worked on, took over, skipped and lost."""

    stage: str
    type: str
    executed: int = 0
    reused: int = 0
    skipped: int = 0
    failed: int = 0
    retries: int = 0
    outputs: int = 0
    seconds: float = 0.0
    durations: list[float] = field(default_factory=list)
    failures: list[tuple[str, Failure]] = field(default_factory=list)

    def add(self, other: "StageOutcome") -> None:
        """Sum with what the same stage did for another batch."""
        for name in ("executed", "reused", "skipped", "failed", "retries", "outputs", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.failures += other.failures
