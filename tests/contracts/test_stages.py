"""The contract suites of the stage ports, run on the adapters that Penstock ships."""

from pathlib import Path
from typing import Any

import pytest

from penstock import registry
from penstock.records import Document
from penstock.testing.chunk_stage import ChunkStageContract
from penstock.testing.download_stage import DownloadStageContract
from penstock.testing.embed_stage import EmbedStageContract
from penstock.testing.extract_stage import ExtractStageContract
from penstock.testing.factories import make_document, make_resources
from penstock.testing.index_stage import IndexStageContract
from penstock.testing.ingest_stage import IngestStageContract
from penstock.testing.kg_stage import KGStageContract
from penstock.testing.parse_stage import ParseStageContract
from penstock.testing.pdf_reader import PDFReaderContract
from penstock.testing.source import SourceContract
from penstock.testing.validate_stage import ValidateStageContract

CONFIG = Path(__file__).parents[2] / "config"


def build(port: str, name: str, resources: Any, **settings: Any) -> Any:
    return registry.build(port, name, settings, resources)


class TestStoredIngest(IngestStageContract):
    @pytest.fixture
    def adapter(self, tmp_path: Path) -> Any:
        return build("IngestStage", "stored", make_resources(tmp_path))


class TestStoredDownload(DownloadStageContract):
    @pytest.fixture
    def adapter(self, tmp_path: Path) -> Any:
        objects = build("ObjectStore", "folder", make_resources(tmp_path))
        return build("DownloadStage", "stored", make_resources(tmp_path, objects=objects))


class TestFileSource(SourceContract):
    @pytest.fixture
    def adapter(self, tmp_path: Path) -> Any:
        return build("Source", "files", make_resources(tmp_path))

    @pytest.fixture
    def target(self, tmp_path: Path) -> str:
        folder = tmp_path / "documents"
        (folder / "below").mkdir(parents=True)
        (folder / "b.md").write_text("# B")
        (folder / "below" / "a.txt").write_text("words")
        (folder / "lines.jsonl").write_text('{"id": 1, "text": "one"}\n{"text": "two"}\n')
        return str(folder)


class TestPackageSource(SourceContract):
    @pytest.fixture
    def adapter(self, tmp_path: Path) -> Any:
        return build("Source", "packages", make_resources(tmp_path))

    @pytest.fixture
    def target(self) -> str:
        return "packages:py*"


class TestAutoParser(ParseStageContract):
    @pytest.fixture
    def adapter(self, tmp_path: Path) -> Any:
        return build("ParseStage", "auto", make_resources(tmp_path))


class TestEmbeddedReader(PDFReaderContract):
    @pytest.fixture
    def adapter(self, tmp_path: Path) -> Any:
        return build("PDFReader", "embedded", make_resources(tmp_path), device="cpu")


class TestIRValidator(ValidateStageContract):
    @pytest.fixture
    def adapter(self, tmp_path: Path) -> Any:
        return build("ValidateStage", "ir", make_resources(tmp_path))


@pytest.mark.parametrize(
    "settings",
    [
        {"split_length": 8, "split_overlap": 2},
        {"split_length": 8, "split_overlap": 2, "respect_sentence_boundary": True},
        {"split_by": "sentence", "split_length": 2, "split_overlap": 1},
        {"split_by": "recursive", "split_length": 8, "split_overlap": 2},
        {"split_by": "passage", "split_length": 1, "split_overlap": 0},
        {"split_by": "line", "split_length": 2, "split_overlap": 1, "split_threshold": 2},
        {"split_by": "period", "split_length": 1, "split_overlap": 0},
        {"split_by": "page", "split_length": 1, "split_overlap": 0},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
class TestHaystackChunker(ChunkStageContract):
    @pytest.fixture
    def adapter(self, tmp_path: Path, settings: dict[str, Any]) -> Any:
        return build("ChunkStage", "haystack", make_resources(tmp_path), **settings)


class TestHashingEmbedder(EmbedStageContract):
    @pytest.fixture
    def adapter(self, tmp_path: Path) -> Any:
        return build("EmbedStage", "hashing", make_resources(tmp_path))


class TestMiniLMEmbedder(EmbedStageContract):
    @pytest.fixture
    def adapter(self, minilm_home: Path) -> Any:
        return build("EmbedStage", "minilm", make_resources(minilm_home))


class TestHybridIndexWriter(IndexStageContract):
    @pytest.fixture
    def adapter(self, tmp_path: Path) -> Any:
        stores = {
            "lexical": build("LexicalIndex", "tantivy", make_resources(tmp_path)),
            "vectors": build("VectorIndex", "faiss", make_resources(tmp_path)),
        }
        return build("IndexStage", "hybrid", make_resources(tmp_path, **stores))


class TestRuleExtractor(ExtractStageContract):
    @pytest.fixture
    def adapter(self, tmp_path: Path) -> Any:
        return build("ExtractStage", "rules", make_resources(tmp_path, CONFIG))

    @pytest.fixture
    def document(self) -> Document:
        return make_document(
            "Aspirin was given in NCT00002938 after a heart attack (doi:10.1371/journal.pbio.0020188).",
            metadata={"kind": "clinicaltrials"},
            fields={"nct_id": "NCT00000001", "conditions": ["Heart attack"], "phases": ["PHASE2"]},
        )


class TestGraphWriter(KGStageContract):
    @pytest.fixture
    def adapter(self, tmp_path: Path) -> Any:
        graph = build("GraphStore", "sqlite", make_resources(tmp_path))
        return build("KGStage", "store", make_resources(tmp_path, graph=graph))
