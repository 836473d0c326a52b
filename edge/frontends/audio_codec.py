"""Sounds as tokens: log-mel frames through the audio codec, both ways; one id per 20 ms.

Job: samples -> mel -> ids, and ids -> mel -> samples by Griffin-Lim. Ignorance: files, engines, chat.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.frontends.codec_graphs import CodecGraphs
from edge.frontends.media_cache import MediaCache
from edge.media import audio
from edge.messages import Audio
from edge.segments import TokenSegment
from edge.vocabulary import MediaBlock


class AudioCodec:
    """The frontend of native sound models."""

    kind: Literal["audio"] = "audio"
    sample_rate = audio.SAMPLE_RATE  # Hz

    def __init__(
        self,
        encoder_path: Path | None,
        decoder_path: Path | None,
        block: MediaBlock,
        *,
        threads: int = 1,
        cache: MediaCache | None = None,
    ) -> None:
        """Check both graphs against the vocabulary's block; they open at first use. A None path: that
        direction is missing."""
        self._graphs = CodecGraphs(encoder_path, decoder_path, block, threads=threads, cache=cache)

    def encode(self, media: Audio) -> TokenSegment:
        """Opener, 50 ids per second, closer; the same sound is encoded once.

        Raises:
            MediaError: the sound cannot be read.
            ModalityError: no encoder.
        """
        mel = audio.log_mel(audio.level(audio.read(media, audio.SAMPLE_RATE).samples))
        return self._graphs.encode(np.ascontiguousarray(mel[None]))

    def decode(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Samples (320 n,) at 16 kHz of n ids, without opener and closer; no ids, no samples.

        Raises:
            ModalityError: no decoder.
            IntegrityError: an id that is no audio code.
        """
        return audio.griffin_lim(self.mel(ids)) if ids else np.zeros(0, dtype=np.float32)

    def mel(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """The log-mel (80, n) that ids stand for, before it becomes sound. Errors as `decode`."""
        mel: NDArray[np.float32] = np.nan_to_num(self._graphs.decode(ids)[0])
        return mel

    def close(self) -> None:
        """Free native memory."""
        self._graphs.close()
