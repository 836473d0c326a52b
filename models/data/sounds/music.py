"""Sounds that are not speech: notes, chords, melodies, counted beats, alarms, bells, noises, from formulas at 16 kHz.

Job: sample what is heard as a frozen `Sound`; its samples, its name, questions about it.
Ignorance: tokens, codecs, voices; how one note or noise is made (timbres knows).
Held out by composition (`held_out`): a root and its timbre, a direction with its first note, a count with its
instrument. Sounds without parts (a siren, rain) are in both splits.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from models.data.pictures.picture import Asked
from models.data.sounds import timbres
from models.data.sounds.timbres import RATE, Wave
from models.data.text.turns import Split, one
from models.data.text.wording import sentence

Kind = Literal["note", "interval", "chord", "melody", "beats", "beep", "effect"]
KINDS: tuple[Kind, ...] = get_args(Kind)
PITCHES = ("C", "C sharp", "D", "D sharp", "E", "F", "F sharp", "G", "G sharp", "A", "A sharp", "B")
LOWEST, HIGHEST = 60, 84  # C4 to C6, as MIDI numbers
NUMBERS = ("zero", "one", "two", "three", "four", "five")
INTERVALS = {4: "a third", 7: "a fifth", 12: "an octave"}  # by semitones
CHORDS = {"major": (0, 4, 7), "minor": (0, 3, 7)}
DIRECTIONS = ("rising", "falling")
_SCALE = (0, 2, 4, 5, 7, 9, 11, 12)  # major


@dataclass(frozen=True)
class Sound:
    """One thing to be heard. `pitch` is a MIDI number; fields that do not belong to the kind keep their defaults."""

    kind: Kind
    what: str  # timbre, instrument of the beats, or the name of an effect
    pitch: int = 0
    form: str = ""  # major, minor; rising, falling; low, high; slow, fast; the name of an interval
    count: int = 0  # notes of a melody, beats

    @property
    def name(self) -> str:
        """A noun phrase: no capital except a note's, no full stop. It is also what follows "Play"."""
        return _NAMES[self.kind](self)

    def play(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """Samples (n,) float32 at 16 kHz, 0.4 to 2.8 s. Equal sounds play equally from equal generators."""
        wave = _PLAYERS[self.kind](self, rng)
        wave = wave * np.minimum(1, np.minimum(np.arange(len(wave)), np.arange(len(wave))[::-1]) / 160)
        return (wave * (rng.uniform(0.2, 0.7) / max(1e-3, float(np.abs(wave).max())))).astype(np.float32)

    def questions(self, rng: np.random.Generator) -> list[Asked]:
        """Questions in random order and phrasing; answers are short and capitalised, with a full stop."""
        asked = [Asked("sound", one(rng, _WHAT), sentence(self.name)), *_about(self, rng)]
        return [asked[int(i)] for i in rng.permutation(len(asked))]


def hertz(pitch: float) -> float:
    """440 Hz for the A above middle C, MIDI number 69."""
    return float(440 * 2 ** ((pitch - 69) / 12))


def held_out(sound: Sound) -> bool:
    """True for the eighth of compositions that training never yields; never for a beep or an effect."""
    parts = {
        "note": f"{sound.pitch}/{sound.what}",
        "interval": f"{sound.pitch % 12}/{sound.form}",
        "chord": f"{sound.pitch % 12}/{sound.form}/{sound.what}",
        "melody": f"{sound.pitch}/{sound.form}",
        "beats": f"{sound.count}/{sound.what}/{sound.form}",
    }.get(sound.kind)
    return parts is not None and zlib.crc32(f"{sound.kind}/{parts}".encode()) % 8 == 0


def sample(rng: np.random.Generator, split: Split = "train", kind: Kind | None = None) -> Sound:
    """A sound of the split; beeps and effects, which have no parts to compose, are the same in both."""
    kind = kind or one(rng, KINDS)  # type: ignore[assignment]
    while True:
        sound = _SAMPLERS[kind](rng)
        if kind in ("beep", "effect") or held_out(sound) == (split == "heldout"):
            return sound


def _note(rng: np.random.Generator) -> Sound:
    return Sound("note", one(rng, timbres.TIMBRES), int(rng.integers(LOWEST, HIGHEST + 1)))


def _interval(rng: np.random.Generator) -> Sound:
    form = one(rng, tuple(INTERVALS.values()))
    return Sound("interval", one(rng, timbres.TIMBRES), int(rng.integers(LOWEST, HIGHEST - 11)), form)


def _chord(rng: np.random.Generator) -> Sound:
    pitch = int(rng.integers(LOWEST, LOWEST + 12))
    return Sound("chord", one(rng, timbres.TIMBRES), pitch, one(rng, tuple(CHORDS)))


def _melody(rng: np.random.Generator) -> Sound:
    pitch, count = int(rng.integers(LOWEST, LOWEST + 13)), int(rng.integers(3, 6))
    return Sound("melody", one(rng, timbres.TIMBRES), pitch, one(rng, DIRECTIONS), count)


def _beats(rng: np.random.Generator) -> Sound:
    speed = one(rng, ("slow", "fast"))
    return Sound("beats", one(rng, timbres.INSTRUMENTS), form=speed, count=int(rng.integers(1, 6)))


def _beep(rng: np.random.Generator) -> Sound:
    return Sound("beep", "sine", form=one(rng, ("low", "high")))


def _effect(rng: np.random.Generator) -> Sound:
    return Sound("effect", one(rng, tuple(timbres.EFFECTS)))


def _play_note(sound: Sound, rng: np.random.Generator) -> Wave:
    return timbres.note(sound.what, hertz(sound.pitch + rng.uniform(-0.1, 0.1)), rng.uniform(0.5, 1.0), rng)


def _play_interval(sound: Sound, rng: np.random.Generator) -> Wave:
    step = next(step for step, name in INTERVALS.items() if name == sound.form)
    seconds = rng.uniform(0.35, 0.5)
    return np.concatenate([timbres.note(sound.what, hertz(sound.pitch + s), seconds, rng) for s in (0, step)])


def _play_chord(sound: Sound, rng: np.random.Generator) -> Wave:
    seconds = rng.uniform(0.7, 1.2)
    return sum((timbres.note(sound.what, hertz(sound.pitch + s), seconds, rng) for s in CHORDS[sound.form]),
               np.zeros(int(RATE * seconds)))  # fmt: skip


def _play_melody(sound: Sound, rng: np.random.Generator) -> Wave:
    start = int(rng.integers(0, len(_SCALE) - sound.count + 1))
    steps = [step - _SCALE[start] for step in _SCALE[start : start + sound.count]]
    signs = steps if sound.form == "rising" else [-step for step in steps]
    seconds = rng.uniform(0.25, 0.4)
    return np.concatenate([timbres.note(sound.what, hertz(sound.pitch + s), seconds, rng) for s in signs])


def _play_beats(sound: Sound, rng: np.random.Generator) -> Wave:
    gap = rng.uniform(0.42, 0.5) if sound.form == "slow" else rng.uniform(0.2, 0.25)
    wave = np.zeros(int(RATE * (gap * sound.count + 0.2)))
    for i in range(sound.count):
        at = int(RATE * (0.05 + i * gap))
        hit = timbres.hit(sound.what, rng)[: len(wave) - at]
        wave[at : at + len(hit)] += hit
    return wave


def _play_beep(sound: Sound, rng: np.random.Generator) -> Wave:
    low, high = (180, 320) if sound.form == "low" else (1200, 2400)
    return timbres.note(sound.what, rng.uniform(low, high), rng.uniform(0.4, 0.9), rng)


def _play_effect(sound: Sound, rng: np.random.Generator) -> Wave:
    return timbres.EFFECTS[sound.what](np.arange(int(RATE * rng.uniform(0.8, 1.6))) / RATE, rng)


def _beats_name(sound: Sound) -> str:
    return f"{NUMBERS[sound.count]} {sound.what} beat{'s' if sound.count > 1 else ''}"


_SAMPLERS: dict[Kind, Callable[[np.random.Generator], Sound]] = {
    "note": _note, "interval": _interval, "chord": _chord, "melody": _melody, "beats": _beats, "beep": _beep, "effect": _effect,
}  # fmt: skip
_PLAYERS: dict[Kind, Callable[[Sound, np.random.Generator], Wave]] = {
    "note": _play_note, "interval": _play_interval, "chord": _play_chord, "melody": _play_melody, "beats": _play_beats,
    "beep": _play_beep, "effect": _play_effect,
}  # fmt: skip
_NAMES: dict[Kind, Callable[[Sound], str]] = {
    "note": lambda sound: f"the note {PITCHES[sound.pitch % 12]}",
    "interval": lambda sound: sound.form,
    "chord": lambda sound: f"a {PITCHES[sound.pitch % 12]} {sound.form} chord",
    "melody": lambda sound: f"a {sound.form} melody",
    "beats": _beats_name,
    "beep": lambda sound: f"a {sound.form} beep",
    "effect": lambda sound: sound.what,
}

_WHAT = ("What do you hear?", "What is this sound?", "What can you hear?", "Which sound is this?", "Name this sound.", "Listen. What is it?")  # fmt: skip
_WAYS = {
    "pitch": ("Which note is this?", "What note do you hear?", "Name the note."),
    "height": ("Is it high or low?", "Is the sound high or low?", "High or low?"),
    "chord": ("Is it major or minor?", "Is the chord major or minor?", "Major or minor?"),
    "direction": ("Is the melody rising or falling?", "Does it go up or down?", "Rising or falling?"),
    "notes": ("How many notes?", "How many notes do you hear?", "Count the notes."),
    "beats": ("How many beats?", "How many beats do you hear?", "Count the beats."),
    "speed": ("Is it fast or slow?", "Are the beats fast or slow?", "Fast or slow?"),
}


def _about(sound: Sound, rng: np.random.Generator) -> list[Asked]:
    """What only this kind can be asked. Notes near the middle are neither high nor low; one beat has no speed."""
    facts: dict[str, str] = {}
    if sound.kind == "note":
        facts["pitch"] = PITCHES[sound.pitch % 12]
        if not 67 < sound.pitch < 76:
            facts["height"] = "high" if sound.pitch >= 76 else "low"
    elif sound.kind == "beep":
        facts["height"] = sound.form
    elif sound.kind == "chord":
        facts["chord"] = sound.form
    elif sound.kind == "melody":
        facts |= {"direction": sound.form, "notes": NUMBERS[sound.count]}
    elif sound.kind == "interval":
        facts["notes"] = NUMBERS[2]
    elif sound.kind == "beats":
        facts["beats"] = NUMBERS[sound.count]
        if sound.count > 1:
            facts["speed"] = sound.form
    return [_asked(kind, one(rng, _WAYS[kind]), answer) for kind, answer in facts.items()]


def _asked(kind: str, question: str, answer: str) -> Asked:
    if question == "Does it go up or down?":
        answer = "up" if answer == "rising" else "down"
    return Asked(kind, question, sentence(answer))
