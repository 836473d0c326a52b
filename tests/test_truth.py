"""The shipped pico keeps its promises: what it was trained for, held out, through the public door.

These are floors against regressions, a little under what `models.evaluation` measured on far more items.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import edge
from edge import store
from edge.engines.llama_cpp import LlamaCppEngine
from edge.options import EngineOptions
from edge.segments import TokenSegment
from edge.vocabulary import NATIVE
from models.evaluation import clips, making, reading, text
from models.evaluation.exam import GREEDY, Exam
from models.evaluation.rows import Row
from quantize import checkpoint, gguf_export, recipes

pytestmark = pytest.mark.slow
FIXTURES = Path("tests/fixtures")
CHECKPOINT = Path("models/weights/pico")
NO_CORPUS = Path("no-corpus")  # what is asked here is made without it


@pytest.fixture(scope="module")
def pico() -> Iterator[edge.Model]:
    with edge.load(store.SHIPPED / "pico") as model:  # whatever other tests installed under that name
        yield model


def measured(rows: list[Row], task: str) -> float:
    return next(row.value for row in rows if row.task == task)


def test_it_answers_questions_about_unseen_compositions(pico: edge.Model) -> None:
    rows = reading.questions(Exam(pico, NO_CORPUS, 60))
    assert measured(rows, "picture questions") >= 0.68


def test_its_captions_name_what_is_there(pico: edge.Model) -> None:
    assert measured(reading.captions(Exam(pico, NO_CORPUS, 150)), "captions: slot F1") >= 0.72


def test_its_drawings_have_the_asked_colours_and_shapes(pico: edge.Model) -> None:
    rows = making.drawings(Exam(pico, NO_CORPUS, 110))
    assert measured(rows, "drawn: colour and shape") >= 0.28


def test_it_names_unseen_drawings_of_emoji(pico: edge.Model) -> None:
    """Far from good, and far above chance: one of 1,237."""
    with np.load(FIXTURES / "emoji.npz") as held:
        pixels, asked = held["pixels"], held["asked"]
    right = [
        pico.chat().ask(edge.Image(picture), str(question), sampling=GREEDY).text.strip() == answer
        for picture, (question, answer) in zip(pixels, asked, strict=True)
    ]
    assert np.mean(right) >= 0.05


def test_it_hears_digits_of_unseen_voices(pico: edge.Model) -> None:
    with np.load(FIXTURES / "spoken_digits.npz") as said:
        heard = {
            name: pico.transcribe(edge.Audio(said[name].astype(np.float32) / 32768, sample_rate=16000))
            for name in said.files
        }
    assert np.mean([told.strip() == name.split("_")[0] for name, told in heard.items()]) >= 0.9


def test_it_describes_unseen_clips(pico: edge.Model) -> None:
    rows = clips.watching(Exam(pico, NO_CORPUS, 100))
    assert measured(rows, "clips described: slot F1") >= 0.55
    assert measured(rows, "clip questions: all else") >= 0.6


def test_it_chats_and_adds_in_unseen_phrasings(pico: edge.Model) -> None:
    exam = Exam(pico, NO_CORPUS, 80)
    assert measured(text.chat(exam), "templated chat: instructions") >= 0.5
    assert measured(text.sums(exam), "two-digit sums") >= 0.45


def test_it_says_where_it_is_not_sure(pico: edge.Model) -> None:
    rows = text.honest(Exam(pico, NO_CORPUS, 100))
    assert measured(rows, "honest: unsure where it must be") >= 0.85


def test_a_sound_it_makes_says_something_of_about_the_right_length(pico: edge.Model) -> None:
    assert 0.4 <= pico.speak("seven green birds", seed=1).seconds <= 3.0


@pytest.fixture(scope="module")
def f16(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaCppEngine]:
    path = tmp_path_factory.mktemp("parity") / "f16.gguf"
    gguf_export.write_float(
        checkpoint.open_checkpoint(CHECKPOINT), path, recipes.find("f16"), lambda *_: None
    )
    engine = LlamaCppEngine(path, EngineOptions(context_length=512, sequences=1))
    yield engine
    engine.close()


@pytest.mark.parametrize("kind", ["text", "image", "audio"])
def test_the_f16_gguf_chooses_the_ids_of_transformers(f16: LlamaCppEngine, kind: str) -> None:
    """At least 20 prompts, 64 greedy ids each; f32 in transformers. Where its best two logits come closer
    than 0.005, under the rounding of f16 activations, either choice is right and the prompt is left out."""
    clear = [r for r in json.loads((FIXTURES / "parity.json").read_text())[kind] if r["margin"] >= 0.005]
    assert len(clear) >= 20
    for row in clear:
        f16.truncate(0)
        logits, made = f16.feed([TokenSegment(tuple(row["prompt"]))]), []
        for _ in row["greedy"]:
            made.append(int(logits.argmax()))
            logits = f16.step(made[-1:])[0]
        assert made == row["greedy"]


def test_the_shipped_bundle_is_whole_and_native(pico: edge.Model) -> None:
    assert pico.vocabulary == NATIVE
    assert pico.reads == pico.makes == frozenset({"text", "image", "audio", "video"})
