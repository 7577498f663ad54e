"""What every raw store must do."""

from collections.abc import Callable

import pytest

from penstock.ports import RawStore
from penstock.records import content_name

ABSENT = content_name(b"never stored")


class RawStoreContract:
    """Subclass it and override `reopen`."""

    @pytest.fixture
    def reopen(self) -> Callable[[], RawStore]:
        """A function that opens the store anew over the same state."""
        raise NotImplementedError("override the fixture `reopen`")

    @pytest.fixture
    def store(self, reopen: Callable[[], RawStore]) -> RawStore:
        return reopen()

    @pytest.mark.parametrize("content", [b"", b"\x00\xff\r\n", b"x" * 100_000], ids=["empty", "binary", "long"])
    def test_what_was_put_is_there_when_the_store_is_opened_again(
        self, reopen: Callable[[], RawStore], content: bytes
    ) -> None:
        name = reopen().put("acme", content)
        assert (name, reopen().get("acme", name)) == (content_name(content), content)

    def test_putting_the_same_bytes_twice_keeps_one_object(self, store: RawStore) -> None:
        assert store.put("acme", b"same") == store.put("acme", b"same")
        assert list(store.names("acme")) == [content_name(b"same")]

    def test_many_objects_come_back_under_their_names_in_order(self, reopen: Callable[[], RawStore]) -> None:
        contents = [str(number % 40).encode() for number in range(50)]
        names = reopen().put_many("acme", contents)
        assert names == [content_name(content) for content in contents]
        store = reopen()
        assert [store.get("acme", name) for name in names] == contents
        assert sorted(store.names("acme")) == sorted(set(names))

    def test_putting_no_objects_is_allowed(self, store: RawStore) -> None:
        assert store.put_many("acme", []) == []
        assert list(store.names("acme")) == []

    def test_what_is_absent_or_of_another_size_is_lacking(self, store: RawStore) -> None:
        short, long = store.put_many("acme", [b"short", b"a longer one"])
        assert store.lacking("acme", {short: 5, long: 12}) == set()
        assert store.lacking("acme", {short: 5, long: 11, ABSENT: 12}) == {long, ABSENT}
        assert store.lacking("other", {short: 5}) == {short}
        assert store.lacking("acme", {}) == set()

    def test_an_absent_object_raises_key_error(self, store: RawStore) -> None:
        with pytest.raises(KeyError):
            store.get("acme", ABSENT)

    def test_a_tenant_does_not_see_the_objects_of_another(self, store: RawStore) -> None:
        name = store.put("acme", b"secret")
        with pytest.raises(KeyError):
            store.get("other", name)
        assert list(store.names("other")) == []
        store.remove("other", [name])
        assert store.get("acme", name) == b"secret"

    def test_a_removed_object_is_gone_and_absent_names_are_passed_over(self, store: RawStore) -> None:
        kept, gone = store.put_many("acme", [b"kept", b"gone"])
        store.remove("acme", [gone, ABSENT])
        assert list(store.names("acme")) == [kept]
        with pytest.raises(KeyError):
            store.get("acme", gone)

    @pytest.mark.parametrize("name", ["", "../../etc/passwd", "abc", "A" * 64])
    def test_what_is_no_hash_is_refused_as_a_name(self, store: RawStore, name: str) -> None:
        with pytest.raises(ValueError, match="64 hex digits"):
            store.get("acme", name)

    @pytest.mark.parametrize("tenant", ["", "..", "a/b", "Acme", "-a"])
    def test_an_unsafe_tenant_is_refused(self, store: RawStore, tenant: str) -> None:
        with pytest.raises(ValueError, match="tenant"):
            store.put(tenant, b"content")

    def test_the_tenants_are_those_that_have_stored_something(self, reopen: Callable[[], RawStore]) -> None:
        assert list(reopen().tenants()) == []
        reopen().put("beta", b"content")
        reopen().put("acme", b"content")
        assert list(reopen().tenants()) == ["acme", "beta"]

    def test_tidying_up_leaves_what_is_stored(self, store: RawStore) -> None:
        name = store.put("acme", b"content")
        store.tidy()
        assert store.get("acme", name) == b"content"
