"""The line to adapters that work in a thread."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
TRACED = """
import signal, sys
from pathlib import Path
sys.path.insert(0, "tests/unit/execution/plugin")
import penstock_toys
from tests.unit.execution.scene import CHUNK, INGEST, Scene, pipeline, stage
from penstock.plan.topology import Policy

penstock_toys.on["parse"] = lambda ctx, value: signal.pause()
scene = Scene(Path(sys.argv[1]))
scene.write(a="one")
sys.settrace(lambda *_: None)  # as under a debugger
hasty = Policy(name="hasty", max_attempts=1, timeout_seconds=0.5)
scene.run(pipeline(INGEST, stage("parse", "Parse", "ingest", policy=hasty), CHUNK))
print(scene.job("a").error_message)
"""


def test_a_thread_that_hangs_is_left_behind_under_a_debugger_too(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRACED, str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "no answer within 0.5 s (policy `hasty`)\n"), done.stderr
