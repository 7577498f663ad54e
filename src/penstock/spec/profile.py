"""What a profile file says: which adapters do the work, and where state lives (`config/profiles/*.yaml`)."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, StringConstraints, Tag

from penstock.addresses import host_or_network
from penstock.spec.model import Name, Settings, SpecModel
from penstock.spec.secrets import EnvRef

STORE_PORTS = {
    "raw": "RawStore",
    "artifacts": "PackStore",
    "objects": "ObjectStore",
    "lexical": "LexicalIndex",
    "vectors": "VectorIndex",
    "graph": "GraphStore",
    "events": "EventSink",
}
"""The stores of a profile, and the port that the adapter of each must offer."""


WORKER_PORTS = {"pdf": "PDFReader"}
"""The workers behind gates, and the port that the adapter of each must offer."""

QUEUE_PORTS = {"pdf": "RequestQueue"}
"""The queues by which workers are told of work, and the port that the adapter of each must offer."""


class Binding(SpecModel):
    """An adapter, and its settings."""

    uses: str = Field(description="The adapter's short name.")
    with_: Settings = Field(default={}, alias="with", description="The adapter's settings.")


def _bound(uses: str) -> Any:
    return Field(default=Binding(uses=uses), description=f"`{uses}` by default.")


class StoresSpec(SpecModel):
    """Where things are kept. Without any, in files below the state folder."""

    raw: Binding = _bound("folder")
    artifacts: Binding = _bound("folder")
    objects: Binding = _bound("folder")
    lexical: Binding = _bound("tantivy")
    vectors: Binding = _bound("faiss")
    graph: Binding = _bound("sqlite")
    events: Binding = _bound("jsonl")


class PDFWorkerSpec(Binding):
    """What reads PDFs, and how much of the machine it gets. The bounds change nothing in what is read."""

    concurrency: int = Field(default=2, ge=1, le=64, description="PDFs that one worker reads at a time.")
    max_deliveries: int = Field(
        default=3,
        ge=1,
        le=20,
        description="Readers that a PDF may take down before it is set aside.",
    )
    base_seconds: float = Field(default=120.0, ge=1, le=3_600, description="Seconds for any PDF.")
    page_seconds: float = Field(
        default=60.0, ge=0, le=600, description="Seconds more for each of its pages, which may be pictures."
    )
    most_seconds: float = Field(default=3_600.0, ge=1, le=86_400, description="Seconds for a PDF at most.")
    most_cores: float = Field(
        default=16.0, gt=0, le=1_024, description="Cores that a reader may keep busy all of that time, on average."
    )
    most_megabytes: int = Field(
        default=8_192,
        ge=256,
        le=1_048_576,
        description="Megabytes of memory that a reader may take, in all.",
    )
    most_result_megabytes: int = Field(
        default=256, ge=1, le=2_048, description="Megabytes that what is read of a PDF may have."
    )


class WorkersSpec(SpecModel):
    """What does the work that jobs wait for at a gate."""

    pdf: PDFWorkerSpec | None = Field(default=None, description="What reads PDFs (`penstock worker pdf`).")


class QueuesSpec(SpecModel):
    """What tells workers that there is work. Without any, they look into the ledger."""

    pdf: Binding | None = Field(default=None, description="What carries requests to read PDFs.")


Address = Annotated[
    Annotated[str, Tag("text")] | Annotated[EnvRef, Tag("env")],
    Discriminator(lambda value: "env" if isinstance(value, dict | EnvRef) else "text"),
]


class LedgerSpec(SpecModel):
    """The database that holds every job."""

    url: Address | None = Field(
        default=None, description="Address of the database, or `{env: NAME}`; SQLite below the state folder by default."
    )


class BatchSpec(SpecModel):
    """How much one Dagster run takes: whichever is reached first."""

    documents: int = Field(default=2000, ge=1, le=10_000, description="Documents.")
    megabytes: int = Field(default=32, ge=1, le=4_096, description="Megabytes of raw content.")


class NetworkSpec(SpecModel):
    """Where addresses that stand in documents may lead, beside the public internet."""

    allow: list[Annotated[str, AfterValidator(host_or_network)]] = Field(
        default=[], max_length=100, description="Hosts (`files.example`) and networks (`10.1.0.0/16`), on any port."
    )


class EventsSpec(SpecModel):
    """How events are named."""

    type_prefix: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*(\.[a-z0-9-]+)*$", max_length=128)] = Field(
        default="org.medicalkg.orchestration", description="What every event type starts with."
    )


class ProfileSpec(SpecModel):
    """A profile: the parts that pipelines run on. The same pipelines run on any profile that binds their stages."""

    name: Name = Field(description="The name of the file, without `.yaml`.")
    description: str = Field(default="", description="A sentence on what the profile is for.")
    extends: str | None = Field(
        default=None, description="The profile that this one changes; what it does not say stays."
    )
    stages: dict[str, Binding] = Field(default={}, description="The adapter of each stage type.")
    stores: StoresSpec = StoresSpec()
    workers: WorkersSpec = WorkersSpec()
    queues: QueuesSpec = QueuesSpec()
    ledger: LedgerSpec = LedgerSpec()
    batch: BatchSpec = BatchSpec()
    events: EventsSpec = EventsSpec()
    network: NetworkSpec = NetworkSpec()
    isolation: Literal["process", "inline"] = Field(
        default="process",
        description="Where adapters run: in a process of their own, which is killed when an attempt outlasts its "
        "timeout, or in the run's own (for debuggers).",
    )
    dispatch: bool = Field(
        default=True,
        description="Whether `penstock up` starts a dispatcher beside Dagster's sensors (`penstock worker dispatch`).",
    )
    lease_seconds: int = Field(
        default=60, ge=5, le=3_600, description="How long a worker that falls silent keeps its jobs."
    )

    def over(self, parent: "ProfileSpec") -> "ProfileSpec":
        """This profile laid over the one that it extends: bindings are replaced whole, other values one by one."""
        laid: ProfileSpec = _laid_over(self, parent)
        return laid


def _laid_over(child: Any, parent: Any) -> Any:
    if isinstance(child, dict):
        return parent | child
    if isinstance(child, Binding | EnvRef) or not isinstance(child, SpecModel):
        return child
    changed = {field: _laid_over(getattr(child, field), getattr(parent, field)) for field in child.model_fields_set}
    return parent.model_copy(update=changed)
