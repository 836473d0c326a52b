"""Pictures, sounds and clips that a person names in a command line.

Job: a path is a part by its ending; a bare media path inside a prompt is taken out and attached.
Ignorance: the bytes of any file (edge.media reads them), and what a model can do with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from edge.errors import NotFoundError
from edge.media import endings
from edge.messages import Audio, Image, Part, Text, Video

_ENDING = "(?:" + "|".join(re.escape(e) for e in endings.ALL) + ")"
# 'quoted path.png', "quoted path.png", or a bare word with escaped spaces, then an end or punctuation
_PATH = re.compile(
    rf"""'([^']+{_ENDING})'|"([^"]+{_ENDING})"|(?<!\S)((?:\\.|[^\s'"\\])+{_ENDING})(?=[\s?!,;:.]|$)""",
    re.IGNORECASE,
)


def attach(path: Path) -> Part:
    """The part that a file is.

    Raises:
        NotFoundError: no such file.
        UsageError: its ending is none that Edge reads.
    """
    if path.suffix.lower() in endings.ALL:
        _existing(path)
    return endings.part(path)


def image(path: Path) -> Image:
    """A picture file, whatever its ending."""
    return Image(_existing(path))


def sound(path: Path) -> Audio:
    """A sound file, whatever its ending."""
    return Audio(_existing(path))


def video(path: Path) -> Video:
    """A clip, whatever its ending."""
    return Video(_existing(path))


def split(prompt: str) -> list[Part]:
    """The media that a prompt names, in order, then its text without those paths."""
    found = list(_PATH.finditer(prompt))
    media = [attach(_written(match)) for match in found]
    rest = _PATH.sub("", prompt) if found else prompt
    text = re.sub(r"[ \t]{2,}", " ", rest).strip() if found else rest.strip()
    return [*media, Text(text)] if text else media


def gather(
    images: Iterable[Path],
    sounds: Iterable[Path],
    prompt: str,
    piped: str = "",
    *,
    clips: Iterable[Path] = (),
) -> list[Part]:
    """Everything that one command line says, media first.

    What was piped in is a document, not a command: a path in it attaches nothing.
    """
    said: list[Part] = [*map(image, images), *map(sound, sounds), *map(video, clips), *split(prompt)]
    media: list[Part] = [part for part in said if not isinstance(part, Text)]
    texts = [part.text for part in said if isinstance(part, Text)] + [piped]
    text = "\n\n".join(filter(None, texts))
    return [*media, Text(text)] if text else media


def _written(match: re.Match[str]) -> Path:
    quoted = match[1] or match[2]
    return Path(quoted or re.sub(r"\\(.)", r"\1", match[3])).expanduser()


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise NotFoundError(f"there is no file {path} (looked from {Path.cwd()}): check the path")
    return path
