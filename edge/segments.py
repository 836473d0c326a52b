"""What a frontend hands an engine.

Job: the two kinds of prompt piece. Ignorance: which media they came from, which engine reads them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TokenSegment:
    """A run of vocabulary ids."""

    ids: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class EmbeddingSegment:
    """A run of input embeddings, (n, width) float32, with a key that names their content."""

    embeddings: NDArray[np.float32]
    key: str

    def __len__(self) -> int:
        return len(self.embeddings)


Segment = TokenSegment | EmbeddingSegment
