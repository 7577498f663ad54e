"""What every object store must do."""

from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.object_keys import pdf_key
from penstock.ports import ObjectStore

PDFS = "tenants/acme/pdfs"
KEY = f"{PDFS}/paper.pdf"


class ObjectStoreContract:
    """Subclass it and override `reopen`."""

    @pytest.fixture
    def reopen(self) -> Callable[[], ObjectStore]:
        """A function that opens the store anew over the same state."""
        raise NotImplementedError("override the fixture `reopen`")

    @pytest.fixture
    def store(self, reopen: Callable[[], ObjectStore]) -> ObjectStore:
        return reopen()

    @pytest.mark.parametrize("content", [b"", b"\x00\xff\r\n", b"x" * 3_000_000], ids=["empty", "binary", "long"])
    def test_what_was_put_is_there_when_the_store_is_opened_again(
        self, reopen: Callable[[], ObjectStore], content: bytes
    ) -> None:
        reopen().put(KEY, content)
        store = reopen()
        assert store.get(KEY) == content
        assert b"".join(store.stream(KEY)) == content
        assert store.size(KEY) == len(content)

    def test_a_local_file_is_stored_as_its_bytes(self, store: ObjectStore, tmp_path: Path) -> None:
        (tmp_path / "fetched").write_bytes(b"0123456789" * 900_000)
        store.put(KEY, tmp_path / "fetched")
        assert store.get(KEY) == b"0123456789" * 900_000

    def test_a_large_object_comes_in_blocks(self, store: ObjectStore) -> None:
        store.put(KEY, b"x" * 9_000_000)
        assert max(len(block) for block in store.stream(KEY)) < 9_000_000

    def test_a_new_object_replaces_the_one_that_was_there(self, store: ObjectStore) -> None:
        store.put(KEY, b"a longer one")
        store.put(KEY, b"short")
        assert (store.get(KEY), list(store.names(PDFS))) == (b"short", [KEY])

    def test_what_is_absent_raises_key_error_and_has_no_size(self, store: ObjectStore) -> None:
        with pytest.raises(KeyError):
            store.get(KEY)
        with pytest.raises(KeyError):
            next(iter(store.stream(KEY)))
        assert store.size(KEY) is None

    def test_removed_objects_are_gone_and_absent_ones_are_passed_over(self, store: ObjectStore) -> None:
        store.remove([KEY])
        for name in ("one", "two", "three"):
            store.put(f"{PDFS}/{name}.pdf", name.encode())
        store.remove([f"{PDFS}/two.pdf", KEY])
        assert list(store.names(PDFS)) == [f"{PDFS}/one.pdf", f"{PDFS}/three.pdf"]

    def test_names_are_those_below_the_folder_alone(self, store: ObjectStore) -> None:
        assert list(store.names(PDFS)) == []
        for key in (KEY, "tenants/acme/texts/a.pdf", "tenants/acme2/pdfs/b.pdf"):
            store.put(key, b"content")
        assert list(store.names(PDFS)) == [KEY]

    def test_the_key_of_any_document_is_one(self, store: ObjectStore) -> None:
        ids = ["file:a b/../c.pdf", "file:..", "x" * 500, "file:naïve\u202efdp.pdf", "a#1.pdf", "%2e%2e%2f", "C:\\x"]
        for document in ids:
            store.put(pdf_key("acme", document), document.encode())
        stored = [store.get(key) for key in store.names(PDFS)]
        assert sorted(stored) == sorted(document.encode() for document in ids)

    @pytest.mark.parametrize(
        "key",
        [
            "",
            "paper.pdf",
            "/etc/passwd",
            "tenants/../pdfs/a.pdf",
            "tenants/acme/../../a.pdf",
            "tenants/acme/pdfs/.hidden",
            "tenants/acme//a.pdf",
            "tenants/a/b/pdfs/a.pdf",
            "tenants/acme/pdfs/a\\b",
            "tenants/acme/pdfs/a#1",
            "tenants/acme/pdfs/a%2fb",
            "tenants/acme/pdfs/a\nb",
            "tenants/Acme/pdfs/a.pdf",
            "tenants/acme/pdfs/" + "x" * 1_000,
        ],
    )
    def test_an_unsafe_key_is_refused(self, store: ObjectStore, key: str) -> None:
        for call in (lambda: store.put(key, b"content"), lambda: store.get(key), lambda: store.size(key)):
            with pytest.raises(ValueError, match="key"):
                call()
        with pytest.raises(ValueError, match="key"):
            store.remove([key])

    def test_tidying_up_leaves_what_is_stored(self, store: ObjectStore) -> None:
        store.tidy()
        store.put(KEY, b"content")
        store.tidy()
        assert store.get(KEY) == b"content"
