"""What travels between the two processes: values as bytes, and a history that is told once."""

from __future__ import annotations

import io
import os
import pickle
import random
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import EdgeError, ModalityError, UsageError
from edge.events import ImageMade, TextDelta
from edge.isolation import frames
from edge.isolation.ledger import Ledger
from edge.isolation.protocol import Said, Turn
from edge.messages import Image, Message, Text
from edge.options import SamplingOptions


def through(value: Any) -> Any:
    file = io.BytesIO()
    frames.write(file, frames.packed(value))
    frames.write(file, frames.packed("next"))
    file.seek(0)
    back = frames.read(file)
    assert frames.read(file) == "next"
    return back


def test_values_arrive_as_what_they_were() -> None:
    for value in (
        Said(3, TextDelta("é", ())),
        SamplingOptions(stop=("a",), logit_bias={"b": 1.5, 3: -2}),
        Message("user", (Text("x"),)),
        {"paths": [Path("a/b")], "sets": frozenset({"text"}), "numbers": (1, 2.5, None, True, b"raw")},
    ):
        assert through(value) == value


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.uint8).reshape(3, 4), np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::2],
        np.zeros((0, 5), np.int64), np.ones(()), np.arange(6).reshape(2, 3).T,
        np.arange(3, dtype=">i2"),
    ],
)  # fmt: skip
def test_arrays_travel_beside_the_pickle_and_can_be_written_to(array: Any) -> None:
    packed = frames.packed(ImageMade(array, (1, 2)))
    assert len(packed) == 3  # lengths, pickle, the array
    back = through(ImageMade(array, (1, 2))).pixels
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)
    back[...] = 1


def test_errors_arrive_with_their_class_and_their_words() -> None:
    for error in (ModalityError("no sound"), EdgeError("x"), TypeError("y"), MemoryError()):
        back = through(error)
        assert (type(back), back.args) == (type(error), error.args)


class Foreign:
    """A class that is none of ours."""


@pytest.mark.parametrize("thing", [lambda: 1, threading.Lock(), Foreign(), Foreign])
def test_what_cannot_travel_is_refused_where_it_is_given(thing: Any) -> None:
    with pytest.raises(UsageError, match="cannot be handed"):
        frames.packed(Image(thing))


class Call:
    """A pickle that calls a function, as an end that was taken over might send."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, ("true",)


@pytest.mark.parametrize("thing", [Call(os.system), Call(eval), Call(frames.read), Foreign()])
def test_nothing_but_listed_values_is_ever_built(thing: Any) -> None:
    data = pickle.dumps(thing)
    file = io.BytesIO(frames.struct.pack("<IQ", 1, len(data)) + data)
    with pytest.raises(pickle.UnpicklingError, match="no value that travels"):
        frames.read(file)


@pytest.mark.parametrize(
    "data", [b"", b"\1\0", b"\0\0\0\0", b"\xff\xff\xff\xff" + bytes(64), b"\1\0\0\0\5\0"]
)
def test_what_makes_no_sense_is_the_end(data: bytes) -> None:
    with pytest.raises(EOFError):
        frames.read(io.BytesIO(data))


def test_both_ends_hold_the_same_history_whatever_either_does() -> None:
    pick = random.Random(0)
    ends = (Ledger(0), Ledger(1))
    histories: list[list[Turn]] = [[], []]
    sent = 0
    for step in range(400):
        one = pick.randrange(2)
        history = histories[one]
        for _ in range(pick.randrange(3)):
            history.append(Turn(Message("user", (Text("same"),)), (step,)))
        if history and pick.random() < 0.4:
            del history[pick.randrange(len(history))]
        if len(history) > 1 and pick.random() < 0.2:
            history.append(history[0])
        told = through(ends[one].told(history))
        sent += sum(turn is not None for _, turn in told)
        histories[1 - one] = ends[1 - one].heard(told)
        assert histories[1 - one] == history
    assert sent <= 400 * 2  # each message once


def test_the_message_that_was_just_said_stays_the_callers_own() -> None:
    here, there = Ledger(0), Ledger(1)
    mine, theirs = (Message("user", (Image(b"x"),)) for _ in range(2))
    there.heard(here.told([]))
    told = there.told([Turn(theirs), Turn(Message("assistant", (Text("a"),)), (1,))], lambda turn: (
        Turn(None) if turn.message is theirs else turn))  # fmt: skip
    turns = here.heard(told, mine)
    assert turns[0].message is mine
    assert turns[1].ids == (1,)
