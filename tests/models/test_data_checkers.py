"""The checkers accept what we draw, also after JPEG and blur, and reject what is something else."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageFilter

from models.data.clips import clips
from models.data.clips.checker import judge
from models.data.pictures import scenes
from models.data.pictures.edits import sample_edit
from models.data.pictures.scene_checker import agrees
from models.data.pictures.scene_reader import read
from models.data.pictures.scenes import Scene
from models.data.pictures.things import SHAPES, TEXTURED, TEXTURES, Thing, wears


def clean(pixels: np.ndarray) -> np.ndarray:
    return pixels


def jpeg(pixels: np.ndarray) -> np.ndarray:
    store = io.BytesIO()
    Image.fromarray(pixels).save(store, "JPEG", quality=85)
    return np.asarray(Image.open(store).convert("RGB"))


def blurred(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(0.5 * len(pixels) / 64)))


WAYS = (clean, jpeg, blurred)


def drawn(scene: Scene, side: int = 64) -> np.ndarray:
    return scene.draw(np.random.default_rng(1), side)


@pytest.mark.parametrize("way", WAYS)
def test_our_own_drawings_agree(way: Callable[[np.ndarray], np.ndarray]) -> None:
    rng = np.random.default_rng(0)
    made = [scenes.sample(rng, "train" if i % 3 else "heldout") for i in range(70)]
    right = [
        agrees(scene, way(drawn(scene, 64 if i % 4 else 128)), fixed=True) for i, scene in enumerate(made)
    ]
    assert np.mean([told["all"] for told in right]) >= 0.97


def test_what_an_edit_should_have_changed_does_not_agree() -> None:
    rng = np.random.default_rng(1)
    edits = [sample_edit(rng) for _ in range(40)]
    assert np.mean([agrees(e.after, drawn(e.before), fixed=True)["all"] for e in edits]) <= 0.03
    assert np.mean([agrees(e.after, drawn(e.after), fixed=True)["all"] for e in edits]) >= 0.97


def test_another_scene_does_not_agree() -> None:
    rng = np.random.default_rng(2)
    made = [scenes.sample(rng) for _ in range(40)]
    others = [(a, b) for a, b in pairwise(made) if a.caption() != b.caption()]
    assert not any(agrees(a, drawn(b))["all"] for a, b in others)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_and_texture_is_read_off(shape: str) -> None:
    for texture in (t for t in TEXTURES if wears(shape, t)):
        wanted = Thing(shape, "purple", 0.4, 0.55, 0.14, texture)
        (found,) = read(drawn(Scene((wanted,)))).things
        assert found.kind == wanted.kind
        assert abs(found.x - 0.4) + abs(found.y - 0.55) < 0.03
        assert 0.9 < found.radius / 0.14 < 1.1
    assert shape in TEXTURED or wears(shape, "solid")


def test_each_attribute_is_judged_for_itself() -> None:
    wanted = Scene((Thing("circle", "red", 0.25, 0.5, 0.14), Thing("star", "blue", 0.75, 0.5, 0.14)))
    a, b = wanted.things
    others = {
        "colour": replace(wanted, things=(replace(a, colour="green"), b)),
        "shape": replace(wanted, things=(replace(a, shape="square"), b)),
        "texture": replace(wanted, things=(replace(a, texture="striped"), b)),
        "count": replace(wanted, things=(a, b, Thing("star", "blue", 0.5, 0.2, 0.1))),
        "background": replace(wanted, background="light blue"),
        "place": replace(wanted, things=(replace(a, x=0.75), replace(b, x=0.25))),
    }
    assert all(agrees(wanted, drawn(wanted)).values())
    for name, other in others.items():
        told = agrees(wanted, drawn(other))
        assert not told[name]
        assert not told["all"]
    assert agrees(wanted, drawn(others["background"]))["colour"]
    assert agrees(wanted, drawn(others["place"]))["shape"]


def test_only_a_fixed_scene_minds_where_things_lie_that_no_caption_tells() -> None:
    wanted = Scene((Thing("circle", "red", 0.25, 0.4, 0.14), Thing("star", "blue", 0.75, 0.4, 0.14)))
    lower = replace(wanted, things=tuple(replace(t, y=0.7) for t in wanted.things))
    assert agrees(wanted, drawn(lower))["all"]
    assert not agrees(wanted, drawn(lower), fixed=True)["place"]


def test_nothing_is_found_on_an_empty_sheet() -> None:
    for background in ("white", "dotted paper", "grass and sky", "dark blue"):
        assert read(drawn(Scene((), background))) == Scene((), background)


# ---- clips ----

CLIPS = [clips.sample(np.random.default_rng(seed), "train" if seed % 3 else "heldout") for seed in range(34)]


def film(clip: clips.Clip) -> list[np.ndarray]:
    return clip.draw(np.random.default_rng(1))


@pytest.mark.parametrize("way", [clean, jpeg])
def test_our_own_clips_are_judged_right(way: Callable[[np.ndarray], np.ndarray]) -> None:
    right = [judge(clip, [way(frame) for frame in film(clip)])["all"] for clip in CLIPS]
    assert right.count(False) <= 1


def test_frozen_reversed_and_other_clips_are_judged_wrong() -> None:
    for i, clip in enumerate(CLIPS[:14]):
        frames = film(clip)
        if clip.kind != "still":
            assert not judge(clip, frames[:1] * len(frames))["all"]
        if clip.kind not in ("still", "bounce", "collide"):
            assert not judge(clip, frames[::-1])["all"]
        assert not judge(clip, film(CLIPS[i + 1]))["all"]


def test_a_video_may_have_another_number_of_frames() -> None:
    clip = next(c for c in CLIPS if c.kind == "grow" and len(c.frames()) >= 4)
    assert judge(clip, film(clip)[::3])["change"] or judge(clip, [film(clip)[0], *film(clip)[-2:]])["change"]
    assert not judge(clip, film(clip)[:1])["all"]
