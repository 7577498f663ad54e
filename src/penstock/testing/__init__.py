"""What adapter authors test with: a contract suite for each port, and factories of small records.

A suite is a class of pytest tests. Subclass it and override its fixtures: `adapter` for a stage or a source,
`reopen` for a store, which returns a function that opens the store anew over the same state:

    class TestMyChunker(ChunkStageContract):
        @pytest.fixture
        def adapter(self, tmp_path):
            return MyChunker(MySettings(), make_resources(tmp_path))

    class TestMyStore(RawStoreContract):
        @pytest.fixture
        def reopen(self, tmp_path):
            return lambda: MyStore(MySettings(), make_resources(tmp_path))
"""

import pytest

_SUITES = (
    "checks",
    "chunk_stage",
    "download_stage",
    "embed_stage",
    "event_sink",
    "extract_stage",
    "graph_store",
    "index_stage",
    "ingest_stage",
    "kg_stage",
    "lexical_index",
    "object_store",
    "pack_store",
    "parse_stage",
    "pdf_reader",
    "raw_store",
    "source",
    "validate_stage",
    "vector_index",
)
pytest.register_assert_rewrite(*(f"{__name__}.{suite}" for suite in _SUITES))

from penstock.testing.chunk_stage import ChunkStageContract as ChunkStageContract
from penstock.testing.download_stage import DownloadStageContract as DownloadStageContract
from penstock.testing.embed_stage import EmbedStageContract as EmbedStageContract
from penstock.testing.event_sink import EventSinkContract as EventSinkContract
from penstock.testing.extract_stage import ExtractStageContract as ExtractStageContract
from penstock.testing.graph_store import GraphStoreContract as GraphStoreContract
from penstock.testing.index_stage import IndexStageContract as IndexStageContract
from penstock.testing.ingest_stage import IngestStageContract as IngestStageContract
from penstock.testing.kg_stage import KGStageContract as KGStageContract
from penstock.testing.lexical_index import LexicalIndexContract as LexicalIndexContract
from penstock.testing.object_store import ObjectStoreContract as ObjectStoreContract
from penstock.testing.pack_store import PackStoreContract as PackStoreContract
from penstock.testing.parse_stage import ParseStageContract as ParseStageContract
from penstock.testing.pdf_reader import PDFReaderContract as PDFReaderContract
from penstock.testing.raw_store import RawStoreContract as RawStoreContract
from penstock.testing.source import SourceContract as SourceContract
from penstock.testing.validate_stage import ValidateStageContract as ValidateStageContract
from penstock.testing.vector_index import VectorIndexContract as VectorIndexContract

__all__ = [
    "ChunkStageContract",
    "DownloadStageContract",
    "EmbedStageContract",
    "EventSinkContract",
    "ExtractStageContract",
    "GraphStoreContract",
    "IndexStageContract",
    "IngestStageContract",
    "KGStageContract",
    "LexicalIndexContract",
    "ObjectStoreContract",
    "PDFReaderContract",
    "PackStoreContract",
    "ParseStageContract",
    "RawStoreContract",
    "SourceContract",
    "ValidateStageContract",
    "VectorIndexContract",
]
