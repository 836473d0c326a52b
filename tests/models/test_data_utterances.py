"""What is said: plain short texts, and words and sentences that training never hears."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest

from models.data.sounds import utterances
from models.data.sounds.utterances import KINDS, Lexicon, held_out, held_out_word, plain, sample

CORPUS = Path(__file__).parents[2] / "../shared/corpus"
OPEN = ("sentence", "words", "names")
NAMES = ("maria", "noah", "olivia")
WORDS = tuple(
    f"{a}{b}{c}" for a in ("bra", "clo", "sti", "fun") for b in ("nd", "ck", "mp") for c in ("er", "ing", "y")
)


@pytest.fixture
def lexicon() -> Lexicon:
    sentences = tuple(f"we saw the {a} near {b}" for a in WORDS for b in NAMES)
    return Lexicon(sentences, WORDS, NAMES)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("split", ["train", "heldout"])
def test_every_kind_gives_short_plain_texts_of_its_split(kind: str, split: str, lexicon: Lexicon) -> None:
    if kind == "names" and split == "heldout":
        lexicon = Lexicon((), (), tuple(w for w in WORDS))
    for seed in range(60):
        said = sample(np.random.default_rng(seed), split, lexicon, kind)
        assert said == sample(np.random.default_rng(seed), split, lexicon, kind)
        assert said.kind == kind
        assert re.fullmatch(r"[a-z']+( [a-z']+)*", said.text)
        assert utterances.short(said.text)
        if kind != "phrase":
            assert held_out(said.text) == (split == "heldout")


def test_training_has_all_kinds_with_a_lexicon_and_the_closed_ones_without(lexicon: Lexicon) -> None:
    rng = np.random.default_rng(0)
    assert {sample(rng, "train", lexicon).kind for _ in range(400)} == set(KINDS)
    assert {sample(rng).kind for _ in range(400)} == set(KINDS) - set(OPEN)
    with pytest.raises(ValueError, match="needs a lexicon"):
        sample(rng, kind="sentence")


def test_held_out_words_are_rare_long_and_never_of_the_closed_world() -> None:
    words = [f"{a}{b}" for a in WORDS for b in ("", "s", "ed", "ly")]
    assert 0.02 < np.mean([held_out_word(w) for w in words]) < 0.15
    closed = [w for text in (*utterances.PHRASES, *utterances.DIGITS) for w in text.split()]
    assert not any(map(held_out_word, closed))
    new = next(w for w in words if held_out_word(w))
    assert held_out(f"the {new}")
    assert not any(held_out(digit) for digit in utterances.DIGITS)


def test_unheard_texts_hold_a_word_that_training_cannot_say(lexicon: Lexicon) -> None:
    new = set(utterances.held_out_words(lexicon))
    assert new
    rng = np.random.default_rng(1)
    told = [utterances.sample_unheard(rng, lexicon) for _ in range(60)]
    assert all(new & set(said.text.split()) for said in told)
    assert {said.kind for said in told} == {"sentence", "words"}


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "zero"), (13, "thirteen"), (40, "forty"), (87, "eighty seven"), (105, "one hundred five"),
     (2310, "two thousand three hundred ten")],
)  # fmt: skip
def test_numbers_are_said_in_words(value: int, words: str) -> None:
    assert utterances.number(value) == words


def test_texts_are_made_plain_or_refused() -> None:
    assert plain('It\'s a "well-known" fact, Tom!') == "it's a well known fact tom"
    assert plain("the boys' room") == "the boys room"
    assert plain("Room 12") is None
    assert plain("café") is None


def test_a_lexicon_is_read_from_a_corpus_in_a_fixed_order(tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    (tmp_path / "words").mkdir()
    with gzip.open(tmp_path / "text/sentences.jsonl.gz", "wt") as file:
        file.writelines(
            json.dumps({"text": t}) + "\n" for t in ("The cat sat.", "Hi.", "The cat sat!", "I am 12.")
        )
    lists = {"harvard_sentences": ["Glue the sheet."], "first_names": ["Ann", "Mary Lou"]}
    for name in ("harvard_sentences", "first_names", *utterances.WORD_LISTS):
        (tmp_path / f"words/{name}.json").write_text(
            json.dumps({"items": lists.get(name, ["zebra", "Easter"])})
        )
    read = utterances.read_lexicon(tmp_path)
    assert read.sentences == ("the cat sat", "glue the sheet")
    assert read.words == ("cat", "glue", "hi", "sat", "sheet", "the", "zebra")
    assert read.names == ("ann",)


@pytest.mark.train
@pytest.mark.skipif(not CORPUS.exists(), reason="the shared corpus is not here")
def test_the_corpus_gives_thousands_of_sentences_and_words_with_some_held_out() -> None:
    read = utterances.read_lexicon(CORPUS)
    assert len(read.sentences) > 15_000
    assert len(read.words) > 8_000
    assert 300 < len(utterances.held_out_words(read)) < 1_000
    assert 0.05 < np.mean([held_out(text) for text in read.sentences]) < 0.25
