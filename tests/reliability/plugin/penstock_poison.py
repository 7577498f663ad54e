"""The shipped parser and a shipped embedder, until a document says what native code or a model may do instead.

The deed stands at the end of the document: `deed: segfault`. A file `cured` in the home makes an end to all deeds.
Attempts are noted in the file `attempts` of the home.
"""

import ctypes
import os
import re
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from penstock.adapters.embed.hashing import HashingEmbedder, HashingSettings
from penstock.adapters.index import HybridIndexSettings, HybridIndexWriter
from penstock.adapters.parse import AutoParser, AutoSettings
from penstock.errors import StageError
from penstock.ports import Resources
from penstock.records import Chunk, Document, EmbeddingBatch, RawPayload, StageContext

_DEED = re.compile(r"deed: (\w+)\n?\Z")


class Deeds:
    """What a document asks for, unless all are cured."""

    def __init__(self, resources: Resources) -> None:
        self._home = resources.home

    def asked(self, ctx: StageContext, text: str, *known: str) -> str:
        """The deed, one of those known, and noted; nothing otherwise."""
        found = _DEED.search(text)
        if found is None or found[1] not in known or (self._home / "cured").exists():
            return ""
        with (self._home / "attempts").open("a") as file:
            file.write(f"{ctx.doc_id}\n")
        return found[1]


class Parser(AutoParser):
    """Parses, or takes the process down on the way."""

    def __init__(self, settings: AutoSettings, resources: Resources) -> None:
        super().__init__(settings, resources)
        self._deeds = Deeds(resources)

    def execute(self, ctx: StageContext, payloads: list[RawPayload]) -> Document:
        text = payloads[0].content.decode("utf-8", "replace")
        match self._deeds.asked(ctx, text, "segfault", "killed", "hang", "memory"):
            case "segfault":
                ctypes.string_at(0)
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does it when memory runs out
            case "hang":
                time.sleep(600)
            case "memory":
                bytearray(1 << 60)
        return super().execute(ctx, payloads)


class Embedder(HashingEmbedder):
    """Embeds, or gives what no vector is: with the check that the shipped embedders make, or without."""

    version: ClassVar[str] = "1"

    def __init__(self, settings: HashingSettings, resources: Resources) -> None:
        super().__init__(settings, resources)
        self._deeds = Deeds(resources)
        self._deed = ""

    def execute(self, ctx: StageContext, chunks: list[Chunk]) -> EmbeddingBatch:
        self._deed = self._deeds.asked(ctx, chunks[-1].text, "nan", "dimension", "unchecked_nan", "unchecked_dimension")
        made = super().execute(ctx, chunks)
        match self._deed:
            case "unchecked_nan":
                return msgspec.structs.replace(made, vectors=b"\xff" * len(made.vectors))
            case "unchecked_dimension":
                return msgspec.structs.replace(made, dimension=made.dimension + 1)
        return made

    def _vector(self, text: str) -> Any:
        vector: Sequence[float] = super()._vector(text)
        match self._deed:
            case "nan":
                return [float("nan"), *vector[1:]]
            case "dimension":
                return vector[1:]
        return vector


class Index(HybridIndexWriter):
    """Writes both indexes; where the home holds a file `stop`, the whole run is stopped between the two."""

    def __init__(self, settings: HybridIndexSettings, resources: Resources) -> None:
        super().__init__(settings, resources)
        self._stop = resources.home / "stop"

    def _write(self, tenant: str, builds: Mapping[str, EmbeddingBatch]) -> StageError | None:
        if self._stop.exists():
            self._resources.lexical.write(tenant, {build: batch.chunks for build, batch in builds.items()})
            self._stop.unlink()
            os.kill(os.getppid(), signal.SIGSTOP)
            os.kill(os.getpid(), signal.SIGSTOP)
        return super()._write(tenant, builds)
