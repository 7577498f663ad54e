"""Embedding at an OpenAI-compatible endpoint (vLLM, TEI, Ollama, OpenAI), through Haystack."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, ClassVar

from pydantic import Field, HttpUrl

from penstock.adapters.embed.endpoint_errors import endpoint_error
from penstock.adapters.embed.passage import PassageSettings, passage
from penstock.adapters.embed.vectors import pack, unit_vector
from penstock.adapters.haystack_setup import prepare_haystack
from penstock.adapters.secret_name import SecretName
from penstock.endpoints import endpoint_address
from penstock.errors import PermanentError, QuotaError, RejectedError, StageError
from penstock.ports import Resources
from penstock.records import Chunk, EmbeddingBatch, StageContext

_BYTES_PER_NUMBER = 32
"""More than any endpoint writes a float in."""

_BYTES_PER_ANSWER = 2**20


class OpenAISettings(PassageSettings):
    """Where the model is served. `send_dimension` asks the endpoint for `dimension` numbers; not every model can.

    `timeout_seconds` is for a whole request, from the connection to the last byte of the answer.
    """

    base_url: HttpUrl
    model: str = Field(min_length=1)
    dimension: int = Field(ge=1, le=65_536)
    send_dimension: bool = False
    api_key: SecretName | None = None
    batch_size: int = Field(default=64, ge=1, le=2048)
    timeout_seconds: float = Field(default=30.0, gt=0, le=600)


class OpenAIEmbedder:
    """`EmbedStage` with Haystack's OpenAI embedders. The client tries once: retries belong to the stage's policy.

    Source: <https://platform.openai.com/docs/api-reference/embeddings>.
    """

    settings_type = OpenAISettings
    version: ClassVar[str] = "1"
    batch_documents: ClassVar[int] = 8  # few requests a call, as a policy's rate counts calls

    def __init__(self, settings: OpenAISettings, resources: Resources) -> None:
        prepare_haystack()
        from haystack import Document as HaystackDocument
        from haystack.components.embedders import OpenAIDocumentEmbedder, OpenAITextEmbedder
        from haystack.utils import Secret

        from penstock.adapters.transport import BoundedTransport

        self.model = settings.model
        self.dimension = settings.dimension
        self.endpoint = endpoint_address(str(settings.base_url))
        self._settings = settings
        self._document_type = HaystackDocument
        shared: dict[str, Any] = {
            "api_key": Secret.from_token(_key(settings.api_key)),
            "model": settings.model,
            "dimensions": settings.dimension if settings.send_dimension else None,
            "api_base_url": str(settings.base_url).rstrip("/"),
            "timeout": settings.timeout_seconds,
            "max_retries": 0,
            "http_client_kwargs": {
                "transport": BoundedTransport(
                    seconds=settings.timeout_seconds,
                    most_bytes=settings.batch_size * settings.dimension * _BYTES_PER_NUMBER + _BYTES_PER_ANSWER,
                ),
                "headers": {"accept-encoding": "identity"},
                "follow_redirects": False,
            },
        }
        self._of_texts = OpenAIDocumentEmbedder(
            **shared, batch_size=settings.batch_size, progress_bar=False, raise_on_failure=True
        )
        self._of_query = OpenAITextEmbedder(**shared)

    def execute(self, ctx: StageContext, chunks: list[Chunk]) -> EmbeddingBatch:
        """One vector for each chunk.

        Raises:
            RejectedError: there are no chunks, or the endpoint refuses what it was sent.
            TransientError: rate limit (with what `Retry-After` says), server error, no connection, no answer in time.
            QuotaError: the account's budget is used up.
            UnavailableError: the key, the address or the model's name is not right.
            PermanentError: the answer is not sound.
        """
        [result] = self.execute_batch([(ctx, chunks)])
        if isinstance(result, StageError):
            raise result
        return result

    def execute_batch(self, items: Sequence[tuple[StageContext, list[Chunk]]]) -> list[EmbeddingBatch | StageError]:
        """`execute` for all items, in requests of `batch_size` chunks whatever document they are of.

        When the endpoint fails, no further request is made: the items that were not served yet all get the error. When
        it refuses what it was sent, or answers with what is none, each of the request's documents is sent alone, so
        that one cannot fail others.
        """
        texts = [(item, passage(chunk, self._settings)) for item, (_, chunks) in enumerate(items) for chunk in chunks]
        vectors: dict[int, list[Any]] = {item: [] for item in range(len(items))}
        failed: dict[int, StageError] = {}
        for start in range(0, len(texts), self._settings.batch_size):
            part = [pair for pair in texts[start : start + self._settings.batch_size] if pair[0] not in failed]
            try:
                self._serve(part, vectors, failed)
            except StageError as error:
                failed.update({item: failed.get(item, error) for item, _ in texts[start:]})
                break
        return [failed.get(item) or self._packed(chunks, vectors[item]) for item, (_, chunks) in enumerate(items)]

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query. Raises as `execute` does."""
        try:
            answer = self._of_query.run(text=text)
        except Exception as exc:
            raise endpoint_error(exc, self.model) from exc
        return unit_vector(answer["embedding"], self.model, self.dimension)

    def _serve(self, part: list[tuple[int, str]], vectors: dict[int, list[Any]], failed: dict[int, StageError]) -> None:
        try:
            found = self._request([text for _, text in part])
        except QuotaError:
            raise
        except (RejectedError, PermanentError) as error:
            documents = [list(group) for _, group in groupby(part, key=lambda pair: pair[0])]
            if len(documents) == 1:
                failed[part[0][0]] = error
                return
            for each in documents:
                self._serve(each, vectors, failed)
            return
        for (item, _), vector in zip(part, found, strict=True):
            vectors[item].append(vector)

    def _request(self, texts: list[str]) -> list[Any]:
        if not texts:
            return []
        documents = [self._document_type(id=str(place), content=text) for place, text in enumerate(texts)]
        try:
            answer = self._of_texts.run(documents=documents)["documents"]
        except Exception as exc:
            raise endpoint_error(exc, self.model) from exc
        return [each.embedding for each in answer]

    def _packed(self, chunks: list[Chunk], vectors: list[Any]) -> EmbeddingBatch | StageError:
        try:
            return pack(chunks, vectors, self.model, self.dimension)
        except StageError as error:
            return error


def _key(name: SecretName | None) -> str:
    if name is None:
        return "none"  # the client insists on one; servers without accounts ignore it
    return name.value("openai", "api_key")
