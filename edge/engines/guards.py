"""What every engine refuses before it computes: a closed model, a sequence it has not, too many tokens.

Job: one wording for all engines. Ignorance: the engines.
"""

from __future__ import annotations

from edge.errors import DoesNotFitError, EngineError

CLOSED = "the model is closed; load it again"


def require_open(alive: bool, sequence: int, sequences: int) -> None:
    """Raises: EngineError: the model is closed, or has no such sequence."""
    if not alive:
        raise EngineError(CLOSED)
    if sequence >= sequences:
        raise EngineError(f"sequence {sequence} was asked for, but the engine has {sequences}")


def require_room(held: int, count: int, context_length: int, sequence: int) -> None:
    """Raises: DoesNotFitError: `count` more tokens do not fit into the sequence."""
    if held + count > context_length:
        raise DoesNotFitError(
            f"sequence {sequence} holds {held} tokens and {count} more do not fit "
            f"into {context_length}; load the model with a longer context, or send less"
        )
