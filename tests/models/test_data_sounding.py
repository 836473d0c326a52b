"""Things that are seen and heard: every one can be drawn and played, and pictures are held out."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from models.data import sounding
from models.data.pictures import emoji
from models.data.sounds import timbres


def test_every_thing_is_an_emoji_with_a_name_and_makes_an_effect_that_is_played() -> None:
    assert set(sounding.MAKES) <= {e.name for e in emoji.names()}
    assert set(sounding.MAKES.values()) <= set(timbres.EFFECTS)


@pytest.mark.train
@pytest.mark.parametrize("split", ["train", "heldout"])
def test_every_sound_comes_as_often_and_its_picture_belongs_to_the_split(split: sounding.Split) -> None:
    rng = np.random.default_rng(0)
    seen = [sounding.sample(rng, split) for _ in range(90)]
    counts = Counter(sound for _, sound in seen)
    assert set(counts) == set(sounding.MAKES.values())
    assert max(counts.values()) < 30
    for picture, sound in seen:
        (thing,) = picture.things
        assert sounding.MAKES[thing.name] == sound
        held = emoji.held_out(thing.name, picture.size, picture.place, picture.background)
        assert held == (split == "heldout")
