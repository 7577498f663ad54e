"""The exported JSON Schema: fresh, valid, and of one mind with the models."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from penstock.errors import UsageError
from penstock.spec.schema import KINDS, json_schema, schema_text

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "config"
CASES = ROOT / "tests" / "cases"
SHIPPED = [
    *((path, "pipeline") for path in sorted((CONFIG / "pipelines").glob("*.yaml"))),
    *((path, "profile") for path in sorted((CONFIG / "profiles").glob("*.yaml"))),
    *((path, "source") for path in sorted((CONFIG / "sources").glob("*.yaml"))),
    *((path, "ontology") for path in sorted((CONFIG / "ontologies").glob("*.yaml"))),
    (CONFIG / "resilience.yaml", "resilience"),
]


def values(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("kind", KINDS)
def test_the_committed_schema_is_fresh(kind: str) -> None:
    assert (CONFIG / "schema" / f"{kind}.schema.json").read_text() == schema_text(kind)
    Draft202012Validator.check_schema(json.loads(schema_text(kind)))


@pytest.mark.parametrize(("path", "kind"), SHIPPED, ids=lambda value: getattr(value, "stem", value))
def test_shipped_yaml_names_its_schema_first_and_meets_it(path: Path, kind: str) -> None:
    first = path.read_text().splitlines()[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == CONFIG / "schema" / f"{kind}.schema.json"
    Draft202012Validator(json_schema(kind)).validate(values(path))


@pytest.mark.parametrize("path", sorted((CASES / "valid").glob("*.yaml")), ids=lambda path: path.stem)
def test_what_is_sound_meets_the_schema(path: Path) -> None:
    Draft202012Validator(json_schema("pipeline")).validate(values(path))


@pytest.mark.parametrize(
    "name",
    [
        "bad-name",
        "gate-on-an-unknown-field",
        "gate-without-a-condition",
        "missing-keys",
        "no-stages",
        "number-as-version",
        "unknown-adapter",
        "unknown-key",
        "unknown-stage-type",
        "when-on-an-unknown-field",
    ],
)
def test_an_editor_sees_what_the_schema_can_say(name: str) -> None:
    assert not Draft202012Validator(json_schema("pipeline")).is_valid(values(CASES / "invalid" / f"{name}.yaml"))


@pytest.mark.parametrize(("path", "kind"), [("policies-out-of-bounds", "resilience"), ("profiles/broken", "profile")])
def test_an_editor_sees_bounds_and_bindings_too(path: str, kind: str) -> None:
    assert not Draft202012Validator(json_schema(kind)).is_valid(values(CASES / "invalid" / f"{path}.yaml"))


def test_an_unknown_schema_is_a_wrong_use() -> None:
    with pytest.raises(UsageError, match=r"no schema is named `pipelines`; did you mean `pipeline`\?"):
        json_schema("pipelines")
