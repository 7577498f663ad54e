"""How objects are named: `tenants/<tenant>/<what>/<name>`, and nothing else."""

import re
from pathlib import Path

from penstock.records import short_hash

_FOLDER = re.compile(r"tenants/[a-z0-9][a-z0-9_-]*/[a-z]+")
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_LONGEST = 512


def pdf_folder(tenant: str) -> str:
    """Below which key the PDFs of a tenant are."""
    return f"tenants/{tenant}/pdfs"


def pdf_key(tenant: str, document_id: str) -> str:
    """Where the object store holds a document's PDF. The name is legible, safe, and no two ids share one."""
    return f"{pdf_folder(tenant)}/{_safe(document_id)}.pdf"


def fetched_key(tenant: str, document_id: str) -> str:
    """Where it is noted from which answer of which server a document's PDF is."""
    return f"tenants/{tenant}/fetched/{_safe(document_id)}.json"


def scratch_stem(home: Path, tenant: str, document_id: str) -> Path:
    """Where in the state folder a document's PDF is gathered: what the paths of its files begin with, before a `-`."""
    return home / "downloads" / check_folder(pdf_folder(tenant)) / _safe(document_id)


def check_key(key: str) -> str:
    """The key as it came. Raises `ValueError` where it could lead anywhere but below its tenant."""
    folder, _, name = key.rpartition("/")
    if len(key) > _LONGEST or not _NAME.fullmatch(name):
        raise ValueError(
            f"object `{key[:80]}`: a key is `tenants/<tenant>/pdfs/<name>` of A-Z, a-z, 0-9, `_`, `-`, `.`"
        )
    check_folder(folder)
    return key


def check_folder(folder: str) -> str:
    """The first part of keys as it came. Raises `ValueError` where it is none."""
    if not _FOLDER.fullmatch(folder):
        raise ValueError(f"objects below `{folder[:80]}`: a key is `tenants/<tenant>/pdfs/<name>`")
    return folder


def _safe(document_id: str) -> str:
    legible = re.sub(r"[^A-Za-z0-9._-]+", "-", document_id)[:80].strip("-.")
    return f"{legible}-{short_hash(document_id)[:12]}"
