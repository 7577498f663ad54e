"""Tenants: names that are safe as folders, in ids and in labels."""

import re

from penstock.errors import UsageError

_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def check_tenant(name: str) -> str:
    """The name itself. Raises `UsageError` where it is none."""
    if not _TENANT.fullmatch(name):
        raise UsageError(
            f"`{name}` is no tenant name: lower-case letters, digits, `-` and `_`, at most 63, a letter or digit first"
        )
    return name
