"""Stages that do what native code may do to a process: hang, crash, be killed. What they do stands in the document."""

import asyncio
import ctypes
import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from penstock_toys import Ingest, Parse, Settings, document_of

from penstock.errors import TransientError
from penstock.records import Document, RawPayload, StageContext


class Rough(Parse):
    def __init__(self, settings: Settings, resources: Any) -> None:
        super().__init__(settings, resources)
        self.home: Path = resources.home

    def execute(self, ctx: StageContext, payloads: list[RawPayload]) -> Document:
        deed, _, rest = payloads[0].content.decode().partition(" ")
        if hasattr(self, deed):
            with (self.home / "attempts").open("a") as file:
                file.write(f"{deed}\n")
            getattr(self, deed)(rest)
        return document_of(payloads[0], str(os.getpid()))

    def sleep(self, rest: str) -> None:
        """Native code that hangs; what it does when it comes back must never be seen."""
        time.sleep(float(rest))
        (self.home / "late").touch()

    def backtrack(self, rest: str) -> None:
        """Native code that hangs and lets no other thread run."""
        re.fullmatch(r"(a|a)*b", "a" * 200)

    def segfault(self, rest: str) -> None:
        ctypes.string_at(0)

    def killed(self, rest: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def exits(self, rest: str) -> None:
        os._exit(3)

    def prints(self, rest: str) -> None:
        sys.stdout.write(rest)
        sys.stdout.flush()

    def cancels(self, rest: str) -> None:
        raise asyncio.CancelledError

    def busy(self, rest: str) -> None:
        raise TransientError("busy", retry_after_seconds=0.1)


class RoughTogether(Rough):
    batch_documents = 8

    def execute_batch(self, items: Sequence[tuple[StageContext, list[RawPayload]]]) -> Sequence[Any]:
        return [self.execute(ctx, payloads) for ctx, payloads in items]


class Fatal(Ingest):
    def __init__(self, settings: Settings, resources: Any) -> None:
        ctypes.string_at(0)


class Async(Parse):
    """Says in the title how many of its calls were under way at once."""

    concurrency = 4
    active = 0

    async def execute(self, ctx: StageContext, payloads: list[RawPayload]) -> Document:  # type: ignore[override]  # an asynchronous form of it
        Async.active += 1
        try:
            together = Async.active
            for _ in range(20):
                await asyncio.sleep(0.005)
                together = max(together, Async.active)
            if payloads[0].content == b"hang":
                await asyncio.sleep(60)
            if payloads[0].content == b"block":
                time.sleep(60)
            if payloads[0].content == b"odd":
                raise ValueError("odd")
            return document_of(payloads[0], str(together))
        finally:
            Async.active -= 1
