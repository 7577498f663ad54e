"""Extraction by a language model at an OpenAI-compatible endpoint (vLLM, Ollama, OpenAI), by structured outputs."""

import logging
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, model_validator

from penstock.adapters.extract.answer import Answer, Verified, answer_schema, instructions, windows
from penstock.adapters.extract.facts import facts_of, mention_claims, ontology_fingerprint, own_entity
from penstock.adapters.extract.terms import Terms
from penstock.adapters.secret_name import SecretName
from penstock.endpoints import endpoint_address, transport_error
from penstock.errors import PermanentError, RejectedError
from penstock.ports import Resources
from penstock.records import Claim, Document, Facts, StageContext
from penstock.spec.model import NAME_PATTERN
from penstock.spec.ontology_file import load_ontology

_BYTES_PER_TOKEN = 64
_BYTES_BESIDES = 2**20
_SMALLEST_WINDOW = 500
_NAME = "openai"

_log = logging.getLogger("penstock.extract")


class OpenAIExtractSettings(BaseModel):
    """Where the model is served, and how much it is asked at once.

    A document is read in windows of `window_characters`, which overlap by `overlap_characters`; one of more than
    `max_windows` is rejected. An answer has at most `max_answer_tokens`; a window whose answer is cut off is halved.
    `timeout_seconds` is for a whole request. `seed` is sent where it is set: some servers then answer alike every time.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    base_url: HttpUrl
    model: str = Field(min_length=1)
    ontology: str = Field(default="default", pattern=NAME_PATTERN)
    api_key: SecretName | None = None
    window_characters: int = Field(default=8_000, ge=_SMALLEST_WINDOW, le=400_000)
    overlap_characters: int = Field(default=400, ge=0)
    max_windows: int = Field(default=50, ge=1, le=1_000)
    max_answer_tokens: int = Field(default=4_000, ge=64, le=100_000)
    temperature: float | None = Field(default=0.0, ge=0, le=2)
    seed: int | None = None
    timeout_seconds: float = Field(default=60.0, gt=0, le=600)

    @model_validator(mode="after")
    def _moves_on(self) -> "OpenAIExtractSettings":
        if self.overlap_characters * 2 > self.window_characters:
            raise ValueError("`overlap_characters` must be at most half of `window_characters`")
        return self


class OpenAIExtractor:
    """`ExtractStage` by a language model that is held to an ontology.

    The endpoint is asked for JSON by a strict schema (`response_format`). What it answers is checked against the text:
    an entity counts where its name stands in the text, a claim where the ontology has it, its entities count and its
    evidence stands in the text. What does not is dropped, and counted by reason in `Facts.dropped`. The client tries
    once: retries belong to the stage's policy. Source: <https://platform.openai.com/docs/api-reference/chat/create>.
    """

    settings_type = OpenAIExtractSettings
    version: ClassVar[str] = "1"

    def __init__(self, settings: OpenAIExtractSettings, resources: Resources) -> None:
        import httpx
        from openai import OpenAI

        from penstock.adapters.transport import BoundedTransport

        read = load_ontology(resources.config, settings.ontology)
        assert read.spec is not None  # it is sound
        self.endpoint = endpoint_address(str(settings.base_url))
        self._settings = settings
        self._ontology = read.spec
        self._terms = Terms(read.spec, read.terms)
        self._stamp = f"{self.version}:{read.spec.name}@{read.spec.version}:{settings.model}"
        transport = BoundedTransport(
            seconds=settings.timeout_seconds,
            most_bytes=settings.max_answer_tokens * _BYTES_PER_TOKEN + _BYTES_BESIDES,
        )
        self._client = OpenAI(
            api_key=settings.api_key.value(_NAME, "api_key") if settings.api_key else "none",
            base_url=str(settings.base_url).rstrip("/"),
            timeout=settings.timeout_seconds,
            max_retries=0,
            http_client=httpx.Client(  # type: ignore[arg-type]  # takes both generations of the client
                transport=transport, headers={"accept-encoding": "identity"}, follow_redirects=False
            ),
        )
        self._asked = self._request()

    @classmethod
    def fingerprint(cls, settings: OpenAIExtractSettings, config: Path) -> str:
        """A hash of the ontology's files. Raises `SpecError` when there is none, or it is not sound."""
        return ontology_fingerprint(config, settings.ontology)

    def execute(self, ctx: StageContext, document: Document) -> Facts:
        """The entities and claims that the model gives and the text bears out; the document's own entity first.

        Raises:
            RejectedError: the document is too long, or the endpoint or the model refuses it.
            TransientError: rate limit (with what `Retry-After` says), server error, no connection, no answer in time.
            QuotaError: the account's budget is used up.
            UnavailableError: the key, the address or the model's name is not right.
            PermanentError: the answer is not by the schema, or cut off however small the window is.
        """
        settings = self._settings
        spans = list(windows(document.text, settings.window_characters, settings.overlap_characters))
        if len(spans) > settings.max_windows:
            raise RejectedError(
                f"document `{document.document_id}`: {len(document.text):,} characters are {len(spans)} windows;"
                f" at most {settings.max_windows} (`max_windows`)"
            )
        verified = Verified(self._ontology, self._terms, document.text)
        for start, end in spans:
            self._read(document, start, end, verified)
        if verified.dropped:
            counts = ", ".join(f"{reason} {count}" for reason, count in sorted(verified.dropped.items()))
            _log.info("document `%s`: dropped of the model's answer: %s", document.document_id, counts)
        return self._facts(document, verified)

    def _read(self, document: Document, start: int, end: int, verified: Verified) -> None:
        answer = self._ask(document, start, end)
        if answer is not None:
            verified.add(answer, start, end)
        elif end - start < 2 * _SMALLEST_WINDOW:
            raise PermanentError(
                f"model `{self._settings.model}`: its answer for {end - start} characters is cut off at"
                f" {self._settings.max_answer_tokens} tokens",
                hint="raise `max_answer_tokens`",
            )
        else:
            overlap = min(self._settings.overlap_characters, (end - start) // 8)
            for low, high in windows(document.text[start:end], (end - start) // 2 + overlap, overlap):
                self._read(document, start + low, start + high, verified)

    def _ask(self, document: Document, start: int, end: int) -> Answer | None:
        """The model's answer for a window; None where it is cut off."""
        where = f"model `{self._settings.model}`"
        content = msgspec.json.encode({"title": document.title[:500], "text": document.text[start:end]}).decode()
        messages: list[Any] = [self._system, {"role": "user", "content": content}]
        try:
            completion = self._client.chat.completions.create(messages=messages, **self._asked)
            choice = completion.choices[0]
            finish, refusal, text = choice.finish_reason, choice.message.refusal, choice.message.content
        except Exception as exc:
            request = getattr(exc, "request_id", None)
            error = transport_error(f"{where}, request `{request}`" if request else where, exc)
            raise error or PermanentError(f"{where}: the endpoint's answer is no chat completion") from exc
        if refusal or finish == "content_filter":
            raise RejectedError(f"document `{document.document_id}`: {where} refuses to read it")
        if finish == "length":
            return None
        try:
            return msgspec.json.decode(text or "", type=Answer)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as exc:
            raise PermanentError(
                f"{where}: its answer is not by the schema", hint="serve it with structured outputs"
            ) from exc

    def _request(self) -> dict[str, Any]:
        """What every request says besides its messages."""
        settings = self._settings
        self._system = {"role": "system", "content": "\n".join(instructions(self._ontology))}
        schema = {"name": "facts", "strict": True, "schema": answer_schema(self._ontology)}
        given = {"temperature": settings.temperature, "seed": settings.seed}
        return {
            "model": settings.model,
            "max_completion_tokens": settings.max_answer_tokens,
            "response_format": {"type": "json_schema", "json_schema": schema},
        } | {key: value for key, value in given.items() if value is not None}

    def _facts(self, document: Document, verified: Verified) -> Facts:
        own = own_entity(self._ontology, self._terms, document)
        hits = [verified.hits[key] for key in sorted(verified.hits)]
        claims = list(mention_claims(own, document, hits, set(), _NAME, self._stamp))
        for subject, predicate, object_, start, end in verified.said.values():
            claim = Claim(
                subject=subject.entity_id,
                predicate=predicate,
                object=object_.entity_id,
                extractor=_NAME,
                version=self._stamp,
                start=start,
                end=end,
                evidence=document.text[start:end],
            )
            claims.append((object_, claim))
        facts = facts_of(own, document, hits, claims)
        return msgspec.structs.replace(facts, dropped=dict(sorted(verified.dropped.items())))
