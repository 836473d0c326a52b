"""The pair of ONNX graphs of one codec: encoder and decoder, codes at the border.

Job: check at load that both graphs speak of the block the vocabulary declares; open each at first use; ids
<-> codes; the same input is encoded once. Ignorance: pixels and samples, where the cache keeps what it keeps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import IntegrityError, ModalityError
from edge.formats import onnx_file
from edge.frontends.media_cache import MediaCache, name_of
from edge.onnx_session import OnnxSession
from edge.segments import TokenSegment
from edge.vocabulary import MediaBlock

_WORDS = {"image": "pictures", "audio": "sound"}


class CodecGraphs:
    """Ids of one block from arrays, and arrays from ids. Either path may be None: that direction is not
    supported."""

    def __init__(
        self,
        encoder: Path | None,
        decoder: Path | None,
        block: MediaBlock,
        *,
        threads: int = 1,
        cache: MediaCache | None = None,
    ) -> None:
        """Read and check the metadata of both files; native code is not touched yet.

        Raises:
            NotFoundError: a file is missing.
            IntegrityError: a graph is made for another block, or the two are not of one training.
        """
        self.block, self._threads = block, threads
        self._paths = {"encoder": encoder, "decoder": decoder}
        self._sessions: dict[str, OnnxSession] = {}
        self._cache = cache or MediaCache()
        versions = {_version(path, block) for path in (encoder, decoder) if path is not None}
        if len(versions) > 1:
            raise IntegrityError(
                f"{encoder} and {decoder} come from different trainings "
                f"(version {' and version '.join(sorted(versions))}); take both from one bundle"
            )

    def encode(self, values: NDArray[Any]) -> TokenSegment:
        """The span of one input array, opener and closer included.

        Raises:
            ModalityError: no encoder.
            IntegrityError: the graph gave codes outside of its block.
        """
        (span,) = self._cache.segments(name_of(self._codec, values), lambda: (self._encoded(values),))
        assert isinstance(span, TokenSegment)
        return span

    @cached_property
    def _codec(self) -> str:
        """What ids depend on besides the input: the encoder's file, byte for byte, and what runs it."""
        path = self._paths["encoder"]
        if path is None:
            return ""
        with path.open("rb") as file:
            graph = hashlib.file_digest(file, "sha256").hexdigest()
        return f"{graph} onnxruntime {version('onnxruntime')} {self.block}"

    def _encoded(self, values: NDArray[Any]) -> TokenSegment:
        codes = self._run("encoder", values).reshape(-1)
        if not len(codes) or codes.min() < 0 or codes.max() >= self.block.size:
            last = self.block.size - 1
            raise IntegrityError(
                f"{self._paths['encoder']} gave codes outside of 0..{last}; the file is damaged"
            )
        ids = (int(code) + self.block.base for code in codes)
        return TokenSegment((self.block.opener, *ids, self.block.closer))

    def decode(self, ids: Sequence[int]) -> NDArray[Any]:
        """The decoder's array for ids of the block.

        Raises:
            ModalityError: no decoder.
            IntegrityError: an id is not of the block.
        """
        wrong = next((i for i in ids if not self.block.holds(i)), None)
        if wrong is not None:
            last = self.block.base + self.block.size - 1
            raise IntegrityError(
                f"id {wrong} is no {self.block.kind} code; they are {self.block.base}..{last}"
            )
        return self._run("decoder", (np.asarray(ids, dtype=np.int64) - self.block.base)[None])

    def _run(self, part: str, values: NDArray[Any]) -> NDArray[Any]:
        path = self._paths[part]
        if path is None:
            verb = "read" if part == "encoder" else "make"
            raise ModalityError(f"this model does not {verb} {_WORDS[self.block.kind]}; choose one that does")
        session = self._sessions.get(part) or self._sessions.setdefault(
            part, OnnxSession(path, threads=self._threads)
        )
        result: NDArray[Any] = session.run({session.inputs[0]: values}, session.outputs[:1])[0]
        return result

    def close(self) -> None:
        """Free native memory; the graphs open again at the next use."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()


def _version(path: Path, block: MediaBlock) -> str:
    """The training that a graph comes from, once its block and codebook are checked."""
    metadata = onnx_file.look(path).metadata
    kind, base = metadata.get("edge.block"), metadata.get("edge.base")
    if kind != block.kind or base != str(block.base):
        raise IntegrityError(
            f"{path} is made for block {kind!r} at id {base}, "
            f"the vocabulary has {block.kind!r} at {block.base}; "
            "take the codecs and the decoder from one bundle"
        )
    codes = metadata.get("edge.codes", "")
    if codes != str(block.size):
        raise IntegrityError(
            f"{path} declares {codes or 'no'} codes, the vocabulary's block holds {block.size}"
        )
    return metadata.get("edge.version", "")
