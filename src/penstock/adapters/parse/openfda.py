"""openFDA drug labels and other openFDA answers (https://open.fda.gov/apis/drug/label/)."""

from typing import Any

from penstock.adapters.parse.builder import DocumentBuilder
from penstock.adapters.parse.json import flatten, read_object
from penstock.errors import RejectedError
from penstock.records import Document, Json, RawPayload

VERSION = "1"
_NOT_TEXT = ("openfda", "set_id", "id", "version", "effective_time", "spl_product_data_elements")


def parse(payload: RawPayload) -> Document:
    """A document from one label, or from an answer with `results`: a section for each part of each of them."""
    answer = read_object(payload.content)
    found = answer.get("results", [answer])
    results = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    if not results:
        raise RejectedError("`results`: empty; at least one label would be right")
    builder = DocumentBuilder(payload, format_name="openfda", version=VERSION)
    for each in results:
        if len(results) > 1:
            builder.heading(_title(each) or "Result", 1)
        for key, value in each.items():
            if key not in _NOT_TEXT:
                builder.heading(key.replace("_", " ").capitalize(), 2)
                builder.add(_text(value))
    names = list(dict.fromkeys(filter(None, map(_title, results))))
    fields = _fields(results)
    return builder.build(", ".join(names[:3]), fields=fields, fallback="openFDA answer")


def _title(result: dict[str, Any]) -> str:
    labels = result.get("openfda")
    names = _strings(labels.get("brand_name")) if isinstance(labels, dict) else []
    number = result.get("application_number")
    return names[0] if names else number if isinstance(number, str) else ""


def _text(value: Any) -> str:
    strings = _strings(value)
    return "\n\n".join(strings) if strings else "\n".join(flatten(value))


def _fields(results: list[dict[str, Any]]) -> dict[str, Json]:
    labels = [each["openfda"] for each in results if isinstance(each.get("openfda"), dict)]
    found: dict[str, Json] = {
        key: list(dict.fromkeys(name for each in labels for name in _strings(each.get(key))))
        for key in ("brand_name", "generic_name", "substance_name", "manufacturer_name", "route", "pharm_class_epc")
    }
    return {key: value for key, value in found.items() if value}


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return value if isinstance(value, list) and all(isinstance(each, str) for each in value) else []
