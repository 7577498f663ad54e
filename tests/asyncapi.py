"""What docs/asyncapi.yaml promises, as a checker of messages: headers and data, by their channel."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml
from jsonschema import Draft7Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

PATH = Path(__file__).parents[1] / "docs" / "asyncapi.yaml"
_URI = "urn:penstock:asyncapi"


@cache
def document() -> dict[str, Any]:
    """The whole document."""
    found: dict[str, Any] = yaml.safe_load(PATH.read_text())
    return found


def at(reference: str) -> Any:
    """What a reference (`#/…`) of the document leads to; raises `KeyError` where that is nowhere."""
    found: Any = document()
    for key in reference.removeprefix("#/").split("/"):
        found = found[key.replace("~1", "/").replace("~0", "~")]
    return found


@cache
def validator(reference: str) -> Draft7Validator:
    """A validator of the schema that a reference leads to, by which the references in it are resolved, too."""
    registry = Registry().with_resource(_URI, Resource.from_contents(document(), default_specification=DRAFT7))
    return Draft7Validator({"$ref": f"{_URI}{reference}"}, registry=registry, format_checker=FormatChecker())


def messages(channel: str) -> dict[str, str]:
    """Name → reference of the messages that may stand on a channel."""
    return {name: each["$ref"] for name, each in document()["channels"][channel]["messages"].items()}


def kind_of(reference: str) -> str:
    """The kind that a message's type ends with, such as `stage.completed`."""
    name: str = at(reference)["name"]
    return name.removeprefix("org.medicalkg.orchestration.")


def check(channel: str, headers: Mapping[str, str], value: bytes) -> str:
    """Hold one message to the document; returns its kind. Fails where it is not what the channel promises."""
    kinds = {kind_of(each): each for each in messages(channel).values()}
    kind = next((each for each in kinds if headers["ce_type"].endswith(f".{each}")), None)
    assert kind is not None, f"`{headers['ce_type']}` is not promised on `{channel}`"
    validator(f"{kinds[kind]}/headers").validate(dict(headers))
    validator(f"{kinds[kind]}/payload").validate(msgspec.json.decode(value))
    return kind


def references(value: Any) -> Iterator[str]:
    """Every reference in a part of the document."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from references(each)
