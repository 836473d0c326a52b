"""ONNX Runtime behind the Engine contract: segments in, logits out.

Job: a decoder graph of `edge quantize`, its KV buffers shared between past and present, sequences as rows of
one batch; nothing is allocated per token but the logits. Ignorance: media, chat, sampling, what the graph
computes. Not thread-safe. The tokenizer comes from a GGUF file. A graph that lies about its outside data is
stopped by `edge.formats.onnx_file`; one that computes nonsense is not.

It computes on the caller's thread: ggml, whose tile shapes onnxruntime would change, keeps to its own
(own_thread).
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge import hardware
from edge.engines import guards, room, state
from edge.engines.base import Interrupted, Logits
from edge.engines.door import one_at_a_time
from edge.engines.vocabulary_file import VocabularyFile
from edge.errors import EngineError, IntegrityError, UsageError
from edge.onnx_session import Binding, OnnxSession
from edge.options import EngineOptions
from edge.segments import EmbeddingSegment, Segment, TokenSegment

_F32 = 4  # bytes of one cached value
PAST, PRESENT = "past_key_values.", "present."  # how the caches' inputs and outputs begin
_OTHERS = {"input_ids", "attention_mask"}
_ABSENT = -1  # the id that stands for a row of embeddings


class OnnxEngine:
    """One graph, `sequences` independent KV sequences in buffers of full length."""

    name = "onnx"

    def __init__(
        self, path: str | Path, vocabulary: str | Path, options: EngineOptions | None = None
    ) -> None:
        """Load a decoder graph, with its weights beside it, and the vocabulary of a .gguf file.

        Raises:
            NotFoundError: no such file. IntegrityError: damaged, or no decoder graph.
            DoesNotFitError: model or context do not fit into memory.
            UsageError: adapters were asked for. EngineError: onnxruntime refuses it.
        """
        chosen, path = options or EngineOptions(), Path(path)
        if chosen.adapters:
            raise UsageError("LoRA adapters run on llama.cpp only; load the GGUF (engine llama.cpp)")
        size = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
        self._threads = chosen.threads or hardware.choose_threads(size)
        self.sequences = max(1, chosen.sequences)
        self._vocabulary = VocabularyFile(vocabulary)
        self.tokenizer = self._vocabulary.tokenizer
        self._check_memory(size, chosen)
        self._session = OnnxSession(path, threads=self._threads, external=True, patterns=False)
        self._stop, self.door = self._session.stop(), threading.RLock()
        self._read_graph(chosen)
        self.batch = max(1, min(chosen.batch, self.context_length))
        self._model = f"{self.name} {size} {self.vocab_size} {self._cache_shapes}"
        self._caches = {
            name: np.zeros((self.sequences, heads, self.context_length, width), np.float32)
            for name, (heads, width) in self._cache_shapes.items()
        }
        self._lengths = [0] * self.sequences
        self._bindings: dict[tuple[int, int], Binding] = {}
        self._mask = np.ones((1, self.context_length), np.int64)
        self._finalizer = weakref.finalize(self, _free, self._session, self._vocabulary)

    # --- the contract -----------------------------------------------------------------------------

    @one_at_a_time
    def feed(self, segments: Sequence[Segment], *, sequence: int = 0) -> Logits:
        """Append segments to a sequence; the logits after the last token, (vocab,)."""
        self._alive(sequence)
        total = guards.tokens_of(segments)
        self._check_room(total, sequence)
        before = self._lengths[sequence]
        try:
            return self._fed(segments, sequence)
        except Interrupted:
            self._lengths[sequence] = before
            raise

    @one_at_a_time
    def step(self, tokens: Sequence[int], *, sequences: Sequence[int] | None = None) -> Logits:
        """Append tokens[i] to sequences[i]; logits (len(tokens), vocab). Neighbours go in one batch."""
        named = guards.require_steps(tokens, sequences)
        for sequence in named:
            self._alive(sequence)
            self._check_room(1, sequence)
        logits = np.empty((len(named), self.vocab_size), np.float32)
        for group in _neighbours(named):
            logits[group] = self._run(np.array([[tokens[i]] for i in group], np.int64), named[group[0]])
        return logits

    def interrupt(self) -> None:
        """Let the call that runs now, else the next one, end soon; from any thread."""
        self._stop.terminate = True

    def length(self, sequence: int = 0) -> int:
        """Tokens a sequence holds."""
        return self._lengths[sequence]

    def truncate(self, length: int, *, sequence: int = 0) -> None:
        """Forget all but the first `length` tokens."""
        self._alive(sequence)
        self._lengths[sequence] = min(self._lengths[sequence], max(0, length))

    @one_at_a_time
    def save(self, *, sequence: int = 0) -> bytes:
        """What a sequence holds, for `restore`."""
        self._alive(sequence)
        length = self._lengths[sequence]
        held = (cache[sequence, :, :length].tobytes() for cache in self._caches.values())
        return state.framed(self._model, length, b"".join(held))

    @one_at_a_time
    def restore(self, saved: bytes | memoryview, *, sequence: int = 0) -> None:
        """Hold what was saved, instead of what is held now."""
        self._alive(sequence)
        self._lengths[sequence] = 0
        length, payload = state.opened(self._model, saved, self.context_length)
        needed = [heads * length * width * _F32 for heads, width in self._cache_shapes.values()]
        if sum(needed) != len(payload):
            raise EngineError(
                f"the saved sequence has {len(payload)} bytes, expected {sum(needed)}; feed again"
            )
        at = 0
        for cache, size in zip(self._caches.values(), needed, strict=True):
            _, heads, _, width = cache.shape
            values = np.frombuffer(payload[at : at + size], np.float32)
            cache[sequence, :, :length] = values.reshape(heads, length, width)
            at += size
        self._lengths[sequence] = length

    def close(self) -> None:
        """Free native memory, once a call that runs has ended; further calls raise EngineError."""
        self.interrupt()
        with self.door:
            self._finalizer()
            self._bindings.clear()
            self._caches.clear()

    # --- loading ----------------------------------------------------------------------------------

    def _read_graph(self, chosen: EngineOptions) -> None:
        """Sizes, from the graph's inputs and outputs."""
        shapes = self._session.shapes()
        caches = {name: _sizes(shape, 1, 3) for name, shape in shapes.items() if name.startswith(PAST)}
        (vocabulary,), (width,) = _sizes(shapes.get("logits"), 2), _sizes(shapes.get("inputs_embeds"), 2)
        known = set(self._session.inputs) == _OTHERS | set(caches)
        length = self._session.metadata.get("edge.context_length", "")
        sizes = (vocabulary, width, *(n for pair in caches.values() for n in pair))
        if not caches or not known or min(sizes) < 1 or not length.isdecimal():
            raise IntegrityError(
                f"{self._session.path.name} is no decoder graph of Edge; make one with `edge quantize`"
            )
        self._cache_shapes = {name: (heads, width) for name, (heads, width) in caches.items()}
        self.vocab_size, self.width = vocabulary, width
        trained = max(1, int(length))
        self.context_length = min(chosen.context_length or room.DEFAULT_CONTEXT, trained)

    def _check_memory(self, size: int, chosen: EngineOptions) -> None:
        """By the vocabulary's header, which knows the sizes of its decoder, before the graph is opened."""
        header = self._vocabulary.header
        need = partial(room.onnx, header, sequences=self.sequences, size=size, batch=chosen.batch)
        context = room.context_of(header, chosen.context_length, at_most_trained=True)
        room.require(need, context, self.sequences, hardware.memory()[1])

    # --- runs -------------------------------------------------------------------------------------

    def _fed(self, segments: Sequence[Segment], sequence: int) -> Logits:
        logits: Logits
        for segment in segments:
            for start in range(0, len(segment), self.batch):
                ids, rows = self._piece(segment, start)
                logits = self._run(ids, sequence, rows)[0]
        return logits

    def _piece(self, segment: Segment, start: int) -> tuple[NDArray[np.int64], NDArray[np.float32] | None]:
        """Ids (1, n), and rows (1, n, width) where they stand for embeddings."""
        end = start + self.batch
        if isinstance(segment, TokenSegment):
            return np.array([segment.ids[start:end]], np.int64), None
        assert isinstance(segment, EmbeddingSegment)
        if segment.whole:
            raise EngineError("these embeddings need the llama.cpp engine: they do not stand one by one")
        if segment.embeddings.shape[1:] != (self.width,):
            raise EngineError(f"embeddings of shape {segment.embeddings.shape} do not fit width {self.width}")
        rows = np.ascontiguousarray(segment.embeddings[None, start:end], np.float32)
        return np.full(rows.shape[:2], _ABSENT, np.int64), rows

    def _run(self, ids: NDArray[np.int64], first: int, rows: NDArray[np.float32] | None = None) -> Logits:
        """Append ids (sequences, n) to the sequences from `first` on; the last logits (sequences, vocab)."""
        count, each = ids.shape
        touched = range(first, first + count)
        try:
            if rows is None and (ids.min() < 0 or ids.max() >= self.vocab_size):
                raise EngineError(f"invalid token: ids lie in 0..{self.vocab_size - 1}, got {ids.tolist()}")
            logits = np.empty((count, 1, self.vocab_size), np.float32)
            binding = self._binding(first, count, fresh=rows is not None)
            binding.reads("input_ids", ids)
            binding.reads("attention_mask", self._held(touched, each))
            if rows is not None:
                binding.reads("inputs_embeds", rows)
            binding.writes("logits", logits)
            binding.run(self._stop)
        except EngineError as error:
            if self._stop.terminate:  # nothing was appended
                self._stop.terminate = False
                raise Interrupted("the call was interrupted") from error
            for sequence in touched:
                self._lengths[sequence] = 0
            raise
        for sequence in touched:
            self._lengths[sequence] += each
        return logits[:, 0]

    def _held(self, sequences: range, each: int) -> NDArray[np.int64]:
        """attention_mask (sequences, longest): ones where a sequence has tokens after this run."""
        totals = np.array([self._lengths[sequence] for sequence in sequences]) + each
        if len(totals) == 1:
            return self._mask[:, : totals[0]]
        return (np.arange(totals.max()) < totals[:, None]).astype(np.int64)

    def _binding(self, first: int, count: int, *, fresh: bool) -> Binding:
        """Buffers of these sequences as past and as present; kept, because they stay where they are."""
        if not fresh and (known := self._bindings.get((first, count))):
            return known
        binding = self._session.binding()
        for name, cache in self._caches.items():
            rows = cache[first : first + count]
            binding.reads(name, rows)
            binding.writes(name.replace(PAST, PRESENT), rows)
        if not fresh:
            self._bindings[first, count] = binding
        return binding

    def _check_room(self, count: int, sequence: int) -> None:
        guards.require_room(self._lengths[sequence], count, self.context_length, sequence)

    def _alive(self, sequence: int) -> None:
        guards.require_open(self._finalizer.alive, sequence, self.sequences)


def _neighbours(sequences: Sequence[int]) -> list[list[int]]:
    """Places in `sequences`, in groups whose sequences follow one another: their buffers lie side by side."""
    groups: list[list[int]] = []
    for i in sorted(range(len(sequences)), key=lambda i: sequences[i]):
        if groups and sequences[groups[-1][-1]] + 1 == sequences[i]:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def _sizes(shape: Sequence[int | str] | None, *axes: int) -> tuple[int, ...]:
    """The lengths of some axes; 0 where a graph leaves one open or has no such axis."""
    found = [shape[axis] if shape and axis < len(shape) else 0 for axis in axes]
    return tuple(n if isinstance(n, int) else 0 for n in found)


def _free(session: OnnxSession, vocabulary: VocabularyFile) -> None:
    session.close()
    vocabulary.close()
