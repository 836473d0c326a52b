"""What a model reads and makes, held against what it is asked for.

Job: refuse a modality before a token is computed, and say what would serve.
Ignorance: how media are read or made.
"""

from __future__ import annotations

from edge.errors import ModalityError, UsageError
from edge.generation.constraints import Kind
from edge.messages import Message, Part
from edge.wiring import Wiring

_WORDS = {"text": "text", "image": "pictures", "audio": "sound", "video": "video"}


def check(wiring: Wiring, message: Message, make: Kind | None) -> None:
    """Raises:
    ModalityError: a part of the message that the model does not read, or `make` that it does not make.
    UsageError: `make` is no modality.
    """
    if make is not None and make not in _WORDS:
        raise UsageError(f"make is {make!r}, expected text, image, audio or video")
    for part in message.parts:
        if kind_of(part) not in wiring.reads:
            raise _unable(wiring, "read", kind_of(part), wiring.reads)
    if make is not None and make not in wiring.makes:
        raise _unable(wiring, "make", make, wiring.makes)


def kind_of(part: Part) -> str:
    """The modality of a part: "text", "image", "audio" or "video"."""
    return type(part).__name__.lower()


def _unable(wiring: Wiring, verb: str, kind: str, able: frozenset[str]) -> ModalityError:
    if not wiring.frontends and wiring.vocabulary.blocks:  # a native .gguf by itself
        return ModalityError(
            f"{wiring.name} was loaded as a decoder alone, and a decoder alone does not {verb} "
            f"{_WORDS[kind]}; load the bundle folder it belongs to, with its codecs"
        )
    known = " and ".join(_WORDS[k] for k in _WORDS if k in able)
    still = " (an animation given as a picture shows its first frame)" if kind == "video" else ""
    return ModalityError(
        f"{wiring.name} does not {verb} {_WORDS[kind]}, it {verb}s {known or 'nothing'}"
        f"{still if verb == 'read' and 'image' in able else ''}; "
        "choose a model that does: `edge list` shows what is installed, `edge show` what it can"
    )
