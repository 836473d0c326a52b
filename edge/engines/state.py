"""What a sequence holds, as bytes that only the same model takes back.

Job: a frame around an engine's own state: which model, how many tokens, a digest against damage.
Ignorance: the state itself. Does not protect against bytes forged on purpose: a digest is no signature.
"""

from __future__ import annotations

import hashlib
import struct

from edge.errors import EngineError

_MAGIC = b"edge-kv1"
_HEAD = struct.Struct("<8s32s32sQ")  # magic, digest of the model's key, digest of the payload, tokens


def framed(model: str, tokens: int, payload: bytes) -> bytes:
    """Head and payload."""
    return _HEAD.pack(_MAGIC, _digest(model.encode()), _digest(payload), tokens) + payload


def opened(model: str, state: bytes | memoryview, most: int) -> tuple[int, memoryview]:
    """Tokens and payload.

    Raises:
        EngineError: not a state, of another model, damaged, or of more than `most` tokens.
    """
    if len(state) < _HEAD.size or state[: len(_MAGIC)] != _MAGIC:
        raise EngineError("this is no saved sequence; feed the text again")
    _, whose, digest, tokens = _HEAD.unpack_from(state)
    payload = memoryview(state)[_HEAD.size :]
    if whose != _digest(model.encode()):
        raise EngineError("the saved sequence is of another model; feed the text again")
    if digest != _digest(payload):
        raise EngineError("the saved sequence is damaged; feed the text again")
    if tokens > most:
        raise EngineError(
            f"the saved sequence has {tokens} tokens, the context holds {most}; load a longer one"
        )
    return tokens, payload


def _digest(data: bytes | memoryview) -> bytes:
    return hashlib.sha256(data).digest()
