"""Files by key in a bucket of Amazon S3, or of a server that speaks as S3 does, through obstore."""

from collections.abc import Iterable
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, HttpUrl

from penstock.adapters.secret_name import SecretName
from penstock.adapters.stores.objects import STORE, ObstoreObjects, told
from penstock.effects import effect
from penstock.errors import UnavailableError
from penstock.object_keys import check_key
from penstock.ports import Resources

_TOGETHER = 1000
"""So many objects S3 removes with one request."""


class S3Settings(BaseModel):
    """Which bucket, where, and by which keys.

    Without `access_key_id` the account is found as AWS says (environment, container, instance). `prefix` is put before
    every key. `timeout_seconds` is for a request; a large file is several.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    prefix: str = Field(default="", pattern=r"^([A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*)?$")
    endpoint: HttpUrl | None = None
    region: str = Field(default="us-east-1", pattern=r"^[a-z0-9-]+$")
    access_key_id: SecretName | None = None
    secret_access_key: SecretName | None = None
    session_token: SecretName | None = None
    timeout_seconds: float = Field(default=30.0, gt=0, le=600)


class S3ObjectStore(ObstoreObjects):
    """Objects in a bucket. A write is whole or not there, and durable when it returns (S3's own promise).

    A process that dies within the upload of a large file leaves parts that nobody sees: let the bucket's lifecycle rule
    `AbortIncompleteMultipartUpload` remove them.
    """

    settings_type: ClassVar[type[BaseModel]] = S3Settings
    version: ClassVar[str] = "1"

    def __init__(self, settings: S3Settings, resources: Resources) -> None:
        self._settings = settings
        named = {
            "access_key_id": settings.access_key_id,
            "secret_access_key": settings.secret_access_key,
            "session_token": settings.session_token,
        }
        self._keys = {name: secret.value("s3", name) for name, secret in named.items() if secret is not None}

    def put(self, key: str, content: bytes | Path) -> None:
        """Store durably, replacing what is there; a large file goes in parts. Raises as `penstock.endpoints` has it."""
        import obstore

        check_key(key)
        try:
            with effect(f"{STORE}.put"), told():
                obstore.put(self._store, key, content)
        except FileNotFoundError as exc:
            raise UnavailableError(f"bucket `{self._settings.bucket}`: it is not there", hint="create it") from exc

    def remove(self, keys: Iterable[str]) -> None:
        """Remove objects, many with a request; absent ones are passed over."""
        import obstore

        wanted = [check_key(key) for key in keys]
        for first in range(0, len(wanted), _TOGETHER):
            with effect(f"{STORE}.unlink"), told():
                obstore.delete(self._store, wanted[first : first + _TOGETHER])

    def tidy(self) -> None:
        """Nothing to do: what was not finished is not in the bucket."""

    @cached_property
    def _store(self) -> Any:  # computed once: it holds the connections
        from obstore.store import S3Store

        settings = self._settings
        options: Any = {
            "timeout": timedelta(seconds=settings.timeout_seconds),
            "connect_timeout": timedelta(seconds=min(10.0, settings.timeout_seconds)),
        }
        config: Any = {"region": settings.region, **self._keys}
        if settings.endpoint is not None:
            config["endpoint"] = str(settings.endpoint).rstrip("/")
            options["allow_http"] = settings.endpoint.scheme == "http"
        return S3Store(
            settings.bucket,
            prefix=settings.prefix or None,
            config=config,
            client_options=options,
            retry_config={"max_retries": 0},
        )
