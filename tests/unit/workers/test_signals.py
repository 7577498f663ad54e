"""Being asked to end."""

import subprocess
import sys

import pytest

HELD = """
import signal
from penstock.workers.signals import stop_signal
stop = stop_signal()
with stop._cond:  # as for some instructions of each stop.wait()
    signal.raise_signal(signal.{name})
assert stop.wait(30)
print("ended")
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_that_comes_while_the_event_is_being_asked_is_no_deadlock(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", HELD.format(name=name)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr
