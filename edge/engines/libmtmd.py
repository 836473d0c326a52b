"""libmtmd, the encoders of llama.cpp for public models: pixels or samples in, prompt pieces out.

Job: open a proven mmproj file beside a loaded model, split media into pieces as their model expects them,
encode them together where the library can, copy the embeddings out. It never touches the context: the engine
feeds what comes out of here.
Ignorance: files of media, chat, caches. Does not prove the mmproj file: `edge.formats.mmproj` does.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.engines.llama_native import complaint, media_library
from edge.errors import CLOSED, DoesNotFitError, EngineError, IntegrityError, MediaError
from edge.segments import EmbeddingSegment, Segment, TokenSegment

Call = Callable[..., Any]  # run a function and its arguments on the engine's thread
_TEXT, _PICTURE = 0, 1  # mtmd_input_chunk_type


class MediaEncoder:
    """One mmproj file, open for one model. Not thread-safe."""

    def __init__(
        self,
        path: Path,
        model: int,
        *,
        width: int,
        threads: int,
        most: int,
        most_of_picture: int | None,
        alive: Callable[[], bool],
        call: Call,
    ) -> None:
        """`model` is a llama_model pointer, `width` of its embeddings, `most` the tokens of one medium; a
        picture is made smaller until it takes `most_of_picture`, where its tokens grow with its pixels.

        Raises:
            EngineError: libmtmd refuses the file for this model.
        """
        self._native, self._alive, self._call, self._most = media_library(), alive, call, most
        self._width = width
        params = self._native.mtmd_context_params_default()
        params.use_gpu = params.print_timings = params.warmup = False
        params.n_threads = threads
        params.image_max_tokens = most_of_picture or -1
        complaint()
        self._context = call(self._native.mtmd_init_from_file, os.fsencode(path), model, params)
        if not self._context:
            why = complaint() or "no reason given"
            raise EngineError(
                f"libmtmd cannot open {path.name} for this model: {why}; take both from one place"
            )
        self._finalizer = weakref.finalize(self, self._native.mtmd_free, self._context)
        self._flat = not self._native.mtmd_decode_use_mrope(self._context)
        self.sample_rate = int(self._native.mtmd_get_audio_sample_rate(self._context))  # Hz; -1: no sound

    def pictures(
        self, pictures: Sequence[NDArray[np.uint8]], key: str, *, film: bool = False
    ) -> tuple[Segment, ...]:
        """The pieces of pictures (height, width, 3) one after another; of a `film`, two may become one.

        Raises:
            DoesNotFitError: more tokens than the context holds; before anything is encoded.
            EngineError: libmtmd failed.
        """
        bitmaps = [self._bitmap(np.ascontiguousarray(pixels), film) for pixels in pictures]
        return self._encoded(bitmaps, key)

    def sound(self, samples: NDArray[np.float32], key: str) -> tuple[Segment, ...]:
        """The pieces of samples (n,) at `sample_rate`. Errors as `pictures`; MediaError: no samples."""
        self._check_open()
        if len(samples) < 2:  # libmtmd ends the process on fewer
            raise MediaError(f"the sound has {len(samples)} samples; give a longer one")
        values = np.ascontiguousarray(samples, dtype=np.float32)
        pointer = values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        return self._encoded([self._native.mtmd_bitmap_init_from_audio(len(values), pointer)], key)

    def close(self) -> None:
        """Free native memory."""
        self._finalizer()

    # --- pieces -----------------------------------------------------------------------------------

    def _bitmap(self, pixels: NDArray[np.uint8], film: bool) -> int:
        self._check_open()
        pointer = pixels.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
        bitmap: int = self._native.mtmd_bitmap_init(pixels.shape[1], pixels.shape[0], pointer)
        self._native.mtmd_bitmap_set_mergeable(bitmap, film)
        return bitmap

    def _encoded(self, bitmaps: list[int], key: str) -> tuple[Segment, ...]:
        """Frees the bitmaps."""
        native = self._native
        chunks = native.mtmd_input_chunks_init()
        try:
            self._split(chunks, bitmaps)
            parts = [
                native.mtmd_input_chunks_get(chunks, i) for i in range(native.mtmd_input_chunks_size(chunks))
            ]
            self._check_room(sum(native.mtmd_input_chunk_get_n_tokens(part) for part in parts))
            rows = dict(self._rows([part for part in parts if self._is_medium(part)]))
            return tuple(self._segment(part, rows, f"{key}:{i}") for i, part in enumerate(parts))
        finally:
            native.mtmd_input_chunks_free(chunks)
            for bitmap in bitmaps:
                native.mtmd_bitmap_free(bitmap)

    def _split(self, chunks: int, bitmaps: Sequence[int]) -> None:
        """Fill chunks: pixels and samples prepared, and the ids that the model expects around them."""
        native = self._native
        parts = [native.mtmd_input_part(None, bitmap) for bitmap in bitmaps]
        pointers = (ctypes.POINTER(native.mtmd_input_part) * len(parts))(*map(ctypes.pointer, parts))
        complaint()
        code = self._call(native.mtmd_tokenize_from_parts, self._context, chunks, pointers, len(parts), False)
        if code != 0:
            raise EngineError(
                f"libmtmd cannot prepare this medium (code {code}): {complaint() or 'no reason given'}"
            )

    def _check_room(self, tokens: int) -> None:
        if tokens > self._most:
            raise DoesNotFitError(
                f"this medium takes {tokens} tokens, but the context holds {self._most}; "
                "load a longer context (-c), or give a smaller picture or a shorter sound"
            )

    def _check_open(self) -> None:
        if not (self._alive() and self._finalizer.alive):
            raise EngineError(CLOSED)

    def _is_medium(self, part: int) -> bool:
        return bool(self._native.mtmd_input_chunk_get_type(part) != _TEXT)

    # --- embeddings -------------------------------------------------------------------------------

    def _rows(self, parts: Sequence[int]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """The embeddings of every part, as many at once as the library takes."""
        native, waiting = self._native, list(parts)
        while waiting:
            batch = native.mtmd_batch_init(self._context)
            try:
                taken = 0
                while taken < len(waiting) and native.mtmd_batch_add_chunk(batch, waiting[taken]) == 0:
                    taken += 1
                complaint()
                if not taken or self._call(native.mtmd_batch_encode, batch) != 0:
                    raise EngineError(f"libmtmd failed to encode: {complaint() or 'no reason given'}")
                for part in waiting[:taken]:
                    yield part, self._copied(native.mtmd_batch_get_output_embd(batch, part), part)
            finally:
                native.mtmd_batch_free(batch)
            del waiting[:taken]

    def _copied(self, pointer: Any, part: int) -> NDArray[np.float32]:
        count = self._native.mtmd_input_chunk_get_n_tokens(part)
        shape = (count, self._width)
        return np.ctypeslib.as_array(pointer, shape).copy()

    def _segment(self, part: int, rows: dict[int, NDArray[np.float32]], key: str) -> Segment:
        native = self._native
        if part not in rows:
            count = ctypes.c_size_t()
            ids = native.mtmd_input_chunk_get_tokens_text(part, ctypes.byref(count))
            return self._framing(tuple(ids[: count.value]))
        causal = not native.mtmd_decode_use_non_causal(self._context, part)
        return EmbeddingSegment(rows[part], key, self._places(part), causal)

    def _framing(self, ids: tuple[int, ...]) -> TokenSegment:
        if any(token < 0 for token in ids):  # libmtmd looks them up by name
            raise IntegrityError(
                "the model's vocabulary lacks the tokens that stand around its pictures; "
                "take the model and its mmproj file from one place"
            )
        return TokenSegment(ids)

    def _places(self, part: int) -> NDArray[np.int32] | None:
        """Time, row, column of each row from the picture's start."""
        native = self._native
        if self._flat or native.mtmd_input_chunk_get_type(part) != _PICTURE:
            return None
        picture = native.mtmd_input_chunk_get_tokens_image(part)
        count = native.mtmd_input_chunk_get_n_tokens(part)
        found = (native.mtmd_image_tokens_get_decoder_pos(picture, 0, i) for i in range(count))
        return np.array([(at.t, at.y, at.x) for at in found], dtype=np.int32)
