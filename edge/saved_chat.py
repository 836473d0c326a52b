"""A conversation as one JSON file that goes on later: every text, picture, sound and clip is inside.

Job: messages to bytes and back, strictly. Ignorance: models (the ids of replies are not kept: the next one
reads them anew), terminals. Anyone who has the file can read what was said; it runs nothing.
"""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast, get_args

from edge import atomic
from edge.errors import IntegrityError, NotFoundError
from edge.media import source
from edge.media.audio import Sound
from edge.media.image import Picture
from edge.media.video import Clip
from edge.messages import Audio, Image, Message, Part, Role, Text, Video

FORMAT = "edge conversation 1"
MOST_BYTES = 200_000_000  # of the file
_MEDIA: dict[str, type[Image | Audio | Video]] = {"image": Image, "audio": Audio, "video": Video}


def save(path: str | Path, messages: Sequence[Message], system: str | None = None) -> Path:
    """Write a conversation, whole or not at all; media are copied into it.

    Raises:
        NotFoundError: the folder, or a medium that a message names, is gone.
        MediaError: a medium cannot be read.
    """
    told = [{"role": m.role, "parts": [_told(part) for part in m.parts]} for m in messages]
    document = {"format": FORMAT, "system": system, "messages": told}
    return atomic.write_bytes(path, json.dumps(document, ensure_ascii=False, indent=1).encode())


def load(path: str | Path) -> tuple[list[Message], str | None]:
    """The messages and the system message of a file that `save` wrote.

    Raises:
        NotFoundError: there is no such file.
        IntegrityError: it is no saved conversation, or a damaged one.
    """
    try:
        facts = Path(path).stat()
        if not stat.S_ISREG(facts.st_mode):
            raise NotFoundError(f"{path} is no file; check the path")
        if facts.st_size > MOST_BYTES:
            raise IntegrityError(
                f"{path} is larger than {MOST_BYTES} bytes: no conversation is; check the path"
            )
        document = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise NotFoundError(f"{path} cannot be read: {error.strerror or error}; check the path") from error
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{path} is no saved conversation: it is not valid JSON ({error})") from error
    try:
        return _read(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError(
            f"{path} is no saved conversation ({error}); give a file that `/save NAME.json` wrote"
        ) from error


def _told(part: Part) -> dict[str, str]:
    if isinstance(part, Text):
        return {"text": part.text}
    kind = next(name for name, made in _MEDIA.items() if isinstance(part, made))
    return {kind: base64.b64encode(_encoded(part)).decode()}


def _encoded(part: Image | Audio | Video) -> bytes:
    """The medium as the bytes of a file: as it was given, or without loss (sound: 16 bits)."""
    if isinstance(part.source, str | Path | bytes | bytearray):
        return source.load(part.source, limit=MOST_BYTES)[0]
    if isinstance(part, Image):
        return Picture(part.source).png()
    if isinstance(part, Audio):
        return Sound(part.source, part.sample_rate or 0).wav()
    return Clip(part.source, part.frame_seconds or 0.0).encoded(".webp")


def _read(document: Any) -> tuple[list[Message], str | None]:
    if set(document) != {"format", "system", "messages"} or document["format"] != FORMAT:
        raise ValueError(f"expected the format {FORMAT!r}")
    system = document["system"]
    if not isinstance(system, str | None):
        raise TypeError("the system message is no text")
    return [_message(one) for one in document["messages"]], system


def _message(told: Any) -> Message:
    if set(told) != {"role", "parts"} or told["role"] not in get_args(Role) or told["role"] == "system":
        raise ValueError("a message has no role and parts, or a role that nobody has")
    parts = tuple(_part(one) for one in told["parts"])
    if not parts:
        raise ValueError("a message is empty")
    return Message(cast(Role, told["role"]), parts)


def _part(told: Any) -> Part:
    ((kind, value),) = told.items()
    if not isinstance(value, str) or kind not in ("text", *_MEDIA):
        raise TypeError(f"a part is {kind!r}: expected text, image, audio or video, as a string")
    return Text(value) if kind == "text" else _MEDIA[kind](base64.b64decode(value, validate=True))
