"""Clips keep their split, draw what stays alike, say what happens, and ask only what the frames answer."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from models.data.clips import words as clip_words
from models.data.clips.clips import KINDS, Clip, sample
from models.data.clips.words import HEADINGS, seen
from models.data.pictures import things
from models.data.pictures.scenes import Scene
from models.data.pictures.things import NUMBERS, Thing
from models.data.text import requests

CLIPS = [sample(np.random.default_rng(seed)) for seed in range(400)]


def thing(colour: str, shape: str, x: float = 0.5, y: float = 0.5, radius: float = 0.12) -> Thing:
    return Thing(shape, colour, x, y, radius)


def path(colour: str, shape: str, *places: tuple[float, float]) -> tuple[Thing, ...]:
    return tuple(thing(colour, shape, x, y) for x, y in places)


# ---- the split and the frames ----


def test_training_clips_show_no_held_out_composition_and_held_out_ones_do() -> None:
    assert not any(scene.novel for clip in CLIPS for scene in clip.frames())
    assert not any(clip.novel for clip in CLIPS)
    unseen = [sample(np.random.default_rng(seed), "heldout") for seed in range(60)]
    assert all(clip.novel for clip in unseen)
    by_deed = [clip for clip in unseen if not any(scene.novel for scene in clip.frames())]
    assert 5 <= len(by_deed) <= 40
    for clip in by_deed:
        deed = clip_words.deed(clip.kind, clip.tracks)
        assert any(clip_words.held_out_doing(t.shape, deed) for t in seen(clip.tracks[0]))


def test_every_kind_is_made_and_has_four_to_eight_sound_frames() -> None:
    assert {clip.kind for clip in CLIPS} == set(KINDS)
    for clip in CLIPS:
        assert 4 <= len(clip.frames()) <= 8
        assert all(scene.sound for scene in clip.frames())
        assert len({scene.background for scene in clip.frames()}) == 1


def test_the_same_seed_gives_the_same_clip() -> None:
    assert [sample(np.random.default_rng(seed)) for seed in range(20)] == CLIPS[:20]


def test_what_does_not_change_has_equal_pixels_in_every_frame() -> None:
    for clip in CLIPS[:60]:
        frames = clip.draw(np.random.default_rng(1))
        again = clip.draw(np.random.default_rng(1))
        assert all((a == b).all() for a, b in zip(frames, again, strict=True))
        for (a, first), (b, second) in pairwise(zip(frames, clip.frames(), strict=True)):
            changed = (a != b).any(2)
            assert changed.any() == (first != second)
            for x, y in np.argwhere(changed)[:, ::-1] / 64:
                boxes = [t.box for t in {*first.things} ^ {*second.things}]
                assert any(l - 0.04 < x < r + 0.04 and t - 0.04 < y < d + 0.04 for l, t, r, d in boxes)  # noqa: E741
    assert CLIPS[0].draw(np.random.default_rng(1), 128)[0].shape == (128, 128, 3)


# ---- words ----

LEFT_TO_RIGHT = path("red", "circle", (0.2, 0.5), (0.4, 0.5), (0.6, 0.5), (0.8, 0.5))
TOLD = {
    "a red circle moves fast from left to right": Clip("motion", (LEFT_TO_RIGHT,)),
    "a red circle moves slowly to the left on lined paper": Clip(
        "motion", (path("red", "circle", (0.5, 0.5), (0.45, 0.5), (0.4, 0.5), (0.35, 0.5)),), "lined paper"
    ),
    "a blue star grows": Clip("grow", (tuple(thing("blue", "star", radius=r) for r in (0.1, 0.14, 0.2)),)),
    "a green square at the top turns red": Clip(
        "recolour", ((thing("green", "square", y=0.2), thing("red", "square", y=0.2)),)
    ),
    "three red hearts appear one by one in a row": Clip(
        "count",
        tuple(tuple((None, thing("red", "heart", 0.2 + 0.3 * i))[k > i] for k in range(4)) for i in range(3)),
    ),
    "a red circle bounces off the right side": Clip(
        "bounce", (path("red", "circle", (0.5, 0.5), (0.7, 0.5), (0.85, 0.5), (0.7, 0.5), (0.5, 0.5)),)
    ),
    "a red circle and a blue star bump into each other": Clip(
        "collide",
        (path("red", "circle", (0.2, 0.5), (0.35, 0.5), (0.2, 0.5)),
         path("blue", "star", (0.8, 0.5), (0.65, 0.5), (0.8, 0.5))),
    ),
    "a red circle moves fast from left to right while a blue star stays still": Clip(
        "motion", (LEFT_TO_RIGHT, (thing("blue", "star", 0.5, 0.15),) * 4)
    ),
}  # fmt: skip


@pytest.mark.parametrize("words", TOLD)
def test_a_clip_is_told_in_one_canonical_sentence(words: str) -> None:
    assert TOLD[words].caption() == words


def test_a_wish_is_the_same_without_a_sentence() -> None:
    assert TOLD["a blue star grows"].wish() == "a blue star growing"
    moving = TOLD["a red circle moves fast from left to right"].wish()
    assert moving == "a red circle moving fast from left to right"
    for clip in CLIPS:
        assert re.search(r"(?:mov|bounc|pass|bump|push|appear|grow|shrink|turn|stay)\w*ing\b", clip.wish())
    asked = requests.ask(np.random.default_rng(0), "train", "animate", TOLD["a blue star grows"].wish())
    assert "blue star growing" in asked.lower()


def test_directions_are_those_of_the_pixels() -> None:
    for clip in [c for c in CLIPS if c.kind == "motion" and len(c.tracks) == 1][:60]:
        bare = Scene((), clip.background).draw
        seed = int(np.random.default_rng(2).integers(2**62))
        ground = bare(np.random.default_rng(seed))
        frames = clip.draw(np.random.default_rng(2))
        middles = [np.argwhere((f != ground).any(2)).mean(0) for f in (frames[0], frames[-1])]
        (dy, dx) = (middles[1] - middles[0]) / 64
        step = clip_words.unit(clip.heading())
        assert all(
            (way == 0 and abs(d) < 0.04) or way * d > 0.07 for way, d in zip(step, (dx, dy), strict=True)
        )


# ---- questions ----


def test_questions_are_answered_by_the_first_and_last_frame() -> None:
    rng, kinds = np.random.default_rng(3), Counter[str]()
    for clip in CLIPS:
        first, last = clip.frames()[0].things, clip.frames()[-1].things
        for kind, question, answer in clip.questions(rng):
            kinds[kind] += 1
            assert answer[0].isupper()
            assert answer.endswith(".")
            assert question[-1] in "?."
            if found := re.fullmatch(
                r"How many (?:shapes|things|\w+s|half circles) are there (.*)\?", question
            ):
                there = last if found[1] in ("at the end", "in the last frame") else first
                assert answer == f"{NUMBERS[len(there)].capitalize()}."
            if kind == "colour":
                assert answer[:-1].lower() in {t.colour for t in (*first, *last)}
            if kind == "direction":
                assert answer[:-1].lower() in {h.lower() for h in HEADINGS}
            if question in ("Does anything change?", "Does anything happen?"):
                assert (answer == "Yes.") == (len(set(clip.frames())) > 1)
            if question == "Does anything appear?":
                assert (answer == "Yes.") == (len(last) > len(first))
    asked = "who direction speed position count colour shape growth order meeting whether"
    assert set(kinds) == set(asked.split())


def test_training_questions_never_name_a_held_out_pair() -> None:
    rng = np.random.default_rng(4)
    for clip in CLIPS:
        texts = [clip.caption(), clip.wish(), *(f"{q} {a}" for _, q, a in clip.questions(rng))]
        for colour, shape in re.findall(r"(\w+) (half circle|\w+?)(?:es|s)?\b", " ".join(texts)):
            assert not (
                colour in things.COLOURS and shape in things.SHAPES and things.held_out(colour, shape)
            )


def test_yes_and_no_are_about_equally_often_right() -> None:
    rng = np.random.default_rng(5)
    answers = [a for clip in CLIPS for kind, _, a in clip.questions(rng) if kind == "whether"]
    assert 0.35 < answers.count("Yes.") / len(answers) < 0.65


# ---- going on ----


def test_a_continuation_follows_from_the_frames_before() -> None:
    rng, found = np.random.default_rng(6), 0
    for clip in CLIPS:
        made = clip.continuation(rng)
        if made is None:
            continue
        shown, following = made
        found += 1
        assert [*shown, following] == clip.frames()[: len(shown) + 1]
        assert following != shown[-1]
        if clip.kind in ("motion", "grow", "bounce"):
            a, b, c = (scene.things[0] for scene in (*shown[-2:], following))
            for name in ("x", "y", "radius"):
                assert abs(getattr(a, name) - 2 * getattr(b, name) + getattr(c, name)) < 0.003
    assert found > 200
    assert TOLD["a green square at the top turns red"].continuation(rng) is None
