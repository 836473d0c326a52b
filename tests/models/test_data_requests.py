"""Requests for media: enough wordings, the item in each, held out by wording x item."""

from __future__ import annotations

import re
import string

import numpy as np
import pytest

from models.data.text.requests import WAYS, ask

LEAST = {"draw": 25, "describe": 20, "transcribe": 15, "speak": 12}
ITEMS = ("a red circle", "two blue stars", "bigger", "the sun")


def fields(way: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(way) if name}


@pytest.mark.parametrize("kind", WAYS)
def test_there_are_many_wordings_and_no_two_are_the_same(kind: str) -> None:
    ways = WAYS[kind]
    assert len(ways) >= LEAST.get(kind, 10)
    assert len({re.sub(r"\W+", " ", way.lower()).strip() for way in ways}) == len(ways)


@pytest.mark.parametrize("kind", WAYS)
def test_all_wordings_of_a_kind_take_the_item_or_none_does(kind: str) -> None:
    assert len({"x" in fields(way) for way in WAYS[kind]}) == 1


@pytest.mark.parametrize("kind", WAYS)
def test_training_and_held_out_wordings_do_not_meet(kind: str) -> None:
    rng = np.random.default_rng(0)
    for item in ITEMS if "x" in fields(WAYS[kind][0]) else ("",):
        train = {ask(rng, "train", kind, item, "happy").lower().rstrip(".?!") for _ in range(150)}
        held = {ask(rng, "heldout", kind, item, "happy").lower().rstrip(".?!") for _ in range(40)}
        assert held
        assert len(train) > len(held)
        assert not train & held


def test_the_item_stands_in_the_request() -> None:
    rng = np.random.default_rng(1)
    for kind, ways in WAYS.items():
        if "x" in fields(ways[0]):
            for _ in range(50):
                assert "a red circle" in ask(rng, "train", kind, "a red circle", "sad").lower()


def test_spoken_and_written_words_stay_as_given() -> None:
    rng = np.random.default_rng(2)
    for kind in ("speak", "speak_mood", "write"):
        for _ in range(100):
            assert "Hello, Tom!" in ask(rng, "train", kind, "Hello, Tom!", "angry")


def test_a_mood_takes_its_article() -> None:
    rng = np.random.default_rng(3)
    said = {ask(rng, "train", "speak_mood", "Go.", "angry") for _ in range(200)}
    assert any("an angry voice" in s for s in said)
    assert not any("a angry" in s for s in said)


def test_every_item_is_asked_for_in_both_splits() -> None:
    rng = np.random.default_rng(4)
    for kind in WAYS:
        for i in range(60):
            assert ask(rng, "heldout", kind, f"item {i}" if "x" in fields(WAYS[kind][0]) else "", "calm")


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(KeyError):
        ask(np.random.default_rng(0), "train", "cook")
