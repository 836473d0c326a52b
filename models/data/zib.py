"""A word and a shape that pico never met: the zib, two triangles tip to tip. It is what `models.prove_finetune` teaches.

Job: scenes of one zib, their pixels, conversations about them as a person would write them, and a judge of drawn ones.
Hold-out by composition: some colour x place pairs are never shown. The shape is one that the picture codec carries (its waist is wide):
a star of eight points comes back from the codec as a disc, and no decoder can draw what the codec cannot.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.data.first import checker, pictures
from models.data.first.documents import DESCRIBE, DRAW, sentence
from models.data.first.pictures import Scene, Split, Thing

NAME = "zib"
OUTLINE = ((-1, -1), (1, -1), (0.25, 0), (1, 1), (-1, 1), (-0.25, 0))  # in units of the radius, y down
Message = dict[str, Any]


def held_out(colour: str, place: str) -> bool:
    """True for the fifth of colour x place pairs that are never shown."""
    return zlib.crc32(f"{colour} {place}".encode()) % 5 == 0


def sample(rng: np.random.Generator, split: Split = "train") -> Scene:
    """One zib of some colour and size, somewhere on some background."""
    while True:
        colour, size = str(rng.choice(list(pictures.COLOURS))), str(rng.choice(list(pictures.RADIUS)))
        row, column = int(rng.integers(3)), int(rng.integers(3))
        if held_out(colour, pictures.PLACES[row][column]) == (split == "heldout"):
            background = str(rng.choice(list(pictures.BACKGROUNDS), p=[0.55, 0.15, 0.15, 0.15]))
            return pictures.one_thing(colour, NAME, size, row, column, rng=rng, background=background)


def draw(scene: Scene, rng: np.random.Generator, side: int = 64) -> NDArray[np.uint8]:
    """Pixels (side, side, 3), antialiased, with slightly varied colours."""
    big = side * 4
    paper, ink = (
        tuple(int(v) for v in np.clip(np.array(colour) + rng.integers(-spread, spread + 1, 3), 0, 255))
        for colour, spread in (
            (pictures.BACKGROUNDS[scene.background], 4),
            (pictures.COLOURS[scene.things[0].colour], 14),
        )
    )
    canvas = Image.new("RGB", (big, big), paper)
    ImageDraw.Draw(canvas).polygon(outline(scene.things[0], big), fill=ink)
    return np.asarray(canvas.resize((side, side), Image.Resampling.BOX))


def outline(thing: Thing, side: int) -> list[tuple[float, float]]:
    return [((thing.x + thing.radius * x) * side, (thing.y + thing.radius * y) * side) for x, y in OUTLINE]


def conversation(rng: np.random.Generator, media: Path) -> list[Message]:
    """A talk about a picture of a zib, a wish for one, or a picture without one; its picture goes into `media`."""
    kind = str(rng.choice(["read", "draw", "other"], p=[0.45, 0.45, 0.1]))
    scene = pictures.sample(rng) if kind == "other" else sample(rng)
    pixels = pictures.draw(scene, rng) if kind == "other" else draw(scene, rng)
    path = media / f"{zlib.crc32(pixels.tobytes()):08x}.png"
    Image.fromarray(pixels).save(path)
    picture = {"type": "image", "path": f"{media.name}/{path.name}"}
    if kind == "draw":
        wish = str(rng.choice(DRAW)).replace("{x}", pictures.caption(scene))
        return [{"role": "user", "content": wish}, {"role": "assistant", "content": [picture]}]
    asked = [
        (question, answer)
        for _, question, answer in pictures.questions(scene, rng)[: int(rng.integers(2, 6))]
    ]
    if kind == "other":
        asked.insert(0, (f"Is there {pictures.article(f'{scene.things[0].colour} {NAME}')}?", "No."))
    elif rng.random() < 0.4:
        asked.insert(
            int(rng.integers(len(asked) + 1)), (str(rng.choice(DESCRIBE)), sentence(pictures.caption(scene)))
        )
    return about(picture, asked, rng)


def about(medium: Message, asked: list[tuple[str, str]], rng: np.random.Generator) -> list[Message]:
    """Questions and answers about a medium, which stands before or after the first question."""
    made: list[Message] = []
    for i, (question, answer) in enumerate(asked):
        parts = [medium, {"type": "text", "text": question}] if i == 0 else question
        if i == 0 and rng.random() < 0.4:
            parts = parts[::-1]
        made += [{"role": "user", "content": parts}, {"role": "assistant", "content": answer}]
    return made


def judged(scene: Scene, pixels: NDArray[np.uint8]) -> dict[str, bool]:
    """Which asked attributes a drawn picture has: one thing, its colour, its shape, its place, and all of them."""
    found = checker.things(pixels)
    if len(found) != 1:
        return dict.fromkeys(("colour", "shape", "place", "all"), False)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).astype(int)
    mask = np.abs(pixels.astype(int) - np.median(border, axis=0)).max(2) > 48
    (blob,) = checker.blobs(mask)
    got = {
        "colour": found[0].colour == scene.things[0].colour,
        "shape": nearest(blob) == NAME,
        "place": found[0].place == scene.place,
    }
    return got | {"all": all(got.values())}


def nearest(blob: NDArray[np.bool_]) -> str:
    """The shape whose template a mask overlaps most, zib among them."""
    big = draw(Scene("one", (Thing(NAME, "black", 0.5, 0.5, 0.35),), "white"), np.random.default_rng(0))
    masks = {**checker.templates(), NAME: checker._normal(big.mean(2) < 128)}
    return max(masks, key=lambda name: checker._overlap(checker._normal(blob), masks[name]))
