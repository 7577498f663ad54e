"""The object store in a bucket, on a real server: the contract, and what goes wrong."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.command import Penstock
from tests.downloads import take_records_through
from tests.services.s3 import ACCESS_KEY, SECRET_KEY, S3Server
from tests.wire_server import Play, WireServer, answer, refused_port, reset_at_once, silence

from penstock import registry
from penstock.errors import MissingDependencyError, StageError, TransientError, UnavailableError
from penstock.testing import ObjectStoreContract
from penstock.testing.factories import make_resources

pytestmark = pytest.mark.services
KEY = "tenants/acme/pdfs/paper.pdf"
_NUMBERS = count()


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_ACCESS_KEY", ACCESS_KEY)
    monkeypatch.setenv("S3_SECRET_KEY", SECRET_KEY)


def settings(endpoint: str, bucket: str, **others: Any) -> dict[str, Any]:
    return {
        "bucket": bucket,
        "endpoint": endpoint,
        "access_key_id": {"env": "S3_ACCESS_KEY"},
        "secret_access_key": {"env": "S3_SECRET_KEY"},
        **others,
    }


def store(**given: Any) -> Any:
    return registry.build("ObjectStore", "s3", given, make_resources(Path("unused")))


class TestS3ObjectStore(ObjectStoreContract):
    @pytest.fixture
    def reopen(self, s3: S3Server) -> Callable[[], Any]:
        bucket = s3.bucket(f"bucket-{next(_NUMBERS)}")
        return lambda: store(**settings(s3.endpoint, bucket, prefix="penstock/tests"))


def failure(opened: Any) -> StageError:
    """What every verb of the store raises, which must be the same."""
    found = []
    for call in (
        lambda: opened.put(KEY, b"content"),
        lambda: opened.get(KEY),
        lambda: opened.size(KEY),
        lambda: list(opened.names("tenants/acme/pdfs")),
        lambda: opened.remove([KEY]),
    ):
        with pytest.raises(StageError) as caught:
            call()
        found.append(caught.value)
    assert len({(type(error), error.message) for error in found}) == 1
    assert SECRET_KEY not in repr(found)
    return found[0]


def test_a_wrong_key_is_told_by_what_to_do(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_SECRET_KEY", "another-secret")
    error = failure(store(**settings(s3.endpoint, s3.bucket("locked"))))
    assert (type(error), error.hint) == (UnavailableError, "check the key and what it may do")


def test_a_key_that_is_not_set_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("S3_SECRET_KEY")
    with pytest.raises(MissingDependencyError, match="`S3_SECRET_KEY` of `secret_access_key` is not set"):
        store(**settings("http://127.0.0.1:9", "bucket"))


def test_a_bucket_that_is_not_there_is_told_by_name(s3: S3Server) -> None:
    with pytest.raises(UnavailableError, match="bucket `nowhere`: it is not there"):
        store(**settings(s3.endpoint, "nowhere")).put(KEY, b"content")


@pytest.mark.parametrize(
    ("play", "kind", "requests"),
    [
        (answer(500), TransientError, 5),
        (answer(503), TransientError, 5),
        (reset_at_once, TransientError, 5),
        (silence, TransientError, 5),
    ],
    ids=["broken", "busy", "reset", "silence"],
)
def test_what_fails_is_asked_once(play: Play, kind: type[StageError], requests: int) -> None:
    with WireServer(play) as server:
        error = failure(store(**settings(f"http://127.0.0.1:{server.port}", "bucket", timeout_seconds=0.5)))
        assert (type(error), server.requests) == (kind, requests)


def test_a_server_that_is_not_there_is_transient() -> None:
    error = failure(store(**settings(f"http://127.0.0.1:{refused_port()}", "bucket")))
    assert (type(error), error.message) == (TransientError, "the object store cannot be reached")


def test_a_large_file_is_uploaded_in_parts_and_shows_whole(s3: S3Server, tmp_path: Path) -> None:
    opened = store(**settings(s3.endpoint, s3.bucket("large")))
    (tmp_path / "file").write_bytes(bytes(range(256)) * 80_000)  # 20 MB
    opened.put(KEY, tmp_path / "file")
    assert opened.size(KEY) == 20_480_000
    assert b"".join(opened.stream(KEY)) == (tmp_path / "file").read_bytes()


def test_records_are_fetched_into_a_bucket_read_from_it_and_leave_nothing(s3: S3Server, tmp_path: Path) -> None:
    given = settings(s3.endpoint, s3.bucket("papers"))
    profile = {"name": "here", "extends": "tiny", "network": {"allow": ["127.0.0.1"]}}
    penstock = Penstock.at(tmp_path, PENSTOCK_PROFILE="here")
    (penstock.config / "profiles" / "here.yaml").write_text(
        yaml.safe_dump({**profile, "stores": {"objects": {"uses": "s3", "with": given}}})
    )
    take_records_through(penstock, tmp_path)
    opened = store(**given)
    assert [*opened.names("tenants/default/pdfs"), *opened.names("tenants/default/fetched")] == []
    assert not (penstock.home / "objects").exists()
