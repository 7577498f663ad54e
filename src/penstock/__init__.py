"""Penstock: document pipelines declared in YAML, compiled to Dagster jobs.

    config/*.yaml → spec → plan → job (Dagster) → run of a batch → stage runs → stores
                                                        └→ ledger + outbox → events

What stands here is what an adapter's author needs: the records that flow, the contracts of the stages, and the errors
whose type says what follows. Stores and sources: `penstock.ports`; contract suites: `penstock.testing`.
"""

from penstock.errors import PenstockError as PenstockError
from penstock.errors import PermanentError as PermanentError
from penstock.errors import QuotaError as QuotaError
from penstock.errors import RejectedError as RejectedError
from penstock.errors import StageError as StageError
from penstock.errors import TransientError as TransientError
from penstock.errors import UnavailableError as UnavailableError
from penstock.ports import ChunkStage as ChunkStage
from penstock.ports import DownloadStage as DownloadStage
from penstock.ports import EmbedStage as EmbedStage
from penstock.ports import ExtractStage as ExtractStage
from penstock.ports import IndexStage as IndexStage
from penstock.ports import IngestStage as IngestStage
from penstock.ports import KGStage as KGStage
from penstock.ports import ParseStage as ParseStage
from penstock.ports import Resources as Resources
from penstock.ports import ValidateStage as ValidateStage
from penstock.records import AdapterRequest as AdapterRequest
from penstock.records import Chunk as Chunk
from penstock.records import Claim as Claim
from penstock.records import Document as Document
from penstock.records import EmbeddingBatch as EmbeddingBatch
from penstock.records import Entity as Entity
from penstock.records import Facts as Facts
from penstock.records import GraphWriteReceipt as GraphWriteReceipt
from penstock.records import IndexReceipt as IndexReceipt
from penstock.records import PDFFile as PDFFile
from penstock.records import Provenance as Provenance
from penstock.records import RawPayload as RawPayload
from penstock.records import Record as Record
from penstock.records import Section as Section
from penstock.records import SourceItem as SourceItem
from penstock.records import StageContext as StageContext
from penstock.registry import Contract as Contract
from penstock.registry import StageType as StageType

__all__ = [
    "AdapterRequest",
    "Chunk",
    "ChunkStage",
    "Claim",
    "Contract",
    "Document",
    "DownloadStage",
    "EmbedStage",
    "EmbeddingBatch",
    "Entity",
    "ExtractStage",
    "Facts",
    "GraphWriteReceipt",
    "IndexReceipt",
    "IndexStage",
    "IngestStage",
    "KGStage",
    "PDFFile",
    "ParseStage",
    "PenstockError",
    "PermanentError",
    "Provenance",
    "QuotaError",
    "RawPayload",
    "Record",
    "RejectedError",
    "Resources",
    "Section",
    "SourceItem",
    "StageContext",
    "StageError",
    "StageType",
    "TransientError",
    "UnavailableError",
    "ValidateStage",
]
