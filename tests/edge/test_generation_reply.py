"""Ids to events: whole characters, decoded media, true counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.events import AudioChunk, Event, Finished, ImageMade, MediaProgress, TextDelta, VideoMade
from edge.generation.decode import Step, Stop
from edge.generation.reply import Router
from edge.messages import Audio, Image, Text, Video
from edge.vocabulary import AUDIO_BASE, IMAGE_BASE, NATIVE
from tests.fakes import AUD, AUD_END, END, FRAME, IMG, IMG_END, VID, VID_END, ByteTokenizer, FakeFrontend

PICTURE = [
    Step(IMG, "open", "image"),
    *[Step(IMAGE_BASE + 9, "code", "image")] * 64,
    Step(IMG_END, "close", "image"),
]
SOUND = [
    Step(AUD, "open", "audio"),
    *[Step(AUDIO_BASE, "code", "audio")] * 30,
    Step(AUD_END, "close", "audio"),
]
CLIP = [
    Step(VID, "open", "video"),
    *[
        step
        for code in (1, 2, 3, 4)
        for step in (Step(FRAME, "frame", "video"), *[Step(IMAGE_BASE + code, "code", "video")] * 64)
    ],
    Step(VID_END, "close", "video"),
]


def words(text: str | bytes) -> list[Step]:
    return [Step(i, "text", "text") for i in (text.encode() if isinstance(text, str) else text)]


def route(*items: Iterable[Step | Stop]) -> tuple[Router, list[Event]]:
    frontends = {block.kind: FakeFrontend(block) for block in NATIVE.blocks}
    router = Router(ByteTokenizer(), NATIVE, frontends)
    return router, list(router.events([item for group in items for item in group]))


def finish() -> list[Step | Stop]:
    return [Step(END, "end", "text"), Stop("end")]


def test_text_deltas_never_hold_half_a_character() -> None:
    _, events = route(words("aé€😀"), finish())
    assert [e.text for e in events if isinstance(e, TextDelta)] == ["a", "é", "€", "😀"]


def test_a_character_that_never_finishes_is_marked_not_lost() -> None:
    _, events = route(words("é".encode()[:1]), finish())
    assert [e.text for e in events if isinstance(e, TextDelta)] == ["\ufffd"]


def test_a_picture_becomes_pixels_with_its_ids() -> None:
    router, events = route(words("a"), PICTURE, words("b"), finish())
    (made,) = (e for e in events if isinstance(e, ImageMade))
    assert made.pixels.shape == (8, 8, 3)
    assert made.ids == (IMAGE_BASE + 9,) * 64
    router.close()
    assert [type(part) for part in router.parts] == [Text, Image, Text]


def test_a_sound_becomes_samples_at_16_khz() -> None:
    router, events = route(words("hi"), SOUND, finish())
    (chunk,) = (e for e in events if isinstance(e, AudioChunk))
    assert (chunk.samples.shape, chunk.sample_rate, len(chunk.ids)) == ((9600,), 16000, 30)
    assert chunk.samples.dtype == np.float32
    assert [type(part) for part in router.parts] == [Text, Audio]


def test_a_clip_becomes_frames_in_order_with_its_ids() -> None:
    router, events = route(words("see"), CLIP, finish())
    (made,) = (e for e in events if isinstance(e, VideoMade))
    assert made.frames.shape == (4, 8, 8, 3)
    assert made.frames[:, 0, 0, 0].tolist() == [1, 2, 3, 4]
    assert (made.frame_seconds, len(made.ids)) == (0.25, 4 * 65)
    assert [type(part) for part in router.parts] == [Text, Video]
    assert router.ids == [*b"see", *(s.token for s in CLIP)]
    progress = [(e.done, e.total) for e in events if isinstance(e, MediaProgress)]
    assert progress[0] == (0, None)
    assert progress[-1] == (260, None)
    assert isinstance(events[-1], Finished)
    usage = events[-1].usage
    assert (usage.text_tokens, usage.video_tokens, usage.completion_tokens) == (3, 262, 265)


def test_a_clip_cut_short_leaves_neither_a_part_nor_ids() -> None:
    router, events = route(words("a"), CLIP[:200], [Stop("cancelled")])
    router.close()
    assert (router.parts, router.ids) == ([Text("a")], [97])
    assert not any(isinstance(e, VideoMade) for e in events)


def test_progress_counts_up_to_the_span() -> None:
    _, events = route(PICTURE, finish())
    progress = [(e.done, e.total) for e in events if isinstance(e, MediaProgress)]
    assert progress[0] == (0, 64)
    assert progress[-1] == (64, 64)
    assert progress == sorted(progress)


class Sketching(FakeFrontend):
    """Settles one row of pixels per eight codes."""

    def preview(self, ids: Sequence[int]) -> NDArray[np.uint8] | None:
        return np.zeros((len(ids) // 8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("asked", "seen"), [(0, []), (1, [32]), (3, [16, 32, 48]), (12, [20, 40, 60]), (99, [*range(4, 64, 4)])]
)
def test_a_picture_is_shown_while_it_is_drawn_at_most_as_often_as_asked(asked: int, seen: list[int]) -> None:
    router = Router(ByteTokenizer(), NATIVE, {"image": Sketching(NATIVE.blocks[0])}, previews=asked)
    events = [e for e in router.events([*PICTURE, *finish()]) if isinstance(e, MediaProgress)]
    shown = {e.done: e.preview.shape for e in events if e.preview is not None}
    assert shown == {done: (done // 8, 8, 3) for done in seen}


def test_no_preview_of_a_sound_nor_by_a_frontend_that_has_none() -> None:
    sounds = Router(ByteTokenizer(), NATIVE, {"audio": Sketching(NATIVE.blocks[1])}, previews=3)
    plain = Router(ByteTokenizer(), NATIVE, {"image": FakeFrontend(NATIVE.blocks[0])}, previews=3)
    events = [*sounds.events([*SOUND, *finish()]), *plain.events([*PICTURE, *finish()])]
    assert all(e.preview is None for e in events if isinstance(e, MediaProgress))


def test_usage_counts_each_modality_and_the_ids_leave_out_the_end() -> None:
    router, events = route(words("abc"), PICTURE, SOUND, finish())
    assert isinstance(events[-1], Finished)
    usage = events[-1].usage
    assert (usage.text_tokens, usage.image_tokens, usage.audio_tokens) == (3, 66, 32)
    assert router.ids == [*b"abc", *(s.token for s in PICTURE), *(s.token for s in SOUND)]


def test_a_span_cut_short_leaves_neither_a_part_nor_ids() -> None:
    router, events = route(words("a"), PICTURE[:10], [Stop("cancelled")])
    router.close()
    assert router.parts == [Text("a")]
    assert router.ids == [97]
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "cancelled"
