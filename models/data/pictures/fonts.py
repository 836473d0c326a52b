"""The open fonts that training pictures are written with: where Debian puts them, and under which licence.

Job: a loaded font by family, weight and size; a missing one is an error that names the package to install.
Ignorance: what is written. Fonts serve while training data are made; nothing of them is shipped.
"""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from PIL import ImageFont

ROOT = Path("/usr/share/fonts")


class Family(NamedTuple):
    """A family with the files of its two weights, relative to ROOT."""

    package: str
    licence: str
    regular: str
    bold: str


_DEJAVU = ("fonts-dejavu-core", "Bitstream Vera licence")
_LIBERATION = ("fonts-liberation", "GPL-2 with font exception (1.x), OFL-1.1 (2.x)")
FAMILIES: dict[str, Family] = {
    "DejaVu Sans": Family(*_DEJAVU, "truetype/dejavu/DejaVuSans.ttf", "truetype/dejavu/DejaVuSans-Bold.ttf"),
    "DejaVu Serif": Family(*_DEJAVU, "truetype/dejavu/DejaVuSerif.ttf", "truetype/dejavu/DejaVuSerif-Bold.ttf"),
    "DejaVu Sans Mono": Family(*_DEJAVU, "truetype/dejavu/DejaVuSansMono.ttf", "truetype/dejavu/DejaVuSansMono-Bold.ttf"),
    "Liberation Sans": Family(*_LIBERATION, "truetype/liberation/LiberationSans-Regular.ttf", "truetype/liberation/LiberationSans-Bold.ttf"),
    "Liberation Serif": Family(*_LIBERATION, "truetype/liberation/LiberationSerif-Regular.ttf", "truetype/liberation/LiberationSerif-Bold.ttf"),
    "Roboto": Family("fonts-roboto-unhinted", "Apache-2.0", "truetype/roboto/unhinted/RobotoTTF/Roboto-Regular.ttf", "truetype/roboto/unhinted/RobotoTTF/Roboto-Bold.ttf"),
    "Lato": Family("fonts-lato", "OFL-1.1", "truetype/lato/Lato-Regular.ttf", "truetype/lato/Lato-Bold.ttf"),
    "Comic Neue": Family("fonts-comic-neue", "OFL-1.1", "opentype/comic-neue/ComicNeue-Regular.otf", "opentype/comic-neue/ComicNeue-Bold.otf"),
}  # fmt: skip
EMOJI = Family("fonts-noto-color-emoji", "OFL-1.1", "truetype/noto/NotoColorEmoji.ttf", "")
EMOJI_SIZE = 109  # its bitmaps exist at this size only


@lru_cache(maxsize=4096)
def face(family: str, bold: bool, size: float) -> ImageFont.FreeTypeFont:
    """The font at a size in pixels per em. RuntimeError where it is not installed."""
    entry = FAMILIES[family]
    return _load(entry, entry.bold if bold else entry.regular, size)


@cache
def emoji_face() -> ImageFont.FreeTypeFont:
    """Noto Color Emoji at its only size. RuntimeError where it is not installed."""
    return _load(EMOJI, EMOJI.regular, EMOJI_SIZE)


def _load(family: Family, name: str, size: float) -> ImageFont.FreeTypeFont:
    path = ROOT / name
    if not path.is_file():
        raise RuntimeError(f"no font at {path}: install the Debian package {family.package}")
    # Basic layout: the same advances with and without libraqm.
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)
