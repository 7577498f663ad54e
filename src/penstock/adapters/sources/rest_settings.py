"""What the YAML of a REST source says (`config/sources/*.yaml`, under `with`)."""

import re
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from penstock.adapters.secret_name import SecretName
from penstock.adapters.sniff import KINDS

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_PATH = r"^[^.\[\]]+(\[\])?(\.[^.\[\]]+(\[\])?)*$"


def _path(text: str) -> str:
    if not re.match(_PATH, text):
        raise ValueError("is no path; `results`, `meta.next_cursor` and `authors[].name` are some")
    return text


Path = Annotated[str, Field(max_length=256, json_schema_extra={"pattern": _PATH}), AfterValidator(_path)]
"""Where something stands in a record or an answer: `meta.next_cursor`, `authors[].name`."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Auth(_Model):
    """A key that goes along with each request, in a `header` or in a parameter of the `query`."""

    header: str | None = Field(default=None, description="The header's name, `Authorization`.")
    query: str | None = Field(default=None, description="The parameter's name, `api_key`.")
    scheme: str = Field(default="", description="What stands before the key in the header, `Bearer`.")
    value: SecretName = Field(description="`{env: NAME}`")
    optional: bool = Field(default=False, description="Whether the service answers without a key, too.")

    @model_validator(mode="after")
    def _has_one_place(self) -> "Auth":
        if (self.header is None) == (self.query is None):
            raise ValueError("needs either `header` or `query`")
        return self


class Clause(_Model):
    """A value in the query string: `parameter=prefix value suffix`. Several for one parameter are joined."""

    parameter: str = Field(min_length=1)
    prefix: str = ""
    suffix: str = ""
    join: str = Field(default=",", description="What stands before it where the parameter has a value already.")


class Ids(Clause):
    """How documents are asked for by their ids: `--input NAME:ID,ID`. What `pattern` does not match is a query."""

    pattern: str = Field(description="What an id looks like, a regular expression.")
    separator: str = Field(default=",", description="What stands between ids.")
    most: int = Field(default=50, ge=1, le=1000, description="Ids in one request.")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as exc:
            raise ValueError(f"is no regular expression ({exc})") from exc
        return value


class Id(_Model):
    """Where the id of a record stands."""

    path: Path
    strip: str = Field(default="", description="What it begins with and is no part of the id.")


class Since(Clause):
    """How only what has changed since the last run is asked for.

    `path` is the date of a record; the latest one is kept in the ledger, and asked for, inclusive, less
    `overlap_days` for what the service adds late.
    """

    path: Path
    format: str = Field(default="%Y-%m-%d", description="How the service wants the date (strftime).")
    overlap_days: int = Field(default=1, ge=0, le=3650)
    ascending: bool = Field(
        default=False, description="Whether records come in the order of this date: then no limit on `skip` matters."
    )
    only_with_key: bool = Field(default=False, description="Whether the service asks for a key for this.")

    @field_validator("format")
    @classmethod
    def _tells_a_day(cls, value: str) -> str:
        if len({datetime(2001, 2, day).strftime(value) for day in (3, 4)}) < 2:  # noqa: DTZ001  # a date alone
            raise ValueError("should tell one day from the next, as `%Y-%m-%d` does")
        return value


class Sized(_Model):
    """How many records a page has."""

    size_parameter: str = Field(default="", description="The parameter that asks for it; empty: the service decides.")
    size: int = Field(default=100, ge=1, le=10_000)


class TokenPaging(Sized):
    """The answer holds a token for the next page (`next`), which goes into `parameter`; without one it was the last."""

    style: Literal["token"]
    parameter: str
    next: Path
    first: str = Field(default="", description="The token of the first page, where there must be one (`*`).")


class OffsetPaging(Sized):
    """The next page is asked for by how many records come before it.

    Each page begins with the last record of the page before: where it does not, records have moved meanwhile, and the
    listing begins again.
    """

    style: Literal["offset"]
    parameter: str
    total: Path | None = Field(default=None, description="Where the answer says how many there are in all.")
    most: int | None = Field(default=None, ge=1, description="The largest offset that the service takes.")


class LinkPaging(Sized):
    """The next page is what the header `Link` calls `next` (RFC 8288), at the same host."""

    style: Literal["link"]


class TextMapping(_Model):
    """What of a record becomes what, for records that no parser knows."""

    title: Path
    sections: dict[str, Path] = Field(default={}, description="Heading → where its text stands.")
    metadata: dict[str, Path] = Field(default={}, description="Values for filters.")
    fields: dict[str, Path] = Field(default={}, description="Structured parts, for extraction.")
    language: Path | None = None


class RestSettings(_Model):
    """A service that gives JSON records, a page at a time.

    `timeout_seconds` and `max_bytes` are for a page: from the connection to its last byte. `kind` names the parser of
    the records; without it they are read by `text`.
    """

    url: str
    auth: Auth | None = None
    headers: dict[str, str] = {}
    parameters: dict[str, str | int] = Field(default={}, description="What every request asks for besides.")
    query: Clause
    ids: Ids | None = None
    records: Path = Field(description="Where the records stand in an answer.")
    id: Id
    version: Path | None = Field(default=None, description="What says in a record which version it is.")
    locator: str = Field(default="", description="What the address of a record for people begins with.")
    kind: Literal[KINDS] | None = None  # type: ignore[valid-type]  # the kinds are listed once
    text: TextMapping | None = None
    paging: Annotated[TokenPaging | OffsetPaging | LinkPaging, Field(discriminator="style")]
    since: Since | None = None
    none_found: tuple[int, ...] = Field(default=(), description="Statuses that mean that nothing matches.")
    timeout_seconds: float = Field(default=60, gt=0, le=600)
    max_bytes: int = Field(default=64 * 2**20, gt=0)

    @field_validator("url")
    @classmethod
    def _encrypted(cls, value: str) -> str:
        address = urlsplit(value)
        if address.scheme != "https" and not (address.scheme == "http" and address.hostname in _LOOPBACK):
            raise ValueError("must begin with `https://`")
        if address.username or address.password:
            raise ValueError("must not hold a key; name it under `auth`")
        return value

    @model_validator(mode="after")
    def _is_readable(self) -> "RestSettings":
        if (self.kind is None) == (self.text is None):
            raise ValueError("needs either `kind` or `text`, to say how a record is read")
        return self
