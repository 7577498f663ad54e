"""What a pipeline file says: `config/pipelines/*.yaml`."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, StringConstraints, Tag, WithJsonSchema

from penstock.spec.model import Name, OpName, Settings, SpecModel, Texts

MAX_STAGES = 200

WhenField = Literal["source", "tenant"]
"""What of a document a stage's `when` may ask: known before anything runs, as work keys depend on it."""


def _scalar(value: Any) -> Any:
    if value is None or not isinstance(value, bool | int | float | str):
        raise ValueError("should be one value: a boolean, a number or a text")
    return value


Scalar = Annotated[Any, AfterValidator(_scalar), WithJsonSchema({"type": ["boolean", "number", "string"]})]


class StageSpec(SpecModel):
    """A step of the pipeline: a stage type, done by an adapter under a resilience policy."""

    name: OpName = Field(description="Unique in the pipeline: lower-case letters, digits, `_` and `-`.")
    type: str = Field(description="What the stage does: its contract in and its contract out.")
    description: str = Field(default="", description="A sentence for the people who look at a run.")
    policy: str = Field(default="default", description="A policy of `resilience.yaml`.")
    depends_on: Texts = Field(default=(), description="The stages that must be done before this one.")
    uses: str | None = Field(default=None, description="The adapter's short name; without it, the one of the profile.")
    with_: Settings = Field(
        default={}, alias="with", description="The adapter's settings, laid over those of the profile."
    )
    when: dict[WhenField, Annotated[Texts, Field(min_length=1)]] = Field(
        default={},
        description="Conditions on the document, field → accepted values; one that meets none skips the stage.",
    )
    inputs: dict[str, str] = Field(
        default={}, description="Contract → stage to take it from, where two stages before this one give it."
    )


class ConditionSpec(SpecModel):
    """What a gate waits for: a field of the ledger's job has this value."""

    ledger_field: str = Field(description="The field of the ledger's job.")
    equals: Scalar = Field(description="The value that opens the gate.")


class GateSpec(SpecModel):
    """A place where a document's job waits, holding nothing, until a field of the ledger has a value."""

    name: OpName = Field(description="Unique in the pipeline: lower-case letters, digits, `_` and `-`.")
    type: Literal["Gate"]
    description: str = Field(default="", description="A sentence for the people who look at a run.")
    condition: ConditionSpec
    resume_stage: str = Field(description="The stage that goes on when the gate opens; it must depend on the gate.")
    timeout_seconds: float | None = Field(
        default=None,
        gt=0,
        description="How long to wait before the job fails with `gate_timeout`; without it, for ever.",
    )
    depends_on: Texts | None = Field(
        default=None,
        description="The stages that must be done before this gate; without it, the one that stands before it.",
    )


def is_gate(value: Any) -> bool:
    """Whether an element of `stages` is meant to be a gate."""
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return kind == "Gate"


AnyStage = Annotated[
    Annotated[StageSpec, Tag("stage")] | Annotated[GateSpec, Tag("gate")],
    Discriminator(lambda value: "gate" if is_gate(value) else "stage"),
]


class PipelineSpec(SpecModel):
    """A pipeline: its name, and the stages that a document goes through."""

    version: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(
        description="The version, as its authors count it; each edit gets a digest of its own too."
    )
    name: OpName = Field(description="Unique among the pipelines: lower-case letters, digits, `_` and `-`.")
    description: str = Field(default="", description="A sentence on what the pipeline is for.")
    applicable_sources: Annotated[tuple[Name, ...], Field(strict=False)] = Field(
        default=(), description="The sources that the pipeline is made for; none named means any."
    )
    deadline_seconds: float | None = Field(
        default=None,
        ge=1,
        le=86_400,
        description="How long a run may work on a document, waits included; a later run tries it again. No limit by "
        "default.",
    )
    stages: Annotated[tuple[AnyStage, ...], Field(strict=False)] = Field(
        min_length=1, max_length=MAX_STAGES, description="The stages, in the order in which they read best."
    )
