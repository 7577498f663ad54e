"""MinerU's HTTP API: a PDF is submitted as a task, which is asked for until it is done.

Release 4: `POST /v1/tasks`, `GET /v1/tasks/{id}`, `GET /v1/tasks/{id}/result`, `DELETE /v1/tasks/{id}`, `GET
/v1/health` (`mineru/parser/task_api.py` and `api_server.py` of mineru 4.0.12). Release 3: the same below `/`, with a
form in place of query parameters and without the cancelling (`mineru/cli/fast_api.py` of mineru 3.4.5).
"""

import re
from typing import Any, Protocol

import httpx
import msgspec

from penstock.adapters.mineru import content_list, middle
from penstock.adapters.mineru.answers import decoded, unsound
from penstock.adapters.mineru.blocks import Sizes
from penstock.adapters.mineru.failures import failure, own_failure
from penstock.adapters.mineru.settings import MinerUServerSettings
from penstock.adapters.pdf.layout import Layout
from penstock.adapters.transport import BoundedTransport
from penstock.endpoints import http_error, transport_error
from penstock.errors import StageCrashError, StageError

_NAME = "document"
_TASK = re.compile(r"[A-Za-z0-9_-]{1,128}")
_SMALL = 2**20
_MEGABYTE = 2**20


class Failure(msgspec.Struct, frozen=True):
    """What release 4 says of an error."""

    message: str = ""
    code: str | None = None


class _Refusal(msgspec.Struct, frozen=True):
    error: Failure | str | None = None
    detail: Any = None


class _Content(msgspec.Struct, frozen=True):
    middle_json: middle.MiddleJSON | None = None


class _File(msgspec.Struct, frozen=True):
    error: Failure | None = None
    content: _Content = _Content()


class Task(msgspec.Struct, frozen=True):
    """A task as either release tells of it."""

    task_id: str
    status: str
    error: str | None = None
    files: list[_File] = []


class _Output(msgspec.Struct, frozen=True):
    content_list: str | None = None


class _Results(msgspec.Struct, frozen=True):
    results: dict[str, _Output]


class Release(Protocol):
    """What differs between the releases."""

    root: str

    def submission(self, content: bytes) -> dict[str, Any]:
        """The arguments of the request that submits a PDF."""
        ...

    def layout(self, answer: bytes, where: str, sizes: Sizes, title: str) -> Layout:
        """The layout in a result."""
        ...


class Release4:
    """MinerU 4, by its query parameters and its Middle JSON."""

    root = "v1/"

    def __init__(self, settings: MinerUServerSettings) -> None:
        self._params = {
            "filename": f"{_NAME}.pdf",
            "tier": settings.tier,
            "ocr_mode": settings.ocr,
            "output_formats": "middle_json",
        }

    def submission(self, content: bytes) -> dict[str, Any]:
        return {"params": self._params, "content": content, "headers": {"content-type": "application/octet-stream"}}

    def layout(self, answer: bytes, where: str, sizes: Sizes, title: str) -> Layout:
        files = decoded(answer, Task).files
        if len(files) != 1 or files[0].content.middle_json is None:
            raise unsound("an answer without a `middle_json` of one file")
        return middle.layout_of(files[0].content.middle_json, sizes, title)


class Release3:
    """MinerU 3, by its form and its content list."""

    root = ""

    def __init__(self, settings: MinerUServerSettings) -> None:
        self._form = {
            "backend": settings.backend,
            "parse_method": settings.ocr,
            "lang_list": settings.language,
            "return_md": "false",
            "return_content_list": "true",
        }

    def submission(self, content: bytes) -> dict[str, Any]:
        return {"data": self._form, "files": {"files": (f"{_NAME}.pdf", content, "application/pdf")}}

    def layout(self, answer: bytes, where: str, sizes: Sizes, title: str) -> Layout:
        results = list(decoded(answer, _Results).results.values())
        if len(results) != 1 or results[0].content_list is None:
            raise unsound("an answer without a `content_list` of one file")
        items = decoded(results[0].content_list.encode(), list[content_list.Item])
        return content_list.layout_of(items, sizes, title)


class Client:
    """One server. Every request is made once; an answer is read no further than it may be long."""

    def __init__(self, address: str, settings: MinerUServerSettings, key: str | None) -> None:
        self.where = f"MinerU at `{address}`"
        self._release: Release = (Release4 if settings.release == 4 else Release3)(settings)
        headers = {"accept-encoding": "identity", **({"authorization": f"Bearer {key}"} if key else {})}
        self._base = f"{address}/{self._release.root}"
        self._work = self._made(headers, settings.request_seconds, settings.max_megabytes * _MEGABYTE)
        self._look = self._made(headers, settings.health_seconds, _SMALL)

    def check(self) -> None:
        """Ask for its health. Raises the error that it is not well for."""
        self._ask(self._look, "GET", "health")

    def submit(self, content: bytes) -> str:
        """Give it a PDF; returns the task."""
        task = decoded(self._ask(self._work, "POST", "tasks", **self._release.submission(content)), Task)
        if not _TASK.fullmatch(task.task_id):
            raise unsound("a task's id of unknown form")
        return task.task_id

    def is_done(self, task: str) -> bool:
        """Whether a task has its result. Raises the error that it ended with."""
        found = decoded(self._ask(self._look, "GET", f"tasks/{task}", lost=True), Task)
        if found.status in ("pending", "processing", "queued", "running"):
            return False
        if found.status == "completed":
            return True
        told = next((file.error for file in found.files if file.error), Failure(found.error or ""))
        raise failure(self.where, told.code, told.message, task)

    def result(self, task: str, sizes: Sizes, title: str) -> Layout:
        """The layout that a task has found."""
        answer = self._ask(self._work, "GET", f"tasks/{task}/result", lost=True)
        return self._release.layout(answer, self.where, sizes, title)

    def cancel(self, task: str) -> None:
        """Tell it that nobody waits for a task any longer, where it can be told."""
        if self._release.root:
            self._ask(self._look, "DELETE", f"tasks/{task}")

    def close(self) -> None:
        """Close its connections."""
        self._work.close()
        self._look.close()

    def _made(self, headers: dict[str, str], seconds: float, most_bytes: int) -> httpx.Client:
        transport = BoundedTransport(seconds=seconds, most_bytes=most_bytes)
        return httpx.Client(transport=transport, headers=headers, timeout=seconds, follow_redirects=False)

    def _ask(self, client: httpx.Client, method: str, path: str, *, lost: bool = False, **what: Any) -> bytes:
        try:
            answer = client.request(method, self._base + path, **what)
        except httpx.HTTPError as exc:
            raise transport_error(self.where, exc) or unsound("an answer that is none") from exc
        if answer.is_success:
            return answer.content
        raise self._refusal(answer, lost)

    def _refusal(self, answer: httpx.Response, lost: bool) -> StageError:
        if lost and answer.status_code == 404:
            return StageCrashError(f"{self.where}: it no longer knows the task; has it been restarted?")
        try:
            refusal = msgspec.json.decode(answer.content, type=_Refusal)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            refusal = _Refusal()
        said = (
            refusal.error if isinstance(refusal.error, Failure) else Failure(refusal.error or str(refusal.detail or ""))
        )
        headers = answer.headers
        return own_failure(self.where, said.code, said.message) or http_error(
            self.where,
            answer.status_code,
            retry_after=headers.get("retry-after"),
            date=headers.get("date"),
            codes=(said.code,),
        )
