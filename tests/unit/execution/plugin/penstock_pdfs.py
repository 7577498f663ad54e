"""A download that stores what it is given, and a reader that does to its process what a PDF may do: by its content."""

import ctypes
import os
import signal
import sys
import time
from typing import Any

from penstock_toys import Toy

from penstock.errors import RejectedError, TransientError, UnavailableError
from penstock.object_keys import pdf_key
from penstock.records import Document, PDFFile, Provenance, RawPayload, StageContext, content_name


class Store(Toy):
    """Any bytes count as a PDF."""

    def __init__(self, settings: Any, resources: Any) -> None:
        super().__init__(settings, resources)
        self.objects = resources.objects

    def execute(self, ctx: StageContext, document: Document | list[RawPayload]) -> PDFFile:
        self.asked(ctx, document)
        assert isinstance(document, list)
        content = document[0].content
        path = pdf_key(ctx.tenant_id, ctx.doc_id)
        self.objects.put(path, content)
        return PDFFile(document_id=ctx.doc_id, path=path, sha256=content_name(content), size=len(content))


class Rough(Toy):
    """Writes each of its deeds down before it does it."""

    def __init__(self, settings: Any, resources: Any) -> None:
        super().__init__(settings, resources)
        self.home = resources.home

    def read(self, ctx: StageContext, payload: RawPayload) -> Document:
        deed, _, rest = payload.content.decode().partition(" ")
        with (self.home / "readings").open("a") as file:
            file.write(f"{ctx.doc_id} {ctx.attempt} {os.getpid()}\n")
        if hasattr(self, deed):
            getattr(self, deed)(rest)
        return Document(
            document_id="file:another.txt" if deed == "another" else ctx.doc_id,
            title=ctx.doc_id,
            text=payload.content.decode(),
            provenance=Provenance(
                source=payload.source, raw=payload.raw, adapter="rough", adapter_version=self.version
            ),
        )

    def sleep(self, rest: str) -> None:
        time.sleep(float(rest))

    def spawn(self, rest: str) -> None:
        """Starts another process, and hangs with it."""
        import subprocess

        subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({rest})"])
        time.sleep(float(rest))

    def spin(self, rest: str) -> None:
        until = time.monotonic() + float(rest)
        while time.monotonic() < until:
            pass

    def eat(self, rest: str) -> None:
        """Takes so many megabytes of memory, and hangs."""
        eaten = bytearray(int(rest) << 20)
        for place in range(0, len(eaten), 4096):
            eaten[place] = 1
        time.sleep(60)

    def segfault(self, rest: str) -> None:
        ctypes.string_at(0)

    def killed(self, rest: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def treason(self, rest: str) -> None:
        """Takes its worker down as well, as when a machine that is out of memory ends both."""
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)

    def exits(self, rest: str) -> None:
        os._exit(int(rest or 0))

    def prints(self, rest: str) -> None:
        os.write(1, rest.encode() * 1000)

    def garbage(self, rest: str) -> None:
        """Writes what is no message into the line to its worker."""
        os.write(int(sys.argv[1]), b"\xff" * 4096)
        time.sleep(60)

    def encrypted(self, rest: str) -> None:
        raise RejectedError("PDF: encrypted", status="pdf_encrypted")

    def busy(self, rest: str) -> None:
        raise TransientError("the reader is busy", retry_after_seconds=float(rest))

    def gpu(self, rest: str) -> None:
        raise UnavailableError("reader: no_gpu: there is none", status="gpu_unavailable")

    def odd(self, rest: str) -> None:
        raise ValueError("odd")
