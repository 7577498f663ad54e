"""Of which answer a stored PDF is: kept beside it, so that an unchanged file is not fetched again."""

from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from penstock.adapters.download.scratch import Scratch
from penstock.object_keys import fetched_key, pdf_key
from penstock.ports import ObjectStore
from penstock.records import StageContext

if TYPE_CHECKING:
    from penstock.adapters.fetch import Answer

_BLOCK = 2**20


class Receipt(msgspec.Struct, frozen=True):
    """The address, what the server called its answer, and what was stored of it."""

    url: str
    sha256: str
    size: int
    etag: str = ""
    modified: str = ""

    @classmethod
    def of(cls, url: str, answer: "Answer", part: Scratch) -> "Receipt":
        """The receipt of what was gathered, read back from the disk."""
        hashed = sha256()
        with part.path.open("rb") as file:
            while block := file.read(_BLOCK):
                hashed.update(block)
        tag, modified = answer.headers.get("etag", ""), answer.headers.get("last-modified", "")
        return cls(url, hashed.hexdigest(), part.length, tag, modified)

    def conditions(self) -> dict[str, str]:
        """The headers of a request that is answered with 304 where nothing has changed (RFC 9110, section 13)."""
        given = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in given.items() if value}


class Receipts:
    """The receipts in an object store."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def of(self, ctx: StageContext, url: str) -> Receipt | None:
        """The receipt of a document's stored PDF, where it is from this address and still what was stored."""
        with suppress(KeyError, msgspec.MsgspecError):
            receipt = msgspec.json.decode(self._objects.get(fetched_key(ctx.tenant_id, ctx.doc_id)), type=Receipt)
            key = pdf_key(ctx.tenant_id, ctx.doc_id)
            if receipt.url == url and receipt.conditions() and self._objects.size(key) == receipt.size:
                hashed = sha256()
                for block in self._objects.stream(key):
                    hashed.update(block)
                return receipt if hashed.hexdigest() == receipt.sha256 else None
        return None

    def keep(self, ctx: StageContext, receipt: Receipt) -> None:
        """Note of which answer the stored PDF is."""
        self._objects.put(fetched_key(ctx.tenant_id, ctx.doc_id), msgspec.json.encode(receipt))
