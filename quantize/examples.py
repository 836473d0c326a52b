"""Example prompts from a JSONL file: what a user's own work looks like, to calibrate and to judge on.

Job: one line, one example: {"text": …} or {"messages": […]} as OpenAI's clients write them; media are named
by path, as {"type": "image_url", "image_url": {"url": "photo.png"}}; audio_url and video_url likewise.
Ignorance: ids, models; opens no media, only proves that the named files exist.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from edge.errors import IntegrityError, NotFoundError, UsageError
from edge.messages import Audio, Image, Message, Part, Role, Text, Video

Example = str | tuple[Message, ...]

MAX_BYTES, MAX_LINES = 64 << 20, 20_000
_MEDIA: dict[str, Callable[[Path], Part]] = {"image_url": Image, "audio_url": Audio, "video_url": Video}
_FORM = 'expected {"text": "…"} or {"messages": [{"role": "user", "content": "…"}, …]}'


def read(path: Path) -> list[Example]:
    """Every example of the file, in order; blank lines are skipped.

    Raises:
        NotFoundError: no such file, or no such medium.
        UsageError: a URL instead of a path. IntegrityError: another form; the message names the line.
    """
    if not path.is_file():
        raise NotFoundError(f"the calibration file {path} does not exist; check the path")
    if path.stat().st_size > MAX_BYTES:
        raise IntegrityError(
            f"{path.name} has {path.stat().st_size} bytes, more than the {MAX_BYTES} allowed"
        )
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise IntegrityError(f"{path.name} is not UTF-8 ({error.reason}); save it as UTF-8") from error
    if len(lines) > MAX_LINES:
        raise IntegrityError(f"{path.name} has {len(lines)} lines, more than the {MAX_LINES} allowed")
    found = [_example(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise IntegrityError(f"{path.name} holds no example: {_FORM}, one per line")
    return found


def media(examples: list[Example]) -> set[str]:
    """The kinds of media that the examples hold: some of "image", "audio", "video"."""
    parts = (part for e in examples if not isinstance(e, str) for message in e for part in message.parts)
    return {type(part).__name__.lower() for part in parts if not isinstance(part, Text)}


def _example(path: Path, number: int, line: str) -> Example:
    where = f"{path.name}, line {number}"
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{where} is not valid JSON ({error}); {_FORM}") from error
    text, messages = (data.get("text"), data.get("messages")) if isinstance(data, dict) else (None, None)
    if isinstance(text, str) and text.strip() and messages is None:
        return text
    if isinstance(messages, list) and messages and text is None:
        return tuple(_message(path.parent, where, message) for message in messages)
    raise IntegrityError(f"{where} is no example: {_FORM}")


def _message(folder: Path, where: str, data: Any) -> Message:
    role: Any = data.get("role") if isinstance(data, dict) else None
    content = data.get("content") if isinstance(data, dict) else None
    if role not in get_args(Role):
        raise IntegrityError(f"{where} has the role {role!r}, expected {', '.join(get_args(Role))}")
    if isinstance(content, str):
        return Message(role, (Text(content),))
    if not isinstance(content, list) or not content:
        raise IntegrityError(f"{where} has a message without content; {_FORM}")
    return Message(role, tuple(_part(folder, where, part) for part in content))


def _part(folder: Path, where: str, data: Any) -> Part:
    kind = data.get("type") if isinstance(data, dict) else None
    if kind == "text" and isinstance(data.get("text"), str):
        return Text(data["text"])
    value = data.get(kind) if kind in _MEDIA else None
    url = value.get("url") if isinstance(value, dict) else None
    if not isinstance(url, str) or not url:
        raise IntegrityError(f"{where} has a content part {kind!r}, expected text, {', '.join(_MEDIA)}")
    if "://" in url or url.startswith("data:"):
        raise UsageError(f"{where} names {url[:60]!r}; save the medium beside the file and name its path")
    path = folder / url
    if not path.is_file():
        raise NotFoundError(f"{where} names {url}, but there is no such file in {folder}; check the path")
    return _MEDIA[str(kind)](path)
