"""The built-in stage types: contract in, contract out.

AdapterRequest ─Ingest→ RawPayload ─Parse→ Document ─Validate→ Document ─Chunk→ Chunk ─Embed→ EmbeddingBatch
                                              │                                                  └─Index→ IndexReceipt
                                              └─Extract→ Facts ─KG→ GraphWriteReceipt
"""

from penstock import ports
from penstock.records import (
    AdapterRequest,
    Chunk,
    Document,
    EmbeddingBatch,
    Facts,
    GraphWriteReceipt,
    IndexReceipt,
    PDFFile,
    RawPayload,
)
from penstock.registry import Contract, StageType

REQUEST = Contract("AdapterRequest", AdapterRequest)
RAW = Contract("RawPayload", list[RawPayload], plural=True)
DOCUMENT = Contract("Document", Document)
PDF = Contract("PDFFile", PDFFile)
CHUNKS = Contract("Chunk", list[Chunk], plural=True)
EMBEDDINGS = Contract("EmbeddingBatch", EmbeddingBatch)
INDEXED = Contract("IndexReceipt", IndexReceipt)
FACTS = Contract("Facts", Facts)
GRAPHED = Contract("GraphWriteReceipt", GraphWriteReceipt)

INGEST = StageType(
    "IngestStage", ports.IngestStage, (REQUEST,), RAW, "ingest_failed", "tells what the stored bytes of a document are"
)
PARSE = StageType("ParseStage", ports.ParseStage, (RAW,), DOCUMENT, "parse_failed", "reads raw payloads into the IR")
VALIDATE = StageType(
    "ValidateStage",
    ports.ValidateStage,
    (DOCUMENT,),
    DOCUMENT,
    "validation_failed",
    "passes a document on or rejects it",
)
DOWNLOAD = StageType(
    "DownloadStage", ports.DownloadStage, (DOCUMENT, RAW), PDF, "pdf_download_failed", "fetches and stores the PDF"
)
CHUNK = StageType("ChunkStage", ports.ChunkStage, (DOCUMENT,), CHUNKS, "chunk_failed", "cuts a document into spans")
EMBED = StageType("EmbedStage", ports.EmbedStage, (CHUNKS,), EMBEDDINGS, "embed_failed", "gives each chunk a vector")
INDEX = StageType(
    "IndexStage", ports.IndexStage, (EMBEDDINGS,), INDEXED, "index_failed", "writes both indexes", store="index"
)
EXTRACT = StageType(
    "ExtractStage", ports.ExtractStage, (DOCUMENT,), FACTS, "extract_failed", "finds entities and claims"
)
KG = StageType("KGStage", ports.KGStage, (FACTS,), GRAPHED, "kg_failed", "writes facts to the graph", store="graph")

GATE_GIVES = {"pdf_ir_ready": DOCUMENT}
"""What a gate on a ledger field provides once it is open: the worker that sets the field has written it."""

GATE_WORKERS = {"pdf_ir_ready": "pdf"}
"""The worker that sets a ledger field, as profiles name it; what it works with is part of the gate's work key."""
