"""What MinerU is asked for, and how much of an answer is taken."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, model_validator

from penstock.adapters.device import Device
from penstock.adapters.secret_name import SecretName as EnvName


class MinerUSettings(BaseModel):
    """What both ways to MinerU share.

    `release` is the major version of MinerU that runs there: 4 is asked for a `tier`, 3 for a `backend`. `device: gpu`
    fails where there is no GPU, and never goes over to the CPU; `cpu` is for a MinerU that was set up for it.
    `language` is that of the OCR of release 3. `ocr` reads the characters of the file (`txt`), of pictures of its pages
    (`ocr`), or what fits (`auto`). `max_megabytes` bounds the answer, `parse_seconds` the time for a document.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    release: Literal[3, 4] = 4
    device: Device = "gpu"
    tier: Literal["flash", "basic", "standard", "advanced"] = "standard"
    backend: Literal["pipeline", "hybrid-engine", "vlm-engine"] = "hybrid-engine"
    ocr: Literal["auto", "txt", "ocr"] = "auto"
    language: str = Field(default="ch", pattern=r"^[a-z_]{2,20}$")
    max_pages: int = Field(default=2_000, gt=0)
    max_megabytes: int = Field(default=256, gt=0)
    parse_seconds: float = Field(default=1_800.0, gt=0)

    @model_validator(mode="after")
    def _uses_the_device(self) -> "MinerUSettings":
        if self.device == "gpu" and self.release == 4 and self.tier == "flash":
            raise ValueError("`tier: flash` has no model and uses no GPU; choose another tier, or say `device: cpu`")
        return self


class MinerUServerSettings(MinerUSettings):
    """Where MinerU's servers are (`mineru-api`), and how they are shared.

    `per_server` documents at most are at one server at a time, from this machine. A server that does not answer, or
    says that it is not well, is left out for `rest_seconds`. `request_seconds` is for a single request, the upload
    above all. `servers: {env: NAME}` takes the addresses from an environment variable, apart by spaces: then PDFs are
    not read anew when they change. `api_key` names the environment variable with the key that the servers want.
    """

    servers: Annotated[tuple[HttpUrl, ...], Field(min_length=1, max_length=64)] | EnvName
    per_server: int = Field(default=1, ge=1, le=64)
    rest_seconds: float = Field(default=30.0, ge=0)
    request_seconds: float = Field(default=120.0, gt=0)
    health_seconds: float = Field(default=5.0, gt=0)
    api_key: EnvName | None = None


class MinerUCommandSettings(MinerUSettings):
    """`command` is the program: `mineru-kit` of release 4 and `mineru` of release 3, where nothing is said."""

    command: str = ""
