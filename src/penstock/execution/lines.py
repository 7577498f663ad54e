"""The line between a run and its adapters: messages out, responses back, and an end to it when it is stuck."""

import ctypes
import os
import queue
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

import msgspec

from penstock.execution.adapters import Adapters
from penstock.execution.journal import Journal
from penstock.execution.messages import Message, Open, Response
from penstock.ports import Resources
from penstock.resilience.calls import CallerDiedError

_LENGTH = 4
_BLOCK = 1 << 20
_TOGETHER = 32
_ENCODER = msgspec.msgpack.Encoder()


class Line(Protocol):
    """Messages are handled one after another. After `kill` the next message begins anew, with nothing known."""

    def send(self, *messages: Message) -> None: ...

    def receive(self, seconds: float) -> Response | None:
        """The next response, or None after so many seconds. Raises `CallerDiedError`."""
        ...

    @property
    def journal(self) -> Journal | None:
        """What the adapters have done, also after their end; None where they keep none."""
        ...

    def kill(self) -> None: ...

    def close(self) -> None: ...


class ThreadLine:
    """Adapters in a thread of this process. A thread cannot be ended from outside: what hangs is left behind.

    For tests and debuggers; native code that hangs or crashes takes its time, or the process, with it.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._thread: threading.Thread | None = None
        self._inbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[Response] = queue.SimpleQueue()
        self._over = threading.Event()

    def send(self, *messages: Message) -> None:
        if self._thread is None:
            self._inbox, self._outbox = queue.SimpleQueue(), queue.SimpleQueue()
            self._over = threading.Event()
            work = (Adapters(self._resources), self._inbox, self._outbox, self._over)
            self._thread = threading.Thread(target=_work_off, args=work, name="penstock-stages", daemon=True)
            self._thread.start()
        for message in messages:
            self._inbox.put(message)

    def receive(self, seconds: float) -> Response | None:
        try:
            return self._outbox.get(timeout=seconds) if seconds > 0 else self._outbox.get_nowait()
        except queue.Empty:
            return None

    @property
    def journal(self) -> None:
        return None

    def kill(self) -> None:
        if self._thread is not None and self._thread.ident is not None:
            self._over.set()
            if sys.gettrace() is None:  # where a debugger traces, Python 3.11 spins until the thread has taken it
                # ends it as soon as it runs Python code again (https://docs.python.org/3/c-api/init.html)
                identity = ctypes.c_ulong(self._thread.ident)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(identity, ctypes.py_object(SystemExit))
            self._inbox.put(None)
            self._thread = None

    def close(self) -> None:
        if self._thread is not None:
            self._inbox.put(None)
            self._thread.join(1.0)
            self._thread = None


class ProcessLine:
    """Adapters in a stage host: a process of their own (`penstock.execution.host`), killed when it is stuck.

    It leads a process group, so that what it has started ends with it.

    Args:
        longest: of a message that it sends, in bytes; a longer one is the end of it, as is one that makes no sense.
    """

    def __init__(self, open_message: Open, longest: int = 2**32 - 1) -> None:
        self._open = open_message
        self._longest = longest
        self._process: subprocess.Popen[bytes] | None = None
        self.journal: Journal | None = None
        self._socket: socket.socket | None = None
        self._selector: selectors.BaseSelector | None = None
        self._out: deque[memoryview] = deque()
        self._received = bytearray()
        self._responses: deque[Response] = deque()
        self._decoder: msgspec.msgpack.Decoder[Response] = msgspec.msgpack.Decoder(Response)

    @property
    def group(self) -> int | None:
        """The process group of the host, where there is one."""
        return self._process.pid if self._process is not None else None

    def send(self, *messages: Message) -> None:
        if self._process is None:
            self._start()
        data = b"".join(framed(each) for each in messages)
        self._out.append(memoryview(data))
        if not self._responses or len(self._out) >= _TOGETHER:  # else the next answers bring more to send
            self._flush()

    def receive(self, seconds: float) -> Response | None:
        until = time.monotonic() + seconds
        while True:
            if self._responses:
                return self._responses.popleft()
            if not self._exchange(max(0.0, until - time.monotonic())) and time.monotonic() >= until:
                return None

    def kill(self) -> None:
        if self._process is not None:
            self._end()
            self._forget()

    def close(self) -> None:
        if self._process is not None and self._socket is not None:
            self._socket.close()  # it ends at the end of its input
            try:
                self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                self._end()
            self._forget()
        self._close_journal()

    def _close_journal(self) -> None:
        if self.journal is not None:
            self.journal.close()
            self.journal = None

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        self._close_journal()
        self.journal = Journal.make()
        with theirs:
            self._process = start_host(theirs, self.journal.descriptor)
        ours.setblocking(False)
        self._socket = ours
        self._selector = selectors.DefaultSelector()
        self._selector.register(ours, selectors.EVENT_READ)
        self._out.append(memoryview(framed(self._open)))

    def _end(self) -> int:
        """Kill the host and what it has started; returns its exit code."""
        assert self._process is not None
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        return self._process.wait()

    def _forget(self) -> None:
        if self._selector is not None:
            self._selector.close()
        if self._socket is not None:
            self._socket.close()
        self._process = self._socket = self._selector = None
        self._out.clear()
        self._received.clear()
        self._responses.clear()

    def _exchange(self, seconds: float) -> bool:
        """Wait until something can be read or written, and do so; False when there was nothing."""
        if self._socket is None or self._selector is None:
            raise CallerDiedError("the stage host is not there")
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._out else 0)
        self._selector.modify(self._socket, wanted)
        ready = self._selector.select(seconds)
        for _, what in ready:
            if what & selectors.EVENT_WRITE:
                self._flush()
            if what & selectors.EVENT_READ:
                self._read()
        return bool(ready)

    def _flush(self) -> None:
        while self._out and self._socket is not None:
            try:
                sent = self._socket.sendmsg(self._out)
            except BlockingIOError:
                return
            except OSError:
                return  # reading tells that it is gone, after what it has said before
            while self._out and sent >= len(self._out[0]):
                sent -= len(self._out.popleft())
            if sent:
                self._out[0] = self._out[0][sent:]

    def _read(self) -> None:
        assert self._socket is not None
        try:
            block = self._socket.recv(_BLOCK)
        except BlockingIOError:
            return
        except OSError:
            block = b""
        if not block:
            raise CallerDiedError(self._epitaph())
        self._received += block
        try:
            self._responses.extend(self._decoder.decode(each) for each in unframed(self._received, self._longest))
        except (msgspec.MsgspecError, ValueError) as exc:
            self.kill()
            raise CallerDiedError("the stage host said what makes no sense; it was ended") from exc

    def _epitaph(self) -> str:
        assert self._process is not None
        code = self._end()
        self._forget()
        if code < 0:
            how = {-9: "it was killed (SIGKILL), as when the machine is out of memory", -11: "it crashed (SIGSEGV)"}
            return f"the stage host died: {how.get(code, f'signal {-code}')}"
        return f"the stage host died: it ended with exit code {code}"


def start_host(line: socket.socket, journal: int) -> "subprocess.Popen[bytes]":
    """A stage host at the other end of `line` that keeps the journal behind a descriptor."""
    return subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "penstock.execution.host", str(line.fileno()), str(journal)],
        pass_fds=[line.fileno(), journal],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=2,  # stdout is the command's: what an adapter prints must not stand in its JSON
    )


def framed(message: Message) -> bytes:
    """A message with its length before it."""
    data = _ENCODER.encode(message)
    return len(data).to_bytes(_LENGTH, "little") + data


def _work_off(adapters: Adapters, inbox: Any, outbox: Any, over: threading.Event) -> None:
    while (message := inbox.get()) is not None and not over.is_set():
        adapters.handle(message, outbox.put)


def unframed(data: bytearray, longest: int = 2**32 - 1) -> Sequence[bytes]:
    """Takes the whole frames off the front of `data`. Raises `ValueError` for one that is longer than `longest`."""
    found = []
    while len(data) >= _LENGTH and len(data) >= (end := _LENGTH + int.from_bytes(data[:_LENGTH], "little")):
        found.append(bytes(memoryview(data)[_LENGTH:end]))
        del data[:end]
    if len(data) >= _LENGTH and int.from_bytes(data[:_LENGTH], "little") > longest:
        raise ValueError("a message that is too long")
    return found
