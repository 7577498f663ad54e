"""What every pack store must do."""

from collections.abc import Callable

import pytest

from penstock.ports import PackStore


class PackStoreContract:
    """Subclass it and override `reopen`."""

    @pytest.fixture
    def reopen(self) -> Callable[[], PackStore]:
        """A function that opens the store anew over the same state."""
        raise NotImplementedError("override the fixture `reopen`")

    @pytest.fixture
    def store(self, reopen: Callable[[], PackStore]) -> PackStore:
        return reopen()

    def test_spans_come_back_in_the_order_they_were_asked_for(self, reopen: Callable[[], PackStore]) -> None:
        reopen().write("pack-1", b"0123456789")
        assert reopen().read("pack-1", [(5, 5), (0, 3), (2, 0), (0, 10)]) == [b"56789", b"012", b"", b"0123456789"]

    def test_an_absent_pack_raises_key_error(self, store: PackStore) -> None:
        with pytest.raises(KeyError):
            store.read("absent", [(0, 1)])

    @pytest.mark.parametrize("span", [(3, 1), (0, 4), (-1, 1)])
    def test_a_span_outside_the_pack_raises_value_error(self, store: PackStore, span: tuple[int, int]) -> None:
        store.write("pack-1", b"abc")
        with pytest.raises(ValueError, match="has 3 bytes"):
            store.read("pack-1", [span])

    def test_the_same_bytes_may_be_written_again_and_others_not(self, store: PackStore) -> None:
        store.write("pack-1", b"abc")
        store.write("pack-1", b"abc")
        with pytest.raises(FileExistsError):
            store.write("pack-1", b"abd")
        assert store.read("pack-1", [(0, 3)]) == [b"abc"]

    def test_removed_packs_are_gone_and_absent_names_are_passed_over(self, store: PackStore) -> None:
        for name in ("one", "two", "three"):
            store.write(name, name.encode())
        store.remove(["two", "absent"])
        assert sorted(store.names()) == ["one", "three"]
        with pytest.raises(KeyError):
            store.read("two", [(0, 1)])

    def test_a_name_with_a_dot_keeps_it(self, store: PackStore) -> None:
        store.write("batch.1", b"abc")
        assert list(store.names()) == ["batch.1"]

    @pytest.mark.parametrize("name", ["", "..", "a/b", "/etc/passwd", ".hidden"])
    def test_an_unsafe_name_is_refused(self, store: PackStore, name: str) -> None:
        with pytest.raises(ValueError, match="pack"):
            store.write(name, b"content")

    def test_tidying_up_leaves_what_is_stored(self, store: PackStore) -> None:
        store.tidy()
        store.write("pack-1", b"abc")
        store.tidy()
        assert store.read("pack-1", [(0, 3)]) == [b"abc"]
