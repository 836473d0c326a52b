"""What every engine refuses before it computes: a closed model, a sequence it has not, no tokens or too many.

Job: one wording for all engines. Ignorance: the engines.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge.errors import CLOSED, DoesNotFitError, EngineError
from edge.segments import Segment


def require_open(alive: bool, sequence: int, sequences: int) -> None:
    """Raises: EngineError: the model is closed, or has no such sequence."""
    if not alive:
        raise EngineError(CLOSED)
    if sequence >= sequences:
        raise EngineError(f"sequence {sequence} was asked for, but the engine has {sequences}")


def tokens_of(segments: Sequence[Segment]) -> int:
    """How many tokens the segments hold. Raises: EngineError: none."""
    total = sum(len(segment) for segment in segments)
    if total == 0:
        raise EngineError("nothing to feed: the segments are empty")
    return total


def require_room(held: int, count: int, context_length: int, sequence: int) -> None:
    """Raises: DoesNotFitError: `count` more tokens do not fit into the sequence."""
    if held + count > context_length:
        raise DoesNotFitError(
            f"sequence {sequence} holds {held} tokens and {count} more do not fit "
            f"into {context_length}; load the model with a longer context, or send less"
        )


def require_steps(tokens: Sequence[int], sequences: Sequence[int] | None) -> Sequence[int]:
    """The sequences that tokens go to. Raises: EngineError: none, not as many, or one twice."""
    named = range(len(tokens)) if sequences is None else sequences
    if not tokens:
        raise EngineError("nothing to step: no tokens were given")
    if len(named) != len(tokens) or len(set(named)) < len(named):
        raise EngineError(f"{len(tokens)} tokens cannot go to the sequences {list(named)}")
    return named
