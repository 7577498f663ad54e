"""What every spec has in common: a closed model, and names."""

import keyword
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

NAME_PATTERN = r"^[a-z][a-z0-9_-]*$"

_DAGSTER = "arg_dict bool conf config context dict float input input_arg_dict int meta output output_arg_dict str type"
RESERVED_NAMES = frozenset(_DAGSTER.split()) | frozenset(keyword.kwlist)
"""Names that Dagster does not give to an op or a graph."""


class SpecModel(BaseModel):
    """A model of something in YAML: closed, frozen, taking values as they are, never printing them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def op_name(name: str) -> str:
    """The name as Dagster takes it: `pdf-gate` is the op `pdf_gate`."""
    return name.replace("-", "_")


def _not_reserved(name: str) -> str:
    if op_name(name) in RESERVED_NAMES:
        raise ValueError("is a name that Dagster and Python keep for themselves; choose another")
    return name


Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=64)]
"""Lower-case letters, digits, `_` and `-`, from a letter on."""

OpName = Annotated[Name, AfterValidator(_not_reserved)]
"""A name that can be that of a Dagster op too."""

Texts = Annotated[tuple[str, ...], Field(strict=False)]
"""A list of texts; as names of stages they are checked where all stages are known."""

Settings = dict[str, Any]
"""An adapter's settings; its own `settings_type` says which."""
