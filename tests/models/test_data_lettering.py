"""Written text fits, can be read, is labelled letter by letter, and is held out by word."""

from __future__ import annotations

import re

import numpy as np
import pytest

from models.data.pictures import fonts, lettering, palette
from models.data.pictures.lettering import Lettering
from models.data.pictures.picture import GRID, GROUND

WORDS = ("cat", "dog", "house", "river", "apple", "stone", "ab", "elephant", "window", "not a word", "naïve")


def written(*lines: str, ink: str = "red", tells_colour: bool = False) -> Lettering:
    return Lettering(lines, "DejaVu Sans", False, 16.0, ink, "white", tells_colour=tells_colour)


def answers(item: Lettering) -> dict[str, str]:
    """Every question of every phrasing with its answer."""
    return {a.question: a.answer for i in range(80) for a in item.questions(np.random.default_rng(i))}


def test_captions_quote_what_is_written() -> None:
    assert written("cat").caption() == 'the word "cat"'
    assert written("42").caption() == "the number 42"
    assert written("red", "fish").caption() == 'the words "red fish"'
    assert written("STOP", tells_colour=True).caption() == 'the word "STOP" in red'


def test_a_word_is_read_spelt_and_counted() -> None:
    said = answers(written("Cat"))
    assert said["What does it say?"] == said["Read the word."] == 'It says "Cat".'
    assert said["What is the first letter?"] == "C."
    assert said["What is the last letter?"] == "T."
    assert said["How many letters has the word?"] == "Three."
    assert said["What color is the word?"] == "Red."


def test_numbers_and_two_lines_are_read() -> None:
    number, two = answers(written("407")), answers(written("red", "fish", ink="blue"))
    assert number["Which number is it?"] == "407."
    assert number["How many digits has the number?"] == "Three."
    assert two["What does it say?"] == 'It says "red fish".'
    assert two["What is the second word?"] == 'It says "fish".'
    assert two["What color is the text?"] == "Blue."


def test_a_misspelt_word_is_denied() -> None:
    asked = {q: a for q, a in answers(written("cat")).items() if q.startswith("Does it say")}
    assert asked['Does it say "cat"?'] == "Yes."
    wrong = [q for q, a in asked.items() if a == "No."]
    assert len(wrong) > 10
    for question in wrong:
        word = re.findall('"(.*)"', question)[0]
        assert sum(a != b for a, b in zip(word, "cat", strict=True)) == 1


def test_an_eighth_of_the_words_is_held_out_in_every_case_and_no_single_digit() -> None:
    rng = np.random.default_rng(0)
    made_up = {lettering.pronounceable(rng) for _ in range(4000)}
    assert np.mean([lettering.held_out(w) for w in made_up]) == pytest.approx(1 / 8, abs=0.02)
    assert all(lettering.held_out(w) == lettering.held_out(w.upper()) for w in made_up)
    assert not any(lettering.held_out(str(d)) for d in range(10))
    assert np.mean([lettering.held_out(str(n)) for n in range(10, 2000)]) == pytest.approx(1 / 8, abs=0.02)


def test_every_font_is_open_and_names_its_package() -> None:
    for family in fonts.FAMILIES.values():
        assert family.package.startswith("fonts-")
        assert family.licence


@pytest.mark.train
def test_text_always_fits_and_stands_out() -> None:
    rng = np.random.default_rng(1)
    for _ in range(400):
        item = lettering.sample(rng, words=WORDS)
        assert lettering.SMALLEST <= item.size <= lettering.LARGEST
        pixels = item.draw(rng).astype(int)
        rim = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        assert (rim == rim[0]).all(), item
        assert np.abs(pixels - rim[0]).sum(-1).max() > 100, item
        assert palette.contrast(palette.COLOURS[item.ink], palette.PAPERS[item.paper]) >= 3.5


@pytest.mark.train
def test_both_splits_keep_to_their_words_and_lengths() -> None:
    rng = np.random.default_rng(2)
    for split in ("train", "heldout"):
        items = [lettering.sample(rng, split, words=WORDS) for _ in range(300)]  # type: ignore[arg-type]
        lines = [line for item in items for line in item.lines]
        assert all(lettering.held_out(line) == (split == "heldout") for line in lines)
        assert all(1 <= len(n) <= 5 if n.isdigit() else 2 <= len(n) <= 8 and n.isalpha() for n in lines)
        assert {item.kind for item in items} == {"word", "number", "words"}
        assert {item.family for item in items} == set(fonts.FAMILIES)
    assert {"cat", "dog", "house", "river"} & {line.lower() for line in lines} == {
        w for w in ("cat", "dog", "house", "river") if lettering.held_out(w)
    }


@pytest.mark.train
def test_the_same_seed_draws_the_same_picture_at_every_side() -> None:
    def drawn(seed: int, side: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return lettering.sample(rng, words=WORDS).draw(rng, side)

    for seed in range(20):
        assert np.array_equal(drawn(seed, 64), drawn(seed, 64))
        halved = drawn(seed, 128).reshape(64, 2, 64, 2, 3).mean((1, 3))
        assert np.abs(halved - drawn(seed, 64)).mean() < 1
    assert not np.array_equal(drawn(0, 64), drawn(1, 64))


@pytest.mark.train
def test_cells_spell_the_word_from_left_to_right() -> None:
    wide = Lettering(("HOME",), "DejaVu Sans Mono", True, 18.0, "blue", "white")
    rows = np.array(wide.cells(), dtype=object).reshape(GRID, GRID, 2)
    spelt = ["".join(dict.fromkeys(letter for letter, _ in row)) for row in rows if any(c for c, _ in row)]
    assert spelt
    assert set(spelt) == {"HOME"}
    assert rows[0, 0].tolist() == list(GROUND)
    assert {colour for _, colour in wide.cells()} == {"blue", ""}
    two = Lettering(("aaa", "bbb"), "DejaVu Sans Mono", True, 18.0, "blue", "white")
    assert "".join(dict.fromkeys(letter for letter, _ in two.cells())) == "ab"
