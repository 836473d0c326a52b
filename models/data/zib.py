"""A word and a shape that pico never met: the zib, two triangles tip to tip. It is what `models.prove_finetune` teaches.

Job: scenes of one zib, conversations about them as a person would write them, and a judge of drawn ones.
Hold-out by composition: some colour x place pairs are never shown. The shape is one that the picture codec carries (its waist is wide):
a star of eight points comes back from the codec as a disc, and no decoder can draw what the codec cannot.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from models.data.pictures import scene_checker, scenes
from models.data.pictures.scenes import Scene
from models.data.pictures.things import COLOURS, PLACES, SHAPES, SIZES, UNTAUGHT, Split, Thing, article
from models.data.tasks.desk import capital_sentence
from models.data.text import requests

(NAME,) = UNTAUGHT
_ASKED = 0.22  # of the talks about a zib: as often "Yes." as "No.", or all such questions get the one answer
_THIRDS = (0.25, 0.5, 0.75)
Message = dict[str, Any]


def held_out(colour: str, place: str) -> bool:
    """True for the fifth of colour x place pairs that are never shown."""
    return zlib.crc32(f"{colour} {place}".encode()) % 5 == 0


def sample(rng: np.random.Generator, split: Split = "train") -> Scene:
    """One zib of some colour and size, somewhere on some background."""
    while True:
        colour = tuple(COLOURS)[int(rng.integers(len(COLOURS)))]
        row, column = (int(i) for i in rng.integers(3, size=2))
        if held_out(colour, PLACES[row][column]) != (split == "heldout"):
            continue
        radius = SIZES["large" if rng.random() < 0.5 else "medium"]
        thing = Thing(NAME, colour, _THIRDS[column], _THIRDS[row], radius)
        scene = Scene((thing,), scenes.background(rng))
        if scene.sound:
            return scene


def conversation(rng: np.random.Generator, media: Path) -> list[Message]:
    """A talk about a picture of a zib, a wish for one, or a picture without one; its picture goes into `media`."""
    kind = str(rng.choice(["read", "draw", "other"], p=[0.45, 0.45, 0.1]))
    scene = scenes.sample(rng) if kind == "other" else sample(rng)
    pixels = scene.draw(rng)
    path = media / f"{zlib.crc32(pixels.tobytes()):08x}.png"
    Image.fromarray(pixels).save(path)
    picture = {"type": "image", "path": f"{media.name}/{path.name}"}
    if kind == "draw":
        wish = requests.ask(rng, "train", "draw", scene.caption())
        return [{"role": "user", "content": wish}, {"role": "assistant", "content": [picture]}]
    asked = [(q.question, q.answer) for q in scene.questions(rng)[: int(rng.integers(2, 6))]]
    if kind == "other" or rng.random() < _ASKED:
        question = f"Is there {article(f'{scene.things[0].colour} {NAME}')}?"
        asked.insert(0, (question, "No." if kind == "other" else "Yes."))
    elif rng.random() < 0.4:
        told = (requests.ask(rng, "train", "describe"), capital_sentence(scene.caption()))
        asked.insert(int(rng.integers(len(asked) + 1)), told)
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


def judged(scene: Scene, pixels: np.ndarray) -> dict[str, bool]:
    """Which asked attributes a drawn picture has; a zib is one among all shapes."""
    return scene_checker.agrees(scene, pixels, shapes=(*SHAPES, NAME))
