"""The stage host: `python -m penstock.execution.host LINE JOURNAL`, started by a run to work its adapters.

It answers messages on a socket that it has inherited (the descriptor `LINE`), in order, and ends with it. It dies with
the run that started it, also when native code that hangs keeps it from noticing.
"""

import ctypes
import os
import queue
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path

import msgspec

from penstock.execution.adapters import Adapters
from penstock.execution.journal import Journal
from penstock.execution.lines import framed, unframed
from penstock.execution.messages import Open, Request, Response
from penstock.execution.resources import ProfileResources
from penstock.spec.profile import ProfileSpec

_BLOCK = 1 << 20
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Answer until the socket is closed."""
    parent = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole terminal; the run ends its host itself
    die_with(parent)
    line = socket.socket(fileno=int(sys.argv[1]))
    journal = Journal(int(sys.argv[2]))
    inbox: queue.SimpleQueue[Request] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(line, inbox), name="penstock-reader", daemon=True).start()
    first = inbox.get()
    if not isinstance(first, Open):
        raise SystemExit("the first message was not `Open`")
    sys.path[:] = first.path
    profile = ProfileSpec.model_validate_json(first.profile)
    adapters = Adapters(ProfileResources(Path(first.home), Path(first.config), profile), journal)
    lock = threading.Lock()

    def respond(response: Response) -> None:
        data = framed(response)
        with lock, suppress(ConnectionError):  # the reader sees that the run has ended
            line.sendall(data)

    while True:
        adapters.handle(inbox.get(), respond)


def _read(line: socket.socket, inbox: "queue.SimpleQueue[Request]") -> None:
    decoder = msgspec.msgpack.Decoder(Request)
    received = bytearray()
    with suppress(ConnectionError):  # a run that ends without having read all answers
        while block := line.recv(_BLOCK):
            received += block
            for message in unframed(received):
                inbox.put(decoder.decode(message))
    os._exit(0)


def die_with(parent: int) -> None:
    """End at once when the parent does, also in the middle of native code (Linux; elsewhere only looked at now)."""
    if sys.platform == "linux":
        # prctl(2): the kernel kills this process when the thread that started it ends
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


if __name__ == "__main__":
    main()
