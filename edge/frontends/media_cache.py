"""What media became, by what the codec saw: the same picture, sound or frame is encoded once.

Job: spans of ids by a digest of the codec and of its input, in memory and in files.
Ignorance: pixels and samples, graphs; where the files are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edge.cache_store import CacheStore, Recent

RAM_BYTES = 16 << 20  # of ids, about 400,000
_OF_AN_ID = 40  # bytes in memory: a pointer and a small object
_ID = np.dtype("<i4")  # in a file


class MediaCache:
    """Spans of ids by name. Without a store, they end with the process."""

    def __init__(self, store: CacheStore | None = None, *, limit: int = RAM_BYTES) -> None:
        """`limit`: bytes in memory."""
        self._store = store
        self._recent: Recent[tuple[int, ...]] = Recent(limit)

    def ids(
        self, codec: str, values: NDArray[np.generic], encode: Callable[[], tuple[int, ...]]
    ) -> tuple[int, ...]:
        """What `encode` makes of an array, or made of it before.

        Args:
            codec: what else the ids depend on; what was done to the medium before shows in `values`.
        """
        about = f"{codec} {values.shape} {values.dtype.str}".encode()
        name = f"media-{hashlib.sha256(about + b' ' + values.tobytes()).hexdigest()}"
        ids = self._recent.get(name) or self._read(name)
        if ids is None:
            ids = encode()
            if self._store is not None:
                self._store.write(name, b"", np.array(ids, _ID).tobytes())
        self._recent.put(name, ids, _OF_AN_ID * len(ids))
        return ids

    def _read(self, name: str) -> tuple[int, ...] | None:
        found = None if self._store is None else self._store.read(name)
        return None if found is None else tuple(np.frombuffer(found[1], _ID).tolist())
