"""Public models that speak in ids: their rules as rows of a manifest, on synthetic ids and a toy codec."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge.chat import Chat
from edge.errors import IntegrityError, ModalityError
from edge.events import AudioChunk, Finished
from edge.frontends.codecs import open_codecs
from edge.frontends.woven_codec import WovenCodec
from edge.generation.constraints import Grammar
from edge.generation.decode import Decoder
from edge.generation.prompt import Layout
from edge.generation.template import ChatTemplate
from edge.messages import Audio
from edge.options import SamplingOptions
from edge.vocabulary import NATIVE, Vocabulary
from edge.wiring import Wiring
from tests.fakes import ByteTokenizer, FakeEngine

PAGE = Path(__file__).parents[2] / "docs" / "public_models.md"
ROWS = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)]
ORPHEUS, LLASA = (Vocabulary.from_dict(row) for row in ROWS)
LENGTH = {"orpheus": 2048, "llasa": 320}  # samples of a frame


def spoken(vocabulary: Vocabulary, frames: int, seed: int = 0) -> tuple[NDArray[np.int64], list[int]]:
    """Random codes (frames, places), and the ids that stand for them by the models' own rules."""
    block = vocabulary.blocks[0]
    random = np.random.default_rng(seed)
    codes = random.integers(0, 4096 if vocabulary is ORPHEUS else 65536, (frames, block.places))
    if vocabulary is ORPHEUS:  # code = id - 128266 - 4096 * (i % 7)
        return codes, [128266 + 4096 * (i % 7) + int(code) for i, code in enumerate(codes.reshape(-1))]
    return codes, [128264 + int(code) for code in codes.reshape(-1)]


def toy(path: Path, streams: int, samples: int) -> Path:
    """Samples that tell every stream's codes, each over its share of the frame, smoothed over neighbours."""
    nodes, inputs, weights, heard = [], [], [], []

    def constant(value: Any) -> str:
        weights.append(numpy_helper.from_array(value, f"w{len(weights)}"))
        return f"w{len(weights) - 1}"

    for i in range(streams):
        each = samples // 2**i  # of one code: a stream has twice the codes of the one before
        inputs.append(helper.make_tensor_value_info(f"codes_{i}", TensorProto.INT64, [1, f"n{i}"]))
        ones = constant(np.full((1, 1, each), 10.0**-i / 65536, np.float32))
        nodes += [
            helper.make_node("Cast", [f"codes_{i}"], [f"f{i}"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", [f"f{i}", constant(np.array([2]))], [f"u{i}"]),
            helper.make_node("Mul", [f"u{i}", ones], [f"m{i}"]),
            helper.make_node("Reshape", [f"m{i}", constant(np.array([1, 1, -1]))], [f"s{i}"]),
        ]
        heard.append(f"s{i}")
    nodes.append(helper.make_node("Sum", heard, ["sum"]))
    kernel = constant(np.array([[[0.25, 0.5, 0.25]]], np.float32))
    nodes.append(helper.make_node("Conv", ["sum", kernel], ["samples"], pads=[1, 1]))
    out = helper.make_tensor_value_info("samples", TensorProto.FLOAT, [1, 1, "t"])
    graph = helper.make_graph(nodes, "toy", inputs, [out], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def codec(folder: Path, vocabulary: Vocabulary) -> WovenCodec:
    weave = vocabulary.blocks[0].weave
    assert weave is not None
    path = toy(folder / "audio_decoder.onnx", len(weave.streams), weave.samples)
    (made,) = open_codecs({"audio_decoder": path}, vocabulary)
    assert isinstance(made, WovenCodec)
    return made


def expected(
    codes: NDArray[np.int64], streams: tuple[tuple[int, ...], ...], samples: int
) -> NDArray[np.float32]:
    """What the toy codec makes of codes by frame and place, without the codec."""
    total = np.zeros(len(codes) * samples)
    for i, stream in enumerate(streams):
        total += np.repeat(codes[:, list(stream)].reshape(-1), samples // 2**i) * 10.0**-i / 65536
    return np.convolve(total, [0.25, 0.5, 0.25], mode="same").astype(np.float32)


# --- the rows ---------------------------------------------------------------------------------------------


def test_the_rows_say_what_the_models_say() -> None:
    orpheus, llasa = ORPHEUS.blocks[0], LLASA.blocks[0]
    assert orpheus.weave is not None
    assert orpheus.weave.streams == ((0,), (1, 4), (2, 3, 5, 6))
    assert (orpheus.base, orpheus.opener, orpheus.closer, orpheus.lead) == (128266, 128257, 128258, (128261,))
    assert (llasa.base, llasa.size, llasa.opener, llasa.closer) == (128264, 65536, 128260, 128261)


@pytest.mark.parametrize("vocabulary", [ORPHEUS, LLASA, NATIVE])
def test_a_row_comes_back_from_json_as_it_was(vocabulary: Vocabulary) -> None:
    text = json.dumps(vocabulary.to_dict())
    assert Vocabulary.from_dict(json.loads(text)) == vocabulary
    assert ("weave" in text) == (vocabulary is not NATIVE)


@pytest.mark.parametrize(
    "change",
    [
        {"streams": [[0], [1, 4], [2, 3, 5]]},
        {"streams": [[0], [1, 1], [2, 3, 5, 6]]},
        {"codebook": 4095},
        {"samples": 0},
        {"keep": 4},
        {"rate": 0},
    ],
)
def test_a_weave_that_contradicts_itself_is_refused(change: dict[str, Any]) -> None:
    row: Any = json.loads(json.dumps(ORPHEUS.to_dict()))
    row["blocks"][0]["weave"] |= change
    with pytest.raises(IntegrityError, match=r"outside of the vocabulary|malformed"):
        Vocabulary.from_dict(row)


# --- ids to sound -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("vocabulary", [ORPHEUS, LLASA], ids=["orpheus", "llasa"])
@pytest.mark.parametrize("frames", [1, 3, 4, 5, 9])
def test_ids_become_the_sound_of_their_codes_whole_or_in_windows(
    tmp_path: Path, vocabulary: Vocabulary, frames: int
) -> None:
    codes, ids = spoken(vocabulary, frames)
    weave = vocabulary.blocks[0].weave
    assert weave is not None
    samples = codec(tmp_path, vocabulary).decode(ids)
    assert samples.shape == (frames * weave.samples,)
    assert np.allclose(samples, expected(codes, weave.streams, weave.samples), atol=1e-6)


def test_ids_out_of_their_place_and_half_frames_are_errors(tmp_path: Path) -> None:
    voice = codec(tmp_path, ORPHEUS)
    _, ids = spoken(ORPHEUS, 2)
    with pytest.raises(IntegrityError, match="13 ids do not make sound frames of 7"):
        voice.decode(ids[:-1])
    with pytest.raises(IntegrityError, match=f"id {ids[1]} at place 0"):
        voice.decode([ids[1], ids[0], *ids[2:]])
    assert len(voice.decode([])) == 0
    with pytest.raises(ModalityError, match="does not read sound"):
        voice.encode(Audio(b""))


def test_a_graph_of_another_codec_is_an_error(tmp_path: Path) -> None:
    path = toy(tmp_path / "audio_decoder.onnx", 1, 2048)
    (voice,) = open_codecs({"audio_decoder": path}, ORPHEUS)
    with pytest.raises(IntegrityError, match="takes 1 streams of codes, but the vocabulary weaves 3"):
        voice.decode(spoken(ORPHEUS, 1)[1])
    path = toy(tmp_path / "other.onnx", 3, 1024)
    (voice,) = open_codecs({"audio_decoder": path}, ORPHEUS)
    with pytest.raises(IntegrityError, match="gave 1024 samples for 1 frames, expected 2048"):
        voice.decode(spoken(ORPHEUS, 1)[1])


# --- a reply ----------------------------------------------------------------------------------------------


class Named(ByteTokenizer):
    """Bytes, and specials written <id> where a template writes them."""

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        pieces = re.split(r"<(\d+)>", text) if special else [text]
        return [
            i
            for n, piece in enumerate(pieces)
            for i in ([int(piece)] if n % 2 else super(Named, self).encode(piece))
        ]


TEMPLATES = {
    "orpheus": "<128259><128000>{% for m in messages %}{{ m['content'] }}{% endfor %}<128009><128260>",
    "llasa": "<128000>{% for m in messages %}{{ m['content'] }}{% endfor %}<128009>",
}


def speaker(folder: Path, name: str, answers: list[int], context: int = 512) -> tuple[Chat, FakeEngine]:
    vocabulary = ORPHEUS if name == "orpheus" else LLASA
    engine = FakeEngine(answers, vocabulary=vocabulary, context_length=context)
    tokenizer = engine.tokenizer = Named()
    wiring = Wiring(
        name=name,
        decoder=Decoder(engine),
        layout=Layout(ChatTemplate(TEMPLATES[name]), tokenizer, vocabulary),
        vocabulary=vocabulary,
        frontends={"audio": codec(folder, vocabulary)},
        reads=frozenset({"text"}),
        makes=frozenset({"text", "audio"}),
    )
    return Chat(wiring), engine


GREEDY = SamplingOptions(temperature=0.0, repetition_penalty=1.0)


def said(chat: Chat) -> tuple[list[AudioChunk], Finished]:
    events = list(chat.send("tara: hi", make="audio", script="hi", sampling=GREEDY))
    assert isinstance(events[-1], Finished)
    return [event for event in events if isinstance(event, AudioChunk)], events[-1]


@pytest.mark.parametrize(
    ("name", "rate", "prompt", "forced"),
    [
        ("orpheus", 24000, [128259, 128000, *b"tara: hi", 128009, 128260], [128261, 128257]),
        ("llasa", 16000, [128000, *b"tara: hi", 128009], [128260]),
    ],
)
def test_a_reply_is_forced_open_and_ends_with_its_sound(
    tmp_path: Path, name: str, rate: int, prompt: list[int], forced: list[int]
) -> None:
    vocabulary = ORPHEUS if name == "orpheus" else LLASA
    _, ids = spoken(vocabulary, 5)
    closer = vocabulary.blocks[0].closer
    chat, engine = speaker(tmp_path, name, [0, *ids, closer, 7])  # what it would say instead is not asked
    (chunk,), finished = said(chat)
    held = [token for _, run in engine.fed for token in run]
    assert held[: len(prompt) + len(forced)] == prompt + forced
    assert chunk.ids == tuple(ids)
    assert chunk.sample_rate == rate
    assert len(chunk.samples) == 5 * LENGTH[name]
    assert finished.reason == "end"
    assert finished.usage.audio_tokens >= len(ids)


def test_no_choice_leaves_the_codes_of_its_place_and_only_whole_frames_close() -> None:
    grammar = Grammar(ORPHEUS, makes=("text", "audio"), make="audio")
    for token in grammar.forced(500):
        grammar.accept(token)
    for i in range(21):
        allowed = grammar.allowed(500)
        assert allowed is not None
        first = allowed.token(0)
        assert first == 128266 + 4096 * (i % 7)
        assert len(allowed) == 4096 + (i > 0 and i % 7 == 0)
        with pytest.raises(ValueError, match="cannot come"):
            grammar.accept(first + 4096 if i % 7 < 6 else first - 4096)
        grammar.accept(first)
    assert grammar.accept(128258) == "close"
    assert grammar.ended


def test_a_sound_closes_with_a_whole_frame_where_the_context_or_its_length_ends(tmp_path: Path) -> None:
    _, ids = spoken(ORPHEUS, 12)
    chat, engine = speaker(tmp_path, "orpheus", [0, *ids], context=48)
    (chunk,), finished = said(chat)
    assert len(chunk.ids) % 7 == 0
    assert len(chunk.ids) >= 14
    assert engine.length() <= 48
    assert finished.reason == "end"
