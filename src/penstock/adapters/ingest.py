"""Tells what the stored bytes of a document are."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from penstock.adapters.sniff import KINDS, kind_of
from penstock.errors import RejectedError
from penstock.ports import Resources
from penstock.records import AdapterRequest, RawPayload, StageContext


class StoredSettings(BaseModel):
    """No settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class StoredIngest:
    """Reads bytes that are in the raw store already; their kind is told from name and content, unless the user did."""

    settings_type: ClassVar[type[BaseModel]] = StoredSettings
    version: ClassVar[str] = "2"
    kinds: ClassVar[tuple[str, ...]] = tuple(KINDS)
    """What `--source` may say."""

    def __init__(self, settings: StoredSettings, resources: Resources) -> None:
        pass

    def execute(self, ctx: StageContext, request: AdapterRequest) -> list[RawPayload]:
        """One payload with its kind; raises `RejectedError` for what no adapter takes."""
        return [
            RawPayload(
                document_id=request.document_id,
                source=request.source,
                kind=_kind(request),
                locator=request.locator,
                raw=request.raw,
                size=request.size,
                metadata=request.metadata,
                content=request.content,
            )
        ]


def _kind(request: AdapterRequest) -> str:
    if not request.kind_hint:
        return kind_of(request.locator, request.content)
    if request.kind_hint not in KINDS:
        known = ", ".join(f"`{kind}`" for kind in KINDS)
        raise RejectedError(f"source `{request.kind_hint}`: not known; accepted are {known}")
    if not request.content.strip():
        raise RejectedError("content: empty; a document with text would be right")
    return request.kind_hint
