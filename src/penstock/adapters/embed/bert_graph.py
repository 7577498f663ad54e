"""BERT as an ONNX graph, built from a safetensors file alone.

The graph takes one text (`input_ids`, int64, [tokens]) and gives its mean-pooled vector (`embedding`, float32,
[width]). It has no batch and no padding: with dynamic quantisation a row would depend on its neighbours. For a GPU the
places of the tokens (`positions`, int64, [tokens]: 0, 1, 2 …) are an input as well: telling them from the shape of
`input_ids` is an operator that onnxruntime always places on the CPU.
Sources: <https://arxiv.org/abs/1810.04805>, <https://github.com/huggingface/safetensors#format>,
<https://onnx.ai/onnx/operators/>.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_OPSET = 20
"""The first with `Gelu`."""


@dataclass(frozen=True, slots=True)
class BertShape:
    """The sizes in a model's `config.json`."""

    layers: int
    heads: int
    width: int
    epsilon: float

    @classmethod
    def from_config(cls, path: Path) -> "BertShape":
        config = json.loads(path.read_text("utf-8"))
        return cls(
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            width=config["hidden_size"],
            epsilon=config["layer_norm_eps"],
        )


def read_safetensors(path: Path) -> dict[str, Any]:
    """The float32 tensors of a safetensors file, by name, as read-only arrays over its bytes."""
    import numpy as np

    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        first, last = entry["data_offsets"]
        tensors[name] = np.frombuffer(content, "<f4", (last - first) // 4, start + first).reshape(entry["shape"])
    return tensors


def build_graph(tensors: dict[str, Any], shape: BertShape, *, positions: bool = False) -> Any:
    """The ONNX model of a BERT encoder with mean pooling, from its tensors under their usual names."""
    return _Graph(tensors, shape, positions).model()


class _Graph:
    def __init__(self, tensors: dict[str, Any], shape: BertShape, positions: bool) -> None:
        self._tensors = tensors
        self._shape = shape
        self._inputs = ("input_ids", "positions") if positions else ("input_ids",)
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def model(self) -> Any:
        from onnx import TensorProto, helper

        hidden = self._embeddings()
        for layer in range(self._shape.layers):
            hidden = self._layer(hidden, f"encoder.layer.{layer}")
        axes = self._numbers("first_axis", [0])
        self._node("ReduceMean", [hidden, axes], output="embedding", keepdims=0)
        graph = helper.make_graph(
            self._nodes,
            "bert",
            [helper.make_tensor_value_info(name, TensorProto.INT64, ["tokens"]) for name in self._inputs],
            [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [self._shape.width])],
            list(self._constants.values()),
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=9)

    def _embeddings(self) -> str:
        words = self._node("Gather", [self._tensor("embeddings.word_embeddings.weight"), "input_ids"])
        table = self._tensor("embeddings.position_embeddings.weight")
        if "positions" in self._inputs:
            places = self._node("Gather", [table, "positions"])
        else:
            count = self._node("Shape", ["input_ids"])
            places = self._node("Slice", [table, self._numbers("zero", [0]), count])
        kind = self._constant("token_type", self._tensors["embeddings.token_type_embeddings.weight"][0])
        total = self._node("Add", [self._node("Add", [words, places]), kind])
        return self._norm(total, "embeddings.LayerNorm")

    def _layer(self, hidden: str, name: str) -> str:
        context = self._attention(hidden, f"{name}.attention.self")
        context = self._linear(context, f"{name}.attention.output.dense")
        hidden = self._norm(self._node("Add", [context, hidden]), f"{name}.attention.output.LayerNorm")
        inner = self._node("Gelu", [self._linear(hidden, f"{name}.intermediate.dense")])
        inner = self._linear(inner, f"{name}.output.dense")
        return self._norm(self._node("Add", [inner, hidden]), f"{name}.output.LayerNorm")

    def _attention(self, hidden: str, name: str) -> str:
        size = self._shape.width // self._shape.heads
        by_head = self._numbers("by_head", [-1, self._shape.heads, size])

        def heads(part: str, order: list[int]) -> str:
            split = self._node("Reshape", [self._linear(hidden, f"{name}.{part}"), by_head])
            return self._node("Transpose", [split], perm=order)

        scores = self._node("MatMul", [heads("query", [1, 0, 2]), heads("key", [1, 2, 0])])
        scores = self._node("Mul", [scores, self._scale(1 / math.sqrt(size))])
        context = self._node("MatMul", [self._node("Softmax", [scores], axis=-1), heads("value", [1, 0, 2])])
        context = self._node("Transpose", [context], perm=[1, 0, 2])
        return self._node("Reshape", [context, self._numbers("joined", [-1, self._shape.width])])

    def _linear(self, inputs: str, name: str) -> str:
        weight = self._constant(f"{name}.weight", self._tensors[f"{name}.weight"].T)
        return self._node("Add", [self._node("MatMul", [inputs, weight]), self._tensor(f"{name}.bias")])

    def _norm(self, inputs: str, name: str) -> str:
        names = [inputs, self._tensor(f"{name}.weight"), self._tensor(f"{name}.bias")]
        return self._node("LayerNormalization", names, axis=-1, epsilon=self._shape.epsilon)

    def _tensor(self, name: str) -> str:
        return self._constant(name, self._tensors[name])

    def _numbers(self, name: str, values: list[int]) -> str:
        import numpy as np

        return self._constant(name, np.array(values, dtype=np.int64))

    def _scale(self, value: float) -> str:
        import numpy as np

        return self._constant("scale", np.array(value, dtype=np.float32))

    def _constant(self, name: str, value: Any) -> str:
        import numpy as np
        from onnx import numpy_helper

        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def _node(self, operator: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        from onnx import helper

        output = output or f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output
