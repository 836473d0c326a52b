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
    places: NDArray[np.int32] | None = None  # (n, 3): time, row, column from its start; None = one by one
    causal: bool = True  # False: every row sees every other

    def __len__(self) -> int:
        return len(self.embeddings)

    @property
    def whole(self) -> bool:
        """Whether an engine must hold all of it or nothing: its rows stand side by side."""
        return self.places is not None or not self.causal

    @property
    def span(self) -> int:
        """Positions until the next segment's first."""
        return len(self) if self.places is None else int(self.places.max()) + 1


Segment = TokenSegment | EmbeddingSegment
