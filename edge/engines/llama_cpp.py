"""llama.cpp behind the Engine contract, on its low-level API: segments in, logits out.

Job: load a validated GGUF, keep the KV sequences, batch without allocating per token, choose and watch
threads; where needed, on a thread of its own (own_thread). Ignorance: media, chat, sampling. Not thread-safe.
A header that lies is stopped by `edge.formats.gguf` before native code sees the file; native asserts would
still end the process.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge import hardware
from edge.engines import guards, lora, room, state
from edge.engines.base import Interrupted, Logits
from edge.engines.door import one_at_a_time
from edge.engines.hidden_states import hidden_states
from edge.engines.libmtmd import MediaEncoder
from edge.engines.llama_batch import Batch
from edge.engines.llama_native import LlamaTokenizer, abort_flag, complaint, library
from edge.engines.own_thread import OwnThread
from edge.engines.positions import Positions
from edge.engines.repacking import packs_again
from edge.engines.thread_watch import ThreadWatch
from edge.errors import DoesNotFitError, EngineError
from edge.formats.gguf import GgufHeader, read_header
from edge.options import EngineOptions
from edge.segments import EmbeddingSegment, Segment, TokenSegment

_MOST_GUESSED = 15  # ids of one call beside the chosen one: more never paid
_ABORTED = 2  # llama_decode, after the flag was raised


class LlamaCppEngine:
    """One model, one context, `sequences` independent KV sequences."""

    name = "llama_cpp"

    def __init__(
        self, path: str | Path, options: EngineOptions | None = None, header: GgufHeader | None = None
    ) -> None:
        """Load a .gguf file, and the options' LoRA adapters over it; its header, where it was read before.

        Raises:
            IntegrityError: a file is no sound GGUF, or no adapter.
            DoesNotFitError: model or context do not fit into memory.
            EngineError: llama.cpp refuses it, or an adapter is of another model.
        """
        chosen = options or EngineOptions()
        path = Path(path)
        header = header or read_header(path)
        self.sequences = max(1, chosen.sequences)
        wanted = lora.checked(chosen.adapters, header)
        self.context_length = room.context_of(header, chosen.context_length)
        need = partial(
            room.llama_cpp,
            header,
            sequences=self.sequences,
            batch=chosen.batch,
            adapters=sum(adapter.size for adapter in wanted),
        )
        room.require(need, self.context_length, self.sequences, hardware.memory()[1])
        self._native = library()
        self._model = self._load(path, header)
        handles = lora.load(self._native, self._model, wanted)
        self.most_verified = 1 + max(0, min(chosen.speculate, _MOST_GUESSED))
        self.batch = max(self.sequences, self.most_verified, min(chosen.batch, self.context_length))
        self._fixed = chosen.threads
        self._context = self._open()
        self._thread = OwnThread("llama.cpp")
        self._flag, self.door = abort_flag(self._native, self._context), threading.RLock()
        self._finalizer = weakref.finalize(
            self, _free, self._native, self._context, self._model, self._thread, self._flag, self.door
        )
        self._adapt = partial(lora.switch_on, self._native, handles=handles, wanted=wanted)
        self._adapt(self._context)
        self._memory = self._native.llama_get_memory(self._context)
        self.tokenizer = LlamaTokenizer(
            self._native.llama_model_get_vocab(self._model), lambda: self._finalizer.alive, header.metadata
        )
        self.vocab_size = self.tokenizer.size
        self._row_type = ctypes.c_float * self.vocab_size
        self.width = int(self._native.llama_model_n_embd_inp(self._model))  # of an embedding that is fed
        turned = self._native.llama_model_rope_type(self._model)
        flat = turned not in (self._native.LLAMA_ROPE_TYPE_MROPE, self._native.LLAMA_ROPE_TYPE_IMROPE)
        self._axes = 1 if flat else 4  # positions of an embedding
        adapters = [(adapter.size, adapter.scale) for adapter in wanted]
        self._model_key = f"{self.name} {header.file_size} {self.vocab_size} {adapters}"
        self._lengths = [0] * self.sequences
        self._places = [Positions() for _ in range(self.sequences)]
        self._calls = Batch(self._native, self.batch, self._axes)
        self._threads = self._watched(header.file_size)

    # --- the contract -----------------------------------------------------------------------------

    @one_at_a_time
    def feed(self, segments: Sequence[Segment], *, sequence: int = 0) -> Logits:
        """Append segments to a sequence; the logits after the last token, (vocab,)."""
        self._alive(sequence)
        total = guards.tokens_of(segments)
        self._check_room(total, sequence)
        self._threads.look()
        before = self._lengths[sequence]
        try:
            return self._fed(segments, total, sequence)
        except Interrupted:
            self.truncate(before, sequence=sequence)
            raise

    def _fed(self, segments: Sequence[Segment], left: int, sequence: int) -> Logits:
        for segment in segments:
            first = self._places[sequence].after(self._lengths[sequence])
            with self._attention(segment):
                for start in range(0, len(segment), self.batch):
                    count = min(self.batch, len(segment) - start)
                    left -= count
                    batch = self._filled(segment, start, count, first, sequence, last=left == 0)
                    self._run(batch, (sequence,), count)
            if isinstance(segment, EmbeddingSegment):
                self._places[sequence].hold(segment, self._lengths[sequence])
        last: Logits = self._logits(-1)[0]
        return last

    @one_at_a_time
    def step(self, tokens: Sequence[int], *, sequences: Sequence[int] | None = None) -> Logits:
        """Append tokens[i] to sequences[i] in one batch; logits (len(tokens), vocab)."""
        named = guards.require_steps(tokens, sequences)
        for sequence in named:
            self._alive(sequence)
            self._check_room(1, sequence)
        began = time.perf_counter()
        self._run(self._calls.step(tokens, self._next(named), named), named, 1)
        self._threads.stepped(time.perf_counter() - began, lone=len(named) == 1)
        return self._logits(*range(len(named)))

    @one_at_a_time
    def verify(self, tokens: Sequence[int], *, sequence: int = 0) -> Logits:
        """Append ids to a sequence in one batch; the logits after each of them, (len(tokens), vocab)."""
        self._alive(sequence)
        count = guards.tokens_of([TokenSegment(tuple(tokens))])
        if count > self.most_verified:
            raise EngineError(f"{count} ids at once, but the model was loaded to verify {self.most_verified}")
        self._check_room(count, sequence)
        first = self._places[sequence].after(self._lengths[sequence])
        self._run(self._calls.tokens(tokens, first, sequence, outputs=count), (sequence,), count)
        return self._logits(*range(count))

    def interrupt(self) -> None:
        """Let the call that runs now, else the next one, end soon; from any thread."""
        self._flag[0] = 1

    def length(self, sequence: int = 0) -> int:
        """Tokens a sequence holds."""
        return self._lengths[sequence]

    @one_at_a_time
    def truncate(self, length: int, *, sequence: int = 0) -> None:
        """Forget all but the first `length` tokens."""
        self._alive(sequence)
        if length >= self._lengths[sequence]:
            return
        kept = max(0, length)
        if not self._native.llama_memory_seq_rm(
            self._memory, sequence, self._places[sequence].after(kept), -1
        ):
            self._clear(sequence)  # recurrent models cannot forget a part
            if kept:
                raise EngineError(f"this model cannot go back to {kept} tokens; the sequence was cleared")
        self._lengths[sequence] = kept
        self._places[sequence].cut(kept)

    @one_at_a_time
    def save(self, *, sequence: int = 0) -> bytes:
        """What a sequence holds, for `restore`."""
        self._alive(sequence)
        size = self._native.llama_state_seq_get_size(self._context, sequence)
        buffer = (ctypes.c_uint8 * size)()
        written = self._native.llama_state_seq_get_data(self._context, buffer, size, sequence)
        payload = self._places[sequence].packed() + bytes(memoryview(buffer)[:written])
        return state.framed(self._model_key, self._lengths[sequence], payload)

    @one_at_a_time
    def restore(self, saved: bytes | memoryview, *, sequence: int = 0) -> None:
        """Hold what was saved, instead of what is held now."""
        self._alive(sequence)
        self._clear(sequence)
        length, payload = state.opened(self._model_key, saved, self.context_length)
        payload = self._places[sequence].unpacked(payload)
        buffer = (ctypes.c_uint8 * len(payload)).from_buffer_copy(payload)
        if not self._native.llama_state_seq_set_data(self._context, buffer, len(payload), sequence):
            self._clear(sequence)
            raise EngineError(
                f"llama.cpp takes the saved sequence not back: {complaint() or 'no reason given'}"
            )
        self._lengths[sequence] = length

    @one_at_a_time
    def hidden(self, runs: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        """Hidden states of each run of ids, (n, width), by itself; the sequences stay as they are."""
        self._alive(0)
        longest = max(map(len, runs), default=0)
        if not all(runs) or longest > self.context_length:
            raise DoesNotFitError(
                f"a text to embed is {longest} tokens long, expected 1 to {self.context_length}; "
                "embed it in pieces, or load a longer context"
            )
        return hidden_states(
            self._native,
            self._model,
            runs,
            threads=self._threads.bulk,
            prepare=self._adapt,
            call=self._thread.call,
        )

    def media_encoder(self, path: Path, *, most_of_picture: int | None = None) -> MediaEncoder:
        """A proven mmproj file (`edge.formats.mmproj`), opened for this model; the caller closes it.

        Raises:
            EngineError: libmtmd refuses it.
        """
        self._alive(0)
        return MediaEncoder(
            path,
            self._model,
            width=self.width,
            threads=self._fixed or hardware.usable_cpus(),
            most=self.context_length,
            most_of_picture=most_of_picture,
            alive=lambda: self._finalizer.alive,
            call=self._thread.call,
        )

    def close(self) -> None:
        """Free native memory, once a call that runs has ended; further calls raise EngineError."""
        self._finalizer()

    # --- loading ----------------------------------------------------------------------------------

    def _load(self, path: Path, header: GgufHeader) -> Any:
        params = self._native.llama_model_default_params()
        params.use_extra_bufts = hardware.fast_path_is_safe()
        if params.use_extra_bufts and packs_again(header, hardware.cpu_flags()):
            params.load_mode = self._native.LLAMA_LOAD_MODE_NONE
        params.n_gpu_layers = 0
        complaint()
        model = self._native.llama_model_load_from_file(os.fsencode(path), params)
        if not model:
            why = complaint() or "no reason given"
            raise EngineError(f"llama.cpp cannot load {path.name}: {why}; verify the file")
        return model

    def _open(self) -> Any:
        native, params = self._native, self._native.llama_context_default_params()
        params.n_ctx = self.context_length * self.sequences  # not unified: each sequence has its own share
        params.n_seq_max = self.sequences
        params.n_batch = params.n_ubatch = self.batch
        params.n_outputs_max = max(self.sequences, self.most_verified)  # of a step, or of a verified run
        params.kv_unified = False
        params.flash_attn_type = native.LLAMA_FLASH_ATTN_TYPE_AUTO
        params.no_perf = True
        params.n_threads = params.n_threads_batch = self._fixed or hardware.usable_cpus()
        context = native.llama_init_from_model(self._model, params)
        if not context:
            native.llama_model_free(self._model)
            raise DoesNotFitError(
                f"llama.cpp cannot open {self.sequences} sequences of {self.context_length} tokens "
                f"({complaint() or 'no reason given'}); ask for a shorter context"
            )
        return context

    # --- batches ----------------------------------------------------------------------------------

    def _filled(
        self, segment: Segment, start: int, count: int, first: int, sequence: int, *, last: bool
    ) -> Any:
        """`count` tokens from `start` of a segment whose first stands at position `first`."""
        if isinstance(segment, TokenSegment):
            ids = segment.ids[start : start + count]
            return self._calls.tokens(ids, first + start, sequence, outputs=int(last))
        if segment.embeddings.shape[1:] != (self.width,):
            raise EngineError(f"embeddings of shape {segment.embeddings.shape} do not fit width {self.width}")
        rows = segment.embeddings[start : start + count]
        if segment.places is None:
            return self._calls.embeddings(rows, first + start, sequence, last=last)
        if self._axes == 1:
            raise EngineError("these embeddings stand in two dimensions, and this model knows one")
        places = segment.places[start : start + count] + first
        return self._calls.embeddings(rows, places, sequence, last=last)

    @contextlib.contextmanager
    def _attention(self, segment: Segment) -> Iterator[None]:
        """In a segment that is not causal, every row sees every other: llama.cpp wants them in one batch."""
        if isinstance(segment, TokenSegment) or segment.causal:
            yield
            return
        if len(segment) > self.batch:
            raise DoesNotFitError(
                f"a picture of {len(segment)} tokens must go into one batch, and a batch holds "
                f"{self.batch}; load with EngineOptions(batch={len(segment)})"
            )
        self._native.llama_set_causal_attn(self._context, False)
        try:
            yield
        finally:
            self._native.llama_set_causal_attn(self._context, True)

    def _next(self, sequences: Sequence[int]) -> list[int]:
        """Where the next token of each sequence stands."""
        return [self._places[i].after(self._lengths[i]) for i in sequences]

    def _run(self, batch: Any, sequences: Sequence[int], each: int) -> None:
        code = self._thread.call(self._native.llama_decode, self._context, batch)
        if code == _ABORTED:  # llama.cpp took this call back; those before it stand
            self._flag[0] = 0
            raise Interrupted("the call was interrupted")
        if code != 0:
            for sequence in sequences:
                self._clear(sequence)
            raise EngineError(f"llama.cpp failed to decode (code {code}): {complaint() or 'no reason given'}")
        for sequence in sequences:
            self._lengths[sequence] += each

    def _logits(self, *rows: int) -> Logits:
        """Copies of the rows, (len(rows), vocab): the next decode overwrites the native ones."""
        copied = np.empty((len(rows), self.vocab_size), dtype=np.float32)
        for i, row in enumerate(rows):
            pointer = self._native.llama_get_logits_ith(self._context, row)
            if not pointer:
                raise EngineError("llama.cpp has no logits for the last token")
            copied[i] = memoryview(self._row_type.from_address(ctypes.addressof(pointer.contents)))
        return copied

    def _clear(self, sequence: int) -> None:
        self._native.llama_memory_seq_rm(self._memory, sequence, -1, -1)  # a whole sequence: never fails
        self._lengths[sequence] = 0
        self._places[sequence].cut(0)

    def _check_room(self, count: int, sequence: int) -> None:
        guards.require_room(self._lengths[sequence], count, self.context_length, sequence)

    def _alive(self, sequence: int) -> None:
        guards.require_open(self._finalizer.alive, sequence, self.sequences)

    # --- threads ----------------------------------------------------------------------------------

    def _watched(self, model_bytes: int) -> ThreadWatch:
        """Its timed steps leave the context empty."""
        apply = partial(self._native.llama_set_n_threads, self._context)
        watch = ThreadWatch(self._fixed, model_bytes, apply, self._timed_step)
        self.truncate(0)
        return watch

    def _timed_step(self) -> float:
        began = time.perf_counter()
        self._run(self._calls.step([0], self._next([0]), [0]), (0,), 1)
        return time.perf_counter() - began


def _free(
    native: Any,
    context: Any,
    model: Any,
    thread: OwnThread,
    flag: Any,
    door: threading.RLock,
) -> None:
    flag[0] = 1  # a call that runs in another thread ends now
    with door:
        thread.stop()
        native.llama_free(context)
        native.llama_model_free(model)
