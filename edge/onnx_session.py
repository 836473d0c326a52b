"""The only place that opens an ONNX Runtime session.

Job: telemetry off before the import, outside data resolved strictly, thread counts as told, no spinning,
native exceptions translated. Ignorance: what a graph computes. Does not protect against a valid graph that
aborts inside the runtime.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edge import offline
from edge.errors import EngineError, IntegrityError
from edge.formats import onnx_file

_DAMAGED = ("InvalidProtobuf", "InvalidGraph", "NoModel", "ModelLoadCanceled")
_FATAL = 4  # onnxruntime's log level: its errors reach us as exceptions, stderr belongs to the user


class OnnxSession:
    """One open graph. Calls from several threads are safe (onnxruntime's own promise for `run`)."""

    def __init__(
        self, path: str | Path, *, threads: int = 1, external: bool = False, patterns: bool = True
    ) -> None:
        """Open a graph on the CPU with `threads` compute threads that sleep, not spin, while they wait.

        `patterns`: remember how memory was used for each shape of the inputs; not where shapes never repeat.

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
        self.native: Any = _open(facts.path, threads, patterns)
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
        with self._failures_named():
            results: list[Any] = self.native.run(outputs, dict(feeds))
        return results

    def shapes(self) -> dict[str, list[int | str]]:
        """Sizes, or names of sizes, of every input, with or without a default, and output."""
        native = self.native
        every = (*native.get_inputs(), *native.get_overridable_initializers(), *native.get_outputs())
        return {value.name: list(value.shape) for value in every}

    def binding(self) -> Binding:
        """A run whose arrays are bound once and used in place."""
        return Binding(self)

    def stop(self) -> Any:
        """A switch for `Binding.run`: its `terminate`, set from any thread, fails runs until cleared."""
        return runtime().RunOptions()

    def close(self) -> None:
        """Free native memory."""
        self.native = None

    @contextmanager
    def _failures_named(self) -> Iterator[None]:
        try:
            yield
        except (
            Exception
        ) as error:  # pybind exceptions derive from Exception, wrong feeds are ValueError or TypeError
            raise EngineError(f"{self.path.name} failed: {_first_line(error)}") from error


class Binding:
    """Arrays that runs of one session read and write where they lie. It keeps them alive."""

    def __init__(self, session: OnnxSession) -> None:
        self._session, self._native = session, session.native.io_binding()
        self._kept: dict[str, NDArray[Any]] = {}

    def reads(self, name: str, array: NDArray[Any]) -> None:
        """Bind an input to a contiguous array. Raises EngineError: no such input, or of another type."""
        with self._session._failures_named():
            self._native.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        self._kept[name] = array

    def writes(self, name: str, array: NDArray[Any]) -> None:
        """Bind an output to a contiguous array; one that an input reads too is changed in place."""
        with self._session._failures_named():
            self._native.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        self._kept[name] = array

    def run(self, stop: Any = None) -> None:
        """Compute once. Raises EngineError: a shape does not fit the graph, it failed or was stopped."""
        with self._session._failures_named():
            self._session.native.run_with_iobinding(self._native, stop)


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


def _open(path: Path, threads: int, patterns: bool) -> Any:
    ort = runtime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = max(1, threads)
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = patterns
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
