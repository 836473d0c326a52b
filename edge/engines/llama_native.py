"""The door to llama.cpp's C API: started once, silenced, last complaints kept; and a file's own tokenizer.

Job: what every user of the native library needs and nobody should do twice.
Ignorance: contexts, decoding. Does not validate files: `edge.formats.gguf` does that before.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import types
import unicodedata
from collections import deque
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from typing import Any

from edge.errors import CLOSED, EngineError

_SPACES = (" ", "▁")  # SentencePiece writes the first as the second
_complaints: deque[str] = deque(maxlen=4)
_kept: list[Any] = []  # ctypes callbacks must outlive the library's use of them


@cache
def library() -> Any:
    """llama_cpp's low-level module, its backend started and its log turned to us.

    Raises:
        EngineError: llama-cpp-python is not installed or does not load.
    """
    try:
        native = _module("llama_cpp")
    except (ImportError, OSError, RuntimeError) as error:
        raise EngineError(
            f"llama-cpp-python does not load ({error}); install it again: pip install llama-cpp-python"
        ) from error
    callback = native.llama_log_callback(_hear)
    _kept.append(callback)
    native.llama_log_set(callback, None)
    native.llama_backend_init()
    return native


def _module(name: str) -> Any:
    """A low-level module of llama_cpp, without what the package imports for its classes (100 ms)."""
    if "llama_cpp" not in sys.modules and (spec := find_spec("llama_cpp")) is not None:
        package = sys.modules["llama_cpp"] = module_from_spec(spec)
        package.__class__ = _Package
    return import_module(f"llama_cpp.{name}")


class _Package(types.ModuleType):
    """llama_cpp, executed when somebody asks for a name that it does not have yet."""

    def __getattr__(self, name: str) -> Any:
        spec = self.__spec__
        self.__class__ = types.ModuleType  # type: ignore[assignment]
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module(self)
        return getattr(self, name)


@cache
def media_library() -> Any:
    """The low-level module of libmtmd, its log turned to us. Errors as `library`."""
    library()
    try:
        native = _module("mtmd_cpp")
    except (ImportError, OSError, RuntimeError) as error:
        raise EngineError(
            f"libmtmd does not load ({error}); install llama-cpp-python again: pip install llama-cpp-python"
        ) from error
    native.mtmd_helper_log_set(_kept[0], None)
    return native


def complaint() -> str:
    """The library's last warnings and errors as one line; empty where there are none."""
    text = "; ".join(_complaints)
    _complaints.clear()
    return text


def abort_flag(native: Any, context: Any) -> Any:
    """Two bytes; once the first is 1, the running call of the context ends.

    llama.cpp asks after every node of its graph, and asking Python would cost the interpreter's lock each
    time. So it asks C for the length of the text that the bytes are: 0 or 1.
    """
    flag = (ctypes.c_uint8 * 2)()
    library_of_c = ctypes.cdll.msvcrt if os.name == "nt" else ctypes.CDLL(None)
    asked = ctypes.cast(library_of_c.strlen, native.ggml_abort_callback)
    native.llama_set_abort_callback(context, asked, ctypes.addressof(flag))
    return flag


def _hear(level: int, text: bytes, _: Any) -> None:
    if level in (3, 4) and (line := text.decode("utf-8", "replace").strip()):  # GGML_LOG_LEVEL_WARN, _ERROR
        _complaints.append(line)


class LlamaTokenizer:
    """The vocabulary inside a GGUF file, and what `edge quantize` adds to it because llama.cpp lacks it."""

    def __init__(
        self, vocab: int, alive: Callable[[], bool], metadata: Mapping[str, Any] | None = None
    ) -> None:
        """`vocab`: a llama_vocab pointer; `alive` says whether its model is still in memory.

        Raises:
            EngineError: the metadata ask for a normalizer that does not exist.
        """
        rules = metadata or {}
        self._form = str(rules.get("edge.tokenizer.normalizer", ""))
        self._space_counts = rules.get("edge.tokenizer.prefix") == "unless a space stands there"
        if self._form not in ("", "NFC", "NFD", "NFKC", "NFKD"):
            raise EngineError(f"the model file asks for the normalizer {self._form!r}; quantize it again")
        self._native, self._vocab, self._alive = library(), vocab, alive
        self.size: int = self._native.llama_vocab_n_tokens(vocab)
        self._pieces: dict[int, bytes] = {}
        self._buffer = ctypes.create_string_buffer(256)
        self._door = threading.RLock()  # one buffer for all threads

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """Ids of `text`; no begin-of-sequence id is added. Written special tokens are text unless `special`.

        Raises:
            EngineError: the model is closed, or the native tokenizer failed.
        """
        self._check()
        if self._space_counts and text in _SPACES:
            return self._lone_space()
        data = self._prepared(text).encode("utf-8", "replace")
        room = len(data) + 8
        for _ in range(2):
            ids = (ctypes.c_int32 * room)()
            count: int = self._native.llama_tokenize(self._vocab, data, len(data), ids, room, False, special)
            if count >= 0:
                return list(ids[:count])
            room = -count
        raise EngineError(
            f"the native tokenizer failed on {len(data)} bytes of text; the model file is damaged: verify it"
        )

    def _prepared(self, text: str) -> str:
        """As the checkpoint's tokenizer sees it; llama.cpp puts a space before even where one stands."""
        if self._form:
            text = unicodedata.normalize(self._form, text)  # type: ignore[arg-type]
        return text[1:] if self._space_counts and text.startswith(_SPACES) else text

    def _lone_space(self) -> list[int]:
        """llama.cpp tokenizes no empty text, so what is left of a lone space is looked up."""
        written = self._native.llama_vocab_get_text
        return [next((i for i in range(self.size) if written(self._vocab, i) == "▁".encode()), 0)]

    def piece(self, token: int) -> bytes:
        """The bytes of one id; empty for control tokens."""
        known = self._pieces.get(token)
        if known is None:
            known = self._pieces[token] = self._piece(token, special=False)
        return known

    def name(self, token: int) -> str:
        """How a special token is written; empty for ids outside of the vocabulary."""
        return self._piece(token, special=True).decode("utf-8", "replace") if token >= 0 else ""

    def bos(self) -> int:
        """The begin-of-sequence id, or -1."""
        self._check()
        return int(self._native.llama_vocab_bos(self._vocab))

    def eos(self) -> int:
        """The end-of-sequence id, or -1."""
        self._check()
        return int(self._native.llama_vocab_eos(self._vocab))

    def adds_bos(self) -> bool:
        """Whether the model expects a begin-of-sequence id before all else."""
        self._check()
        return bool(self._native.llama_vocab_get_add_bos(self._vocab))

    def ends(self) -> tuple[int, ...]:
        """All ids that end a turn."""
        self._check()
        return tuple(i for i in range(self.size) if self._native.llama_vocab_is_eog(self._vocab, i))

    def _check(self) -> None:
        if not self._alive():
            raise EngineError(CLOSED)

    def _piece(self, token: int, *, special: bool) -> bytes:
        if not 0 <= token < self.size:
            return b""
        with self._door:
            return self._read(token, special)

    def _read(self, token: int, special: bool) -> bytes:
        self._check()
        length = self._native.llama_token_to_piece(
            self._vocab, token, self._buffer, len(self._buffer), 0, special
        )
        if length < 0:
            self._buffer = ctypes.create_string_buffer(-length)
            length = self._native.llama_token_to_piece(self._vocab, token, self._buffer, -length, 0, special)
        return self._buffer.raw[: max(0, length)]
