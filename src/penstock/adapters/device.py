"""Where a model runs in this process: on the CPU or on an NVIDIA GPU, as the settings say, and never elsewhere.

onnxruntime goes over to the CPU by itself in three ways, and all are shut here: its Python class makes a second session
when the first fails (`enable_fallback`); a CUDA library that cannot be loaded is a line in its log and a session
without the provider (<https://github.com/microsoft/onnxruntime/issues/17801>); single operators that CUDA lacks are
placed on the CPU (`session.disable_cpu_ep_fallback`).
"""

import ctypes
import re
from pathlib import Path
from typing import Any, Literal, NamedTuple

from penstock.errors import StageError, UnavailableError

Device = Literal["cpu", "gpu"]

CPU_PROVIDER = "CPUExecutionProvider"
CUDA_PROVIDER = "CUDAExecutionProvider"

NO_GPU_STATUS = "gpu_unavailable"
OUT_OF_MEMORY_STATUS = "gpu_out_of_memory"

_INSTALL = "install `onnxruntime-gpu` in place of `onnxruntime`, or say `device: cpu`"
_LIBRARIES = "install the CUDA and cuDNN libraries that this onnxruntime wants, or say `device: cpu`"


class Trouble(NamedTuple):
    """What is the matter with a GPU: a word for programs, words for people, and what to do."""

    word: str
    what: str
    hint: str


NO_GPU = Trouble("no_gpu", "there is no GPU", "give the process a GPU, or say `device: cpu`")
_DRIVER = Trouble("gpu_driver", "the driver does not fit this onnxruntime", "update the NVIDIA driver")
OUT_OF_MEMORY = Trouble(
    "gpu_out_of_memory", "the GPU has no memory left", "free its memory, or work off fewer documents at once"
)

CUDA: dict[int, Trouble] = {
    2: OUT_OF_MEMORY,
    35: _DRIVER,
    46: Trouble("gpu_busy", "another process has the GPU to itself", "wait for it, or name another GPU"),
    100: NO_GPU,
    101: Trouble("wrong_gpu", "there is no GPU of this number", "check `CUDA_VISIBLE_DEVICES`"),
    209: Trouble("wrong_gpu", "the GPU is none that this onnxruntime was built for", "use another GPU or build"),
    803: _DRIVER,
    804: _DRIVER,
}
"""`cudaError`: <https://docs.nvidia.com/cuda/cuda-runtime-api/group__CUDART__TYPES.html>."""

_CUDA_FAILURE = re.compile(r"CUDA failure (\d+)")
_NO_MEMORY = re.compile(
    r"Failed to allocate memory for requested buffer|Available memory of \d+ is smaller than requested|_ALLOC_FAILED"
)
"""What onnxruntime says (issues 9939, 22702) and what cuBLAS and cuDNN do, in place of a number."""

_ON_THE_CPU = "fallback to CPU EP has been explicitly disabled"


def check_gpu(where: str, status: str = NO_GPU_STATUS) -> None:
    """Raise `UnavailableError` where the onnxruntime that is installed knows no CUDA."""
    import onnxruntime  # type: ignore[import-untyped]  # it has no stubs

    if CUDA_PROVIDER not in onnxruntime.get_available_providers():
        raise unavailable(where, Trouble("no_gpu", "this onnxruntime knows no GPU", _INSTALL), status)


def open_session(graph: Path, device: Device, where: str, status: str = NO_GPU_STATUS) -> Any:
    """A session on that device and no other, one thread a call.

    Args:
        where: whose model it is, for messages.
        status: the state of jobs that find no GPU.

    Raises:
        UnavailableError: `device` is `gpu`, and there is none, or none that works.
    """
    if device == "cpu":
        return _session(graph, CPU_PROVIDER)
    check_gpu(where, status)
    try:
        return _session(graph, CUDA_PROVIDER, **{"session.disable_cpu_ep_fallback": "1"})
    except Exception as exc:
        # Without its CUDA libraries onnxruntime complains of a model that would run on the CPU, not of them.
        if _ON_THE_CPU in str(exc) and CUDA_PROVIDER not in _session(graph, CUDA_PROVIDER).get_providers():
            trouble = Trouble("no_gpu", "onnxruntime cannot load its CUDA provider", _LIBRARIES)
            raise unavailable(where, trouble, status) from exc
        raise gpu_error(exc, where, status) from exc


def _session(graph: Path, provider: str, **entries: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised
    for name, value in entries.items():
        options.add_session_config_entry(name, value)
    return onnxruntime.InferenceSession(str(graph), options, providers=[provider], enable_fallback=0)


def gpu_error(exc: Exception, where: str, status: str = NO_GPU_STATUS) -> StageError:
    """The error for what onnxruntime raised on a GPU: known by what it says, since it has no types for it."""
    said = str(exc)
    numbers = _CUDA_FAILURE.findall(said)
    trouble = CUDA.get(int(numbers[-1])) if numbers else None
    if trouble is None and _NO_MEMORY.search(said):
        trouble = OUT_OF_MEMORY
    if trouble is None and _ON_THE_CPU in said:
        trouble = Trouble("gpu_unfit", "a part of the model runs on the CPU only", "say `device: cpu`")
    if trouble is None:
        code = f"CUDA failure {numbers[-1]}" if numbers else type(exc).__name__
        trouble = Trouble(
            "gpu_failed", f"the GPU does not work (`{code}`)", "look at `nvidia-smi` and the system's log"
        )
    return unavailable(where, trouble, status)


def unavailable(where: str, trouble: Trouble, status: str = NO_GPU_STATUS) -> UnavailableError:
    """The error for what is the matter with a GPU; `status` is the state of jobs that find none."""
    states = {"no_gpu": status, "gpu_out_of_memory": OUT_OF_MEMORY_STATUS}
    message = f"{where}: {trouble.word}: {trouble.what}"
    return UnavailableError(message, status=states.get(trouble.word, NO_GPU_STATUS), hint=trouble.hint)


def cuda_devices() -> int:
    """How many GPUs the NVIDIA driver shows to this process; none where there is no driver.

    Source: <https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__DEVICE.html>.
    """
    count = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    return count.value if not driver.cuInit(0) and not driver.cuDeviceGetCount(ctypes.byref(count)) else 0
