"""The seam to a native decoder: segments in, logits out.

Job: the one contract that llama.cpp, ONNX Runtime and the tests' fake keep.
Ignorance: knows nothing of media, chat, sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edge.errors import EngineError
from edge.segments import Segment

Logits = NDArray[np.float32]


class Interrupted(EngineError):
    """The call was interrupted before it was done; its sequences are as they were before it."""


class Tokenizer(Protocol):
    """Text to ids and back, through the model's own vocabulary."""

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """Ids of `text`. Written special tokens are plain text unless `special` (templates only)."""

    def piece(self, token: int) -> bytes:
        """The bytes that one text id stands for; empty for control tokens."""


@runtime_checkable
class Embeds(Protocol):
    """What an engine may also do: give the hidden states before its head."""

    def hidden(self, runs: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        """(n, width) for each run of n ids, each run by itself; the sequences stay as they are.

        Raises:
            DoesNotFitError: a run is empty or longer than `context_length`.
            EngineError: the native call failed.
        """


@runtime_checkable
class Verifies(Protocol):
    """What an engine may also do: tell the logits after each of several ids that it takes in one call."""

    most_verified: int  # ids of one such call

    def verify(self, tokens: Sequence[int], *, sequence: int = 0) -> Logits:
        """Append ids to a sequence; the logits after each of them, (len(tokens), vocab). Raises as `feed`."""


class Engine(Protocol):
    """A decoder with `sequences` independent KV sequences. Not thread-safe: one thread at a time."""

    name: str  # "llama_cpp"
    vocab_size: int
    context_length: int  # tokens per sequence
    sequences: int
    batch: int  # tokens that one native call takes; longer runs are cut

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's own."""

    def feed(self, segments: Sequence[Segment], *, sequence: int = 0) -> Logits:
        """Append segments to a sequence; the logits after the last token, (vocab,).

        Raises:
            DoesNotFitError: the sequence would grow past `context_length`.
            Interrupted: `interrupt` was called.
            EngineError: the native call failed; the sequence is cleared.
        """

    def step(self, tokens: Sequence[int], *, sequences: Sequence[int] | None = None) -> Logits:
        """Append tokens[i] to sequences[i] in one batch; logits (len(tokens), vocab).

        None means the first ones. Each sequence is named once. Raises as `feed`.
        """

    def interrupt(self) -> None:
        """Let the `feed` or `step` that runs now, else the next one, end soon; from any thread."""

    def length(self, sequence: int = 0) -> int:
        """Tokens a sequence holds."""

    def truncate(self, length: int, *, sequence: int = 0) -> None:
        """Forget all but the first `length` tokens."""

    def save(self, *, sequence: int = 0) -> bytes:
        """What a sequence holds, for `restore`."""

    def restore(self, saved: bytes | memoryview, *, sequence: int = 0) -> None:
        """Hold what an engine of the same model saved, instead of what is held now.

        Raises:
            EngineError: damaged, of another model, or too long; the sequence is cleared.
        """

    def close(self) -> None:
        """Free native memory, once a call that runs has ended; further calls raise EngineError."""
