"""load() and the public door on a real tiny bundle: files in, files out, and every way it can fail."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import edge
from edge.engines.llama_cpp import LlamaCppEngine
from edge.engines.probe import tiny_gguf
from edge.events import AudioChunk, ImageMade
from edge.formats import manifest
from edge.generation.decode import Decoder
from edge.media.audio import Sound
from edge.media.image import Picture
from edge.options import EngineOptions, SamplingOptions
from edge.segments import TokenSegment
from tests import tiny

ENGINE = EngineOptions(threads=1)
SHORT = SamplingOptions(seed=1, max_tokens=6)


@pytest.fixture(scope="module")
def model(tiny_bundle: Path) -> Iterator[edge.Model]:
    with edge.load(tiny_bundle, engine=ENGINE) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def films(video_bundle: Path) -> Iterator[edge.Model]:
    with edge.load(video_bundle, engine=ENGINE) as loaded:
        yield loaded


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    shutil.copytree(tiny_bundle, tmp_path / "copy")
    return tmp_path / "copy"


def edit(folder: Path, **changes: object) -> None:
    path = folder / manifest.FILE_NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_bundle_reads_and_makes_what_its_manifest_says(model: edge.Model) -> None:
    assert model.name == "tiny"
    assert model.reads == model.makes == {"text", "image", "audio"}


def test_the_empty_prompt_of_guidance_is_the_native_one(model: edge.Model) -> None:
    names = ("bos", "user", "null", "end", "assistant")
    from edge.vocabulary import SPECIAL

    assert model.wiring.null_prompt == tuple(SPECIAL[name] for name in names)


def test_it_draws_a_picture_of_64_by_64_and_the_same_seed_draws_the_same(model: edge.Model) -> None:
    one, same, other = (model.draw("a red circle", seed=seed) for seed in (1, 1, 2))
    assert isinstance(one, Picture)
    assert one.pixels.shape == (64, 64, 3)
    assert np.array_equal(one.pixels, same.pixels)
    assert not np.array_equal(one.pixels, other.pixels)


def test_guidance_changes_what_is_drawn(model: edge.Model) -> None:
    plain, guided = (model.draw("a red circle", seed=1, guidance=scale) for scale in (1.0, 4.0))
    assert not np.array_equal(plain.pixels, guided.pixels)


def test_it_speaks_the_very_words(model: edge.Model) -> None:
    sound = model.speak("the bird", seed=1)
    assert isinstance(sound, Sound)
    assert sound.sample_rate == 16_000
    assert sound.seconds > 0
    reply = model.chat().ask(
        "Say: the bird", make="audio", script="the bird", sampling=SamplingOptions(seed=1)
    )
    assert reply.text.startswith("the bird")
    assert np.array_equal(reply.audio.samples, sound.samples)


def test_it_reads_pictures_and_sounds_from_disk_bytes_and_arrays(model: edge.Model, tmp_path: Path) -> None:
    picture = Picture(np.full((30, 50, 3), 200, dtype=np.uint8))
    sound = Sound(np.zeros(8000, dtype=np.float32), 16_000)
    drawn, spoken = picture.save(tmp_path / "a.png"), sound.save(tmp_path / "a.wav")
    answers = {
        model.describe(source, sampling=SHORT) for source in (drawn, str(drawn), edge.Image(picture.png()))
    }
    assert len(answers) == 1
    heard = {
        model.transcribe(source, sampling=SHORT) for source in (spoken, edge.Audio(sound.samples, 16_000))
    }
    assert len(heard) == 1
    assert isinstance(model.describe(spoken, sampling=SHORT), str)


def test_it_animates_and_reads_its_own_clip_in_every_kind_of_file(films: edge.Model, tmp_path: Path) -> None:
    one, same, other = (films.animate("a falling ball", seed=seed) for seed in (1, 1, 2))
    assert isinstance(one, edge.Clip)
    assert 4 <= len(one.frames) <= 8
    assert one.size == (64, 64)
    assert np.array_equal(one.frames, same.frames)
    assert not np.array_equal(one.frames[:4], other.frames[:4])
    paths = [one.save(tmp_path / name) for name in ("a.webp", "a.gif", "a.mp4")]
    clip = edge.Video(one.encoded(".webp"))
    told = [films.describe(source, sampling=SHORT) for source in (*paths, clip, edge.Video(one.frames))]
    assert told[0] == told[3] == told[4]
    reply = films.chat().ask("hi", clip, make="text", sampling=SHORT)
    without = films.chat().ask("hi", make="text", sampling=SHORT)
    assert reply.usage.prompt_tokens - without.usage.prompt_tokens == 2 + 65 * len(one.frames)


def test_a_reply_holds_its_clip_and_the_conversation_stays_cached(films: edge.Model) -> None:
    chat = films.chat(sampling=SHORT)
    reply = chat.ask("a falling ball", make="video")
    assert len(reply.videos) == 1
    assert reply.usage.video_tokens == 2 + 65 * len(reply.videos[0].frames)
    after = chat.ask("and now?", make="text")
    assert after.usage.prompt_tokens - after.usage.cached_tokens < 20


def test_a_model_without_video_says_what_it_does(model: edge.Model) -> None:
    with pytest.raises(edge.ModalityError, match="does not make video, it makes text and pictures and sound"):
        model.animate("a falling ball")
    with pytest.raises(
        edge.ModalityError, match=r"it reads text and pictures and sound \(an animation given as a picture"
    ):
        model.describe(edge.Video(b""))


def test_a_model_of_clips_alone_opens_the_codec_of_pictures_for_them(
    video_bundle: Path, tmp_path: Path
) -> None:
    shutil.copytree(video_bundle, tmp_path / "copy")
    edit(tmp_path / "copy", modalities={"in": ["text"], "out": ["text", "video"]})
    with edge.load(tmp_path / "copy", engine=ENGINE) as model:
        assert (model.reads, model.makes) == ({"text"}, {"text", "video"})
        assert len(model.animate("a ball", seed=1).frames) >= 4
        with pytest.raises(edge.ModalityError, match="does not make pictures"):
            model.draw("a ball")


def test_a_conversation_of_all_kinds_keeps_its_prompt_cached(model: edge.Model) -> None:
    chat = model.chat(system="Be brief.", sampling=SHORT)
    grey = edge.Image(np.full((8, 8, 3), 99, dtype=np.uint8))
    made = [*chat.send("look", grey), *chat.send("draw", make="image")]
    reply = chat.ask("and now?")
    assert reply.usage.prompt_tokens - reply.usage.cached_tokens < 20
    made += chat.send("say", make="audio")
    assert {ImageMade, AudioChunk} <= {type(event) for event in made}
    assert len(chat.history) == 8


def test_cached_prompts_give_the_ids_of_uncached_ones(model: edge.Model) -> None:
    exact = SamplingOptions(temperature=0, max_tokens=12)
    chat = model.chat(sampling=exact)
    chat.ask("the red bird")
    cached = chat.ask("and the circle").text
    history = list(chat.history[:2])
    tiny.forget(model)
    fresh = model.chat(sampling=exact)
    fresh.history, fresh._context.said = history, dict(chat._context.said)
    assert fresh.ask("and the circle").text == cached


def test_a_bare_gguf_is_a_text_model_with_its_own_template_and_vocabulary(tiny_bundle: Path) -> None:
    with edge.load(tiny_bundle / "decoder.gguf", engine=ENGINE) as model:
        assert model.reads == model.makes == {"text"}
        assert model.vocabulary == edge.load(tiny_bundle, engine=ENGINE).vocabulary
        reply = model.chat().ask("hi", sampling=SHORT)
        assert reply.usage.text_tokens <= 6
        with pytest.raises(edge.ModalityError, match=r"does not make pictures; load the bundle"):
            model.draw("a red circle")
        with pytest.raises(edge.ModalityError, match="does not read sound"):
            model.transcribe(edge.Audio(np.zeros(99, np.float32), 16_000))


def test_a_gguf_without_a_chat_template_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "base.gguf"
    path.write_bytes(tiny_gguf())
    with pytest.raises(edge.IntegrityError, match=r"no chat template.*chat_template\.jinja"):
        edge.load(path)


def test_a_model_of_a_long_context_opens_with_a_shorter_one_until_it_is_asked_for(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "long"))
    facts = json.loads((bundle / "manifest.json").read_text())
    (bundle / "manifest.json").write_text(json.dumps(facts | {"context_length": 131_072}))
    for asked, expected in ((None, 2048), (3000, 3000)):
        with edge.load(bundle, engine=EngineOptions(context_length=asked, threads=1)) as model:
            assert model.engine.context_length == expected
    assert edge.fit(bundle).context == 2048


def test_the_context_is_the_models_own_unless_less_is_asked_for(tiny_bundle: Path) -> None:
    trained = manifest.load(tiny_bundle).context_length
    for asked, expected in ((None, trained), (100, 100), (10 * trained, trained)):
        with edge.load(tiny_bundle, engine=EngineOptions(context_length=asked, threads=1)) as model:
            assert model.engine.context_length == expected


def test_a_name_that_is_nowhere_is_not_found() -> None:
    with pytest.raises(edge.NotFoundError, match="no file, folder or installed model"):
        edge.load("no-such-model")


def test_a_folder_that_is_no_bundle_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(edge.NotFoundError, match="not a bundle"):
        edge.load(tmp_path)


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("hello")
    (tmp_path / "x.gguf").write_text("hello")
    with pytest.raises(edge.UsageError):
        edge.load(tmp_path / "x.txt")
    with pytest.raises(edge.IntegrityError):
        edge.load(tmp_path / "x.gguf")


@pytest.mark.parametrize(
    "name", ["decoder.gguf", "image_decoder.onnx", "audio_encoder.onnx", "chat_template.jinja"]
)
def test_a_missing_part_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(edge.IntegrityError, match=name):
        edge.load(copy)


def test_a_part_that_was_changed_is_named_with_both_hashes(copy: Path) -> None:
    data = bytearray((copy / "image_encoder.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / "image_encoder.onnx").write_bytes(data)
    with pytest.raises(edge.IntegrityError, match=r"image_encoder.*SHA-256"):
        edge.load(copy)


def test_sampling_defaults_of_the_wrong_kind_are_refused(copy: Path) -> None:
    edit(copy, sampling={"text": {"temperature": "hot"}})
    with pytest.raises(edge.IntegrityError, match=r"sampling\.text has temperature"):
        edge.load(copy)


def test_a_failed_load_frees_the_engine(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []
    monkeypatch.setattr(LlamaCppEngine, "close", lambda self: closed.append(self))
    edit(copy, sampling={"text": {"nonsense": 1}})
    with pytest.raises(edge.IntegrityError):
        edge.load(copy)
    assert len(closed) == 1


def test_closing_ends_it(tiny_bundle: Path) -> None:
    model = edge.load(tiny_bundle, engine=ENGINE)
    model.close()
    with pytest.raises(edge.EngineError, match="closed"):
        model.chat().ask("hi")


def test_a_failing_native_call_does_not_poison_the_next_answer(
    model: edge.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = SamplingOptions(temperature=0, max_tokens=8)
    expected = model.chat(sampling=exact).ask("the red bird").text
    decoder: Decoder = model.wiring.decoder
    with pytest.raises(edge.EngineError):
        model.engine.feed([TokenSegment((10**6,))])
    monkeypatch.setattr(
        model.engine, "step", lambda tokens, sequences: (_ for _ in ()).throw(edge.EngineError("broken"))
    )
    with pytest.raises(edge.EngineError):
        model.chat(sampling=exact).ask("the red bird")
    monkeypatch.undo()
    assert decoder.engine.length() == 0
    assert model.chat(sampling=exact).ask("the red bird").text == expected


def test_import_edge_is_light_and_the_door_is_complete() -> None:
    code = (
        "import sys, time; t = time.perf_counter(); import edge; spent = time.perf_counter() - t\n"
        "assert not {'numpy', 'llama_cpp', 'onnxruntime', 'jinja2'} & set(sys.modules), sys.modules.keys()\n"
        "assert spent < 0.15, spent\n"
        "missing = [n for n in edge.__all__ if not hasattr(edge, n)]\n"
        "assert not missing, missing\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError):
        edge.no_such_name
