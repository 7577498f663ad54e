"""What every adapter has, whatever its port."""

from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel


class Adapter(Protocol):
    """What every adapter class has, whatever its port."""

    settings_type: ClassVar[type[BaseModel]]
    version: ClassVar[str]


@runtime_checkable
class Fingerprinted(Protocol):
    """An adapter whose output depends on more than settings and version, such as the content of a file it reads.

    `fingerprint` must be cheap (no model is loaded): it is called whenever a plan is made.
    """

    @classmethod
    def fingerprint(cls, settings: Any, config: Path) -> str: ...
