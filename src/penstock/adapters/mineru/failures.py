"""What MinerU's own failures mean: known by their codes, and by the words of torch and vLLM for a GPU."""

import re

from penstock.adapters.device import NO_GPU, OUT_OF_MEMORY, Trouble, unavailable
from penstock.errors import PermanentError, StageError, TransientError, UnavailableError

_DEAD = Trouble("gpu_failed", "the engine on the GPU has died", "restart the server; look at `nvidia-smi` and its log")
_BROKEN = Trouble("gpu_failed", "the GPU does not work", "look at `nvidia-smi` and the log of MinerU")

_SAID: tuple[tuple[re.Pattern[str], Trouble], ...] = (
    (
        re.compile(
            r"out of memory|CUDA_ERROR_OUT_OF_MEMORY|_ALLOC_FAILED|OutOfMemoryError|No available memory for the cache"
            r"|less than desired GPU memory utilization",
            re.IGNORECASE,
        ),
        OUT_OF_MEMORY,
    ),
    (
        re.compile(
            r"not compiled with CUDA|Found no NVIDIA driver|No CUDA GPUs are available|no CUDA-capable device"
            r"|CUDA is not available|device is not available|Failed to infer device type|no available accelerator"
            r"|no available GPU|unsupported device|no GPU found",
            re.IGNORECASE,
        ),
        NO_GPU,
    ),
    (re.compile(r"EngineDeadError|EngineCore encountered an issue", re.IGNORECASE), _DEAD),
    (re.compile(r"CUDA error|CUDA driver|CUBLAS_STATUS|CUDNN_STATUS|cudaError", re.IGNORECASE), _BROKEN),
)
"""torch: `torch/cuda/__init__.py`; vLLM: `vllm/v1/worker`; mineru 4.0.12: `_MODEL_PRELOAD_DEVICE_ERROR_PATTERNS`."""

_CODES: dict[str, Trouble] = {"model_preload_device_unavailable": NO_GPU, "engine_dead": _DEAD}
_MODELS = frozenset({"model_preload_dependency_missing", "model_preload_files_missing", "model_preload_failed"})
_UNFIT = re.compile(r"No module named|requires local pipeline dependencies|NameResolutionError|Failed to resolve '")
"""It lacks a package, or models that it cannot download."""
_TIERS = frozenset({"quality_tier_unavailable"})


def failure(where: str, code: str | None, said: str, task: str = "") -> StageError:
    """The error for what MinerU says of itself, or of a document. What it says is not told: it may quote the document.

    Args:
        code: its own code for the failure, where it has one.
        said: its message, or the end of its output.
        task: the id under which its log knows the document.
    """
    if error := own_failure(where, code, said):
        return error
    known = f" (`{code[:60]}`)" if code else ""
    named = f" of task `{task}`" if task else ""
    return PermanentError(f"{where}: the PDF could not be read there{known}", hint=f"its log{named} says why")


def own_failure(where: str, code: str | None, said: str) -> StageError | None:
    """The error where it is MinerU that is not well, or its GPU; None where it may be the document."""
    for pattern, trouble in _SAID:
        if pattern.search(said):
            return unavailable(where, trouble)
    if code in _CODES:
        return unavailable(where, _CODES[code])
    if code in _MODELS or _UNFIT.search(said):
        hint = "install `mineru[full]` there, and the models: mineru-models-download"
        return UnavailableError(f"{where}: it lacks models, or what runs them", hint=hint)
    if code in _TIERS or said.startswith("Tier '"):
        return UnavailableError(
            f"{where}: it does not serve this tier", hint="choose another `tier`, or start it with one"
        )
    if code == "server_shutting_down":
        return TransientError(f"{where}: it is about to end")
    return None
