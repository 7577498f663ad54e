"""What a pydantic error means for someone who wrote YAML, at the place that it speaks of."""

import re
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from penstock.errors import nearest
from penstock.spec.composer import reads_as
from penstock.spec.model import NAME_PATTERN
from penstock.spec.problems import Problem, ticked
from penstock.spec.secrets import LITERAL_SECRET
from penstock.spec.source import Loc, YamlFile

_SHAPES = {
    "tuple_type": "should be a list",
    "list_type": "should be a list",
    "dict_type": "should be a mapping of keys to values",
    "model_type": "should be a mapping of keys to values",
    "model_attributes_type": "should be a mapping of keys to values",
    "string_type": "should be text",
}


def explain(
    file: YamlFile, exc: ValidationError, model: type[BaseModel], where: str, loc: Loc = (), code: str | None = None
) -> list[Problem]:
    """One problem for each error of `exc`, which came of validating the value at `loc` as a `model`.

    Errors in values that a problem was told of already are left out.

    Args:
        where: what the value is, for people: "stage `chunk`". Empty at the top of the file.
        code: the problems' code, instead of one for each kind of error.
    """
    problems = []
    errors = exc.errors(include_url=False, include_input=False)
    for error in errors:
        own = tuple(error["loc"])
        for length in range(1, len(own) + 1):
            if _is_secret(model, own[:length]):  # before any line is quoted
                place = file.node((*loc, *own[:length])).value
                file.hidden[place.line] = min(place.column, file.hidden.get(place.line, place.column))
    for error in errors:
        own = tuple(error["loc"])
        if not file.is_told((*loc, *own)):
            problems.append(_Reading(file, model, where, loc, code).problem(error["type"], own, error))
    return problems


def keys_of(model: type[BaseModel]) -> tuple[str, ...]:
    """The keys that a model has in YAML."""
    return tuple(field.alias or name for name, field in model.model_fields.items())


class _Reading:
    def __init__(self, file: YamlFile, model: type[BaseModel], where: str, loc: Loc, code: str | None) -> None:
        self._file, self._model, self._loc, self._code = file, model, loc, code
        self._prefix = f"{where}: " if where else ""

    def problem(self, kind: str, own: Loc, error: Mapping[str, Any]) -> Problem:
        if kind == "missing":
            return self._make("missing-key", f"{self._label(own)} is missing", own[:-1])
        if kind == "extra_forbidden":
            keys = keys_of(model) if (model := _model_at(self._model, own[:-1])) else ()
            return self._make("unknown-key", f"unknown key {self._label(own)}", own, keys, nearest(str(own[-1]), keys))
        if own and own[-1] == "[key]" and kind == "literal_error":
            keys = _expected(error)
            return self._make(
                "unknown-key", f"unknown key {self._label(own[:-1])}", own[:-1], keys, nearest(str(own[-2]), keys)
            )
        if own and own[-1] == "[key]":
            what, _ = self._what(kind, error, str(own[-2]))
            return self._make("bad-value", f"{self._label(own[:-1])} {what}", own[:-1], at_key=True)
        if _is_secret(self._model, own) or _is_secret(self._model, own[:-1]):
            return self._make("literal-secret", LITERAL_SECRET, own)
        raw = self._file.node((*self._loc, *own)).raw
        if kind == "union_tag_invalid":
            tag = str(error["ctx"]["discriminator"]).strip("'")
            accepted = tuple(re.findall(r"'([^']*)'", str(error["ctx"]["expected_tags"])))
            return self._make(
                "bad-value",
                f"{self._label((*own, tag))} should be one of those accepted",
                (*own, tag),
                accepted,
                nearest(str(error["ctx"]["tag"]), accepted),
            )
        if kind in ("literal_error", "enum"):
            accepted = _expected(error)
            message = f"{self._label(own)} should be one of those accepted"
            return self._make("bad-value", message, own, accepted, nearest(raw, accepted) if raw else None)
        what, suggestion = self._what(kind, error, raw)
        return self._make("bad-value", f"{self._label(own)} {what}" if own else what, own, (), suggestion)

    def _make(
        self,
        code: str,
        message: str,
        own: Loc,
        accepted: tuple[str, ...] = (),
        suggestion: str | None = None,
        *,
        at_key: bool = False,
    ) -> Problem:
        return self._file.problem(
            self._code or code,
            self._prefix + message,
            (*self._loc, *own),
            at_key=at_key or code == "unknown-key",
            accepted=accepted,
            suggestion=suggestion,
        )

    def _label(self, own: Loc) -> str:
        """The way to a value as it is written. What pydantic adds to it, the tag of a union, is left out."""
        found, text = self._loc, ""
        for number, step in enumerate(own):
            if number < len(own) - 1 and (*found, step) not in self._file.nodes:
                continue
            found = (*found, step)
            text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
        return ticked(text)

    @staticmethod
    def _what(kind: str, error: Mapping[str, Any], raw: str | None) -> tuple[str, str | None]:
        """What should be, and what to write instead."""
        if kind == "string_type" and raw:
            return f"should be text, and YAML reads this as {reads_as(raw)}; quote it", f'"{raw}"'
        if kind in ("tuple_type", "list_type") and raw:
            return _SHAPES[kind], f"[{raw}]"
        if kind in _SHAPES:
            return _SHAPES[kind], None
        if kind == "too_short":
            return "should not be empty", None
        if kind == "too_long":
            return f"should have at most {error['ctx']['max_length']} elements", None
        if kind == "string_pattern_mismatch" and error["ctx"]["pattern"] == NAME_PATTERN:
            name = re.sub(r"[^a-z0-9]+", "_", (raw or "").lower()).strip("_")
            fits = re.match(NAME_PATTERN, name) is not None
            return "should be lower-case letters, digits, `_` and `-`, from a letter on", name if fits else None
        text = str(error["msg"]).removeprefix("Value error, ")
        text = re.sub(r"^(Input|String|Value|List|Tuple|Dictionary) (should|must)", r"\2", text)
        return text[:1].lower() + text[1:], None


def _expected(error: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(re.findall(r"'([^']*)'", str(error.get("ctx", {}).get("expected", ""))))


def _model_at(annotation: Any, loc: Loc) -> type[BaseModel] | None:
    """The model that the keys of the value at `loc` belong to."""
    models = _models_in(annotation)
    if not loc:
        return models[0] if models else None
    for model in models:
        for name, field in model.model_fields.items():
            if loc[0] in (name, field.alias):
                return _model_at(field.annotation, loc[1:])
    for model in models:
        if any(loc[0] in get_args(field.annotation) for field in model.model_fields.values()):  # the tag of a union
            return _model_at(model, loc[1:])
    return _model_at(annotation, loc[1:])


def _is_secret(model: type[BaseModel], loc: Loc) -> bool:
    """Whether the value at `loc` names an environment variable: what stands there instead may be the secret itself."""
    found = _model_at(model, loc)
    return loc != () and found is not None and set(found.model_fields) == {"env"}


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]
