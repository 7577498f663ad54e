"""Does a class satisfy a port's Protocol? Names each method that is missing or does not fit."""

import inspect
from typing import Any

from pydantic import BaseModel


def mismatches(candidate: Any, protocol: type) -> list[str]:
    """What keeps `candidate` from satisfying `protocol`, a sentence each; empty when it does."""
    if not inspect.isclass(candidate):
        return [f"`{candidate!r}` is not a class"]
    problems = []
    settings = getattr(candidate, "settings_type", None)
    if not (inspect.isclass(settings) and issubclass(settings, BaseModel)):
        problems.append("`settings_type` must be a pydantic model")
    if not isinstance(getattr(candidate, "version", None), str):
        problems.append("`version` must be a string")
    for name, wanted in _methods(protocol).items():
        offered = inspect.getattr_static(candidate, name, None)
        if offered is None:
            problems.append(f"method `{name}{_parameters(wanted)}` is missing")
        elif not callable(getattr(candidate, name)):
            problems.append(f"`{name}` is not a method")
        else:
            problems += _compare(name, getattr(candidate, name), wanted)
    return problems


def _methods(protocol: type) -> dict[str, inspect.Signature]:
    found: dict[str, inspect.Signature] = {}
    for each in reversed(protocol.__mro__):
        for name, value in vars(each).items():
            if inspect.isfunction(value) and not name.startswith("_") and each.__module__ != "typing":
                found[name] = inspect.signature(value)
    return found


def _compare(name: str, offered: Any, wanted: inspect.Signature) -> list[str]:
    try:
        signature = inspect.signature(offered)
    except (TypeError, ValueError):
        return []
    call = [p for p in wanted.parameters.values() if p.name != "self"]
    try:
        signature.bind(*([None] * (len(call) + 1)))
    except TypeError as exc:
        return [f"method `{name}` must take `{_parameters(wanted)}`, not `{_parameters(signature)}` ({exc})"]
    expected, got = wanted.return_annotation, signature.return_annotation
    if inspect.Signature.empty in (expected, got) or isinstance(got, str) or got == expected or got is Any:
        return []
    if inspect.isclass(expected) and inspect.isclass(got) and issubclass(got, expected):
        return []
    if inspect.isclass(expected) and expected.__module__ != "builtins" and not getattr(expected, "_is_protocol", False):
        return [f"method `{name}` must return `{_name(expected)}`, not `{_name(got)}`"]
    if str(expected).startswith("list[") and str(got) != str(expected):
        return [f"method `{name}` must return `{_name(expected)}`, not `{_name(got)}`"]
    return []


def _parameters(signature: inspect.Signature) -> str:
    return "(" + ", ".join(name for name in signature.parameters if name != "self") + ")"


def _name(annotation: Any) -> str:
    return annotation.__name__ if inspect.isclass(annotation) and "[" not in str(annotation) else str(annotation)
