"""Where a tenant's part of a store lies."""

import re
from pathlib import Path

_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]*")


def check_tenant(tenant: str) -> str:
    """The tenant's name as it came. Raises `ValueError` where it is not safe as the name of a folder."""
    if not _TENANT.fullmatch(tenant):
        raise ValueError(f"tenant `{tenant}`: use a-z, 0-9, `_` and `-`, with a letter or digit first")
    return tenant


def tenant_folder(root: Path, tenant: str) -> Path:
    """The folder of a tenant under `root`; it is not made here. Raises `ValueError` for a name that is not safe."""
    return root / check_tenant(tenant)
