"""A conversation on the fake engine: abilities first, a true history, cached prompts."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.chat import Chat
from edge.errors import DoesNotFitError, EngineError, MediaError, ModalityError, UsageError
from edge.events import Finished, ImageMade, TextDelta
from edge.generation.decode import Decoder
from edge.generation.prompt import Layout
from edge.generation.template import ChatTemplate
from edge.messages import Audio, Image, Message, Text, Video
from edge.options import SamplingOptions
from edge.vocabulary import AUDIO_BASE, IMAGE_BASE, NATIVE, SPECIAL
from edge.wiring import Wiring
from tests.fakes import (
    AUD,
    AUD_END,
    END,
    FRAME,
    IMG,
    IMG_END,
    TEMPLATE,
    VID,
    VID_END,
    FakeEngine,
    FakeFrontend,
)

ALL = frozenset(("text", "image", "audio"))
BOS, SYSTEM, USER, ASSISTANT = (SPECIAL[n] for n in ("bos", "system", "user", "assistant"))
PIXELS = np.zeros((4, 4, 3), dtype=np.uint8)
DRAWING = [IMG, *[IMAGE_BASE + 1] * 64, IMG_END, END]


def wired(engine: FakeEngine, **changes: Any) -> Wiring:
    settings: dict[str, Any] = {
        "name": "fake",
        "decoder": Decoder(engine),
        "layout": Layout(ChatTemplate(TEMPLATE), engine.tokenizer, NATIVE),
        "vocabulary": NATIVE,
        "frontends": {block.kind: FakeFrontend(block) for block in NATIVE.blocks},
        "reads": ALL,
        "makes": ALL,
        "sampling": {kind: SamplingOptions(temperature=0, guidance=1) for kind in ("text", "image", "audio")},
    }
    return Wiring(**{**settings, **changes})


def talk(answers: Iterable[int] = (), **changes: Any) -> tuple[Chat, FakeEngine]:
    engine = FakeEngine(answers)
    return Chat(wired(engine, **changes)), engine


def test_a_reply_streams_text_and_finishes_with_counts() -> None:
    chat, _ = talk([*b"Hello", END])
    events = list(chat.send("hi"))
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "Hello"
    assert isinstance(events[-1], Finished)
    assert (events[-1].reason, events[-1].usage.prompt_tokens, events[-1].usage.text_tokens) == ("end", 6, 5)


def test_history_holds_both_sides_and_the_next_prompt_is_cached_up_to_the_new_words() -> None:
    chat, engine = talk([*b"Hello", END, *b"Bye", END])
    chat.ask("hi")
    assert chat.history == [Message("user", (Text("hi"),)), Message("assistant", (Text("Hello"),))]
    reply = chat.ask("so?")
    assert engine.held[0] == [
        BOS, USER, *b"hi", END, ASSISTANT, *b"Hello", END, USER, *b"so?", END, ASSISTANT, *b"Bye",
    ]  # fmt: skip
    assert reply.usage.cached_tokens == 11


def test_the_system_message_leads_every_prompt() -> None:
    engine = FakeEngine([*b"ok", END])
    Chat(wired(engine), system="Be brief.").ask("hi")
    assert engine.held[0][:3] == [BOS, SYSTEM, ord("B")]


def test_a_made_picture_returns_to_the_model_as_the_ids_it_was_made_of() -> None:
    chat, _ = talk([*DRAWING, *b"red", END])
    reply = chat.ask("draw", make="image")
    assert len(reply.images) == 1
    assert reply.images[0].pixels.shape == (8, 8, 3)
    second = chat.ask("what is it?")
    assert second.text == "red"
    assert second.usage.cached_tokens == 1 + 1 + 4 + 1 + 1 + 66
    assert chat._wiring.frontends["image"].encoded == []  # type: ignore[attr-defined]


def test_a_made_clip_returns_to_the_model_as_the_ids_it_was_made_of() -> None:
    makes = ALL | {"video"}
    queue = [VID, *[IMAGE_BASE + 1] * 65 * 4, VID_END, END, *b"up", END]
    engine = FakeEngine(queue, context_length=600)
    chat = Chat(wired(engine, makes=makes, reads=makes))
    reply = chat.ask("move", make="video", sampling=SamplingOptions(temperature=0, guidance=1))
    (clip,) = reply.videos
    assert (clip.frames.shape, reply.images, reply.usage.video_tokens) == ((4, 8, 8, 3), (), 262)
    second = chat.ask("what is it?")
    assert second.text == "up"
    assert second.usage.cached_tokens == 1 + 1 + 4 + 1 + 1 + 262
    assert FRAME in engine.held[0]


def test_a_clip_that_cannot_fit_is_refused_before_anything_is_computed() -> None:
    engine = FakeEngine(context_length=260)
    with pytest.raises(DoesNotFitError, match="at least 262"):
        Chat(wired(engine, makes=ALL | {"video"})).ask("move", make="video")
    assert engine.fed == []


def test_a_given_picture_is_encoded_once_in_a_conversation() -> None:
    chat, _ = talk([END, END, END])
    picture = Image(PIXELS)
    chat.ask("look", picture)
    chat.ask("again")
    assert chat._wiring.frontends["image"].encoded == [picture]  # type: ignore[attr-defined]


@pytest.mark.parametrize("part", [Image(PIXELS), Audio(np.zeros(9, np.float32), 16000), Video(b"")])
def test_a_part_that_the_model_does_not_read_is_refused_before_anything_is_computed(part: Any) -> None:
    chat, engine = talk(reads=frozenset(("text",)))
    with pytest.raises(ModalityError, match="does not read"):
        chat.send("look", part)
    assert engine.fed == []
    assert ModalityError.exit_code == 7


def test_a_modality_that_the_model_does_not_make_is_refused_before_anything_is_computed() -> None:
    chat, engine = talk(makes=frozenset(("text",)))
    with pytest.raises(ModalityError, match="does not make pictures, it makes text"):
        chat.send("draw", make="image")
    assert engine.fed == []


def test_a_failing_turn_leaves_no_trace_and_the_next_one_works() -> None:
    chat, engine = talk([*b"Hello", END, *b"xx"])
    chat.ask("hi")
    before = list(chat.history)
    engine.fail_at = len(engine.fed) + 2
    with pytest.raises(EngineError):
        chat.ask("more")
    assert chat.history == before
    engine.fail_at = None
    engine.queue.clear()
    engine.queue.extend([*b"ok", END])
    assert chat.ask("more").text == "ok"


def test_media_that_cannot_be_read_leave_no_trace(tmp_path: Path) -> None:
    def broken(media: Any) -> Any:
        raise MediaError("no picture")

    chat, engine = talk([END])
    chat._wiring.frontends["image"].encode = broken  # type: ignore[method-assign]
    with pytest.raises(MediaError):
        chat.ask("look", Image(tmp_path / "none.png"))
    assert (chat.history, engine.fed) == ([], [])


def test_a_cancelled_reply_is_kept_as_far_as_it_came() -> None:
    chat, _ = talk(b"Hello there")
    reasons = []
    for event in chat.send("hi"):
        if isinstance(event, TextDelta) and event.text == "o":
            chat.cancel()
        if isinstance(event, Finished):
            reasons.append(event.reason)
    assert reasons == ["cancelled"]
    assert chat.history[-1] == Message("assistant", (Text("Hello"),))


def test_cancel_works_from_another_thread() -> None:
    chat, _ = talk([5] * 400)
    threading.Timer(0.05, chat.cancel).start()
    events = []
    for event in chat.send("hi"):
        events.append(event)
        threading.Event().wait(0.002)
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "cancelled"


def test_a_listener_that_leaves_is_a_cancel() -> None:
    chat, _ = talk(b"Hello there")
    for event in chat.send("hi"):
        if isinstance(event, TextDelta):
            break
    del event
    assert chat.history == [Message("user", (Text("hi"),)), Message("assistant", (Text("H"),))]
    assert chat.ask("go on").finish_reason == "end"


def test_cancelling_before_the_first_id_keeps_nothing() -> None:
    chat, _ = talk([5] * 10)
    stream = chat.send("hi")
    chat.cancel()
    assert [e.reason for e in stream if isinstance(e, Finished)] == ["cancelled"]
    assert chat.history == []


def test_a_cancel_while_a_question_is_prepared_is_not_lost() -> None:
    chat, _ = talk([5] * 10)
    prepared = chat._asked

    def cancelled(*asked: Any) -> Any:
        chat.cancel()
        return prepared(*asked)

    chat._asked = cancelled  # type: ignore[method-assign]
    assert [chat.ask("hi", best_of=n).finish_reason for n in (1, 2)] == ["cancelled"] * 2
    assert (chat.history, chat.ask("hi").finish_reason) == ([], "cancelled")
    del chat._asked
    assert chat.ask("hi").finish_reason == "end"


def test_an_edited_history_is_what_the_model_reads() -> None:
    chat, engine = talk([END])
    chat.history = [Message("user", (Text("a"),)), Message("assistant", (Text("b"),))]
    chat.ask("c")
    assert engine.held[0] == [BOS, USER, 97, END, ASSISTANT, 98, END, USER, 99, END, ASSISTANT]


def test_a_sound_says_the_script_and_then_sounds() -> None:
    chat, engine = talk([0, AUDIO_BASE + 1, AUDIO_BASE + 2, AUD_END, END])
    reply = chat.ask("say", make="audio", script="hey")
    assert (reply.text, reply.audio.samples.shape) == ("hey", (640,))
    assert engine.fed[1] == (0, (*b"hey", AUD))


def test_settings_of_a_turn_shape_what_it_makes_and_not_other_media() -> None:
    chat, _ = talk()
    turn = SamplingOptions(top_k=3, guidance=2.0)
    assert chat._options("image", "image", turn).top_k == 3
    assert chat._options("image", None, turn).top_k != 3
    assert chat._options("image", None, turn).guidance == 2.0
    assert chat._options("text", None, turn).top_k == 3


def test_max_tokens_cuts_text_by_length() -> None:
    chat, _ = talk(b"Hello")
    reply = chat.ask("hi", sampling=SamplingOptions(max_tokens=2))
    assert (reply.text, reply.finish_reason) == ("He", "length")


def test_a_picture_that_cannot_fit_is_refused_before_anything_is_computed() -> None:
    engine = FakeEngine(context_length=60)
    with pytest.raises(DoesNotFitError, match="at least 66"):
        Chat(wired(engine)).ask("draw", make="image")
    assert engine.fed == []


def test_saying_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing was said"):
        talk()[0].send()


def test_a_setting_out_of_its_range_is_refused_before_anything_is_computed() -> None:
    chat, engine = talk([END])
    with pytest.raises(UsageError, match="seed is -5, but must lie between 0 and"):
        chat.ask("hi", sampling=SamplingOptions(seed=-5))
    assert (engine.fed, chat.history) == ([], [])


def test_the_same_seed_draws_the_same_picture() -> None:
    made = []
    for seed in (1, 1, 2):
        chat, engine = talk([IMG])
        engine._peaked = lambda token: np.zeros(NATIVE.size, dtype=np.float32)  # type: ignore[method-assign]
        options = SamplingOptions(temperature=1.0, seed=seed)
        events = chat.send("draw", make="image", sampling=options)
        made.append(next(e.ids for e in events if isinstance(e, ImageMade)))
    assert made[0] == made[1] != made[2]


def test_unasked_openers_are_possible_where_the_model_makes_them() -> None:
    chat, _ = talk([*b"see ", *DRAWING, AUD])
    reply = chat.ask("hi")
    assert (reply.text, len(reply.images)) == ("see ", 1)


def test_make_text_never_draws() -> None:
    chat, _ = talk([AUD, IMG, END])
    reply = chat.ask("hi", make="text")
    assert (reply.images, reply.audio) == ((), None)


@pytest.mark.parametrize(
    ("wishes", "told"),
    [
        ({"make": "foo"}, "expected text, image, audio or video"),
        ({"sampling": {"seed": 1}}, "expected edge.SamplingOptions"),
        ({"tools": print}, "as a list"),
    ],
)
def test_a_wish_of_the_wrong_type_is_a_usage_error(wishes: dict[str, Any], told: str) -> None:
    chat, _ = talk()
    with pytest.raises(UsageError, match=told):
        chat.ask("hi", **wishes)
    assert chat.history == []
