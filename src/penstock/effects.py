"""The seam that every external effect passes: each write, rename and removal of a file, each commit, each publish.

In a running Penstock nothing is installed here and an effect costs a tenth of a microsecond. The fault sweep
(`tests/faults`) installs a hook that counts the effects and lets chosen ones fail, hang, or end the process, before
they happen or after. The idea is SQLite's (https://www.sqlite.org/testing.html#i_o_error_testing).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

Hook = Callable[[str], AbstractContextManager[object]]
"""Takes the name of an effect, `<what>.<verb>`, and gives what is entered before it and left after it."""

_NOTHING: AbstractContextManager[object] = nullcontext()
_hook: Hook | None = None


def effect(name: str) -> AbstractContextManager[object]:
    """What surrounds one external effect: `with effect("pack.rename"): partial.replace(path)`."""
    return _NOTHING if _hook is None else _hook(name)


def install(hook: Hook | None) -> None:
    """Let every effect of this process pass a hook from now on; None takes it away."""
    global _hook
    _hook = hook
