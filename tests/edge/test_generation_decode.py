"""The decode loop on the fake engine: what is fed, reused, guided, cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge.engines.base import Interrupted, Logits
from edge.errors import DoesNotFitError, EngineError
from edge.generation.constraints import Grammar, Kind
from edge.generation.decode import Decoder, Request, Step, Stop
from edge.generation.sampling import Sampler
from edge.options import SamplingOptions
from edge.segments import EmbeddingSegment, Segment, TokenSegment
from edge.vocabulary import AUDIO_BASE, IMAGE_BASE, NATIVE, SPECIAL
from tests.fakes import AUD, AUD_END, END, FRAME, IMG, IMG_END, VID, VID_END, FakeEngine

KINDS: tuple[Kind, ...] = ("text", "image", "audio", "video")
ALL = ("text", "image", "audio")
NULL = SPECIAL["null"]


def request(*prompt: int, guidance: float = 1.0, **grammar: Any) -> Request:
    options = SamplingOptions(temperature=0, guidance=guidance)
    samplers = {kind: Sampler(options, np.random.default_rng(0)) for kind in KINDS}
    empty = (NULL, 2)
    return Request([TokenSegment(prompt)], Grammar(NATIVE, **{"makes": ALL, **grammar}), samplers, empty)


def run(engine: FakeEngine, asked: Request, decoder: Decoder | None = None) -> tuple[list[int], str]:
    items = list((decoder or Decoder(engine)).stream(asked))
    assert isinstance(items[-1], Stop)
    return [item.token for item in items if isinstance(item, Step)], items[-1].reason


def test_ids_come_until_the_end_which_is_not_fed() -> None:
    engine = FakeEngine([10, 11, END])
    assert run(engine, request(1, 2, 3)) == ([10, 11, END], "end")
    assert engine.held[0] == [1, 2, 3, 10, 11]


def test_only_what_the_engine_does_not_hold_is_fed() -> None:
    engine = FakeEngine([10, END, 20, END])
    decoder = Decoder(engine)
    run(engine, request(1, 2, 3), decoder)
    stream = decoder.stream(request(1, 2, 3, 10, 5, 6))
    list(stream)
    assert (stream.prompt_tokens, stream.cached_tokens) == (6, 4)
    assert engine.fed == [(0, (1, 2, 3)), (0, (10,)), (0, (5, 6)), (0, (20,))]


def test_a_prompt_that_leaves_the_old_path_forgets_the_rest() -> None:
    engine = FakeEngine([10, END, END], sequences=1)
    decoder = Decoder(engine)
    run(engine, request(1, 2, 3), decoder)
    run(engine, request(1, 9), decoder)
    assert engine.held[0] == [1, 9]


def test_the_same_prompt_again_still_feeds_one_token_for_its_logits() -> None:
    engine = FakeEngine([END, END])
    decoder = Decoder(engine)
    run(engine, request(1, 2, 3), decoder)
    run(engine, request(1, 2, 3), decoder)
    assert engine.fed[-1] == (0, (3,))


def test_embeddings_are_reused_by_key_and_cut_where_the_path_leaves() -> None:
    engine = FakeEngine([END, END, END], sequences=1)
    decoder = Decoder(engine)
    rows = np.arange(4, dtype=np.float32)[:, None]
    for key in ("a", "a", "b"):
        asked = replace(request(1), prompt=[TokenSegment((1,)), EmbeddingSegment(rows, key)])
        run(engine, asked, decoder)
    assert [len(items) for _, items in engine.fed] == [1, 4, 1, 4]


def test_a_picture_is_66_ids_whatever_the_logits_want() -> None:
    engine = FakeEngine([IMG] + [END] * 200)
    ids, reason = run(engine, request(1))
    assert (ids[0], ids[65], ids[66], reason) == (IMG, IMG_END, END, "end")
    assert all(IMAGE_BASE <= i < IMAGE_BASE + 3969 for i in ids[1:65])


def test_forced_ids_are_fed_in_one_call() -> None:
    engine = FakeEngine([0, AUDIO_BASE, AUD_END, END])
    ids, _ = run(engine, request(1, make="audio", script=(5, 6, 7)))
    assert ids == [5, 6, 7, AUD, AUDIO_BASE, AUD_END, END]
    assert engine.fed[1] == (0, (5, 6, 7, AUD))


def test_guidance_feeds_the_empty_prompt_and_the_same_codes_to_the_second_sequence() -> None:
    engine = FakeEngine([IMG] + [IMAGE_BASE + 3] * 64 + [0, END])
    ids, _ = run(engine, request(9, guidance=2.0))
    assert engine.held[1] == [NULL, 2, *ids[:65]]
    assert engine.held[0] == [9, *ids[:66]]


def test_guidance_is_u_plus_s_times_c_minus_u() -> None:
    first, second = IMAGE_BASE + 3, IMAGE_BASE + 4

    def empty() -> np.ndarray:
        logits = np.zeros(NATIVE.size, dtype=np.float32)
        logits[first], logits[second] = 30.0, -5.0
        return logits

    for scale, expected in ((1.0, first), (1.2, first), (4.0, second)):  # 30 - 20 s against 5 s - 5
        engine = FakeEngine([IMG] + [first] * 70)
        engine.second = empty
        ids, _ = run(engine, request(9, guidance=scale))
        assert ids[1] == expected, scale


def test_without_guidance_the_second_sequence_stays_empty() -> None:
    engine = FakeEngine([IMG] + [IMAGE_BASE] * 64)
    run(engine, request(9))
    assert engine.held[1] == []


def test_a_full_context_ends_the_reply_by_length() -> None:
    engine = FakeEngine([5] * 100, context_length=10)
    ids, reason = run(engine, request(1, 2, 3))
    assert (len(ids), reason) == (7, "length")


def test_a_sound_closes_before_the_context_is_full() -> None:
    engine = FakeEngine([AUD] + [AUDIO_BASE] * 100, context_length=10)
    ids, reason = run(engine, request(1, 2, 3))
    assert (len(ids), ids[-1], reason) == (7, AUD_END, "length")


def test_a_prompt_that_fills_the_context_is_refused_with_both_numbers() -> None:
    with pytest.raises(DoesNotFitError, match=r"11 tokens.*10"):
        run(FakeEngine(context_length=10), request(*range(11)))


def test_cancelling_stops_before_the_next_id() -> None:
    seen: list[int] = []
    asked = replace(request(1), cancelled=lambda: len(seen) >= 3)
    for item in Decoder(FakeEngine([5] * 100)).stream(asked):
        if isinstance(item, Step):
            seen.append(item.token)
        else:
            assert item.reason == "cancelled"
    assert len(seen) == 3


def test_after_a_failure_the_next_prompt_is_fed_whole() -> None:
    engine = FakeEngine([5, 6, 7], sequences=1)
    decoder = Decoder(engine)
    engine.fail_at = 2
    with pytest.raises(EngineError):
        run(engine, request(1, 2), decoder)
    engine.fail_at, before = None, len(engine.fed)
    engine.queue.clear()
    run(engine, request(1, 2), decoder)
    assert engine.fed[before] == (0, (1, 2))


def test_leaving_a_stream_keeps_what_the_engine_holds_true() -> None:
    engine = FakeEngine([5, 6, 7, END, END])
    decoder = Decoder(engine)
    stream = decoder.stream(request(1, 2))
    next(stream), next(stream)
    stream.close()
    engine.queue.clear()
    run(engine, request(1, 2, 5, 8), decoder)
    assert engine.held[0] == [1, 2, 5, 8]


def test_guidance_follows_a_clip_through_all_of_its_frames() -> None:
    engine = FakeEngine([VID, *[IMAGE_BASE] * 65 * 4, VID_END, END], context_length=600)
    ids, reason = run(engine, request(1, guidance=2.0, makes=("text", "video"), make="video"))
    clip = [VID, *[FRAME, *[IMAGE_BASE] * 64] * 4, VID_END]
    assert (ids, reason) == ([*clip, END], "end")
    assert engine.held[1] == [NULL, 2, *clip[:-1]]


class Interruptible(FakeEngine):
    """Raises `Interrupted` in its next `feed` once, after `meanwhile` ran."""

    def __init__(self, meanwhile: Callable[[], None], **options: Any) -> None:
        super().__init__([5] * 9, **options)
        self.meanwhile: Callable[[], None] | None = meanwhile

    def feed(self, segments: Sequence[Segment], *, sequence: int = 0) -> Logits:
        if (meanwhile := self.meanwhile) is not None:
            self.meanwhile = None
            meanwhile()
            raise Interrupted("the call was interrupted")
        return super().feed(segments, sequence=sequence)


def test_cancelling_while_the_prompt_is_read_interrupts_the_engine_and_ends_the_stream() -> None:
    cancelled: list[bool] = []

    def cancel() -> None:
        cancelled.append(True)
        decoder.wake()

    engine = Interruptible(cancel, sequences=1)
    decoder = Decoder(engine)
    asked = replace(request(1, 2, 3), cancelled=lambda: bool(cancelled))
    assert run(engine, asked, decoder) == ([], "cancelled")
    assert engine.interrupted
    assert engine.fed == []
    engine.queue.clear()
    assert run(engine, request(1, 2, 3), decoder) == ([END], "end")
    assert engine.fed == [(0, (1, 2, 3))]


def test_an_interrupt_that_comes_too_late_costs_a_second_call_and_nothing_else() -> None:
    engine = Interruptible(lambda: None)
    engine.queue.clear()
    assert run(engine, request(1, 2, 3)) == ([END], "end")


def test_waking_without_a_cancelled_stream_interrupts_nobody() -> None:
    engine = FakeEngine([5, END])
    decoder = Decoder(engine)
    stream = decoder.stream(request(1))
    next(stream)
    decoder.wake()
    assert not engine.interrupted
