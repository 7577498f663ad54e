"""PDFs read by MinerU's servers."""

import time
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from pydantic import HttpUrl, TypeAdapter, ValidationError

from penstock.adapters.mineru.servers import Servers
from penstock.adapters.mineru.settings import MinerUServerSettings
from penstock.adapters.parse.pdf import document_of
from penstock.adapters.pdf.layout import Layout
from penstock.adapters.pdf.outline import Outline, outline
from penstock.errors import MissingDependencyError, StageCrashError, StageError, StageTimeoutError, TransientError
from penstock.ports import Resources
from penstock.records import Document, RawPayload, StageContext

if TYPE_CHECKING:
    from penstock.adapters.mineru.api import Client

VERSION = "1"
_SPARE_SECONDS = 1.0
"""Before the deadline: what the end of a reading takes at most."""
_FIRST_LOOK, _SLOWER, _SELDOM = 0.1, 1.4, 2.0
"""Seconds between two looks at a task: each longer than the last."""
_SILENCE_SECONDS = 15.0
"""How long a server may leave the question after a task unanswered, before the task counts as lost."""


class MinerUReader:
    """`PDFReader` by MinerU's HTTP API (`penstock.adapters.mineru.api`), at the least busy of several servers."""

    settings_type = MinerUServerSettings
    version: ClassVar[str] = VERSION

    def __init__(self, settings: MinerUServerSettings, resources: Resources) -> None:
        from penstock.adapters.mineru.api import Client

        key = settings.api_key.value("mineru", "api_key") if settings.api_key else None
        addresses = _addresses(settings)
        self.endpoint = " ".join(sorted(addresses))
        self._settings = settings
        self._clients = {address: Client(address, settings, key) for address in addresses}
        self._servers = Servers(resources.home / "mineru", addresses, settings.per_server, settings.rest_seconds)

    def read(self, ctx: StageContext, payload: RawPayload) -> Document:
        """The document in a PDF.

        Raises:
            RejectedError: it does not open, has too many pages, or no text; or the server refuses it.
            UnavailableError: no GPU (`gpu_unavailable`), no memory on it (`gpu_out_of_memory`), or a server that is not
                set up for what it is asked.
            TransientError: no server can be reached, or one broke off; `StageTimeoutError` where the time is over.
            PermanentError: MinerU could not read it, or gave an answer that is not as documented.
        """
        until = time_limit(ctx, self._settings.parse_seconds)
        shape = outline(payload.content, self._settings.max_pages)
        with self._servers.place(lambda address: self._clients[address].check(), until) as address:
            layout = _parsed(self._clients[address], payload.content, shape, until)
        return document_of(payload, layout, format_name=f"mineru-{self._settings.release}", version=VERSION)


def time_limit(ctx: StageContext, seconds: float) -> float:
    """Until when a reading may take: `seconds` from now, or a little less than is left (`time.monotonic()`)."""
    until = time.monotonic() + seconds
    return until if ctx.deadline is None else min(until, ctx.deadline - _SPARE_SECONDS)


def _addresses(settings: MinerUServerSettings) -> list[str]:
    """Where the servers are. Raises `MissingDependencyError` where a variable that should say so does not."""
    if isinstance(settings.servers, tuple):
        return [str(url).rstrip("/") for url in settings.servers]
    said = settings.servers.value("mineru", "servers").split()
    try:
        return [str(url).rstrip("/") for url in TypeAdapter(list[HttpUrl]).validate_python(said)]
    except ValidationError as exc:
        name = settings.servers.env
        raise MissingDependencyError(
            f"adapter `mineru`: `{name}` holds no addresses", hint=f"export {name}=http://…"
        ) from exc


def _parsed(client: "Client", content: bytes, shape: Outline, until: float) -> Layout:
    task = client.submit(content)
    try:
        _wait(client, task, until)
        return client.result(task, shape.sizes, shape.title)
    except StageTimeoutError:
        with suppress(StageError):
            client.cancel(task)
        raise


def _wait(client: "Client", task: str, until: float) -> None:
    """Return when the task is done. A look that is not answered is followed by the next, for some seconds."""
    pause = _FIRST_LOOK
    heard = time.monotonic()
    while True:
        try:
            if client.is_done(task):
                return
            heard = time.monotonic()
        except TransientError as error:
            if isinstance(error, StageCrashError) or time.monotonic() - heard > _SILENCE_SECONDS:
                raise
        if time.monotonic() + pause > until:
            raise StageTimeoutError(f"{client.where}: not done in the time that there was")
        time.sleep(pause)
        pause = min(pause * _SLOWER, _SELDOM)
