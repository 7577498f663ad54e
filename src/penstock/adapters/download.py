"""Stores the PDF of a document."""

import re
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from penstock.adapters.stores.durable import write_atomically
from penstock.errors import RejectedError
from penstock.ports import Resources
from penstock.records import Document, PDFFile, RawPayload, StageContext, content_name, short_hash

_TENANT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class DownloadSettings(BaseModel):
    """No settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class StoredDownload:
    """Puts a PDF that was ingested into the object store. Fetching from an address is not available yet."""

    settings_type: ClassVar[type[BaseModel]] = DownloadSettings
    version: ClassVar[str] = "1"

    def __init__(self, settings: DownloadSettings, resources: Resources) -> None:
        self._objects = resources.home / "objects"

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
        if not _TENANT.fullmatch(ctx.tenant_id):
            raise RejectedError(f"tenant `{ctx.tenant_id}`: letters, digits, `_`, `-` and `.` within would be right")
        path = f"tenants/{ctx.tenant_id}/pdfs/{safe_name(payload.document_id)}.pdf"
        write_atomically(self._objects / path, (payload.content,), "pdf")
        return PDFFile(
            document_id=payload.document_id,
            path=path,
            sha256=content_name(payload.content),
            size=len(payload.content),
            origin=payload.locator,
        )


def safe_name(document_id: str) -> str:
    """A file name for a document id: legible, and no two ids share one."""
    legible = re.sub(r"[^A-Za-z0-9._-]+", "-", document_id)[:80].strip("-.")
    return f"{legible}-{short_hash(document_id)[:12]}"
