"""Public models with encoders: what Edge feeds is what libmtmd's own path feeds, and costs nothing twice."""

from __future__ import annotations

import ctypes
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import edge
from edge.cli import show
from edge.engines.libmtmd import MediaEncoder
from edge.engines.llama_native import media_library
from edge.errors import DoesNotFitError, EngineError, IntegrityError, ModalityError, UsageError
from edge.formats import manifest
from edge.formats.manifest import FileEntry, Manifest
from edge.generation.prompt import Turn
from edge.messages import Message, Text
from edge.model import Model
from edge.options import EngineOptions, SamplingOptions
from edge.segments import EmbeddingSegment, Segment, TokenSegment
from edge.vocabulary import Vocabulary
from tests import tiny, tiny_public

GREEDY = SamplingOptions(temperature=0.0, max_tokens=10)
SEERS = ("llama4", "gemma3", "smolvlm", "qwen2vl", "qwen2.5vl", "internvl")
BATCH = 48  # smaller than a sound: positions go on across batches
HEARERS = ("ultravox", "voxtral", "qwen2a")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("public")


def load(home: Path, name: str, **options: Any) -> Model:
    if not (path := home / name / "model.gguf").exists():
        tiny_public.model(path.parent, name)
    own = {"context_length": 1024, "threads": 1, "cache_bytes": 0}  # what one test encoded is not for others
    return edge.load(path, engine=EngineOptions(**own | options))


def picture(seed: int = 0, height: int = 50, width: int = 70) -> edge.Image:
    return edge.Image(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def sound(seed: int = 0) -> edge.Audio:
    noise = np.random.default_rng(seed).standard_normal(8000).astype(np.float32) * np.float32(0.1)
    return edge.Audio(noise, 16000)


def medium(name: str, seed: int = 0) -> edge.Image | edge.Audio:
    return sound(seed) if name in HEARERS else picture(seed)


def pieces(model: Model, part: Any) -> tuple[Segment, ...]:
    read = model.wiring.frontends[type(part).__name__.lower()].encode(part)
    assert isinstance(read, tuple)
    return read


def prompt(model: Model, part: Any) -> tuple[Segment, ...]:
    return model.wiring.layout.build([Turn("user", (*pieces(model, part), "What is it?"))])


# --- the same as libmtmd's own path -----------------------------------------------------------------------


class Reference:
    """A context of its own, driven by libmtmd's helper as llama-mtmd-cli does."""

    def __init__(self, folder: Path) -> None:
        self.m = native = media_library()
        from llama_cpp import llama_cpp as llama

        self.llama = llama
        params = llama.llama_model_default_params()
        params.n_gpu_layers = 0
        self.model = llama.llama_model_load_from_file(str(folder / "model.gguf").encode(), params)
        context = llama.llama_context_default_params()
        context.n_ctx, context.n_batch, context.n_ubatch = 1024, 512, 512
        self.context = llama.llama_init_from_model(self.model, context)
        media = native.mtmd_context_params_default()
        media.use_gpu = media.print_timings = media.warmup = False
        self.media = native.mtmd_init_from_file(str(folder / "mmproj.gguf").encode(), self.model, media)
        assert self.media

    def logits(self, before: str, part: Any, after: str) -> NDArray[np.float32]:
        m, llama = self.m, self.llama
        bitmap = self._bitmap(part)
        text = before.encode() + m.mtmd_default_marker() + after.encode()
        chunks = m.mtmd_input_chunks_init()
        given = m.mtmd_input_text(text, len(text), False, True)
        bitmaps = (ctypes.c_void_p * 1)(bitmap)
        assert m.mtmd_tokenize(self.media, chunks, ctypes.byref(given), bitmaps, 1) == 0
        past = llama.llama_pos(0)
        code = m.mtmd_helper_eval_chunks(
            self.media, self.context, chunks, 0, 0, BATCH, True, ctypes.byref(past)
        )
        assert code == 0
        size = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))
        return np.ctypeslib.as_array(llama.llama_get_logits_ith(self.context, -1), (size,)).copy()

    def _bitmap(self, part: Any) -> int:
        if isinstance(part, edge.Audio):
            samples = part.source
            pointer = samples.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
            return int(self.m.mtmd_bitmap_init_from_audio(len(samples), pointer))
        pixels = part.source
        pointer = pixels.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
        return int(self.m.mtmd_bitmap_init(pixels.shape[1], pixels.shape[0], pointer))

    def close(self) -> None:
        self.m.mtmd_free(self.media)
        self.llama.llama_free(self.context)
        self.llama.llama_model_free(self.model)


@pytest.mark.parametrize("name", [*SEERS, *HEARERS])
def test_logits_are_those_of_libmtmds_own_evaluation(home: Path, name: str) -> None:
    part = medium(name)
    with load(home, name, batch=BATCH) as model:
        ours = model.engine.feed(prompt(model, part))
    reference = Reference(home / name)
    theirs = reference.logits("<|im_start|>user\n", part, "What is it?<|im_end|>\n<|im_start|>assistant\n")
    reference.close()
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()
    assert np.abs(theirs).max() > 0.1


@pytest.mark.parametrize("name", ["gemma3", "qwen2vl", "smolvlm", "ultravox"])
def test_another_medium_gives_other_logits(home: Path, name: str) -> None:
    with load(home, name) as model:
        first = model.engine.feed(prompt(model, medium(name, 0)))
        model.engine.truncate(0)
        second = model.engine.feed(prompt(model, medium(name, 1)))
    assert np.abs(first - second).max() > 1e-2


# --- nothing twice ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llama4", "gemma3", "smolvlm", "qwen2.5vl", "voxtral"])
def test_a_second_question_encodes_nothing_feeds_only_what_is_new_and_hears_the_same(
    home: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with load(home, name) as model:
        chat, decoder = model.chat(), model.wiring.decoder
        first = chat.ask(medium(name), "What is it?", sampling=GREEDY)
        monkeypatch.setattr(media_library(), "mtmd_batch_encode", lambda batch: 1)  # fails where it is asked
        second = chat.ask("And now?", sampling=GREEDY)
        assert second.usage.cached_tokens >= first.usage.prompt_tokens
        again = chat._context.prompt(None, [*chat.history, Message("user", (Text("Once more?"),))])
        reused, cached = tiny.read(decoder, again)
        assert cached > second.usage.prompt_tokens
        model.engine.truncate(0)
        fresh = model.engine.feed(again)
    # one token at a time and many at once round differently in an f16 cache
    assert np.abs(reused - fresh).max() <= 1e-2 * np.abs(fresh).max()


@pytest.mark.parametrize("name", ["gemma3", "qwen2vl"])
def test_a_picture_is_reused_whole_or_not_at_all(home: Path, name: str) -> None:
    with load(home, name) as model:
        whole = prompt(model, picture())
        start = next(i for i, segment in enumerate(whole) if isinstance(segment, EmbeddingSegment))
        before = sum(len(segment) for segment in whole[:start])
        fresh = model.engine.feed(whole)
        with pytest.raises(EngineError, match=f"cannot be cut; go back to token {before}"):
            model.engine.truncate(before + 1)
        model.engine.truncate(before)
        assert np.allclose(model.engine.feed(whole[start:]), fresh, atol=1e-4)


@pytest.mark.parametrize("name", ["smolvlm", "qwen2vl"])
def test_a_saved_sequence_with_a_picture_goes_on_where_it_was(home: Path, name: str) -> None:
    more = [TokenSegment((70, 71, 72))]
    with load(home, name) as model:
        engine = model.engine
        engine.feed(prompt(model, picture()))
        held, saved = engine.length(), engine.save()
        expected = engine.feed(more)
        engine.truncate(0)
        engine.restore(saved)
        assert engine.length() == held
        assert np.allclose(engine.feed(more), expected, atol=1e-4)
        engine.truncate(held)
        assert np.allclose(engine.feed(more), expected, atol=1e-4)


def test_a_key_names_the_medium_and_the_encoders(home: Path, tmp_path: Path) -> None:
    with load(home, "smolvlm") as model:
        keys = [s.key for s in pieces(model, picture()) if isinstance(s, EmbeddingSegment)]
        again = [s.key for s in pieces(model, picture()) if isinstance(s, EmbeddingSegment)]
        other = [s.key for s in pieces(model, picture(1)) if isinstance(s, EmbeddingSegment)]
    assert keys == again
    assert len({*keys, *other}) == len(keys) + len(other)
    tiny_public.decoder(tmp_path / "model.gguf", "llama")
    tiny_public.idefics3_mmproj(tmp_path / "mmproj.gguf", seed=7)
    with edge.load(tmp_path / "model.gguf") as model:
        retrained = [s.key for s in pieces(model, picture()) if isinstance(s, EmbeddingSegment)]
    assert not {*retrained} & {*keys}


@pytest.mark.parametrize(("name", "expected"), [("internvl", 1), ("smolvlm", 5)])
def test_tiles_of_a_picture_are_encoded_together_where_libmtmd_can(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, expected: int
) -> None:
    native, batches = media_library(), []
    encode = native.mtmd_batch_encode
    monkeypatch.setattr(native, "mtmd_batch_encode", lambda batch: batches.append(batch) or encode(batch))
    with load(home, name) as model:
        tiles = [s for s in pieces(model, picture(0, 60, 60)) if isinstance(s, EmbeddingSegment)]
    assert len(tiles) == 5  # the whole and 2 x 2
    assert len(batches) == expected


# --- what a model can -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*SEERS, *HEARERS])
def test_what_is_read_is_what_libmtmd_says(home: Path, name: str) -> None:
    with load(home, name) as model:
        reads = model.reads
        assert model.makes == {"text"}
    said = media_library().mtmd_get_cap_from_file(str(home / name / "mmproj.gguf").encode())
    assert ("image" in reads, "audio" in reads) == (said.inp_vision, said.inp_audio)
    assert ("video" in reads) == said.inp_vision


def test_a_picture_for_a_model_that_only_hears_is_refused_before_anything_is_computed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("something was computed")

    with load(home, "ultravox") as model:
        monkeypatch.setattr(type(model.engine), "feed", never)
        monkeypatch.setattr(MediaEncoder, "__init__", never)
        with pytest.raises(ModalityError, match="does not read pictures, it reads text and sound"):
            model.chat().ask(picture(), "What is it?")


def test_a_clip_is_seen_as_frames_and_two_make_one_where_the_model_knows_films(home: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (6, 48, 64, 3), dtype=np.uint8)
    clip = edge.Video(frames, 0.25)
    spans = {}
    for name in ("gemma3", "qwen2vl"):
        with load(home, name) as model:
            spans[name] = sum(isinstance(s, EmbeddingSegment) for s in pieces(model, clip))
            assert model.chat().ask(clip, "What happens?", sampling=GREEDY).usage.prompt_tokens > 20
    assert spans == {"gemma3": 6, "qwen2vl": 3}


def test_a_medium_that_does_not_fit_is_refused_before_it_is_encoded(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[Any] = []
    monkeypatch.setattr(media_library(), "mtmd_batch_encode", lambda batch: encoded.append(batch) or 1)
    with (
        load(home, "ultravox", context_length=128) as model,
        pytest.raises(DoesNotFitError, match="takes 187 tokens, but the context holds 128"),
    ):
        model.chat().ask(sound(), "What?")
    assert encoded == []


def test_a_large_picture_is_made_smaller_where_its_tokens_grow_with_it(home: Path) -> None:
    with load(home, "qwen2vl", context_length=256) as model:
        tokens = sum(map(len, pieces(model, picture(0, 400, 600))))
    assert 64 < tokens <= 128 + 2


def test_a_span_wider_than_a_batch_is_refused_where_its_rows_must_see_each_other(home: Path) -> None:
    with (
        load(home, "gemma3", batch=3) as model,
        pytest.raises(DoesNotFitError, match=r"EngineOptions\(batch=4\)"),
    ):
        model.engine.feed(prompt(model, picture()))


def test_text_that_looks_like_a_marker_stays_text(home: Path) -> None:
    with load(home, "smolvlm") as model:
        marker = media_library().mtmd_default_marker().decode()
        reply = model.chat().ask(picture(), marker + "<image>", sampling=GREEDY)
        assert reply.usage.prompt_tokens > len(marker)


def test_a_closed_model_encodes_nothing(home: Path) -> None:
    model = load(home, "smolvlm")
    pieces(model, picture())
    model.close()
    with pytest.raises(EngineError, match="closed"):
        pieces(model, picture(1))


# --- which file -------------------------------------------------------------------------------------------


def test_the_file_beside_a_model_is_taken_where_its_width_fits(tmp_path: Path) -> None:
    tiny_public.decoder(tmp_path / "model.gguf", "llama")
    tiny_public.idefics3_mmproj(tmp_path / "mmproj-wide.gguf", width=128)
    with edge.load(tmp_path / "model.gguf") as model:
        assert model.reads == {"text"}
    tiny_public.idefics3_mmproj(tmp_path / "mmproj-right.gguf")
    with edge.load(tmp_path / "model.gguf") as model:
        assert model.reads == {"text", "image", "video"}
    tiny_public.audio_mmproj(tmp_path / "mmproj-sound.gguf", "ultravox")
    with pytest.raises(UsageError, match=r"mmproj-right.gguf, mmproj-sound.gguf; choose one with --mmproj"):
        edge.load(tmp_path / "model.gguf")
    with edge.load(
        tmp_path / "model.gguf", engine=EngineOptions(mmproj=tmp_path / "mmproj-sound.gguf")
    ) as model:
        assert model.reads == {"text", "audio"}
    with pytest.raises(IntegrityError, match="of width 128, but the model reads 64"):
        edge.load(tmp_path / "model.gguf", engine=EngineOptions(mmproj=tmp_path / "mmproj-wide.gguf"))
    with pytest.raises(UsageError, match="holds encoders and no decoder"):
        edge.load(tmp_path / "mmproj-right.gguf")


def test_a_file_beside_a_model_that_cannot_be_read_is_warned_of_and_the_model_still_talks(
    tmp_path: Path,
) -> None:
    tiny_public.decoder(tmp_path / "model.gguf", "llama")
    (tmp_path / "mmproj.gguf").write_bytes(b"GGUF, but no more than that")
    with pytest.warns(UserWarning, match=r"mmproj.gguf is not a valid GGUF.*model.gguf is loaded without it"):
        model = edge.load(tmp_path / "model.gguf")
    with model:
        assert model.reads == {"text"}
        assert model.chat().ask("Hello", sampling=GREEDY).finish_reason in ("end", "length")
    with pytest.raises(IntegrityError, match=r"mmproj.gguf is not a valid GGUF"):
        edge.load(tmp_path / "model.gguf", engine=EngineOptions(mmproj=tmp_path / "mmproj.gguf"))


def test_show_says_what_a_model_and_the_file_beside_it_read(tmp_path: Path) -> None:
    path = tiny_public.model(tmp_path, "smolvlm")
    shown = show.of_gguf(path)
    assert (shown["mmproj"], shown["reads"]) == ("mmproj.gguf", ["text", "image", "video"])


def bundled(folder: Path) -> Path:
    """A bundle whose manifest names an mmproj file."""
    tiny_public.model(folder, "smolvlm")
    (folder / "chat_template.jinja").write_text(tiny_public.TEMPLATE)

    def entry(name: str) -> FileEntry:
        data = (folder / name).read_bytes()
        return FileEntry(name, len(data), hashlib.sha256(data).hexdigest())

    size = tiny_public._vocabulary_size()
    known = Manifest(
        name="tiny-smolvlm",
        family="smolvlm",
        member="tiny",
        architecture="LlamaForCausalLM",
        modalities={"in": ("text", "image"), "out": ("text",)},
        vocabulary=Vocabulary(size, size, (258,)),
        files={"decoder": entry("model.gguf"), manifest.MMPROJ: entry("mmproj.gguf"),
               "chat_template": entry("chat_template.jinja")},
        context_length=512,
        licence="Apache-2.0",
        recipe={"name": "f32", "type": "F32"},
    )  # fmt: skip
    (folder / manifest.FILE_NAME).write_text(known.to_json())
    return folder


def test_a_bundle_names_its_encoders(tmp_path: Path) -> None:
    folder = bundled(tmp_path / "bundle")
    assert json.loads((folder / manifest.FILE_NAME).read_text())["files"]["mmproj"]["path"] == "mmproj.gguf"
    with edge.load(folder) as model:
        assert model.reads == {"text", "image"}  # clips are not among what the manifest says
        assert model.chat().ask(picture(), "What?", sampling=GREEDY).finish_reason in ("end", "length")


def test_a_model_in_a_process_of_its_own_sees_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_public.decoder(tmp_path / "model.gguf", "llama")
    tiny_public.idefics3_mmproj(tmp_path / "encoders.gguf")
    monkeypatch.chdir(tmp_path)
    options = EngineOptions(mmproj="encoders.gguf", threads=1)
    with edge.load("model.gguf", engine=options) as model:
        expected = model.chat().ask(picture(), "What is it?", sampling=GREEDY).text
    with edge.load("model.gguf", engine=options, isolated=True) as model:
        assert model.reads == {"text", "image", "video"}
        assert model.chat().ask(picture(), "What is it?", sampling=GREEDY).text == expected


def test_encoders_that_frame_pictures_with_tokens_that_the_model_lacks_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = tuple(name for name in tiny_public.SPECIALS if name != "<global-img>")
    monkeypatch.setattr(tiny_public, "SPECIALS", names)
    path = tiny_public.model(tmp_path, "smolvlm")
    with edge.load(path) as model, pytest.raises(IntegrityError, match="lacks the tokens that stand around"):
        pieces(model, picture())
