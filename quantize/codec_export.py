"""Float ONNX codecs to int8, kept only when a gate says that nobody would notice.

Job: try the fastest form first, measure it against the float codec on media it was not calibrated on, keep
the first that passes, else the float file. Gates: an encoder gives at least 97 % of the same ids, a decoder
adds less than 0.3 dB of error.
Ignorance: knows no bundle. Does not protect against media unlike those that pico reads.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from edge.errors import EdgeError, IntegrityError
from edge.formats import onnx_file
from edge.onnx_session import OnnxSession, runtime
from quantize.calibration import Media
from quantize.report import CodecResult, CodecTrial

MIN_AGREEMENT = 0.97  # share of identical ids
MAX_ADDED_ERROR = 0.3  # dB
_AXIS = {"Conv": 0, "ConvTranspose": 1, "MatMul": -1, "Gemm": 0}  # output channels of the weight
_FLOAT = onnx.TensorProto.FLOAT
_FLOOR = 1e-9  # squared error below which a codec counts as exact

Array = NDArray[Any]


def export(role: str, source: Path, target: Path, media: Media | None, encoder: Path | None, *,
           strict: bool = False) -> CodecResult:  # fmt: skip
    """Write the smallest form of one codec that passes its gate to `target`.

    `encoder` is the float encoder of the same modality: it makes the ids that a decoder is judged on.

    Raises:
        IntegrityError: the graph is damaged or keeps data outside of its file.
        EdgeError: nothing passed and `strict`.
    """
    _load(source)
    trials: list[CodecTrial] = []
    if media is not None and encoder is not None:
        for method, make in _METHODS.items():
            make(source, target, _inputs(role, media.calibration, encoder))
            trials.append(judge(role, method, source, target, media.judged, encoder))
            if trials[-1].passed:
                return CodecResult(method, tuple(trials), media.origin)
    if strict:
        raise EdgeError(_refusal(role, trials))
    shutil.copyfile(source, target)
    return CodecResult("float", tuple(trials), media.origin if media else "no held-out media to judge it on")


def judge(role: str, method: str, source: Path, target: Path, judged: Array, encoder: Path) -> CodecTrial:
    """Measure `target` against the float codec `source` on held-out media."""
    if role.endswith("_encoder"):
        same = np.mean(_run(source, judged) == _run(target, judged))
        return CodecTrial(method, float(same), MIN_AGREEMENT, bool(same >= MIN_AGREEMENT))
    codes = _run(encoder, judged)
    float_error, error = (_error(_run(path, codes), judged) for path in (source, target))
    added = float(10 * np.log10(error / float_error))
    return CodecTrial(method, added, MAX_ADDED_ERROR, added < MAX_ADDED_ERROR)


def _error(made: Array, judged: Array) -> float:
    """Mean squared error; what is made larger than it was read is averaged down to it."""
    by = made.shape[-1] // judged.shape[-1] if made.ndim == 4 else 1
    if by > 1:
        n, c, h, w = made.shape
        made = made.reshape(n, c, h // by, by, w // by, by).mean((3, 5))
    return max(float(np.mean((made - judged) ** 2)), _FLOOR)


def _refusal(role: str, trials: list[CodecTrial]) -> str:
    if not trials:
        return (
            f"{role} cannot be judged: there is no held-out media for it; put heldout.npz into the checkpoint"
        )
    best = (max if role.endswith("_encoder") else min)(trials, key=lambda t: t.value)
    told = f"adds {best.value:.2f} dB of error, and less than {best.limit} dB is allowed"
    if role.endswith("_encoder"):
        told = f"gives {best.value:.1%} of the float codec's ids, and at least {best.limit:.0%} are needed"
    return f"{role} as {best.method} {told}; run it without --strict-codecs to keep the float codec"


def _inputs(role: str, media: Array, encoder: Path) -> Array:
    return media if role.endswith("_encoder") else _run(encoder, media)


def _run(path: Path, values: Array) -> Array:
    """The graph's only output for a batch, fed one item at a time: graphs may fix the batch at 1."""
    session = OnnxSession(path)
    results = [session.run({session.inputs[0]: values[i : i + 1]})[0] for i in range(len(values))]
    session.close()
    return np.concatenate(results)


def _load(path: Path) -> onnx.ModelProto:
    facts = onnx_file.look(path)
    if facts.external:
        raise IntegrityError(
            f"{path.name} keeps data in {facts.external[0].location!r}; export it as one file"
        )
    model = onnx.load(str(path), load_external_data=False)
    for i, node in enumerate(model.graph.node):
        node.name = node.name or f"node_{i}"
    return model


def _weighted(model: onnx.ModelProto) -> list[Any]:
    """Nodes with a constant weight, all but the last, which stays float with everything after it, and of more
    than two the first: its few weights see the medium itself and would cost as many ids as all others do.
    """
    constants = {w.name for w in model.graph.initializer}
    nodes = [n for n in model.graph.node if n.op_type in _AXIS and n.input[1] in constants]
    return nodes[len(nodes) > 2 : -1]


def _int8(source: Path, target: Path, inputs: Array) -> None:
    """8-bit weights and activations (QDQ, per channel), ranges from calibration."""
    runtime()  # telemetry off before the import
    from onnxruntime import quantization as q

    model = _load(source)
    chosen = [n.name for n in _weighted(model)]
    original = list(model.metadata_props)
    helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})  # else it logs advice
    q.quantize_static(
        model, str(target), _Reader(model.graph.input[0].name, inputs), q.QuantFormat.QDQ, per_channel=True,
        nodes_to_quantize=chosen or ["no node"], op_types_to_quantize=[*_AXIS],
        activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8,
    )  # fmt: skip
    _save_with_facts(onnx.load(str(target)), original, target)


def _int8_weights(source: Path, target: Path, inputs: Array) -> None:
    """8-bit weights per channel, float activations: the same size, smaller rounding error."""
    model = _load(source)
    stored = {w.name: w for w in model.graph.initializer}
    for node in _weighted(model):
        weight = numpy_helper.to_array(stored[node.input[1]])
        transposed = node.op_type == "Gemm" and not any(a.name == "transB" and a.i for a in node.attribute)
        axis = (1 if transposed else _AXIS[node.op_type]) % weight.ndim
        if weight.dtype != np.float32 or weight.size < 64:
            continue
        _store_as_int8(model, node, weight, axis)
    _drop_unused(model)
    _save_with_facts(model, list(model.metadata_props), target)


def _f16_weights(source: Path, target: Path, inputs: Array) -> None:
    """Half-size weights, float arithmetic: for graphs whose ids 8 bits would flip."""
    model = _load(source)
    stored = {w.name: w for w in model.graph.initializer}
    for node in _weighted(model):
        weight = numpy_helper.to_array(stored[node.input[1]])
        if weight.dtype != np.float32 or np.abs(weight).max() > np.finfo(np.float16).max:
            continue
        name = f"{node.name}_weight"
        model.graph.initializer.append(numpy_helper.from_array(weight.astype(np.float16), f"{name}_f16"))
        model.graph.node.insert(0, helper.make_node("Cast", [f"{name}_f16"], [name], name=name, to=_FLOAT))
        node.input[1] = name
    _drop_unused(model)
    _save_with_facts(model, list(model.metadata_props), target)


def _store_as_int8(model: onnx.ModelProto, node: Any, weight: Array, axis: int) -> None:
    others = tuple(i for i in range(weight.ndim) if i != axis)
    scale = np.maximum(np.abs(weight).max(others, keepdims=True), 1e-12) / 127
    name = f"{node.name}_weight"
    codes = np.round(weight / scale).astype(np.int8)
    model.graph.initializer.append(numpy_helper.from_array(codes, f"{name}_int8"))
    model.graph.initializer.append(numpy_helper.from_array(scale.reshape(-1), f"{name}_scale"))
    dequantize = helper.make_node(
        "DequantizeLinear", [f"{name}_int8", f"{name}_scale"], [name], name=name, axis=axis
    )
    model.graph.node.insert(0, dequantize)
    node.input[1] = name


def _drop_unused(model: onnx.ModelProto) -> None:
    used = {name for node in model.graph.node for name in node.input} | {o.name for o in model.graph.output}
    for weight in [w for w in model.graph.initializer if w.name not in used]:
        model.graph.initializer.remove(weight)


def _save_with_facts(model: onnx.ModelProto, facts: list[Any], target: Path) -> None:
    del model.metadata_props[:]
    model.metadata_props.extend(facts)
    onnx.save(model, str(target))


class _Reader:
    """Feeds calibration inputs one by one, as onnxruntime's CalibrationDataReader does."""

    def __init__(self, name: str, inputs: Array) -> None:
        self._feeds: Iterator[dict[str, Array]] = iter(
            [{name: inputs[i : i + 1]} for i in range(len(inputs))]
        )

    def get_next(self) -> dict[str, Array] | None:
        """The next feed, or None at the end."""
        return next(self._feeds, None)


_METHODS: dict[str, Callable[[Path, Path, Array], None]] = {
    "int8": _int8,
    "int8 weights": _int8_weights,
    "f16 weights": _f16_weights,
}
