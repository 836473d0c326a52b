"""What fine-tuning is proven with: zibs are drawn and judged alike, and the hold-out holds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from models.data import zib
from models.data.first import pictures


def test_a_drawn_zib_is_judged_as_asked_and_no_other_shape_is_one() -> None:
    for i in range(60):
        rng = np.random.default_rng(i)
        scene = zib.sample(rng, "heldout" if i % 2 else "train")
        assert all(zib.judged(scene, zib.draw(scene, rng)).values())
        other = pictures.sample(rng)
        assert not zib.judged(scene, pictures.draw(other, rng))["shape"]


def test_the_judge_sees_what_is_wrong() -> None:
    rng = np.random.default_rng(0)
    red = pictures.one_thing("red", zib.NAME, "large", 0, 0, rng=rng)
    blue = pictures.one_thing("blue", zib.NAME, "large", 2, 1, rng=rng)
    got = zib.judged(red, zib.draw(blue, rng))
    assert got == {"colour": False, "shape": True, "place": False, "all": False}
    assert not any(zib.judged(red, np.full((64, 64, 3), 255, np.uint8)).values())


def test_training_never_shows_a_held_out_pair() -> None:
    for i in range(300):
        for split in ("train", "heldout"):
            scene = zib.sample(np.random.default_rng(i), split)
            assert zib.held_out(scene.things[0].colour, scene.place) == (split == "heldout")


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
