"""BM25 over chunks with Tantivy: one index folder per tenant, `lexical/<tenant>/`."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from penstock.adapters.stores.aside import set_aside
from penstock.adapters.stores.filelock import locked
from penstock.adapters.stores.tantivy_files import META, broken_files, readable
from penstock.adapters.stores.tenants import tenant_folder
from penstock.effects import effect
from penstock.errors import TransientError, UnavailableError
from penstock.ports import Resources
from penstock.records import Chunk, short_hash

_HEAP_BYTES = 15_000_000  # the least that Tantivy takes for a thread
_MAX_QUERY_TERMS = 256
_MAX_FILTER_LENGTH = 256
_SEPARATOR = "\x1f"
_LOCK = ".writer"
_MENDED = "`penstock repair` builds it anew"
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Chunk)


class TantivySettings(BaseModel):
    """How text is analysed and fields are weighed. A change of `stemming` needs the index to be built anew."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    stemming: Literal["english", "german", "french", "spanish", "italian", "portuguese", "dutch", "none"] = "english"
    """The language whose stop words are left out and whose words are cut to their stems."""
    title_boost: float = Field(default=0.2, ge=0)
    """What a word of the query in the title adds, where one anywhere in the chunk, title or headings counts 1."""


class TantivyIndex:
    """A lexical index in the state folder. Writers take turns by a lock file; readers never wait.

    BM25 with Tantivy's constants (k1 = 1.2, b = 0.75) over one field that holds title, headings and text, so that a
    word is as rare, and a chunk as long, as it is to its reader; and a little for the title alone. Words are split at
    what is no letter or digit, lower-cased, folded to ASCII and stemmed. A filter compares a simple metadata value of
    up to 256 characters, `source` or `document` as a whole.
    """

    settings_type: ClassVar[type[BaseModel]] = TantivySettings
    version: ClassVar[str] = "2"

    def __init__(self, settings: TantivySettings, resources: Resources) -> None:
        import tantivy

        self._tantivy = tantivy
        self._home = resources.home
        self._root = resources.home / "lexical"
        self._fields = {"words": 1.0, "title": settings.title_boost}
        self._analyzer_name = f"words_{settings.stemming}"
        self._analyzer = self._make_analyzer(settings.stemming)
        self._schema = self._make_schema()
        self._readers: dict[str, tuple[Any, tuple[int, int]]] = {}
        self._readers_lock = threading.Lock()

    def write(self, tenant: str, builds: Mapping[str, Sequence[Chunk]]) -> None:
        """Put each build's chunks in, replacing what stands under that build; one commit.

        Raises `UnavailableError` when the folder cannot be written, `TransientError` when something else writes to it.
        """
        folder = tenant_folder(self._root, tenant)
        if not builds or (not any(builds.values()) and not _exists(folder)):
            return
        rows = [self._row(build, chunk) for build, chunks in builds.items() for chunk in chunks]
        with locked(folder / _LOCK, "lexical"):
            self._commit(folder, builds, rows)

    def remove(self, tenant: str, builds: Iterable[str]) -> None:
        """Remove all chunks of the builds; absent builds are passed over."""
        self.write(tenant, dict.fromkeys(builds, ()))

    def search(self, tenant: str, query: str, limit: int, filters: Mapping[str, str]) -> list[tuple[str, str, float]]:
        """(chunk id, build, score), best first, of any build that has a word of the query and passes all filters.

        The query is plain text: it has no syntax that could be wrong.
        """
        searcher = self._searcher(tenant)
        words = self._words(query)
        if searcher is None or not words or limit < 1:  # Tantivy panics at a limit of 0
            return []
        make, occur = self._tantivy.Query, self._tantivy.Occur
        wanted = [
            (occur.Should, make.boost_query(make.term_query(self._schema, field, word, index_option="freq"), boost))
            for field, boost in self._fields.items()
            if boost
            for word in words
        ]
        question = make.boolean_query(wanted)  # kept flat where there is no filter: Tantivy skips blocks only then
        if filters:
            terms = [make.const_score_query(self._term("filters", f"{k}={v}"), 0.0) for k, v in filters.items()]
            question = make.boolean_query([(occur.Must, each) for each in (question, *terms)])
        hits = searcher.search(question, limit=limit, count=False).hits
        rows = [(searcher.doc(address), score) for score, address in hits]
        found = [(row.get_first("chunk_id"), row.get_first("build"), score) for row, score in rows]
        return sorted(found, key=lambda each: (-each[2], each[0], each[1]))

    def chunks(self, tenant: str, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Chunk]:
        """The stored chunks by (chunk id, build); absent ones are left out."""
        terms = [_key(build, chunk_id) for chunk_id, build in keys]
        query = self._tantivy.Query.term_set_query(self._schema, "key", terms)
        rows = self._rows(self._searcher(tenant), query, len(terms))
        return {(chunk.chunk_id, build): chunk for build, chunk in rows}

    def build_chunks(self, tenant: str, build: str) -> list[Chunk]:
        """All chunks of a build, by their index in the document."""
        rows = self._build_rows(self._searcher(tenant), build)
        return sorted((chunk for _, chunk in rows), key=lambda chunk: (chunk.index, chunk.chunk_id))

    def scan(self, tenant: str) -> Iterator[tuple[str, str, str]]:
        """(build, chunk id, text hash) of every row, build by build, as of one commit; its files are checked first."""
        searcher = self._searcher(tenant)
        self._check_files(tenant)
        builds = searcher.terms_with_prefix("build", "") if searcher else ()
        for build, _ in builds:
            for _, chunk in self._build_rows(searcher, build):
                yield build, chunk.chunk_id, short_hash(chunk.text)

    def mend(self, tenant: str) -> bool:
        """Set an index that is broken aside, so that it is built anew (`penstock.ports.Mendable`)."""
        folder = tenant_folder(self._root, tenant)
        if not folder.is_dir():
            return False
        with locked(folder / _LOCK, "lexical"):
            try:
                for _ in self.scan(tenant):
                    pass
            except Exception:  # noqa: BLE001 - whatever it is, the index cannot be read
                files = [path for path in folder.iterdir() if path.name not in (_LOCK, META)]
                set_aside(self._home, [folder / META, *files], "lexical")
                self._readers.pop(tenant, None)
                return True
        return False

    def _check_files(self, tenant: str) -> None:
        folder = tenant_folder(self._root, tenant)
        if broken := broken_files(folder):
            raise UnavailableError(f"{folder / broken[0]}: the bytes are not those that were written; {_MENDED}")

    def _commit(self, folder: Path, builds: Iterable[str], rows: Sequence[Any]) -> None:
        try:
            with effect("lexical.open"):  # makes the index where it is absent
                writer = self._open(folder).writer(heap_size=_HEAP_BYTES, num_threads=1)
        except ValueError as exc:  # Tantivy has no narrower error
            if "LockBusy" in str(exc):
                raise TransientError(f"{folder}: another program writes to this index; stop it") from exc
            raise UnavailableError(f"{folder}: the index cannot be opened for writing") from exc
        try:
            try:
                for build in builds:
                    writer.delete_documents_by_term("build", build)
                for row in rows:
                    writer.add_document(row)
                with effect("lexical.commit"):
                    writer.commit()
            finally:
                with effect("lexical.merge"):
                    writer.wait_merging_threads()  # gives Tantivy's own lock back; drops what was not committed
        except (ValueError, OSError) as exc:
            raise UnavailableError(f"{folder}: the index cannot be written; is the disk full?") from exc

    def _row(self, build: str, chunk: Chunk) -> Any:
        row = self._tantivy.Document()
        row.add_text("key", _key(build, chunk.chunk_id))
        row.add_text("build", build)
        row.add_text("chunk_id", chunk.chunk_id)
        row.add_text("title", chunk.title)
        for part in dict.fromkeys((chunk.title, *chunk.headings, chunk.text)):  # a title that is a heading counts once
            row.add_text("words", part)
        for term in _filter_terms(chunk):
            row.add_text("filters", term)
        row.add_bytes("body", _ENCODER.encode(chunk))
        return row

    def _build_rows(self, searcher: Any, build: str) -> Iterator[tuple[str, Chunk]]:
        most = searcher.doc_freq("build", build) if searcher else 0  # counts rows that are deleted but not merged yet
        return self._rows(searcher, self._term("build", build), most)

    def _rows(self, searcher: Any, query: Any, most: int) -> Iterator[tuple[str, Chunk]]:
        if searcher is None or not most:
            return
        for _, address in searcher.search(query, limit=most, count=False).hits:
            row = searcher.doc(address)
            yield row.get_first("build"), _DECODER.decode(row.get_first("body"))

    def _searcher(self, tenant: str) -> Any:
        """A view of the newest commit, or None where there is no index."""
        folder = tenant_folder(self._root, tenant)
        with self._readers_lock:
            try:
                status = (folder / META).stat()  # replaced at every commit
            except FileNotFoundError:
                self._readers.pop(tenant, None)
                return None
            index, seen = self._readers.get(tenant, (None, None))
            commit = (status.st_ino, status.st_mtime_ns)
            if index is None:
                index = self._open(folder)
                index.config_reader("manual", 0)
            if seen != commit:
                index.reload()
                self._readers[tenant] = (index, commit)
            return index.searcher()

    def _open(self, folder: Path) -> Any:
        try:
            index = self._tantivy.Index(self._schema, path=str(readable(folder)))
        except ValueError as exc:
            raise UnavailableError(f"{folder}: the index is broken or was built in another way; {_MENDED}") from exc
        index.register_tokenizer(self._analyzer_name, self._analyzer)
        return index

    def _words(self, query: str) -> list[str]:
        text = query.encode(errors="replace").decode()  # lone surrogates would raise
        return list(dict.fromkeys(self._analyzer.analyze(text)))[:_MAX_QUERY_TERMS]

    def _term(self, field: str, value: str) -> Any:
        return self._tantivy.Query.term_query(self._schema, field, value, index_option="basic")

    def _make_analyzer(self, language: str) -> Any:
        make = self._tantivy.Filter
        filters = [make.remove_long(64), make.lowercase()]
        filters += [make.stopword(language)] if language != "none" else []
        filters += [make.ascii_fold()]
        filters += [make.stemmer(language)] if language != "none" else []
        builder = self._tantivy.TextAnalyzerBuilder(self._tantivy.Tokenizer.simple())
        for each in filters:
            builder = builder.filter(each)
        return builder.build()

    def _make_schema(self) -> Any:
        builder = self._tantivy.SchemaBuilder()
        builder.add_text_field("key", tokenizer_name="raw", index_option="basic")
        builder.add_text_field("filters", tokenizer_name="raw", index_option="basic")
        for name in ("build", "chunk_id"):
            builder.add_text_field(name, stored=True, tokenizer_name="raw", index_option="basic")
        for name in self._fields:
            builder.add_text_field(name, tokenizer_name=self._analyzer_name, index_option="freq")
        builder.add_bytes_field("body", stored=True)
        return builder.build()


def _exists(folder: Path) -> bool:
    return (folder / META).exists()


def _key(build: str, chunk_id: str) -> str:
    return f"{build}{_SEPARATOR}{chunk_id}"


def _filter_terms(chunk: Chunk) -> set[str]:
    known = {**chunk.metadata, "source": chunk.source, "document": chunk.document_id}
    terms = set()
    for key, value in known.items():
        for each in value if isinstance(value, list | tuple) else [value]:
            text = str(each).lower() if isinstance(each, bool) else str(each)
            if isinstance(each, str | int | float) and len(text) <= _MAX_FILTER_LENGTH:
                terms.add(f"{key}={text}")
    return terms
