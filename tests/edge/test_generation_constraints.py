"""The modality grammar: what may come, what must come, what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.generation.constraints import Allowed, Grammar
from edge.vocabulary import AUDIO_BASE, IMAGE_BASE, NATIVE
from tests.fakes import AUD, AUD_END, END, FRAME, IMG, IMG_END, VID, VID_END

ROOM = 500
ALL = ("text", "image", "audio")


def ids(allowed: Allowed | None) -> set[int]:
    assert allowed is not None
    return {allowed.token(i) for i in range(len(allowed))}


def test_text_allows_text_the_end_and_the_openers_that_the_model_makes() -> None:
    allowed = ids(Grammar(NATIVE, makes=ALL).allowed(ROOM))
    assert allowed == {*range(8192), END, IMG, AUD}
    assert ids(Grammar(NATIVE, makes=("text", "audio")).allowed(ROOM)) == {*range(8192), END, AUD}


def test_make_text_closes_all_openers() -> None:
    assert ids(Grammar(NATIVE, makes=ALL, make="text").allowed(ROOM)) == {*range(8192), END}


def test_a_picture_is_exactly_64_codes_and_its_closer() -> None:
    grammar = Grammar(NATIVE, makes=ALL)
    assert grammar.accept(IMG) == "open"
    for _ in range(64):
        assert grammar.forced(ROOM) == ()
        assert ids(grammar.allowed(ROOM)) == set(range(IMAGE_BASE, IMAGE_BASE + 3969))
        assert grammar.accept(IMAGE_BASE + 5) == "code"
    assert grammar.forced(ROOM) == (IMG_END,)
    assert grammar.accept(IMG_END) == "close"
    assert grammar.kind == "text"


PIECE = (FRAME, *[IMAGE_BASE] * 64)


def test_a_clip_is_4_to_8_frames_of_a_mark_and_exactly_64_codes() -> None:
    grammar = Grammar(NATIVE, makes=(*ALL, "video"))
    assert grammar.accept(VID) == "open"
    for frame in range(8):
        assert grammar.forced(ROOM) == ((FRAME,) if frame < 4 else ())
        if frame >= 4:
            assert ids(grammar.allowed(ROOM)) == {FRAME, VID_END}
        assert grammar.accept(FRAME) == "frame"
        for _ in range(64):
            assert grammar.forced(ROOM) == ()
            assert ids(grammar.allowed(ROOM)) == set(range(IMAGE_BASE, IMAGE_BASE + 3969))
            assert grammar.accept(IMAGE_BASE + 5) == "code"
    assert grammar.forced(ROOM) == (VID_END,)
    assert grammar.accept(VID_END) == "close"
    assert grammar.kind == "text"
    assert ids(grammar.allowed(ROOM * 2)) == {*range(8192), END, IMG, AUD, VID}


def test_a_clip_may_end_after_its_fourth_frame_and_must_where_no_fifth_fits() -> None:
    grammar = Grammar(NATIVE, makes=("video",), make="video")
    assert grammar.forced(ROOM) == (VID,)
    for token in (VID, *PIECE * 4):
        grammar.accept(token)
    assert grammar.forced(66) == ()
    assert grammar.forced(65) == (VID_END,)
    assert grammar.accept(VID_END) == "close"
    assert ids(grammar.allowed(ROOM)) == {*range(8192), END}  # one clip, not a second one


def test_a_clip_is_offered_only_to_models_that_make_it_and_where_the_shortest_fits() -> None:
    assert VID not in ids(Grammar(NATIVE, makes=ALL).allowed(ROOM))
    grammar = Grammar(NATIVE, makes=("text", "video"))
    assert VID in ids(grammar.allowed(262))
    assert VID not in ids(grammar.allowed(261))


def test_a_narrower_block_allows_only_its_codes() -> None:
    narrow = replace(NATIVE, blocks=tuple(replace(block, size=1000) for block in NATIVE.blocks))
    grammar = Grammar(narrow, makes=ALL)
    grammar.accept(IMG)
    assert max(ids(grammar.allowed(ROOM))) == IMAGE_BASE + 999


def test_a_sound_is_codes_until_its_closer_and_never_empty() -> None:
    grammar = Grammar(NATIVE, makes=ALL)
    grammar.accept(AUD)
    assert ids(grammar.allowed(ROOM)) == set(range(AUDIO_BASE, AUDIO_BASE + 3969))
    grammar.accept(AUDIO_BASE)
    assert AUD_END in ids(grammar.allowed(ROOM))
    assert grammar.accept(AUD_END) == "close"


def test_a_sound_ends_at_its_longest_and_before_the_context_does() -> None:
    grammar = Grammar(NATIVE, makes=ALL, max_audio=3)
    grammar.accept(AUD)
    for _ in range(3):
        assert grammar.forced(ROOM) == ()
        grammar.accept(AUDIO_BASE)
    assert grammar.forced(ROOM) == (AUD_END,)
    other = Grammar(NATIVE, makes=ALL)
    other.accept(AUD)
    other.accept(AUDIO_BASE)
    assert other.forced(2) == ()
    assert other.forced(1) == (AUD_END,)


def test_make_image_forces_its_opener_first_and_allows_the_end_after_it() -> None:
    grammar = Grammar(NATIVE, makes=ALL, make="image")
    assert grammar.forced(ROOM) == (IMG,)
    for token in (IMG, *[IMAGE_BASE] * 64, IMG_END):
        grammar.accept(token)
    assert grammar.forced(ROOM) == ()
    assert ids(grammar.allowed(ROOM)) == {*range(8192), END}  # one picture, not a second one


def test_make_audio_lets_the_words_come_first_but_not_the_end() -> None:
    grammar = Grammar(NATIVE, makes=ALL, make="audio")
    assert grammar.forced(ROOM) == ()
    assert ids(grammar.allowed(ROOM)) == {*range(8192), AUD}
    with pytest.raises(ValueError):
        grammar.accept(END)


def test_make_audio_begins_when_the_words_have_used_their_budget_or_the_room_is_short() -> None:
    grammar = Grammar(NATIVE, makes=ALL, make="audio", max_text=2)
    grammar.accept(1)
    assert grammar.forced(ROOM) == ()
    assert grammar.forced(40) == (AUD,)
    grammar.accept(2)
    assert grammar.forced(ROOM) == (AUD,)


def test_a_script_is_forced_word_by_word_then_the_opener() -> None:
    grammar = Grammar(NATIVE, makes=ALL, make="audio", script=(5, 6, 7))
    assert grammar.forced(ROOM) == (5, 6, 7, AUD)
    for token in (5, 6, 7):
        assert grammar.accept(token) == "text"
    assert grammar.forced(ROOM) == (AUD,)
    assert grammar.accept(AUD) == "open"


def test_text_is_cut_at_its_budget() -> None:
    grammar = Grammar(NATIVE, max_text=1)
    grammar.accept(1)
    assert grammar.allowed(ROOM) is None


def test_an_opener_is_not_offered_where_its_span_does_not_fit() -> None:
    grammar = Grammar(NATIVE, makes=ALL)
    assert IMG in ids(grammar.allowed(66))
    assert IMG not in ids(grammar.allowed(65))
    assert AUD not in ids(grammar.allowed(2))


@pytest.mark.parametrize(
    "tokens",
    [
        (IMAGE_BASE,), (IMG_END,), (IMG, 5), (IMG, IMG_END), (AUD, AUD_END), (AUD, IMAGE_BASE), (END, 1),
        (FRAME,), (VID, IMAGE_BASE), (VID, VID_END), (VID, FRAME, FRAME), (VID, FRAME, VID_END), (IMG, FRAME),
        (VID, *PIECE, IMAGE_BASE), (VID, *PIECE * 3, VID_END), (VID, *PIECE * 8, FRAME), (VID, *PIECE, IMG),
    ],
)  # fmt: skip
def test_ids_out_of_place_are_refused(tokens: tuple[int, ...]) -> None:
    grammar = Grammar(NATIVE, makes=(*ALL, "video"))
    for token in tokens[:-1]:
        grammar.accept(token)
    with pytest.raises(ValueError):
        grammar.accept(tokens[-1])


def test_candidates_and_ids_are_the_two_sides_of_one_index() -> None:
    logits = np.arange(100, dtype=np.float32)
    allowed = Allowed(10, 20, (50, 3))
    taken = allowed.take(logits)
    assert len(taken) == len(allowed)
    assert [int(x) for x in taken] == [allowed.token(i) for i in range(len(allowed))]
    assert allowed.indices([9, 10, 19, 20, 50]) == [0, 9]
