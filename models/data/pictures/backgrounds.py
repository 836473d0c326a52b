"""What a scene's things stand on: plain colours, gradients, ground and sky, faintly patterned paper.

Job: the table of backgrounds with their words, and their pixels. Ignorance: things.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.data.pictures.things import COLOURS, Rgb, distance

PLAIN: dict[str, Rgb] = {
    "white": (255, 255, 255),
    "cream": (255, 246, 214),
    "light blue": (214, 234, 250),
    "light green": (220, 245, 222),
    "black": (18, 18, 20),
    "dark blue": (24, 34, 92),
}
GRADIENT: dict[str, Rgb] = {  # from white at the top to this at the bottom
    "pink gradient": (246, 168, 208),
    "blue gradient": (130, 180, 240),
    "green gradient": (150, 215, 160),
    "orange gradient": (250, 190, 120),
}
TWO_TONE: dict[str, tuple[Rgb, Rgb]] = {  # above and below the horizon
    "grass and sky": ((176, 220, 248), (126, 194, 96)),
    "sand and sky": ((176, 220, 248), (236, 214, 152)),
    "sea and sky": ((206, 232, 250), (64, 124, 196)),
    "snow and sky": ((150, 190, 230), (248, 250, 255)),
}
PAPER = ("dotted paper", "lined paper", "checked paper")
_INK: Rgb = (206, 214, 228)
_HORIZON = 0.64
_SEEN = 95.0  # RGB distance from which a thing stands out

WEIGHTS: dict[str, float] = {
    "white": 0.55, "cream": 0.045, "light blue": 0.05, "light green": 0.045, "black": 0.04, "dark blue": 0.03,
    **dict.fromkeys(GRADIENT, 0.02), **dict.fromkeys(TWO_TONE, 0.022), **dict.fromkeys(PAPER, 0.024),
}  # fmt: skip
BACKGROUNDS = tuple(WEIGHTS)


class Words(NamedTuple):
    """How a background is said: alone, as an answer; after a caption; as what to change to."""

    alone: str
    after: str
    change: str


def words(name: str) -> Words:
    if name in PLAIN:
        after = "" if name == "white" else f" on a {name} background"
        return Words(f"plain {name}", after, f"{name}")
    if name in GRADIENT:
        a = "an" if name[0] == "o" else "a"
        return Words(f"{a} {name}", f" on {a} {name} background", f"{a} {name}")
    if name in TWO_TONE:
        return Words(name, f" with {name}", name)
    return Words(name, f" on {name}", name)


def shows(colour: str, name: str) -> bool:
    """Whether things of this colour stand out from every part of a background."""
    return min(distance(COLOURS[colour], tint) for tint in tints(name)) >= _SEEN


def tints(name: str) -> tuple[Rgb, ...]:
    """The main colours of a background."""
    if name in PLAIN:
        return (PLAIN[name],)
    if name in GRADIENT:
        return PLAIN["white"], GRADIENT[name]
    return TWO_TONE.get(name, (PLAIN["white"], _INK))


def paint(name: str, side: int, shift: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Pixels (side, side, 3) of a background whose colours are shifted a little."""
    rows = (np.arange(side) + 0.5) / side
    if name in PLAIN:
        sheet = np.broadcast_to(np.array(PLAIN[name], float), (side, side, 3))
    elif name in GRADIENT:
        top, bottom = np.array(PLAIN["white"], float), np.array(GRADIENT[name], float)
        sheet = np.broadcast_to((top + (bottom - top) * rows[:, None])[:, None], (side, side, 3))
    elif name in TWO_TONE:
        above, below = np.array(TWO_TONE[name], float)
        share = np.clip((rows - _HORIZON) * side + 0.5, 0, 1)[
            :, None
        ]  # of the row's pixels below the horizon
        sheet = np.broadcast_to((above + (below - above) * share)[:, None], (side, side, 3))
    else:
        ink = _pattern(name, rows)[..., None]
        sheet = np.array(PLAIN["white"], float) * (1 - ink) + np.array(_INK, float) * ink
    return np.clip(sheet + shift, 0, 255).astype(np.uint8)


def _pattern(name: str, at: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much ink lies on each pixel, the same geometry at every side."""
    near = np.abs((at * 8) % 1 - 0.5) * 8  # pixels of 64 from the nearest line
    soft = 0.5 * 64 / len(at)  # half a pixel
    line: NDArray[np.float64] = np.clip((0.75 + soft - near) / (2 * soft), 0, 1)
    if name == "lined paper":
        return np.broadcast_to(line[:, None], (len(at), len(at)))
    if name == "checked paper":
        return 1 - (1 - line[:, None]) * (1 - line[None, :])
    far = np.hypot(near[:, None], near[None, :])
    dots: NDArray[np.float64] = np.clip((1.3 + soft - far) / (2 * soft), 0, 1)
    return dots
