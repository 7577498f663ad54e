"""Fetches the PDF that a record names, from the best address that gives one, and stores it."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ClassVar

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from penstock.adapters.download.hosts import Turns
from penstock.adapters.download.locations import Location, locations
from penstock.adapters.download.receipt import Receipt, Receipts
from penstock.adapters.download.scratch import Scratch, clear, scratch
from penstock.adapters.download.stored import StoredDownload, StoredSettings
from penstock.adapters.guard import Guard, told
from penstock.adapters.secret_name import SecretName
from penstock.adapters.sniff import kind_of
from penstock.errors import (
    PermanentError,
    QuotaError,
    RejectedError,
    StageError,
    TransientError,
    UnavailableError,
)
from penstock.object_keys import pdf_key
from penstock.ports import Resources
from penstock.records import Document, PDFFile, RawPayload, StageContext

if TYPE_CHECKING:
    from penstock.adapters.fetch import Answer, Fetcher

_WINDOW = 1024
_MARGIN_SECONDS = 0.5
_LONGEST_SECONDS = 3600.0
_SETTLED_JOBS = 1000
_HTML = (b"<!doctype html", b"<html", b"<head", b"<body")


class FetchSettings(BaseModel):
    """How PDFs are fetched. Sizes are in bytes.

    `host_interval_seconds` is the least time between two requests to one host. `keys` are sent as bearer tokens to
    their host alone. `user_agent` should say whom to write to: many servers ask for it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    max_bytes: int = Field(default=256 * 2**20, gt=0)
    host_interval_seconds: float = Field(default=1.0, ge=0, le=60)
    connect_seconds: float = Field(default=5.0, gt=0, le=60)
    read_seconds: float = Field(default=20.0, gt=0, le=600)
    user_agent: str = Field(default="penstock", min_length=1, max_length=200, pattern=r"^[ -~]+$")
    keys: dict[str, SecretName] = {}


class FetchedDownload:
    """`DownloadStage` for PDFs that were ingested, and for records that name where one may be had.

    The addresses are tried one after the other, an open licence and the published version first, until one gives a
    PDF. What cannot be fetched within an attempt is gone on with in the next one, where the server lets it.
    """

    settings_type: ClassVar[type[BaseModel]] = FetchSettings
    version: ClassVar[str] = "1"
    batch_documents: ClassVar[int] = 4  # at once; a policy's rate counts calls

    def __init__(self, settings: FetchSettings, resources: Resources) -> None:
        self._settings = settings
        self._resources = resources
        self._stored = StoredDownload(StoredSettings(), resources)
        self._receipts = Receipts(resources.objects)
        self._guard = Guard(resources.allowed_hosts)
        self._keys = {host: name.value("fetch", f"keys.{host}") for host, name in settings.keys.items()}
        self._turns = Turns(resources.home / "downloads" / "hosts", settings.host_interval_seconds)
        self._settled: dict[str, dict[str, StageError]] = {}

    def execute(self, ctx: StageContext, document: Document | list[RawPayload]) -> PDFFile:
        """The stored PDF.

        Raises:
            RejectedError: the record names no PDF, or none of its addresses gives one and none ever will.
            TransientError: one of them may give it later, with what `Retry-After` says.
            UnavailableError, QuotaError, PermanentError: one of them would, were it not for a key, a budget, an answer
                that is broken.
        """
        kind, content = self._record(ctx, document)
        if kind == "pdf":
            return self._stored.keep(ctx, content, _locator(document))
        places = locations(kind, content)
        if not places:
            raise RejectedError(f"record `{kind}`: it names no address of a PDF (pages about one do not count)")
        until = min(time.monotonic() + _LONGEST_SECONDS, ctx.deadline or float("inf")) - _MARGIN_SECONDS
        settled = self._settled_of(ctx)
        failed: list[StageError] = []
        for number, place in enumerate(places):
            try:
                if place.url in settled:
                    raise settled[place.url]
                found = self._fetch(ctx, place, _share(until, len(places) - number))
            except StageError as exc:
                failed.append(exc)
                if not isinstance(exc, TransientError):
                    settled[place.url] = exc
                continue
            self._settled.pop(ctx.job_id, None)
            clear(self._resources.home, ctx.tenant_id, ctx.doc_id)
            tried = (*(each.message for each in failed), f"{told(place.url)}: a PDF")
            return msgspec.structs.replace(found, tried=tried)
        raise _verdict(failed)

    def execute_batch(
        self, items: Sequence[tuple[StageContext, Document | list[RawPayload]]]
    ) -> list[PDFFile | StageError]:
        """`execute` for all items at once: they wait for other people's servers, not for each other."""
        with ThreadPoolExecutor(max(1, len(items)), "penstock-fetch") as threads:
            return list(threads.map(self._result, items))

    def _result(self, item: tuple[StageContext, Document | list[RawPayload]]) -> PDFFile | StageError:
        try:
            return self.execute(*item)
        except StageError as exc:
            return exc

    def _record(self, ctx: StageContext, document: Document | list[RawPayload]) -> tuple[str, bytes]:
        """What was ingested: its kind and its bytes, also where a parser has read it since."""
        if isinstance(document, Document):
            try:
                content = self._resources.raw.get(ctx.tenant_id, document.provenance.raw)
            except KeyError as exc:
                raise UnavailableError(f"raw object `{document.provenance.raw[:12]}…` is gone") from exc
            return kind_of("", content), content
        if len(document) != 1:
            raise RejectedError(f"payloads: {len(document)} of them; one PDF, or one record, would be right")
        return document[0].kind, document[0].content

    def _settled_of(self, ctx: StageContext) -> dict[str, StageError]:
        """What earlier attempts of this job have learnt for good: such addresses are not asked again."""
        if len(self._settled) > _SETTLED_JOBS:
            self._settled.clear()
        return self._settled.setdefault(ctx.job_id, {})

    # ── one address ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _fetch(self, ctx: StageContext, place: Location, until: float) -> PDFFile:
        receipt = self._receipts.of(ctx, place.url)
        with scratch(self._resources.home, ctx.tenant_id, ctx.doc_id, place.url) as part:
            asked = _asked(part, receipt)
            with self._fetcher().get(place.url, asked, until=until) as answer:
                if answer.status == 304 and receipt is not None:
                    return _pdf_file(ctx, place, receipt)
                self._gather(answer, part)
            receipt = Receipt.of(place.url, answer, part)
            self._resources.objects.put(pdf_key(ctx.tenant_id, ctx.doc_id), part.path)
            self._receipts.keep(ctx, receipt)
            return _pdf_file(ctx, place, receipt)

    def _fetcher(self) -> "Fetcher":
        from penstock.adapters.fetch import Fetcher

        return Fetcher(
            self._guard,
            most_bytes=self._settings.max_bytes,
            user_agent=self._settings.user_agent,
            keys=self._keys,
            before=self._turns.wait,
            connect_seconds=self._settings.connect_seconds,
            read_seconds=self._settings.read_seconds,
        )

    def _gather(self, answer: "Answer", part: Scratch) -> None:
        """The answer's body behind what is here already; what is no PDF is given up at its first bytes."""
        where, most = told(answer.url), self._settings.max_bytes
        part.begin(_offset(answer, part, where), _validator(answer))
        sniffed = part.length >= _WINDOW
        for block in answer.blocks:
            part.write(block)
            if part.length > most:
                raise RejectedError(f"{where}: more than {most} bytes")
            if not sniffed and part.length >= _WINDOW:
                _sniff(part.head(_WINDOW), where)
                sniffed = True
        _sniff(part.head(_WINDOW), where)


def _asked(part: Scratch, receipt: Receipt | None) -> dict[str, str]:
    """The headers: of a range where a part is here, else conditions where the whole is stored (RFC 9110, 13 and 14)."""
    if validator := part.resumable():
        return {"Range": f"bytes={part.length}-", "If-Range": validator, "Accept-Encoding": "identity"}
    return {} if receipt is None else receipt.conditions()


def _offset(answer: "Answer", part: Scratch, where: str) -> int:
    """Behind how many of the bytes that are here the answer goes on; 0 where it begins anew."""
    if answer.status == 200:
        return 0
    said = answer.headers.get("content-range", "")
    if answer.status == 206 and part.length and said.startswith(f"bytes {part.length}-") and not answer.packed:
        return part.length
    part.begin(0, "")
    raise TransientError(f"{where}: status {answer.status}; not the part that was asked for, so it is begun anew")


def _validator(answer: "Answer") -> str:
    """By what `If-Range` tells whether the file is still the same: a strong tag, or a date (RFC 9110, 13.1.5)."""
    tag = answer.headers.get("etag", "")
    if answer.packed or answer.headers.get("accept-ranges") == "none":
        return ""
    return str(tag if tag.startswith('"') else answer.headers.get("last-modified", ""))


def _sniff(head: bytes, where: str) -> None:
    if b"%PDF-" in head:
        return
    if not head:
        raise RejectedError(f"{where}: an empty answer; a PDF would be right")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(_HTML) or b"<html" in text:
        raise RejectedError(f"{where}: a web page, probably about the PDF, and not the PDF itself")
    raise RejectedError(f"{where}: no PDF (`%PDF-` is not within its first {_WINDOW} bytes)")


def _pdf_file(ctx: StageContext, place: Location, receipt: Receipt) -> PDFFile:
    return PDFFile(
        document_id=ctx.doc_id,
        path=pdf_key(ctx.tenant_id, ctx.doc_id),
        sha256=receipt.sha256,
        size=receipt.size,
        origin=place.url,
        licence=place.licence,
        version=place.version,
    )


def _share(until: float, places: int) -> float:
    """Until when an address may take: half of what is left, where others wait behind it."""
    return until if places == 1 else time.monotonic() + (until - time.monotonic()) / 2


def _verdict(failed: Sequence[StageError]) -> StageError:
    """What all the addresses together mean: the one that leaves most hope decides."""
    told_of = "; ".join(each.message for each in failed)
    message = f"no PDF from {len(failed)} address{'es' * (len(failed) > 1)}: {told_of}"
    later = [each for each in failed if isinstance(each, TransientError)]
    if later:
        waits = [each.retry_after_seconds for each in later if each.retry_after_seconds is not None]
        return TransientError(message, retry_after_seconds=max(waits, default=None), hint=later[0].hint)
    for kind in (UnavailableError, QuotaError, PermanentError):
        if found := [each for each in failed if isinstance(each, kind)]:
            return kind(message, hint=found[0].hint)
    return RejectedError(message, hint=next((each.hint for each in failed if each.hint), None))


def _locator(document: Document | list[RawPayload]) -> str:
    return "" if isinstance(document, Document) else document[0].locator
