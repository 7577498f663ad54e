"""JSON Schema of what a user may write, so that editors complete and check while typing."""

import json
from collections.abc import Callable
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from penstock import registry
from penstock.errors import UsageError
from penstock.records import GATE_FIELDS
from penstock.spec.model import SpecModel
from penstock.spec.ontology import OntologySpec
from penstock.spec.pipeline import PipelineSpec
from penstock.spec.profile import QUEUE_PORTS, STORE_PORTS, WORKER_PORTS, ProfileSpec
from penstock.spec.resilience import ResilienceSpec
from penstock.spec.sources import SourceSpec

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(kind: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a `pipeline`, of `resilience`, of a `profile`, a `source` or an `ontology`.

    Stage types and adapters are those that are registered where this runs. Raises `UsageError` for any other kind.
    """
    if kind not in _KINDS:
        raise UsageError.unknown("schema", kind, KINDS)
    model, complete = _KINDS[kind]
    schema = model.model_json_schema(schema_generator=_Generator)
    complete(schema)
    return {"$schema": DIALECT} | schema | {"title": f"Penstock {kind}"}


def schema_text(kind: str) -> str:
    """The schema as the files of `config/schema/` hold it."""
    return json.dumps(json_schema(kind), indent=2, ensure_ascii=False) + "\n"


class _Generator(GenerateJsonSchema):
    """Without a title for every key, which would only repeat it."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _complete_pipeline(schema: dict[str, Any]) -> None:
    stage = schema["$defs"]["StageSpec"]
    types = registry.stage_type_names()
    stage["properties"]["type"]["enum"] = types
    stage["allOf"] = [_adapters_of(each) for each in types]
    schema["$defs"]["ConditionSpec"]["properties"]["ledger_field"]["enum"] = list(GATE_FIELDS)


def _adapters_of(kind: str) -> dict[str, Any]:
    return {
        "if": {"properties": {"type": {"const": kind}}, "required": ["type"]},
        "then": {"properties": {"uses": {"enum": registry.names(kind)}}},
    }


def _complete_profile(schema: dict[str, Any]) -> None:
    stages = schema["properties"]["stages"]
    stages["properties"] = {each: _binding(each) for each in registry.stage_type_names()}
    stages["additionalProperties"] = False
    for role, port in STORE_PORTS.items():
        schema["$defs"]["StoresSpec"]["properties"][role] |= _binding(port)
    for part, ports in (("WorkersSpec", WORKER_PORTS), ("QueuesSpec", QUEUE_PORTS)):
        for work, port in ports.items():
            found = schema["$defs"][part]["properties"][work]["anyOf"][0]
            found["properties"] = {"uses": {"enum": registry.names(port)}}


def _complete_source(schema: dict[str, Any]) -> None:
    """Each adapter's settings under its name: what a source says is mostly that."""
    names = registry.names("Source")
    schema["properties"]["uses"]["enum"] = names
    schema["allOf"] = []
    for name in names:
        settings = registry.adapter("Source", name).settings_type.model_json_schema(
            schema_generator=_Generator, ref_template=f"#/$defs/{name}/$defs/{{model}}"
        )
        schema.setdefault("$defs", {})[name] = settings
        uses: dict[str, Any] = {"properties": {"uses": {"const": name}}}
        if name != schema["properties"]["uses"]["default"]:
            uses["required"] = ["uses"]
        schema["allOf"].append({"if": uses, "then": {"properties": {"with": {"$ref": f"#/$defs/{name}"}}}})


def _complete_ontology(schema: dict[str, Any]) -> None:
    terms = schema["$defs"]["DictionarySpec"]["properties"]["terms"]
    terms["items"] = {"anyOf": [{"type": "string"}, terms["items"]]}


def _binding(port: str) -> dict[str, Any]:
    return {"$ref": "#/$defs/Binding", "properties": {"uses": {"enum": registry.names(port)}}}


_KINDS: dict[str, tuple[type[SpecModel], Callable[[dict[str, Any]], None]]] = {
    "pipeline": (PipelineSpec, _complete_pipeline),
    "resilience": (ResilienceSpec, lambda schema: None),
    "profile": (ProfileSpec, _complete_profile),
    "source": (SourceSpec, _complete_source),
    "ontology": (OntologySpec, _complete_ontology),
}
KINDS = tuple(_KINDS)
"""What there is a schema of."""
