"""Conversations as training rows: ids and a loss weight for each.

Job: mix the tasks (read, draw, hear, speak, chat) into documents of one or several turns.
Ignorance: how media became codes (the banks have them), how rows are batched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edge.vocabulary import AUDIO_BASE, IMAGE_BASE, SPECIAL
from models.data.first import dialogue, pictures
from models.data.first.banks import CELLS, Banks, Clip, cells_of

ANSWER, READ, MADE_IMAGE, MADE_AUDIO, PLAIN_TEXT = 1.0, 2.0, 0.5, 0.4, 0.5  # loss weights
LOOK = 4.0  # a one-word answer about a picture
LONGEST = 768

DRAW = (
    "Draw {x}.",
    "Draw a picture of {x}.",
    "Make a picture of {x}.",
    "Paint {x}.",
    "Please draw {x}.",
    "Show me {x}.",
    "Create an image of {x}.",
    "Can you draw {x}?",
)
DESCRIBE = (
    "Describe the picture.",
    "What is in this picture?",
    "Describe this image.",
    "What do you see?",
    "Tell me what you see.",
    "Describe what you see in this picture.",
)
TRANSCRIBE = (
    "What is said?",
    "Transcribe.",
    "Write down what you hear.",
    "What did I say?",
    "Transcribe this.",
    "Which words do you hear?",
)
DIGITS = ("Which digits do you hear?", "Which numbers are spoken?", "What digits are said?")
SPEAK = ("Say: {x}", "Say: {x}", "Speak: {x}", "Read this aloud: {x}", "Say this aloud: {x}")
HEAR = ("What do you hear?", "What is this sound?", "Name this sound.", "Describe the sound.")
SOUND = ("Make the sound of {x}.", "Play {x}.", "Let me hear {x}.")


@dataclass
class Row:
    """A document being written."""

    ids: list[int] = field(default_factory=lambda: [SPECIAL["bos"]])
    weights: list[float] = field(default_factory=lambda: [0.0])
    cells: list[int] = field(
        default_factory=lambda: [-1]
    )  # what a read code, or the next drawn one, shows; -1: no picture

    def add(self, ids: Sequence[int], weight: float = 0.0, cells: Sequence[int] = ()) -> None:
        self.ids += ids
        self.weights += [weight] * len(ids)
        self.cells += cells or [-1] * len(ids)


class Writer:
    """Writes random documents from a tokenizer and the media banks."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        banks: Banks,
        paragraphs: Sequence[str],
        chats: Sequence[list[dict[str, str]]],
    ) -> None:
        self.banks, self.paragraphs, self.chats = banks, paragraphs, chats
        self.text = lru_cache(200_000)(lambda s: tuple(tokenizer.encode(s, add_special_tokens=False).ids))
        self.kinds = {
            self.read_picture: 0.40, self.draw: 0.36, self.hear: 0.10, self.speak: 0.05, self.hear_sound: 0.01,
            self.make_sound: 0.005, self.talk: 0.07, self.corpus_talk: 0.003, self.plain: 0.002,
        }  # fmt: skip

    def document(
        self, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
        """One conversation, mostly one task, sometimes several in a row: ids, loss weights, picture cells."""
        row = Row()
        more = 1.0
        while rng.random() < more and len(row.ids) < LONGEST - 320:
            kinds = list(self.kinds)
            kind = kinds[
                int(rng.choice(len(kinds), p=np.array(list(self.kinds.values())) / sum(self.kinds.values())))
            ]
            if more < 1 and kind in (self.plain, self.corpus_talk):
                break
            kind(row, rng)
            more = 0.0 if kind == self.plain else 0.22
        cut = slice(LONGEST)
        return (
            np.array(row.ids[cut], np.int64),
            np.array(row.weights[cut], np.float32),
            np.array(row.cells[cut], np.int64),
        )

    def user(self, row: Row, *parts: str | Sequence[int], cells: Sequence[int] = ()) -> None:
        """A turn; `cells` are of its one picture span."""
        row.add([SPECIAL["user"]])
        for part in parts:
            is_picture = part[0] == SPECIAL["img"]
            row.add(self.text(part) if isinstance(part, str) else part, cells=cells if is_picture else ())
        row.add([SPECIAL["end"]])

    def assistant(self, row: Row, *parts: tuple[str | Sequence[int], float]) -> None:
        row.add([SPECIAL["assistant"]])
        for part, weight in parts:
            row.add(self.text(part) if isinstance(part, str) else part, weight)
        row.add([SPECIAL["end"]], ANSWER)

    # ---- the tasks ----
    def read_picture(self, row: Row, rng: np.random.Generator) -> None:
        """Questions about one picture, sometimes a caption among them; the picture stands before or after the first words.

        Mostly without the caption: where it is given, later answers can be read off it instead of the picture.
        """
        scene, codes = self.banks.picture(rng)
        if scene.kind != "pair" and rng.random() < 0.4:  # asking for one of two is the hardest
            scene, codes = self.banks.picture(rng)
        turns = [(q, a, LOOK) for _, q, a in pictures.questions(scene, rng)[: int(rng.integers(2, 7))]]
        if rng.random() < 0.4:
            told = (str(rng.choice(DESCRIBE)), sentence(pictures.caption(scene)), READ)
            turns.insert(int(rng.integers(len(turns) + 1)), told)
        for i, (question, answer, weight) in enumerate(turns):
            picture = [image_span(codes)] if i == 0 else []
            parts = [*picture, question] if rng.random() < 0.6 else [question, *picture]
            self.user(row, *parts, cells=[-1, *cells_of(scene), -1])
            self.assistant(row, (answer, weight))

    def draw(self, row: Row, rng: np.random.Generator) -> None:
        scene, codes = self.banks.picture(rng)
        if rng.random() < 0.1:
            self.user(row, [SPECIAL["null"]])
        else:
            self.user(row, str(rng.choice(DRAW)).replace("{x}", pictures.caption(scene)))
        span, ahead = (
            image_span(codes),
            [CELLS + c for c in cells_of(scene)],
        )  # at each code: what the next one shows
        row.add([SPECIAL["assistant"]])
        row.add(span[:1], ANSWER, ahead[:1])
        row.add(span[1:-1], MADE_IMAGE, [*ahead[1:], -1])
        row.add([span[-1], SPECIAL["end"]], ANSWER)

    def hear(self, row: Row, rng: np.random.Generator) -> None:
        clip = self.banks.speech(rng)
        ways = DIGITS if clip.digits and rng.random() < 0.4 else TRANSCRIBE
        self.user(row, audio_span(clip.codes), str(rng.choice(ways)))
        self.assistant(row, (clip.text, ANSWER))

    def speak(self, row: Row, rng: np.random.Generator) -> None:
        """The transcript first, then the sound; always the same voice, so that a small model has one thing to learn."""
        clip = self.banks.own_voice(rng)
        if rng.random() < 0.08:
            self.user(row, [SPECIAL["null"]])
            self.assistant(row, *self._sound(clip))
            return
        self.user(row, str(rng.choice(SPEAK)).replace("{x}", clip.text))
        self.assistant(row, (clip.text, ANSWER), *self._sound(clip))

    def hear_sound(self, row: Row, rng: np.random.Generator) -> None:
        clip = self.banks.sound(rng)
        self.user(row, audio_span(clip.codes), str(rng.choice(HEAR)))
        self.assistant(row, (sentence(clip.text), ANSWER))

    def make_sound(self, row: Row, rng: np.random.Generator) -> None:
        clip = self.banks.sound(rng)
        self.user(row, str(rng.choice(SOUND)).replace("{x}", clip.text))
        self.assistant(row, *self._sound(clip))

    def talk(self, row: Row, rng: np.random.Generator) -> None:
        for _ in range(int(rng.integers(2, 6))):
            question, answer = dialogue.sample(rng)
            self.user(row, question)
            self.assistant(row, (answer, ANSWER))

    def corpus_talk(self, row: Row, rng: np.random.Generator) -> None:
        for turn in self.chats[int(rng.integers(len(self.chats)))]:
            if turn["role"] == "user":
                self.user(row, turn["text"])
            else:
                self.assistant(row, (turn["text"], ANSWER))

    def plain(self, row: Row, rng: np.random.Generator) -> None:
        row.add(self.text(self.paragraphs[int(rng.integers(len(self.paragraphs)))])[:200], PLAIN_TEXT)
        row.add([SPECIAL["end"]], PLAIN_TEXT)

    def _sound(self, clip: Clip) -> list[tuple[Sequence[int], float]]:
        span = audio_span(clip.codes)
        return [(span[:1], ANSWER), (span[1:-1], MADE_AUDIO), (span[-1:], ANSWER)]


def sentence(words: str) -> str:
    return words[0].upper() + words[1:] + "."


def image_span(codes: NDArray[np.uint16]) -> list[int]:
    return [SPECIAL["img"], *(codes.astype(int) + IMAGE_BASE).tolist(), SPECIAL["/img"]]


def audio_span(codes: NDArray[np.uint16]) -> list[int]:
    return [SPECIAL["aud"], *(codes.astype(int) + AUDIO_BASE).tolist(), SPECIAL["/aud"]]
