"""What onnxruntime-genai needs beside a decoder graph, so that it opens the folder as it is.

Job: genai_config.json, and the tokenizer files under the names it looks for.
Ignorance: the graph; whether that library is installed. Its tokenizer reads tokenizer.json only.
Source: the configuration reference of onnxruntime-genai, and the files its builder writes (0.18).
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from edge.engines.onnx_engine import PAST, PRESENT
from edge.errors import UsageError
from quantize.checkpoint import Checkpoint
from quantize.tensor_names import Shape

CONFIG, SETTINGS = "genai_config.json", "tokenizer_config.json"
_QUIET = 3  # errors only: it warns that two inputs have defaults


def write(checkpoint: Checkpoint, graph: Path, ends: tuple[int, ...]) -> dict[str, str]:
    """Write the files beside the graph; their names by role. Raises: as `require_end`."""
    folder = graph.parent
    (folder / CONFIG).write_text(json.dumps(config(checkpoint, graph.name, ends), indent=2) + "\n")
    written = {"genai_config": CONFIG}
    source = checkpoint.folder / SETTINGS
    if source.is_file():
        shutil.copyfile(source, folder / SETTINGS)
        written["tokenizer_config"] = SETTINGS
    return written


def require_end(name: str, ends: tuple[int, ...]) -> None:
    """Raises: UsageError: the checkpoint of this name names no token that ends a turn."""
    if not ends:
        raise UsageError(
            f"{name} names no eos_token_id in config.json or generation_config.json, and "
            "onnxruntime-genai needs one; add it, or use --format gguf"
        )


def config(checkpoint: Checkpoint, graph: str, ends: tuple[int, ...]) -> dict[str, Any]:
    """The content of genai_config.json. Raises: as `require_end`."""
    require_end(checkpoint.name, ends)
    shape, given = Shape.of(checkpoint.config), checkpoint.config
    kinds = ("key", "value")
    past = {f"past_{kind}_names": f"{PAST}%d.{kind}" for kind in kinds}
    present = {f"present_{kind}_names": f"{PRESENT}%d.{kind}" for kind in kinds}
    pad, length = given.get("pad_token_id"), checkpoint.context_length
    bos = given.get("bos_token_id")
    return {
        "model": {
            "type": checkpoint.gguf,
            "bos_token_id": bos if type(bos) is int else ends[0],
            "eos_token_id": list(ends),
            "pad_token_id": pad if type(pad) is int else ends[0],
            "vocab_size": shape.vocabulary,
            "context_length": length,
            "decoder": {
                "session_options": {"log_severity_level": _QUIET, "provider_options": []},
                "filename": graph,
                "head_size": shape.head_width,
                "hidden_size": shape.width,
                "num_attention_heads": shape.heads,
                "num_hidden_layers": shape.layers,
                "num_key_value_heads": shape.kv_heads,
                "inputs": {"input_ids": "input_ids", "attention_mask": "attention_mask", **past},
                "outputs": {"logits": "logits", **present},
            },
        },
        "search": {"do_sample": False, "max_length": length, "min_length": 0, "num_beams": 1,
                   "past_present_share_buffer": True, "temperature": 1.0, "top_k": 1, "top_p": 1.0},
    }  # fmt: skip
