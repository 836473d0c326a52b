"""Sounds of public models that speak in ids: several streams of codes, woven into one run of ids.

Job: check and unweave a span of ids, frame by frame; decode it in windows; all by the numbers of its block.
Ignorance: which model it is; engines, chat. These models only speak.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from edge.errors import IntegrityError, ModalityError
from edge.formats import onnx_file
from edge.messages import Audio
from edge.onnx_session import OnnxSession
from edge.vocabulary import MediaBlock, Weave

Frames = NDArray[np.int64]  # (n, places)


class WovenCodec:
    """One graph: an input (1, n) of codes for each stream, samples out."""

    kind: Literal["audio"] = "audio"

    def __init__(self, decoder: Path, block: MediaBlock, weave: Weave, *, threads: int = 1) -> None:
        """The graph opens at first use.

        Raises:
            NotFoundError: there is no such file. IntegrityError: it is no graph.
        """
        onnx_file.look(decoder)
        self._path, self._block, self._weave, self._threads = decoder, block, weave, threads
        self._session: OnnxSession | None = None

    def encode(self, media: Audio) -> NoReturn:
        """Raises: ModalityError: always."""
        raise ModalityError("this model does not read sound; choose one that does")

    def decode(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Samples of whole frames of ids, without opener and closer; no ids, no samples.

        Raises:
            IntegrityError: an id out of its place, a frame that is not whole, or a graph of another codec.
        """
        frames = self._frames(ids)
        if not len(frames):
            return np.zeros(0, dtype=np.float32)
        window, keep = self._weave.window or len(frames), self._weave.keep
        last = max(0, len(frames) - window)
        pieces = []
        for start in range(last + 1):  # each window gives one frame, the first and the last their edges too
            samples = self._samples(frames[start : start + window])
            begin = 0 if start == 0 else keep
            end = window if start == last else keep + 1
            pieces.append(samples[begin * self._weave.samples : end * self._weave.samples])
        return np.concatenate(pieces)

    def close(self) -> None:
        """Free native memory; the graph opens again at the next use."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _frames(self, ids: Sequence[int]) -> Frames:
        """Codes by frame and place."""
        wrong = next((i for i, token in enumerate(ids) if token not in self._block.ids(i)), None)
        if wrong is not None or len(ids) % self._weave.places:
            what = (
                f"{len(ids)} ids"
                if wrong is None
                else f"id {ids[wrong]} at place {wrong % self._weave.places}"
            )
            raise IntegrityError(f"{what} do not make sound frames of {self._weave.places} ids each")
        codes = np.array(ids, dtype=np.int64).reshape(-1, self._weave.places) - self._block.base
        return codes - self._weave.codebook * np.arange(self._weave.places)

    def _samples(self, frames: Frames) -> NDArray[np.float32]:
        if self._session is None:
            self._session = OnnxSession(self._path, threads=self._threads)
        session, streams = self._session, self._weave.streams
        if len(session.inputs) != len(streams):
            raise IntegrityError(
                f"{self._path.name} takes {len(session.inputs)} streams of codes, but the vocabulary weaves "
                f"{len(streams)}; take both from one bundle"
            )
        values = [np.ascontiguousarray(frames[:, list(stream)]).reshape(1, -1) for stream in streams]
        given = dict(zip(session.inputs, values, strict=True))
        samples = np.asarray(session.run(given, session.outputs[:1])[0], dtype=np.float32).reshape(-1)
        if len(samples) != len(frames) * self._weave.samples:
            raise IntegrityError(
                f"{self._path.name} gave {len(samples)} samples for {len(frames)} frames, "
                f"expected {self._weave.samples} for each"
            )
        return np.nan_to_num(samples)
