"""The Python distributions that are installed, as documents."""

import re
from collections.abc import Iterator
from email.message import Message
from fnmatch import fnmatchcase
from functools import partial
from importlib.metadata import Distribution, distributions
from typing import ClassVar, cast

import msgspec
from pydantic import BaseModel, ConfigDict

from penstock.errors import UsageError, nearest
from penstock.ports import Resources
from penstock.records import Json, SourceItem

PREFIX = "packages:"
_UNKNOWN = "UNKNOWN"


class PackageSettings(BaseModel):
    """No settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class PackageSource:
    """Finds installed distributions; of two with one name, the first on the path counts, as it does for Python."""

    settings_type: ClassVar[type[BaseModel]] = PackageSettings
    version: ClassVar[str] = "1"

    def __init__(self, settings: PackageSettings, resources: Resources) -> None:
        pass

    def discover(self, target: str) -> Iterator[SourceItem]:
        """The distributions that `target` names: `packages:`, or `packages:NAME` where the name may be a glob.

        Raises `UsageError` where the target is of another form, and where there is no such distribution.
        """
        if not target.startswith(PREFIX):
            raise UsageError(f"source `{target}`: `packages:` or `packages:NAME` would be right")
        wanted = target.removeprefix(PREFIX)
        installed = _installed()
        found = sorted(name for name in installed if fnmatchcase(name, normalised_name(wanted) or "*"))
        if wanted and not found:
            match = nearest(normalised_name(wanted), list(installed))
            hint = f"; did you mean `{match}`?" if match else ""
            raise UsageError(f"no installed distribution is named `{wanted}`{hint}")
        for name in found:
            yield SourceItem(
                document_id=f"package:{name}",
                source="package",
                locator=f"{PREFIX}{name}",
                read=partial(described, installed[name]),
            )


def normalised_name(name: str) -> str:
    """The name as PEP 503 compares it: `Foo.Bar_baz` → `foo-bar-baz`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def described(distribution: Distribution) -> bytes:
    """The metadata of a distribution as a JSON object with sorted keys."""
    headers = cast(Message, distribution.metadata)
    payload = headers.get_payload()
    description = headers.get("Description") or (payload if isinstance(payload, str) else "")
    record: dict[str, Json] = {
        "name": headers["Name"],
        "version": distribution.version,
        "summary": _known(headers.get("Summary")),
        "requires_dist": headers.get_all("Requires-Dist") or [],
        "requires_python": _known(headers.get("Requires-Python")),
        "keywords": _keywords(_known(headers.get("Keywords"))),
        "license": _known(headers.get("License-Expression") or headers.get("License")),
        "author": _known(headers.get("Author") or headers.get("Author-email")),
        "home_page": _known(headers.get("Home-page")),
        "project_urls": headers.get_all("Project-URL") or [],
        "classifiers": headers.get_all("Classifier") or [],
        "description": _known(description),
        "description_content_type": _known(headers.get("Description-Content-Type")),
    }
    return msgspec.json.encode(record, order="sorted")


def _installed() -> dict[str, Distribution]:
    found: dict[str, Distribution] = {}
    for each in distributions():
        name = cast(Message, each.metadata).get("Name")
        if name:
            found.setdefault(normalised_name(name), each)
    return found


def _keywords(value: str) -> list[str]:
    """Apart by commas; by spaces where there is none, as old tools wrote them."""
    return [each for each in (map(str.strip, value.split(",")) if "," in value else value.split()) if each]


def _known(value: str | None) -> str:
    return "" if value is None or value.strip() == _UNKNOWN else value.strip()
