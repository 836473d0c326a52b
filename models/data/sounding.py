"""Things that are seen and heard: an emoji and the sound that it makes.

Job: which emoji sounds like what, and a picture of one. Ignorance: how emoji are drawn, how sounds are played, codes.
Held out are the pictures (size x place x background), as of all emoji: every pair is trained on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.data.pictures import emoji
from models.data.pictures.emoji import EmojiPicture
from models.data.text.turns import Split, one

MAKES = {  # name of an emoji: an effect of sounds.timbres
    "police car": "a siren", "police car light": "a siren", "ambulance": "a siren", "fire engine": "a siren",
    "alarm clock": "an alarm", "bell": "a bell", "bellhop bell": "a bell", "old telephone": "a telephone",
    "telephone receiver": "a telephone", "clock": "a ticking clock", "watch": "a ticking clock", "stopwatch": "a ticking clock",
    "wind face": "wind", "leaves in the wind": "wind", "cloud with rain": "rain", "sun behind rain cloud": "rain",
    "umbrella with rain drops": "rain", "cloud with lightning": "thunder", "lightning bolt": "thunder",
    "car": "an engine", "racing car": "an engine", "tractor": "an engine", "motorcycle": "an engine",
}  # fmt: skip
_EMOJI = tuple(e for e in emoji.names() if e.name in MAKES)


class Sounding(NamedTuple):
    """A picture, and the effect that is heard where its thing is."""

    picture: EmojiPicture
    sound: str


def sample(rng: np.random.Generator, split: Split = "train") -> Sounding:
    """Every sound as often, whatever the number of its pictures."""
    sound = one(rng, tuple(dict.fromkeys(MAKES.values())))
    picture = emoji.sample_of(rng, [e for e in _EMOJI if MAKES[e.name] == sound], split)
    return Sounding(picture, sound)
