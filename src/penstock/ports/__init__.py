"""What an adapter must offer, as typing Protocols: one per stage type, one per store, one for readers of PDFs,
one for queues.

Every adapter class has `settings_type` (a pydantic model, `extra="forbid"`), `version` (raise it when the output
changes: it is part of the work key) and takes `(settings, resources)`.
"""

from penstock.ports.adapter import Adapter as Adapter
from penstock.ports.adapter import Fingerprinted as Fingerprinted
from penstock.ports.events import CloudEvent as CloudEvent
from penstock.ports.events import EventSink as EventSink
from penstock.ports.queues import Hint as Hint
from penstock.ports.queues import RequestQueue as RequestQueue
from penstock.ports.stages import BatchForm as BatchForm
from penstock.ports.stages import ChunkStage as ChunkStage
from penstock.ports.stages import DownloadStage as DownloadStage
from penstock.ports.stages import EmbedStage as EmbedStage
from penstock.ports.stages import ExtractStage as ExtractStage
from penstock.ports.stages import IndexStage as IndexStage
from penstock.ports.stages import IngestStage as IngestStage
from penstock.ports.stages import KGStage as KGStage
from penstock.ports.stages import ParseStage as ParseStage
from penstock.ports.stages import PDFReader as PDFReader
from penstock.ports.stages import ValidateStage as ValidateStage
from penstock.ports.stores import GraphStore as GraphStore
from penstock.ports.stores import LexicalIndex as LexicalIndex
from penstock.ports.stores import Likeness as Likeness
from penstock.ports.stores import Mendable as Mendable
from penstock.ports.stores import ObjectStore as ObjectStore
from penstock.ports.stores import PackStore as PackStore
from penstock.ports.stores import Page as Page
from penstock.ports.stores import PagedSource as PagedSource
from penstock.ports.stores import RawStore as RawStore
from penstock.ports.stores import Resources as Resources
from penstock.ports.stores import Source as Source
from penstock.ports.stores import VectorIndex as VectorIndex
