"""Pictures, sounds and clips that a person names in a command line.

Job: a path is a part by its ending; a media path inside a prompt, as it is typed or as a terminal pastes a
file that was dropped on it (quoted, escaped, file://), is taken out and attached.
Ignorance: the bytes of any file (edge.media reads them), and what a model can do with them.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from edge.errors import NotFoundError, UsageError
from edge.media import endings
from edge.messages import Audio, Image, Part, Text, Video
from edge.store import at_home

_ENDING = "(?:" + "|".join(re.escape(e) for e in endings.ALL) + ")"
# 'quoted path.png' (a shell writes ' as '\''), "quoted path.png", or a bare word with escaped spaces, then an
# end or punctuation
_PATH = re.compile(
    rf"""'((?:[^']|'\\'')+{_ENDING})'|"([^"]+{_ENDING})"|"""
    rf"""(?<!\S)((?:\\.|[^\s'"\\])+{_ENDING})(?=[\s?!,;:.]|$)""",
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


def begins_with_path(line: str) -> bool:
    """Whether a line that starts with a slash names a file there, and is no command."""
    return _PATH.match(line) is not None or os.path.isfile(Path(line.split(maxsplit=1)[0]))


def first_path(rest: str) -> tuple[Path, str]:
    """A path, in any form that `split` knows, and what follows it.

    Raises:
        UsageError: there is none.
    """
    if match := _PATH.match(rest):
        return _written(match), rest[match.end() :].strip()
    if rest[:1] in ("'", '"') and (end := rest.find(rest[0], 1)) > 0:
        return at_home(rest[1:end]), rest[end + 1 :].strip()
    if not (word := re.match(r"(?:\\.|\S)+", rest)):
        raise UsageError("name a file: /image desk.png What is this?")
    return _bare(word[0]), rest[word.end() :].strip()


def dropped(pasted: str) -> str:
    """What a terminal pasted, ready for `split`: a file's bare path is quoted where it needs it."""
    path = pasted.strip()
    if shlex.quote(path) == path or not os.path.isfile(at_home(path)):
        return pasted
    return shlex.quote(path) + " "


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
    quoted = (match[1] or "").replace("'\\''", "'") or match[2]
    return _plain(quoted) if quoted else _bare(match[3])


def _bare(word: str) -> Path:
    return _plain(re.sub(r"\\(.)", r"\1", word))


def _plain(path: str) -> Path:
    """file:///home/me/a%20b.png -> /home/me/a b.png (RFC 8089); ~ is the home folder."""
    if path.lower().startswith("file:"):
        return Path(unquote(urlsplit(path).path))
    return at_home(path)


def _existing(path: Path) -> Path:
    if not os.path.isfile(path):  # never raises, as Path's own does: a long text is no name of a file
        if os.path.exists(path):
            raise NotFoundError(f"{path} is a folder or a device, no file: name a file")
        raise NotFoundError(f"there is no file {path} (looked from {Path.cwd()}): check the path")
    return path
