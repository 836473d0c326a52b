"""What the decoder makes of bare text, without a conversation: vectors and likelihood.

Job: embed, score. Ignorance: how a model is loaded, messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.engines.base import Embeds
from edge.errors import UsageError
from edge.events import Score
from edge.segments import TokenSegment
from edge.wiring import Wiring, scored


class BareText:
    """Of a model: `edge.model.Model` is one."""

    wiring: Wiring

    def embed(
        self,
        texts: str | Sequence[str],
        *,
        pooling: Literal["mean", "last"] = "mean",
        normalised: bool = True,
    ) -> NDArray[np.float32]:
        """What the decoder makes of texts: (n, width), of a single text (width,).

        Args:
            pooling: the mean over a text's tokens, or the state after its last one, which has read them all.
            normalised: to length 1, so that a dot product is the cosine.

        Raises:
            UsageError: an empty text, an unknown pooling, or an engine that gives no hidden states.
            DoesNotFitError: a text is longer than the context.
        """
        engine, layout = self.wiring.decoder.engine, self.wiring.layout
        if not isinstance(engine, Embeds):
            raise UsageError(
                f"the engine {engine.name} gives no hidden states; load a bundle with a GGUF decoder"
            )
        given = [texts] if isinstance(texts, str) else list(texts)
        if pooling not in ("mean", "last") or not given or not all(given):
            raise UsageError(f"expected texts that are not empty, and pooling mean or last, got {pooling!r}")
        start = self.wiring.start
        states = engine.hidden([(*start, *layout.text(text)) for text in given])
        pooled = [rows[len(start) :].mean(axis=0) if pooling == "mean" else rows[-1] for rows in states]
        vectors = np.array(pooled, dtype=np.float32).reshape(len(given), -1)
        if normalised:
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors[0] if isinstance(texts, str) else vectors

    def score(self, text: str) -> Score:
        """How likely the text is to the model by itself, without a conversation around it.

        Each token costs one step of the decoder. Where the model has no begin-of-text id, the first token
        stays without a score.

        Raises:
            DoesNotFitError: the text is longer than the context.
            UsageError: there is nothing to score.
        """
        ids = (*self.wiring.start, *self.wiring.layout.text(text))
        if len(ids) < 2:
            raise UsageError("the text is too short to score; give at least two tokens of text")
        return scored(self.wiring, (TokenSegment(ids[:1]),), ids[1:])
