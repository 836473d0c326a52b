"""Item number n of every bank: what it shows or says, made again from its seed.

Job: the one place where banks, documents and evaluation agree on what an item is. Ignorance: codecs, tokens, rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.data import sounding as seen_and_heard
from models.data.banks import seeded
from models.data.clips import clips
from models.data.clips.clips import Clip
from models.data.pictures import comparisons, edits, kinds
from models.data.pictures.picture import Picture
from models.data.sounds import microphone, music, recordings, utterances, voices
from models.data.sounds.voices import Delivery, Emotion
from models.data.text.turns import Split

OWN_VOICE = Delivery("en-us+f2", 165, 50, 50)
LONGEST = 60  # letters of a spoken question
ASKABLE = 20_000  # scenes that spoken questions are about: the first of the bank


@dataclass(frozen=True)
class Spoken:
    """A text and how it is said; `scene` is the picture it is about, `answer` what is to be answered."""

    text: str
    delivery: Delivery
    noisy: bool = False
    speed: float = 1.0  # of the tape: another throat
    emotion: Emotion = "calm"
    scene: int = -1
    answer: str = ""
    task: Literal["", "question", "draw"] = ""

    def samples(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.uint8] | None]:
        """Samples, and phonemes in the order of time (stretch them to the codes)."""
        made, phonemes = voices.say_labelled(self.text, self.delivery)
        if self.speed != 1:
            made = microphone.at_speed(made.astype(np.float64), self.speed).astype(np.float32)
        if self.noisy:
            made = microphone.through_a_microphone(made, rng)
        return made, phonemes


def picture(
    kind: str, number: int, corpus: Path, split: Split = "train"
) -> tuple[Picture, np.random.Generator]:
    """A picture, and the generator in the state to draw it with."""
    rng = seeded(f"{kind}/{split}", number)
    return kinds.sample(rng, split, corpus, kind), rng


def edit(number: int, split: Split = "train") -> tuple[edits.Edit, np.random.Generator]:
    rng = seeded(f"edits/{split}", number)
    return edits.sample_edit(rng, split), rng


def comparison(number: int, split: Split = "train") -> tuple[comparisons.Comparison, np.random.Generator]:
    rng = seeded(f"comparisons/{split}", number)
    return comparisons.sample_comparison(rng, split), rng


def clip(number: int, split: Split = "train") -> tuple[Clip, np.random.Generator]:
    rng = seeded(f"clips/{split}", number)
    return clips.sample(rng, split), rng


def sound(number: int, split: Split = "train") -> tuple[music.Sound, np.random.Generator]:
    rng = seeded(f"sounds/{split}", number)
    return music.sample(rng, split), rng


def sounding(number: int, split: Split = "train") -> tuple[seen_and_heard.Sounding, np.random.Generator]:
    """A picture of a thing, and the sound it makes."""
    rng = seeded(f"sounding/{split}", number)
    return seen_and_heard.sample(rng, split), rng


def recording(number: int, corpus: Path, split: Split = "train") -> tuple[str, NDArray[np.float32]]:
    rng = seeded(f"recordings/{split}", number)
    return recordings.sample(rng, known_recordings(corpus, split))


def speech(number: int, corpus: Path, split: Split = "train") -> tuple[Spoken, np.random.Generator]:
    """Anything, in any voice, a third through a microphone."""
    rng = seeded(f"speech/{split}", number)
    text = utterances.sample(rng, split, lexicon(corpus)).text
    delivery = voices.sample_delivery(rng, split)
    if split == "heldout":
        return Spoken(text, delivery), rng
    speed = float(rng.uniform(0.87, 1.15)) if rng.random() < 0.4 else 1.0
    return Spoken(text, delivery, bool(rng.random() < 0.33), speed), rng


def own_voice(number: int, corpus: Path, split: Split = "train") -> tuple[Spoken, np.random.Generator]:
    """What pico says itself: utterances, and captions of scenes that a bank of pictures holds."""
    rng = seeded(f"own_voice/{split}", number)
    text = utterances.sample(rng, split, lexicon(corpus)).text
    if rng.random() < 0.2:
        scene = int(rng.integers(ASKABLE))
        shown, _ = picture("scenes", scene, corpus, split)
        return Spoken(_spoken(shown.caption()), OWN_VOICE, scene=scene), rng
    return Spoken(text, OWN_VOICE), rng


def mood(number: int, corpus: Path, split: Split = "train") -> tuple[Spoken, np.random.Generator]:
    """Something said calmly, happily, angrily or sadly."""
    rng = seeded(f"moods/{split}", number)
    emotion = voices.EMOTIONS[int(rng.integers(len(voices.EMOTIONS)))]
    kind = "sentence" if rng.random() < 0.6 else "phrase"
    text = utterances.sample(rng, split, lexicon(corpus), kind).text
    noisy = bool(split == "train" and rng.random() < 0.2)
    return Spoken(text, voices.sample_delivery(rng, split, emotion), noisy, emotion=emotion), rng


def asked(number: int, corpus: Path, split: Split = "train") -> tuple[Spoken, np.random.Generator]:
    """A spoken question about a scene, or a spoken wish for one."""
    rng = seeded(f"asked/{split}", number)
    while True:
        scene = int(rng.integers(ASKABLE))
        shown, _ = picture("scenes", scene, corpus, split)
        if rng.random() < 0.4:
            text, answer, task = f"draw {_spoken(shown.caption())}", "", "draw"
        else:
            question = shown.questions(rng)[0]
            text, answer, task = _spoken(question.question), question.answer, "question"
        if len(text) <= LONGEST:
            break
    delivery = voices.sample_delivery(rng, split)
    return Spoken(text, delivery, scene=scene, answer=answer, task=task), rng  # type: ignore[arg-type]


@cache
def lexicon(corpus: Path) -> utterances.Lexicon:
    return utterances.read_lexicon(corpus)


@cache
def known_recordings(corpus: Path, split: Split) -> list[recordings.Recording]:
    return recordings.find(corpus / "speech/fsdd", split)


def are_digits(text: str) -> bool:
    return all(word in utterances.DIGITS for word in text.split())


def _spoken(text: str) -> str:
    """Lower case without marks, as transcripts are."""
    return "".join(c for c in text.lower() if c.isalpha() or c in " '").strip()
