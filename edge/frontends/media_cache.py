"""What media became, by what the encoder saw: the same picture, sound or frame is encoded once.

Job: pieces of prompts (ids, embeddings) by a digest of the encoder and of its input, in memory and in files.
Ignorance: pixels and samples, graphs; where the files are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.cache_store import CacheStore, Recent
from edge.segments import EmbeddingSegment, Segment, TokenSegment

RAM_BYTES = 64 << 20
_OF_AN_ID = 40  # bytes in memory: a pointer and a small object
_ROW, _PLACE = np.dtype("<f4"), np.dtype("<i4")  # in a file


class MediaCache:
    """Pieces of prompts by name. Without a store, they end with the process."""

    def __init__(self, store: CacheStore | None = None, *, limit: int = RAM_BYTES) -> None:
        """`limit`: bytes in memory."""
        self._store = store
        self._recent: Recent[tuple[Segment, ...]] = Recent(limit)

    def segments(self, name: str, encode: Callable[[], tuple[Segment, ...]]) -> tuple[Segment, ...]:
        """What `encode` makes now, or made before under this name (see `name_of`)."""
        name = f"pieces-{name}"
        found = self._recent.get(name) or self._read(name)
        if found is None:
            found = encode()
            if self._store is not None:
                self._store.write(name, *_packed(found))
        self._recent.put(name, found, sum(map(_size, found)))
        return found

    def _read(self, name: str) -> tuple[Segment, ...] | None:
        found = None if self._store is None else self._store.read(name)
        return None if found is None else _unpacked(*found)


def name_of(encoder: str, *arrays: NDArray[Any]) -> str:
    """The name of what an encoder makes of arrays. What was done to a medium before shows in the arrays.

    `encoder`: everything else that the result depends on.
    """
    digest = hashlib.sha256(encoder.encode())
    for values in arrays:
        digest.update(f" {values.shape} {values.dtype.str} ".encode())
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def _size(segment: Segment) -> int:
    return segment.embeddings.nbytes if isinstance(segment, EmbeddingSegment) else _OF_AN_ID * len(segment)


def _packed(segments: Sequence[Segment]) -> tuple[bytes, bytes]:
    """What the pieces are, as JSON, and the numbers of all embeddings."""
    facts: list[dict[str, Any]] = []
    body = b""
    for segment in segments:
        if isinstance(segment, TokenSegment):
            facts.append({"ids": segment.ids})
            continue
        placed = segment.places is not None
        shape, key, causal = segment.embeddings.shape, segment.key, segment.causal
        facts.append({"shape": shape, "key": key, "causal": causal, "placed": placed})
        body += segment.embeddings.astype(_ROW).tobytes()
        body += segment.places.astype(_PLACE).tobytes() if segment.places is not None else b""
    return json.dumps(facts).encode(), body


def _unpacked(head: bytes, body: bytes) -> tuple[Segment, ...]:
    """The same pieces again; head and body were authenticated."""
    segments: list[Segment] = []
    at = 0

    def take(shape: tuple[int, int], kind: np.dtype[Any]) -> NDArray[Any]:
        nonlocal at
        values = np.frombuffer(body, kind, shape[0] * shape[1], at).reshape(shape)
        at += values.nbytes
        return values

    for facts in json.loads(head):
        if "ids" in facts:
            segments.append(TokenSegment(tuple(facts["ids"])))
            continue
        rows, width = facts["shape"]
        embeddings = take((rows, width), _ROW)
        places = take((rows, 3), _PLACE) if facts["placed"] else None
        segments.append(EmbeddingSegment(embeddings, facts["key"], places, facts["causal"]))
    return tuple(segments)
