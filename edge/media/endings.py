"""What a path is by its name: a picture, a sound or a clip.

Job: the endings that Edge reads, and the part that a path becomes. A GIF, WebP or PNG that moves is a clip,
so those are looked into. Ignorance: whether the file is sound, and what a model can do with it.
"""

from __future__ import annotations

from pathlib import Path

from edge.errors import UsageError
from edge.messages import Audio, Image, Video

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
SOUNDS = (".wav", ".flac", ".ogg", ".mp3")
CLIPS = (".mp4", ".webm", ".mov", ".avi", ".mkv", ".apng")
ALL = IMAGES + SOUNDS + CLIPS
_MOVING = (".gif", ".webp", ".png")


def part(path: Path) -> Image | Audio | Video:
    """The part that a file is.

    Raises:
        UsageError: its ending is none that Edge reads.
    """
    from edge.media import animation  # heavy, and a command line without media has no use for it

    ending = path.suffix.lower()
    if ending in SOUNDS:
        return Audio(path)
    if ending in CLIPS or (ending in _MOVING and animation.moves(path)):
        return Video(path)
    if ending in IMAGES:
        return Image(path)
    raise UsageError(
        f"{path} ends in {ending or 'nothing'}, and Edge reads {' '.join(ALL)}: convert the file"
    )
