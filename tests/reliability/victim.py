"""A run in a process of its own, stopped (SIGSTOP) at the named point of its work; a test lets it go on later.

python -m tests.reliability.victim POINT FOLDER URL: takes what is queued through the pipeline; prints how it ended.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.unit.execution.scene import Scene, pipeline, stage
from tests.unit.execution.test_fencing import WHOLE

from penstock.errors import LostLeaseError
from penstock.execution import runner

POINTS = ("in parse", "in the vector index", "before the record of index", "before the record of graph")
HOST = "in its host, between the indexes"
POISONED = pipeline(
    *(stage("index", "Index", "embed", uses="poison") if each.name == "index" else each for each in WHOLE.stages)
)
"""As `WHOLE`, with an index stage that stops its host and the run between the two indexes."""


def stop(*args: object) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def before(owner: Any, name: str, is_due: Callable[..., bool]) -> None:
    """Stop before the first call for which it is due."""
    usual = getattr(owner, name)
    left = [True]

    def method(*args: Any, **more: Any) -> Any:
        if left and is_due(*args, **more):
            left.clear()
            stop()
        return usual(*args, **more)

    setattr(owner, name, method)


def main() -> None:
    import penstock_toys

    point, folder, url = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    scene = Scene(folder, "process" if point == HOST else "inline", url)
    if point == "in parse":
        penstock_toys.on["parse"] = lambda ctx, value: penstock_toys.on.clear() or stop()
    elif point == "in the vector index":
        before(scene.workspace.resources.vectors, "write", lambda *args: True)
    elif point.startswith("before the record of"):
        before(runner, "record", lambda batch, planned, *rest, **more: planned.name == point.split()[-1])
    try:
        scene.go_on(POISONED if point == HOST else WHOLE)
    except LostLeaseError:
        print("lost")
    else:
        print("done")
    scene.workspace.close()


if __name__ == "__main__":
    main()
