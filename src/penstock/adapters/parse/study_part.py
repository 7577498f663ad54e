"""A JSON object of which anything may be missing or of another type than it should be."""

from typing import Any

from penstock.adapters.parse.builder import one_line
from penstock.adapters.parse.json import storable
from penstock.records import Json

_CODED = {"NA": "not applicable", "EARLY_PHASE1": "early phase 1"} | {f"PHASE{n}": f"phase {n}" for n in range(1, 5)}


class Part:
    """The object, asked by key: what is not there is empty."""

    def __init__(self, value: Any) -> None:
        self._value: dict[str, Any] = value if isinstance(value, dict) else {}

    def part(self, key: str) -> "Part":
        return Part(self._value.get(key))

    def parts(self, key: str) -> list["Part"]:
        found = self._value.get(key)
        return [Part(each) for each in found if isinstance(each, dict)] if isinstance(found, list) else []

    def text(self, key: str) -> str:
        found = self._value.get(key)
        return found.strip() if isinstance(found, str) else ""

    def shown(self, key: str) -> str:
        """A text or a number, as text."""
        found = self._value.get(key)
        return str(found).strip() if isinstance(found, str | int | float) and not isinstance(found, bool) else ""

    def texts(self, key: str) -> list[str]:
        found = self._value.get(key)
        return [one_line(each) for each in found if isinstance(each, str)] if isinstance(found, list) else []

    def value(self, key: str) -> Json:
        found = self._value.get(key)
        return storable(found) if isinstance(found, str | int | float) else None

    def spoken(self, key: str) -> str:
        """A coded value in words; a truth value as yes or no."""
        found = self._value.get(key)
        return ("yes" if found else "no") if isinstance(found, bool) else spoken(self.text(key))


def spoken(code: str) -> str:
    """A coded value in words: `NOT_YET_RECRUITING` → `not yet recruiting`."""
    return _CODED.get(code, code.replace("_", " ").lower())


def lines(*named: tuple[str, str]) -> str:
    """`name: value` for each value that is there."""
    return "\n".join(f"{name}: {value}" for name, value in named if value)
