"""What fine-tuning is proven with: zibs are drawn and judged alike, and the hold-out holds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from models.data import zib
from models.data.pictures import scenes
from models.data.pictures.scenes import Scene
from models.data.pictures.things import Thing


def of_a(colour: str, x: float, y: float, shape: str = zib.NAME) -> Scene:
    return Scene((Thing(shape, colour, x, y, 0.19),))


def test_a_drawn_zib_is_judged_as_asked_and_no_other_shape_is_one() -> None:
    right = []
    for i in range(60):
        rng = np.random.default_rng(i)
        scene = zib.sample(rng, "heldout" if i % 2 else "train")
        right.append(zib.judged(scene, scene.draw(rng))["all"])
        other = scenes.sample(rng)
        assert not zib.judged(scene, other.draw(rng))["shape"]
    assert np.mean(right) >= 0.95


def test_the_judge_sees_what_is_wrong() -> None:
    rng = np.random.default_rng(0)
    red, blue = of_a("red", 0.25, 0.25), of_a("blue", 0.5, 0.75)
    got = zib.judged(red, blue.draw(rng))
    assert (got["shape"], got["colour"], got["all"]) == (True, False, False)
    assert not zib.judged(red, of_a("red", 0.75, 0.75).draw(rng))["place"]
    assert not zib.judged(red, of_a("red", 0.25, 0.25, "square").draw(rng))["shape"]
    assert not zib.judged(red, np.full((64, 64, 3), 255, np.uint8))["all"]


def test_training_never_shows_a_held_out_pair() -> None:
    for i in range(300):
        for split in ("train", "heldout"):
            thing = zib.sample(np.random.default_rng(i), split).things[0]
            assert zib.held_out(thing.colour, thing.place) == (split == "heldout")


def test_no_training_picture_shows_a_zib() -> None:
    rng = np.random.default_rng(0)
    assert all(t.shape != zib.NAME for _ in range(500) for t in scenes.sample(rng).things)


def test_conversations_end_with_the_assistant_and_name_media_that_exist(tmp_path: Path) -> None:
    media = tmp_path / "zibs"
    media.mkdir()
    talks = [zib.conversation(np.random.default_rng(i), media) for i in range(60)]
    for talk in talks:
        assert [m["role"] for m in talk] == ["user", "assistant"] * (len(talk) // 2)
        for part in (p for m in talk if isinstance(m["content"], list) for p in m["content"]):
            assert part["type"] == "text" or (tmp_path / part["path"]).is_file()
    words = json.dumps(talks)
    assert words.count("Zib.") > 5
    assert ' zib?"' in words  # other shapes are asked for zibs, too
    again = [zib.conversation(np.random.default_rng(i), media) for i in range(60)]
    assert talks == again


def test_whether_there_is_a_thing_is_as_often_answered_yes_as_no(tmp_path: Path) -> None:
    media = tmp_path / "zibs"
    media.mkdir()
    answers = []
    for i in range(300):
        talk = zib.conversation(np.random.default_rng(i), media)
        for asked, told in zip(talk[::2], talk[1::2], strict=True):
            if "Is there a" in json.dumps(asked["content"]):
                answers.append(told["content"] == "Yes.")
    assert len(answers) > 50
    assert 0.4 < np.mean(answers) < 0.6
