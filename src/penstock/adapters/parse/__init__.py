"""Bytes to the intermediate representation: one module for each format, chosen by the kind of the payload."""

from collections.abc import Callable, Mapping
from typing import ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, Field

from penstock.adapters.parse import (
    clinicaltrials,
    html,
    jats,
    json,
    mapped,
    markdown,
    openalex,
    openfda,
    package,
    pdf,
    pubmed,
    record,
    rst,
    scholarly,
    text,
)
from penstock.adapters.pdf.settings import PDFSettings
from penstock.errors import RejectedError
from penstock.ports import Resources
from penstock.records import Document, RawPayload, StageContext


class Format(Protocol):
    """What reads one format: a module, or an object like one. `VERSION` is raised when the document changes."""

    VERSION: str

    def parse(self, payload: RawPayload) -> Document: ...


MODULES: Mapping[str, Format] = {
    "clinicaltrials": clinicaltrials,
    "html": html,
    "jats": jats,
    "json": json,
    "mapped": mapped,
    "markdown": markdown,
    "openalex": openalex,
    "openfda": openfda,
    "package": package,
    "pdf": pdf,
    "pubmed": pubmed,
    "record": record,
    "rst": rst,
    "text": text,
    **{name: scholarly.Reader(name) for name in scholarly.INDEXES},
}
"""What reads each kind."""

BUILDER_VERSION = "1"


class AutoSettings(BaseModel):
    """`max_bytes`: larger payloads are rejected unread. `pdf` bounds the reading of PDFs."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    max_bytes: int = Field(default=64 * 2**20, gt=0)
    pdf: PDFSettings = PDFSettings()


class AutoParser:
    """Reads each payload with the module for its kind. The same bytes always give the same document."""

    settings_type: ClassVar[type[BaseModel]] = AutoSettings
    version: ClassVar[str] = " ".join(
        (f"builder={BUILDER_VERSION}", *(f"{kind}={module.VERSION}" for kind, module in MODULES.items()))
    )

    def __init__(self, settings: AutoSettings, resources: Resources) -> None:
        self._max_bytes = settings.max_bytes
        self._pdf = settings.pdf

    def execute(self, ctx: StageContext, payloads: list[RawPayload]) -> Document:
        """The document in the one payload.

        Raises `RejectedError` where there are several, where the kind has no parser, and where the bytes are not what
        their kind says.
        """
        if len(payloads) != 1:
            raise RejectedError(f"payloads: {len(payloads)} of them; one for each document would be right")
        payload = payloads[0]
        if len(payload.content) > self._max_bytes:
            raise RejectedError(f"content: {len(payload.content)} bytes; at most {self._max_bytes} would be right")
        try:
            if payload.kind == "pdf":
                return pdf.parse(payload, self._pdf, ctx.deadline)
            return _parser(payload.kind)(payload)
        except RecursionError as exc:
            raise RejectedError(f"content: {payload.kind} nested too deeply to be read") from exc


def _parser(kind: str) -> Callable[[RawPayload], Document]:
    if kind not in MODULES:
        known = ", ".join(f"`{each}`" for each in MODULES)
        raise RejectedError(f"no parser takes `{kind}`; there are parsers for {known}")
    return MODULES[kind].parse
