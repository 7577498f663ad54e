"""An adapter that asks a server about each document, registered as any other distribution's is."""

from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from penstock.endpoints import http_error, transport_error
from penstock.ports import Resources
from penstock.records import Document, Provenance, RawPayload, StageContext

ATTEMPT, DOCUMENT = "x-attempt", "x-document"


class CalledSettings(BaseModel):
    """Where the server is."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: str


class CalledParser:
    """`ParseStage` that needs an answer of its server. It makes one request, waits for ever, and never tries again."""

    settings_type: ClassVar[type[BaseModel]] = CalledSettings
    version: ClassVar[str] = "1"

    def __init__(self, settings: CalledSettings, resources: Resources) -> None:
        import httpx

        self.endpoint = settings.url
        self._httpx = httpx
        self._client = httpx.Client(timeout=None, trust_env=False)

    def execute(self, ctx: StageContext, payloads: list[RawPayload]) -> Document:
        """The document's text, once the server has agreed."""
        headers = {DOCUMENT: ctx.doc_id, ATTEMPT: str(ctx.attempt)}
        try:
            answer = self._client.post(self.endpoint, content=payloads[0].content, headers=headers)
        except self._httpx.TransportError as exc:
            raise transport_error("scripted server", exc) or exc from exc
        if answer.status_code != 200:
            again = answer.headers.get("retry-after")
            raise http_error("scripted server", answer.status_code, retry_after=again)
        origin = Provenance(source="file", raw=payloads[0].raw, adapter="called", adapter_version=self.version)
        return Document(document_id=ctx.doc_id, title="", text=payloads[0].content.decode(), provenance=origin)


def install(folder: Path) -> None:
    """Metadata by which the registry finds the adapter, in a folder to be put on the path."""
    metadata = folder / "penstock_called-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: penstock-called\nVersion: 1\n")
    entry = f"[penstock.ParseStage]\ncalled = {__name__}:{CalledParser.__name__}\n"
    (metadata / "entry_points.txt").write_text(entry)
