"""Scenes say what they show, the hold-out holds, and the checker that judges drawings can be trusted."""

from __future__ import annotations

import numpy as np

from models.data.first import checker, pictures


def test_the_same_seed_draws_the_same_picture() -> None:
    def drawn(seed: int) -> bytes:
        rng = np.random.default_rng(seed)
        return pictures.draw(pictures.sample(rng), rng).tobytes()

    assert drawn(4) == drawn(4)
    assert drawn(4) != drawn(5)


def test_training_never_shows_a_held_out_pair_and_the_held_out_split_always_does() -> None:
    rng = np.random.default_rng(0)
    for _ in range(400):
        assert not any(pictures.held_out(t.colour, t.shape) for t in pictures.sample(rng, "train").things)
        first = pictures.sample(rng, "heldout").things[0]
        assert pictures.held_out(first.colour, first.shape)


def test_a_tenth_of_the_pairs_is_held_out_and_every_colour_and_shape_is_trained_on() -> None:
    pairs = [(c, s) for c in pictures.COLOURS for s in pictures.SHAPES]
    assert sum(pictures.held_out(*p) for p in pairs) == len(pairs) // 10
    trained = [p for p in pairs if not pictures.held_out(*p)]
    assert {c for c, _ in trained} == set(pictures.COLOURS)
    assert {s for _, s in trained} == set(pictures.SHAPES)


def test_captions_name_everything_that_questions_ask_for() -> None:
    rng = np.random.default_rng(1)
    one = pictures.one_thing("red", "star", "small", 0, 2, rng=rng)
    assert pictures.caption(one) == "a small red star at the top right"
    answers = {kind: answer for kind, _, answer in pictures.questions(one, rng) if kind != "exists"}
    assert answers == {
        "count": "One.", "colour": "Red.", "shape": "Star.", "position": "At the top right.", "size": "Small."
    }  # fmt: skip
    five = pictures.count_of("orange", "cross", 5, rng=rng)
    assert pictures.caption(five) == "five orange crosses"
    pair = pictures.pair_of(("orange", "ring"), ("blue", "heart"), True, rng=rng)
    assert pictures.caption(pair) == "an orange ring to the left of a blue heart"


def test_the_checker_reads_our_own_drawings() -> None:
    right = []
    for i in range(300):
        rng = np.random.default_rng((300, i))
        scene = pictures.sample(rng, "train" if i % 2 else "heldout")
        right.append(checker.agrees(scene, pictures.draw(scene, rng))["all"])
    assert np.mean(right) >= 0.98


def test_the_checker_refuses_another_colour_shape_place_number_and_an_empty_picture() -> None:
    rng = np.random.default_rng(2)
    asked = pictures.one_thing("red", "circle", "large", 1, 1, rng=rng)

    def verdict(colour: str, shape: str, row: int = 1) -> dict[str, bool]:
        drawn = pictures.one_thing(colour, shape, "large", row, 1, rng=rng)
        return checker.agrees(asked, pictures.draw(drawn, rng))

    assert verdict("red", "circle") == {"colour": True, "shape": True, "all": True}
    assert verdict("blue", "circle") == {"colour": False, "shape": True, "all": False}
    assert verdict("red", "square") == {"colour": True, "shape": False, "all": False}
    assert not verdict("red", "circle", row=0)["all"]
    many = pictures.count_of("red", "circle", 3, rng=rng)
    assert not checker.agrees(asked, pictures.draw(many, rng))["all"]
    empty = np.full((64, 64, 3), 255, np.uint8)
    assert checker.agrees(asked, empty) == {"colour": False, "shape": False, "all": False}
