"""Pixels of coloured shapes with textures, and what each cell of the grid shows.

Job: draw things on a background at any side; label the cells; age a picture as files and cameras do.
Ignorance: captions, questions, how things came to lie where they lie.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from models.data.pictures import backgrounds
from models.data.pictures.picture import GRID, GROUND
from models.data.pictures.things import COLOURS, RING_HOLE, Rgb, Thing, outline

_SUPERSAMPLE = 4
_STRIPE, _CHECK, _DOTS, _LINE = 2.6, 4.0, 6.0, 2.2  # in pixels of a 64 pixel picture
_LIGHT_SPREAD, _HUE_SPREAD, _GROUND_SPREAD = 10, 6, 4


def draw(
    things: Sequence[Thing], background: str, rng: np.random.Generator, side: int = 64
) -> NDArray[np.uint8]:
    """Pixels (side, side, 3), antialiased, colours slightly varied.

    The generator gives the same number of values whatever is drawn: a scene and its edit, drawn from equal
    generators, differ only where the edit says.
    """
    ground_shift = rng.integers(-_GROUND_SPREAD, _GROUND_SPREAD + 1, 3)
    light = rng.integers(-_LIGHT_SPREAD, _LIGHT_SPREAD + 1, (len(COLOURS), 1))
    shifts = light + rng.integers(-_HUE_SPREAD, _HUE_SPREAD + 1, (len(COLOURS), 3))  # gray stays gray
    fills = dict(zip(COLOURS, np.clip(np.array(list(COLOURS.values())) + shifts, 0, 255), strict=True))
    sheet = Image.fromarray(backgrounds.paint(background, side, ground_shift))
    for thing in sorted(things, key=lambda t: -t.radius):  # what is inside comes last
        _draw_thing(sheet, thing, tuple(int(c) for c in fills[thing.colour]))  # type: ignore[arg-type]
    return np.asarray(sheet)


def cells(things: Sequence[Thing]) -> list[tuple[str, str]]:
    """Shape and colour of what covers the middle half of each cell (an eighth of it is enough), row by row."""
    labels = [GROUND] * (GRID * GRID)
    for thing in sorted(things, key=lambda t: -t.radius):
        mask, at = _mask(thing, GRID * 8)
        whole = Image.new("L", (GRID * 8, GRID * 8))
        whole.paste(mask.reduce(_SUPERSAMPLE), at)
        middles = (np.asarray(whole) > 127).reshape(GRID, 8, GRID, 8)[:, 2:6, :, 2:6].mean((1, 3))
        for i in np.flatnonzero(middles.ravel() >= 0.125):
            labels[i] = (thing.shape, thing.colour)
    return labels


def through_a_camera(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """What files and lenses do: JPEG, a slight blur, or other light. Pixels keep their number."""
    way = rng.random()
    if way < 0.45:
        store = io.BytesIO()
        Image.fromarray(pixels).save(store, "JPEG", quality=int(rng.integers(70, 96)))
        return np.asarray(Image.open(store).convert("RGB"))
    if way < 0.8:
        blur = float(rng.uniform(0.2, 0.6)) * len(pixels) / 64
        return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(blur)))
    lit = pixels * rng.uniform(0.92, 1.03, 3) + rng.uniform(-4, 4)
    return np.clip(lit, 0, 255).astype(np.uint8)


def _draw_thing(sheet: Image.Image, thing: Thing, fill: Rgb) -> None:
    mask, at = _mask(thing, sheet.width)
    match thing.texture:
        case "solid":
            pass
        case "outlined":
            mask = ImageChops.multiply(mask, _contour(thing, sheet.width, mask.size, at))
        case _:
            sheet.paste(_second(fill), at, mask.reduce(_SUPERSAMPLE))
            mask = ImageChops.multiply(mask, _texture(thing, sheet.width, mask.size, at))
    sheet.paste(fill, at, mask.reduce(_SUPERSAMPLE))


def _second(fill: Rgb) -> Rgb:
    """The other colour of a texture: a pale tint, or a shade where the colour itself is pale."""
    light = 0.299 * fill[0] + 0.587 * fill[1] + 0.114 * fill[2]
    r, g, b = (int(c * 0.5) if light > 180 else int(c * 0.2 + 204) for c in fill)
    return r, g, b


def _mask(thing: Thing, side: int) -> tuple[Image.Image, tuple[int, int]]:
    """The filled shape, supersampled, cut to whole pixels around its box; and where it goes."""
    left, top, right, bottom = (v * side for v in thing.box)
    x0, y0 = int(np.floor(left)), int(np.floor(top))
    size = (int(np.ceil(right)) - x0 + 1, int(np.ceil(bottom)) - y0 + 1)
    mask = Image.new("L", (size[0] * _SUPERSAMPLE, size[1] * _SUPERSAMPLE))
    pen = ImageDraw.Draw(mask)
    pen.polygon(_points(thing, side, (x0, y0)), fill=255)
    if thing.shape == "ring":
        pen.polygon(_points(thing, side, (x0, y0), RING_HOLE), fill=0)
    return mask, (x0, y0)


def _points(
    thing: Thing, side: int, corner: tuple[int, int], share: float = 1.0
) -> list[tuple[float, float]]:
    x, y, r = thing.x * side - corner[0], thing.y * side - corner[1], thing.radius * side * share
    scale = _SUPERSAMPLE
    # half a pixel off: Pillow's polygons speak of pixel centres
    return [((x + r * dx) * scale - 0.5, (y + r * dy) * scale - 0.5) for dx, dy in outline(thing.shape)]


def _contour(thing: Thing, side: int, size: tuple[int, int], at: tuple[int, int]) -> Image.Image:
    """A line along the edge; half of it falls outside of the shape and is cut off."""
    line = Image.new("L", size)
    points = _points(thing, side, at)
    width = round(2 * _LINE * side / 64 * _SUPERSAMPLE)
    ImageDraw.Draw(line).line([*points, *points[:2]], fill=255, width=width, joint="curve")
    return line


def _texture(thing: Thing, side: int, size: tuple[int, int], at: tuple[int, int]) -> Image.Image:
    """255 where the colour itself is seen. Patterns are fixed to the thing's centre."""
    unit = 64 / side / _SUPERSAMPLE
    x = (np.arange(size[0]) + 0.5) * unit + (at[0] / side - thing.x) * 64  # pixels of 64 from the centre
    y = ((np.arange(size[1]) + 0.5) * unit + (at[1] / side - thing.y) * 64)[:, None]
    if thing.texture == "striped":
        seen = np.broadcast_to(np.floor(y / _STRIPE + 0.5) % 2 == 0, (size[1], size[0]))
    elif thing.texture == "checkered":
        seen = (np.floor(x / _CHECK) + np.floor(y / _CHECK)) % 2 == 0
    else:
        row = np.round(y / _DOTS * 1.25)
        x, y = x + (row % 2) * _DOTS / 2, y - row * _DOTS / 1.25
        seen = np.hypot(x - np.round(x / _DOTS) * _DOTS, y) > 1.55
    return Image.fromarray(seen.astype(np.uint8) * 255)
