"""A PDF that was ingested is stored under its document's name."""

from pathlib import Path

import pytest

from penstock.adapters.download.stored import StoredDownload, StoredSettings
from penstock.adapters.stores.objects import FolderObjectStore
from penstock.adapters.stores.settings import NoSettings
from penstock.errors import RejectedError
from penstock.object_keys import pdf_key
from penstock.records import PDFFile, content_name
from penstock.testing.factories import make_context, make_document, make_payload, make_resources

PDF = b"%PDF-1.7\n..."


@pytest.fixture
def download(tmp_path: Path) -> StoredDownload:
    objects = FolderObjectStore(NoSettings(), make_resources(tmp_path))
    return StoredDownload(StoredSettings(), make_resources(tmp_path, objects=objects))


def test_a_pdf_is_stored_whole_and_alone(download: StoredDownload, tmp_path: Path) -> None:
    payload = make_payload(PDF, kind="pdf", document_id="file:a b/../c.pdf", locator="/in/c.pdf")
    stored = download.execute(make_context(tenant_id="north", doc_id="file:a b/../c.pdf"), [payload])
    path = pdf_key("north", "file:a b/../c.pdf")
    assert stored == PDFFile(
        document_id="file:a b/../c.pdf", path=path, sha256=content_name(PDF), size=len(PDF), origin="/in/c.pdf"
    )
    files = [each for each in (tmp_path / "objects").rglob("*") if each.is_file()]
    assert files == [tmp_path / "objects" / path]
    assert files[0].read_bytes() == PDF


def test_a_new_version_replaces_the_old(download: StoredDownload, tmp_path: Path) -> None:
    download.execute(make_context(), [make_payload(b"%PDF-old", kind="pdf")])
    stored = download.execute(make_context(), [make_payload(PDF, kind="pdf")])
    assert (tmp_path / "objects" / stored.path).read_bytes() == PDF


def test_names_are_legible_and_never_shared() -> None:
    assert pdf_key("north", "file:a/b.pdf").startswith("tenants/north/pdfs/file-a-b.pdf-")
    assert pdf_key("north", "file:a/b") != pdf_key("north", "file:a-b")
    assert pdf_key("north", "../../etc/passwd").count("/") == 3
    assert len(pdf_key("north", "x" * 5_000)) < 130


@pytest.mark.parametrize("tenant", ["../north", "a/b", ""])
def test_a_tenant_cannot_lead_out_of_its_folder(download: StoredDownload, tenant: str) -> None:
    with pytest.raises(ValueError, match="key"):
        download.execute(make_context(tenant_id=tenant), [make_payload(PDF, kind="pdf")])


def test_what_is_no_pdf_is_rejected(download: StoredDownload) -> None:
    with pytest.raises(RejectedError) as caught:
        download.execute(make_context(), [make_payload()])
    assert str(caught.value) == "payloads: `text`; one PDF would be right"
    with pytest.raises(RejectedError) as caught:
        download.execute(make_context(), make_document())
    assert str(caught.value) == "payloads: none; one PDF would be right"
