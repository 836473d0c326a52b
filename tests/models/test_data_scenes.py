"""Scenes keep their split, say what they show, and are asked only what a plain reading of them answers."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from models.data.pictures import backgrounds, things
from models.data.pictures.picture import GROUND
from models.data.pictures.scenes import Scene, sample
from models.data.pictures.things import NUMBERS, Thing
from tests.models.plain_reading import NOUNS, read


def drawn(scene: Scene, seed: int = 0, side: int = 64) -> np.ndarray:
    return scene.draw(np.random.default_rng(seed), side)


def one(
    colour: str = "red", shape: str = "circle", x: float = 0.5, y: float = 0.5, radius: float = 0.14
) -> Thing:
    return Thing(shape, colour, x, y, radius)


# ---- the split ----


def test_a_tenth_of_all_pairs_is_held_out() -> None:
    pairs = [(c, s) for c in things.COLOURS for s in things.SHAPES]
    assert 0.07 < np.mean([things.held_out(*p) for p in pairs]) < 0.13
    met = [things.held_out_together(a, b) for a in things.SHAPES for b in things.SHAPES if a < b]
    assert 3 <= sum(met) <= len(met) // 6
    assert things.held_out_together("circle", "star") == things.held_out_together("star", "circle")


def test_training_never_shows_a_held_out_composition_and_the_held_out_split_always_does() -> None:
    rng = np.random.default_rng(0)
    for _ in range(400):
        assert not any(things.held_out(t.colour, t.shape) for t in sample(rng, "train").things)
        assert not sample(rng, "train").novel
        unseen = sample(rng, "heldout")
        kinds = {t.shape for t in unseen.things}
        assert things.held_out(unseen.things[0].colour, unseen.things[0].shape) or things.held_out_together(
            *kinds
        )


def test_training_questions_never_name_a_held_out_pair() -> None:
    rng = np.random.default_rng(1)
    for _ in range(400):
        for _, question, answer in sample(rng, "train").questions(rng):
            for colour, shape in re.findall(r"(\w+) (half circle|\w+?)(?:es|s)?\b", f"{question} {answer}"):
                named = colour in things.COLOURS and shape in things.SHAPES
                assert not (named and things.held_out(colour, shape)), question


# ---- layout and pixels ----


def test_things_lie_apart_or_one_inside_the_other_and_are_seen() -> None:
    rng = np.random.default_rng(3)
    for _ in range(300):
        scene = sample(rng)
        assert 1 <= len(scene.things) <= 5
        for i, a in enumerate(scene.things):
            alone = drawn(Scene((a,), scene.background)) != drawn(Scene((), scene.background))
            assert alone.any(2).sum() > 20
            for b in scene.things[:i]:
                other = drawn(Scene((b,), scene.background)) != drawn(Scene((), scene.background))
                nested = things.inside(a, b) or things.inside(b, a)
                assert nested or not (alone & other).any()


def test_equal_generators_draw_equal_pixels_and_every_side_the_same_geometry() -> None:
    rng = np.random.default_rng(4)
    for i in range(60):
        scene = sample(rng)
        assert (drawn(scene, i) == drawn(scene, i)).all()
        assert drawn(scene, i, 96).shape == (96, 96, 3)
        halved = drawn(scene, i, 128).reshape(64, 2, 64, 2, 3).mean((1, 3))
        assert np.abs(drawn(scene, i) - halved).mean() < 1.5
    assert (drawn(scene, 1) != drawn(scene, 2)).any()


def test_every_background_and_texture_looks_different() -> None:
    sheets = {drawn(Scene((), name)).tobytes() for name in backgrounds.BACKGROUNDS}
    assert len(sheets) == len(backgrounds.BACKGROUNDS)
    for shape in things.TEXTURED:
        worn = [t for t in things.TEXTURES if things.wears(shape, t)]
        seen = [drawn(Scene((Thing(shape, "blue", 0.5, 0.5, 0.14, t),))).astype(int) for t in worn]
        for i, a in enumerate(seen):
            assert all((np.abs(a - b).max(2) > 60).sum() > 15 for b in seen[:i])


def test_cells_name_what_the_pixels_show() -> None:
    rng = np.random.default_rng(5)
    for _ in range(100):
        scene = sample(rng)
        labels = scene.cells()
        assert len(labels) == 64
        assert {label for label in labels if label != GROUND} == {(t.shape, t.colour) for t in scene.things}
        filled = Scene(tuple(replace(t, texture="solid") for t in scene.things), scene.background)
        changed = (drawn(filled) != drawn(Scene((), scene.background))).any(2)
        middles = changed.reshape(8, 8, 8, 8)[:, 2:6, :, 2:6].any((1, 3)).ravel()
        assert all(middles[i] for i, label in enumerate(labels) if label != GROUND)


# ---- words ----


CAPTIONS = {
    "a red circle": Scene((one(),)),
    "a small striped orange star at the top right": Scene(
        (Thing("star", "orange", 0.8, 0.2, 0.1, "striped"),)
    ),
    "a red circle below a blue heart on a cream background": Scene(
        (one(y=0.75), one("blue", "heart", y=0.25)), "cream"
    ),
    "a small red circle to the left of a large blue circle": Scene(
        (one(radius=0.1, x=0.2), one("blue", x=0.7, radius=0.19))
    ),
    "a red circle larger than a blue star": Scene(
        (one(radius=0.19, x=0.25, y=0.25), one("blue", "star", 0.75, 0.75, 0.1))
    ),
    "a yellow star inside a blue circle": Scene(
        (one("yellow", "star", radius=0.1), one("blue", radius=0.27))
    ),
    "three red circles with grass and sky": Scene((one(x=0.2), one(x=0.8), one(y=0.8)), "grass and sky"),
    "two red circles and one green cross": Scene((one(x=0.2), one(x=0.8), one("green", "cross", y=0.8))),
    "an orange oval, a blue star and a red circle in a row": Scene(
        (one(x=0.8), one("blue", "star", 0.5), one("orange", "oval", 0.2))
    ),
}


@pytest.mark.parametrize("caption", CAPTIONS)
def test_captions_are_canonical(caption: str) -> None:
    assert CAPTIONS[caption].caption() == caption


def told(caption: str) -> tuple[Counter[str], str]:
    """What a caption says: the number of each "colour shape" and the background."""
    found: Counter[str] = Counter()
    ground = next(
        (b for b in backgrounds.BACKGROUNDS if caption.endswith((f" {b}", f" {b} background"))), "white"
    )
    shapes = "|".join(sorted(NOUNS, key=len, reverse=True))
    textures, numbers = "|".join(things.TEXTURES), "|".join(NUMBERS)
    phrase = rf"\b(an?|{numbers}) (?:small |large )?((?:{textures}) )?(\w+) ({shapes})\b"
    for number, texture, colour, noun in re.findall(phrase, caption):
        found[f"{texture}{colour} {NOUNS[noun]}"] += 1 if number in ("a", "an") else NUMBERS.index(number)
    return found, ground


def test_a_caption_tells_what_there_is_how_often_and_on_what() -> None:
    rng = np.random.default_rng(6)
    for _ in range(500):
        scene = sample(rng, "heldout" if rng.random() < 0.3 else "train")
        assert told(scene.caption()) == (Counter(t.name for t in scene.things), scene.background), (
            scene.caption()
        )


def test_a_caption_of_one_thing_tells_size_and_place() -> None:
    rng = np.random.default_rng(7)
    for _ in range(300):
        scene = sample(rng)
        thing, caption = scene.things[0], scene.caption()
        if len(scene.things) == 1:
            assert next((s for s in ("small", "large") if f" {s} " in caption), "medium") == thing.size
            places = [
                p for row in things.PLACES for p in row if re.search(rf"{p}(?! left| right)\b", caption)
            ]
            assert (places or ["in the middle"]) == [thing.place]


def test_every_question_has_the_answer_of_a_plain_reading() -> None:
    rng = np.random.default_rng(8)
    kinds: Counter[str] = Counter()
    for i in range(900):
        scene = sample(rng, "train" if i % 4 else "heldout")
        for kind, question, answer in scene.questions(rng):
            kinds[kind] += 1
            assert answer.lower() == f"{read(scene, question)}.", (scene.caption(), question)
    seen = {"colour", "shape", "count", "position", "relation", "size", "texture", "exists", "comparison"}
    assert set(kinds) == {*seen, "background"}
    assert min(kinds.values()) > 100


def test_half_of_the_existence_questions_are_denied() -> None:
    rng = np.random.default_rng(9)
    said = [a.answer for _ in range(800) for a in sample(rng).questions(rng) if a.kind == "exists"]
    assert set(said) == {"Yes.", "No."}
    assert 0.44 < said.count("Yes.") / len(said) < 0.56
