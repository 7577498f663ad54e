"""Stores the PDF that was ingested."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from penstock.errors import RejectedError
from penstock.object_keys import pdf_key
from penstock.ports import Resources
from penstock.records import Document, PDFFile, RawPayload, StageContext, content_name


class StoredSettings(BaseModel):
    """No settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class StoredDownload:
    """`DownloadStage` without a network: puts a PDF that was ingested into the object store, and takes nothing else."""

    settings_type: ClassVar[type[BaseModel]] = StoredSettings
    version: ClassVar[str] = "1"

    def __init__(self, settings: StoredSettings, resources: Resources) -> None:
        self._objects = resources.objects

    def execute(self, ctx: StageContext, document: Document | list[RawPayload]) -> PDFFile:
        """The stored PDF; raises `RejectedError` where the document was not ingested as one."""
        payloads = document if isinstance(document, list) else []
        if len(payloads) != 1 or payloads[0].kind != "pdf":
            kinds = ", ".join(f"`{payload.kind}`" for payload in payloads) or "none"
            raise RejectedError(
                f"payloads: {kinds}; one PDF would be right", hint="the adapter `fetch` takes records, too"
            )
        return self.keep(ctx, payloads[0].content, payloads[0].locator)

    def keep(self, ctx: StageContext, content: bytes, origin: str) -> PDFFile:
        """Store a PDF under its document's name, in place of the one that was there."""
        path = pdf_key(ctx.tenant_id, ctx.doc_id)
        self._objects.put(path, content)
        return PDFFile(
            document_id=ctx.doc_id, path=path, sha256=content_name(content), size=len(content), origin=origin
        )
