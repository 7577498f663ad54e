"""Stores the PDF of a document."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from penstock.errors import RejectedError
from penstock.object_keys import pdf_key
from penstock.ports import Resources
from penstock.records import Document, PDFFile, RawPayload, StageContext, content_name


class DownloadSettings(BaseModel):
    """No settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class StoredDownload:
    """Puts a PDF that was ingested into the object store. Fetching from an address is not available yet."""

    settings_type: ClassVar[type[BaseModel]] = DownloadSettings
    version: ClassVar[str] = "1"

    def __init__(self, settings: DownloadSettings, resources: Resources) -> None:
        self._objects = resources.objects

    def execute(self, ctx: StageContext, document: Document | list[RawPayload]) -> PDFFile:
        """The stored PDF; raises `RejectedError` where the document was not ingested as one."""
        if isinstance(document, Document):
            raise RejectedError(
                f"document `{document.document_id}`: no PDF; fetching one from an address is not available yet"
            )
        if len(document) != 1 or document[0].kind != "pdf":
            kinds = ", ".join(f"`{payload.kind}`" for payload in document) or "nothing"
            raise RejectedError(
                f"payloads: {kinds}; one PDF would be right (fetching from an address is not available yet)"
            )
        payload = document[0]
        path = pdf_key(ctx.tenant_id, payload.document_id)
        self._objects.put(path, payload.content)
        return PDFFile(
            document_id=payload.document_id,
            path=path,
            sha256=content_name(payload.content),
            size=len(payload.content),
            origin=payload.locator,
        )
