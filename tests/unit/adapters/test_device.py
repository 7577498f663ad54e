"""A model runs on the device that is named, or not at all. The onnxruntime here is real, and knows no GPU."""

import ast
from collections.abc import Callable
from pathlib import Path

import onnx
import onnxruntime  # type: ignore[import-untyped]  # it has no stubs
import pytest
from onnx import TensorProto, helper

from penstock.adapters import device
from penstock.adapters.embed.minilm import MiniLMEmbedder, MiniLMSettings
from penstock.errors import UnavailableError
from penstock.ledger.status import FAILURES
from penstock.testing.factories import make_resources

SOURCES = Path(__file__).parents[3] / "src"

no_cuda = pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="this onnxruntime knows CUDA"
)


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """A model that doubles."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in "xy"]
    body = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "double", ends[:1], ends[1:])
    path = tmp_path / "double.onnx"
    onnx.save(helper.make_model(body, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)
    return path


def trouble(call: Callable[[], object]) -> tuple[str, str | None, str | None]:
    """(message, state, hint) of the error."""
    with pytest.raises(UnavailableError) as caught:
        call()
    return caught.value.message, caught.value.status, caught.value.hint


def test_the_cpu_is_used_where_it_is_named(graph: Path) -> None:
    session = device.open_session(graph, "cpu", "model `double`")
    assert session.get_providers() == ["CPUExecutionProvider"]


@no_cuda
def test_a_gpu_that_onnxruntime_does_not_know_is_no_gpu(graph: Path) -> None:
    assert trouble(lambda: device.open_session(graph, "gpu", "model `double`")) == (
        "model `double`: no_gpu: this onnxruntime knows no GPU",
        "gpu_unavailable",
        "install `onnxruntime-gpu` in place of `onnxruntime`, or say `device: cpu`",
    )


@no_cuda
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_cuda_provider_that_does_not_load_is_no_gpu(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    message, state, _ = trouble(lambda: device.open_session(graph, "gpu", "model `double`", "embed_failed_no_gpu"))
    assert (message, state) == (
        "model `double`: no_gpu: onnxruntime cannot load its CUDA provider",
        "embed_failed_no_gpu",
    )


@no_cuda
def test_an_embedder_without_its_gpu_is_not_even_made(tmp_path: Path) -> None:
    assert trouble(lambda: MiniLMEmbedder(MiniLMSettings(device="gpu"), make_resources(tmp_path))) == (
        "adapter `minilm`: no_gpu: this onnxruntime knows no GPU",
        "embed_failed_no_gpu",
        "install `onnxruntime-gpu` in place of `onnxruntime`, or say `device: cpu`",
    )
    assert list(tmp_path.iterdir()) == []


CALL = "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:116 std::conditional_t<THRW, void, Status> "
AFTER = " ; GPU=-1 ; hostname=h ; file=cuda_execution_provider.cc ; line=336 ; expr=cudaSetDevice(info_.device_id); "
NODE = "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running MatMul node. Name:'m' "
ARENA = f"{NODE}Status Message: bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool) "


@pytest.mark.parametrize(
    ("said", "word", "state"),
    [
        # https://github.com/deepinsight/insightface/issues/2524
        (f"{CALL}CUDA failure 100: no CUDA-capable device is detected{AFTER}", "no_gpu", "embed_failed_no_gpu"),
        # https://github.com/itsnine/yolov5-onnxruntime/issues/20
        (f"{CALL}CUDA failure 101: invalid device ordinal{AFTER}", "wrong_gpu", "gpu_unavailable"),
        # https://github.com/onnxruntime/mobius/issues/316
        (
            f"{CALL}CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version{AFTER}",
            "gpu_driver",
            "gpu_unavailable",
        ),
        (f"{CALL}CUDA failure 804: forward compatibility was attempted{AFTER}", "gpu_driver", "gpu_unavailable"),
        (
            f"{CALL}CUDA failure 46: all CUDA-capable devices are busy or unavailable{AFTER}",
            "gpu_busy",
            "gpu_unavailable",
        ),
        (f"{CALL}CUDA failure 2: out of memory{AFTER}", "gpu_out_of_memory", "gpu_out_of_memory"),
        # https://github.com/microsoft/onnxruntime/issues/9939
        (
            f"{ARENA}Failed to allocate memory for requested buffer of size 8388608000",
            "gpu_out_of_memory",
            "gpu_out_of_memory",
        ),
        (
            f"{ARENA}Available memory of 1024 is smaller than requested bytes of 4096",
            "gpu_out_of_memory",
            "gpu_out_of_memory",
        ),
        (f"{NODE}CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED{AFTER}", "gpu_out_of_memory", "gpu_out_of_memory"),
        (f"{NODE}CUDA failure 719: unspecified launch failure{AFTER}", "gpu_failed", "gpu_unavailable"),
        # https://github.com/microsoft/onnxruntime/pull/16016
        (
            "[ONNXRuntimeError] : 1 : FAIL : This session contains graph nodes that are assigned to the default CPU EP,"
            " but fallback to CPU EP has been explicitly disabled by the user.",
            "gpu_unfit",
            "gpu_unavailable",
        ),
        ("something new", "gpu_failed", "gpu_unavailable"),
    ],
)
def test_what_onnxruntime_says_of_a_gpu_is_a_state(said: str, word: str, state: str) -> None:
    error = device.gpu_error(RuntimeError(said), "adapter `minilm`", "embed_failed_no_gpu")
    assert (type(error), error.status, error.message.split(": ")[1]) == (UnavailableError, state, word)
    assert (error.hint is not None, state in FAILURES, "hostname" in error.message) == (True, True, False)


def test_nothing_but_this_module_makes_a_session() -> None:
    """The count of CPU fallbacks is 0 because there is one place where a session is made, which makes none for them."""
    found = [
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "InferenceSession"
    ]
    assert found == ["penstock/adapters/device.py"]
