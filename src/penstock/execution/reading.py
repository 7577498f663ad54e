"""Reading a PDF, in the process that may die of it: the bytes are checked, the pages counted, the reader called."""

import time
from collections.abc import Callable
from contextlib import closing

from penstock import registry
from penstock.errors import PermanentError, RejectedError, StageError, TransientError
from penstock.execution.encoding import encode
from penstock.execution.messages import Pages, Read, Reading, Result, fault_of
from penstock.ports import PDFReader, Resources
from penstock.records import RawPayload, content_name
from penstock.resilience.taxonomy import as_stage_error, is_cancellation
from penstock.stages.types import DOCUMENT

PORT = "PDFReader"


def read(message: Read, resources: Resources, respond: Callable[[Pages | Reading], None]) -> None:
    """Answer a request to read a PDF: how long it may take, then the Document or what went wrong."""
    began = time.monotonic()
    digest = ""
    try:
        content = _content(message, resources)
        digest = message.sha256
        pages = count_pages(content)
        seconds = min(message.base_seconds + message.page_seconds * pages, message.most_seconds)
        deadline = time.monotonic() + seconds
        respond(Pages(message.request, message.token, pages, seconds))
        document = _reader(message, resources).read(
            message.subject.context(message.gate, message.attempt, deadline), _payload(message, content)
        )
        result = Result(encode(document, DOCUMENT), 1)
    except BaseException as exc:  # noqa: BLE001 - a reader may raise anything; the type decides what follows
        result = Result(fault=fault_of(_as_stage_error(exc)))
    respond(Reading(message.request, message.token, digest, time.monotonic() - began, result))


def count_pages(content: bytes) -> int:
    """How many pages a PDF has, at least 1: also where it does not open, since its reader says better why."""
    try:
        import pypdfium2  # type: ignore[import-untyped]  # it has no stubs

        with closing(pypdfium2.PdfDocument(content)) as document:
            return max(1, len(document))
    except (ImportError, RuntimeError):  # pypdfium2's errors are `RuntimeError`s
        return 1


def _content(message: Read, resources: Resources) -> bytes:
    try:
        content = resources.objects.get(message.path)
    except KeyError as exc:
        raise RejectedError(
            f"object `{message.path}` is gone; a download would store it again", status="pdf_download_failed"
        ) from exc
    if content_name(content) != message.sha256:
        raise TransientError(f"object `{message.path}` is not the PDF that was stored; a newer one has taken its place")
    return content


def _reader(message: Read, resources: Resources) -> PDFReader:
    reader: PDFReader = registry.build(PORT, message.gate.uses, message.gate.settings, resources)
    return reader


def _payload(message: Read, content: bytes) -> RawPayload:
    subject = message.subject
    return RawPayload(
        document_id=subject.document,
        source=subject.source,
        kind="pdf",
        locator=subject.locator,
        raw=message.sha256,
        size=message.size,
        metadata=subject.metadata,
        content=content,
    )


def _as_stage_error(exc: BaseException) -> StageError:
    if is_cancellation(exc):
        return PermanentError(f"the reader was cancelled: {type(exc).__name__}")
    return as_stage_error(exc)
