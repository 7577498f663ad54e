"""Secrets in YAML: they are named, never written, and what was written by mistake is not printed."""

import re
from typing import Annotated

from pydantic import StringConstraints

from penstock.spec.model import SpecModel

ENV_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"

LITERAL_SECRET = "a secret does not stand in a file; name the environment variable that holds it: `{env: NAME}`"  # noqa: S105 - what is said of one

_KEY = (
    r"(?:[\w-]*(?:api[_-]?key|access[_-]?key|private[_-]?key|secret|password|passwd|credentials?|authorization)"
    r"|(?:[\w-]*(?:access|api|auth|bearer|bot|refresh|session)[_-]?)?token)"
)
_SECRET_KEY = re.compile(_KEY, re.IGNORECASE)
_SECRET_LINE = re.compile(rf"(?i)(?<![\w-])({_KEY}[\"']?\s*:\s*)(?!\{{\s*env:\s*[A-Z_][A-Z0-9_]*\s*\}})[^\s#].*")
_URL_PASSWORD = re.compile(r"(://[^\s/@:]*:)[^\s/@]+@")


class EnvRef(SpecModel):
    """A value that is read from an environment variable when it is needed."""

    env: Annotated[str, StringConstraints(pattern=ENV_NAME)]


def is_secret_key(key: str) -> bool:
    """Whether the value under this key must not stand in a file (`api_key`, `password`, …)."""
    return _SECRET_KEY.fullmatch(key) is not None


def is_env_name(text: str) -> bool:
    """Whether this can be the name of an environment variable."""
    return re.match(ENV_NAME, text) is not None


def has_url_password(text: str) -> bool:
    """Whether this is an address with a password in it."""
    return _URL_PASSWORD.search(text) is not None


def redacted(line: str) -> str:
    """A line of YAML without the secrets that can be told from the line alone."""
    return _URL_PASSWORD.sub(r"\1…@", _SECRET_LINE.sub(r"\1…", line))
