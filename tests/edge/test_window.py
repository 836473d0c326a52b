"""A conversation that outgrows its context: the oldest turns go first, and it is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge.chat import Chat
from edge.cli.screen import Screen
from edge.errors import DoesNotFitError
from edge.events import Finished, TextDelta, TurnsDropped
from edge.messages import Image, Message, Text
from edge.options import SamplingOptions
from edge.vocabulary import SPECIAL
from edge.window import Window
from tests.edge.test_chat import BOS, wired
from tests.fakes import END, FakeEngine

PIXELS = np.zeros((4, 4, 3), dtype=np.uint8)
ASSISTANT, SYSTEM, USER = SPECIAL["assistant"], SPECIAL["system"], SPECIAL["user"]
CONTEXT = 200


def talk(turns: int, words: str = "x" * 20, **changes: Any) -> tuple[Chat, FakeEngine]:
    """A chat whose history holds so many turns, each of 2 + 20 and 2 + 3 tokens."""
    engine = FakeEngine(context_length=CONTEXT)
    chat = Chat(wired(engine, **changes), system="Be brief.")
    for _ in range(turns):
        chat.history += [Message("user", (Text(words),)), Message("assistant", (Text("yes"),))]
    return chat, engine


def question(text: str) -> Message:
    return Message("user", (Text(text),))


def test_a_conversation_that_fits_loses_nothing() -> None:
    chat, _ = talk(5)
    assert chat.ask("so?").dropped is None


def test_the_oldest_turns_go_first_and_the_system_message_stays() -> None:
    chat, engine = talk(6)
    reply = chat.ask("so?")
    assert reply.dropped == TurnsDropped(turns=3, media=0, tokens=81)
    kept = [USER, *b"x" * 20, END, ASSISTANT, *b"yes", END] * 3
    assert engine.held[0] == [BOS, SYSTEM, *b"Be brief.", END, *kept, USER, *b"so?", END, ASSISTANT]


def test_the_event_comes_before_the_answer() -> None:
    chat, engine = talk(8)
    engine.queue.extend([*b"ok", END])
    kinds = [type(event) for event in chat.send("so?")]
    assert (kinds[0], kinds[-1]) == (TurnsDropped, Finished)
    assert TextDelta in kinds


def test_the_window_stays_in_place_for_the_next_turns_so_that_their_prefix_is_cached() -> None:
    chat, engine = talk(6)
    chat.ask("so?")
    engine.queue.extend([*b"ok", END])
    reply = chat.ask("and?")
    assert reply.dropped is None
    assert reply.usage.cached_tokens == reply.usage.prompt_tokens - 8  # "", <|end|> and the new question


def test_the_history_keeps_what_is_no_longer_read() -> None:
    chat, _ = talk(9)
    chat.ask("so?")
    assert len(chat.history) == 20


def test_turns_that_fit_again_are_read_again() -> None:
    chat, _ = talk(9)
    chat.ask("so?")
    del chat.history[2:]
    reply = chat.ask("and?")
    assert (reply.dropped, reply.usage.prompt_tokens) == (None, 12 + 27 + 7)


def test_media_go_with_their_turn_and_are_counted() -> None:
    chat, _ = talk(5)
    chat.history[0] = Message("user", (Text("x"), Image(PIXELS)))  # 66 tokens
    assert chat.ask("so?").dropped == TurnsDropped(turns=2, media=1, tokens=2 + 1 + 66 + 5 + 27)


def test_a_message_that_does_not_fit_alone_is_refused_with_both_numbers() -> None:
    chat, _ = talk(3)
    before = list(chat.history)
    with pytest.raises(DoesNotFitError, match=r"message is \d+ tokens.*context holds 200"):
        chat.ask("y" * 190)
    assert chat.history == before


def test_a_message_that_fits_only_alone_is_read_alone() -> None:
    chat, engine = talk(3)
    reply = chat.ask("y" * 180)
    assert reply.dropped is not None
    assert reply.dropped.turns == 3
    assert engine.held[0][:13] == [BOS, SYSTEM, *b"Be brief.", END, USER]


def test_a_medium_to_make_finds_its_room() -> None:
    chat, engine = talk(5)
    engine.queue.extend([END] * 100)
    reply = chat.ask("draw", make="image", sampling=SamplingOptions(guidance=1))
    assert reply.dropped is not None
    assert len(reply.images) == 1


def test_the_best_of_several_answers_tells_what_was_dropped() -> None:
    chat, _ = talk(8)
    assert chat.ask("so?", make="text", best_of=2).dropped is not None


def test_a_turn_that_waits_for_a_tool_is_never_left_out() -> None:
    history = [question("a"), Message("assistant", (Text("b"),)), question("c"), Message("assistant", ())]
    start, dropped = Window().fit(history, lambda begin: 1000 - begin, 10, running=True)
    assert (start, dropped) == (2, TurnsDropped(turns=1, media=0, tokens=2))


def test_equal_messages_are_told_apart() -> None:
    history, window = [question("again") for _ in range(6)], Window()
    lengths = [60, 50, 40, 30, 20, 10, 5]
    assert window.fit(history, lengths.__getitem__, 40)[0] == 3
    history.append(question("again"))
    assert window.fit(history, [70, 60, 50, 40, 30, 20, 10, 5].__getitem__, 40) == (3, None)


def test_the_screen_says_it_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(None, folder=None, pictures=False).show([TurnsDropped(3, 1, 412), Finished("end")])
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "oldest 3 turns" in said
    assert "412 tokens" in said
