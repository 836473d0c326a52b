"""The only place that opens an ONNX Runtime session.

Job: telemetry off before the import, outside data resolved strictly, thread counts as told, no spinning,
native exceptions translated. Ignorance: what a graph computes. Does not protect against a valid graph that
aborts inside the runtime.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge import offline
from edge.errors import EngineError, IntegrityError
from edge.formats import onnx_file

_DAMAGED = ("InvalidProtobuf", "InvalidGraph", "NoModel", "ModelLoadCanceled")
_FATAL = 4  # onnxruntime's log level: its errors reach us as exceptions, stderr belongs to the user


class OnnxSession:
    """One open graph. Calls from several threads are safe (onnxruntime's own promise for `run`)."""

    def __init__(self, path: str | Path, *, threads: int = 1, external: bool = False) -> None:
        """Open a graph on the CPU with `threads` compute threads that sleep, not spin, while they wait.

        Raises:
            NotFoundError: no such file.
            IntegrityError: damaged, or with outside data where `external` is off or a file of it is not
            plainly inside the folder. EngineError: onnxruntime refuses it, or is not installed.
        """
        self.path = Path(path)
        facts = onnx_file.look(self.path)
        if facts.external and not external:
            raise IntegrityError(
                f"{self.path} keeps weights in other files ({facts.external[0].location!r}); "
                "a graph in one file was expected"
            )
        facts.require_plain()
        self.metadata: Mapping[str, str] = facts.metadata
        self.native: Any = _open(facts.path, threads)
        self.inputs = tuple(i.name for i in self.native.get_inputs())
        self.outputs = tuple(o.name for o in self.native.get_outputs())

    def run(self, feeds: Mapping[str, Any], outputs: Sequence[str] | None = None) -> list[Any]:
        """Arrays of `outputs` (None: all, in graph order) for input arrays by name.

        Raises:
            EngineError: a name, shape or type does not fit the graph, the run failed, or the session is
            closed.
        """
        if self.native is None:
            raise EngineError(f"{self.path.name} is closed; load the model again")
        try:
            results: list[Any] = self.native.run(outputs, dict(feeds))
        except (
            Exception
        ) as error:  # pybind exceptions derive from Exception, wrong feeds are ValueError or TypeError
            raise EngineError(f"{self.path.name} failed: {_first_line(error)}") from error
        return results

    def close(self) -> None:
        """Free native memory."""
        self.native = None


def runtime() -> Any:
    """The onnxruntime module, imported with telemetry off.

    Raises:
        EngineError: not installed.
    """
    if "onnxruntime" in sys.modules and os.environ.get("ORT_DISABLE_TELEMETRY") != "1":
        warnings.warn(
            "onnxruntime was imported before edge, with its telemetry on: "
            "import edge first, or set ORT_DISABLE_TELEMETRY=1",
            RuntimeWarning,
            stacklevel=2,
        )
    offline.silence()
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineError(
            f"onnxruntime is missing or broken ({error}); install it with: pip install onnxruntime"
        ) from error
    return onnxruntime


def _open(path: Path, threads: int) -> Any:
    ort = runtime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = max(1, threads)
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        kind = IntegrityError if type(error).__name__ in _DAMAGED else EngineError
        raise kind(
            f"onnxruntime cannot open {path}: {_first_line(error)}; copy or export the file again"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
