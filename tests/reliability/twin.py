"""One of two processes that take the same documents, one by one, at the same time.

python -m tests.reliability.twin FOLDER URL COUNT
"""

import sys
from pathlib import Path

from tests.unit.execution.scene import GRAPH_ONLY, Scene, run_batch

from penstock.execution.batch import claim_batch


def main() -> None:
    folder, url, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    scene = Scene(folder, url=url)
    with scene.ledger.worker(600) as worker:
        for number in range(count):
            jobs = scene.submit(GRAPH_ONLY, str(scene.documents / f"d{number}.txt")).jobs
            batch = claim_batch(scene.workspace, worker, GRAPH_ONLY, 0, ids=jobs) if jobs else None
            if batch is not None:
                run_batch(batch)
    scene.workspace.close()


if __name__ == "__main__":
    main()
