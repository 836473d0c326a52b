"""onnxruntime-genai as it is opens our folders and says what our engine says. Runs where it is installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge.engines.onnx_engine import OnnxEngine
from edge.errors import UsageError
from edge.options import EngineOptions
from edge.segments import TokenSegment
from quantize import genai, kernel_speed
from quantize.budget import Goal
from quantize.checkpoint import open_checkpoint
from quantize.onnx_blocks import KINDS
from quantize.pipeline import Options, quantize
from tests import tiny

NEW = 24


@pytest.fixture(scope="module", params=["f32", "int8", "int4", "max-size"])
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny.checkpoint(tmp_path_factory.mktemp("genai") / "source")
    text = {"modalities": {"in": ["text"], "out": ["text"]}}
    (folder / "edge.json").write_text(json.dumps(tiny.FACTS | text))
    (folder / "heldout.npz").unlink()
    goal = Goal(max_size=3_900_000) if request.param == "max-size" else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel_speed, "measured", lambda *_: dict.fromkeys(KINDS, 1e-10))
        recipe = "int4" if goal else request.param
        quantize(folder, folder.with_name("bundle"), recipe, options=Options(format="onnx", goal=goal))
    return folder.with_name("bundle")


def greedy(bundle: Path, prompt: list[int]) -> list[int]:
    engine = OnnxEngine(bundle / "decoder.onnx", bundle / "vocabulary.gguf", EngineOptions(threads=1))
    logits, made = engine.feed([TokenSegment(tuple(prompt))]), []
    for _ in range(NEW):
        made.append(int(logits.argmax()))
        logits = engine.step([made[-1]])[0]
    engine.close()
    return made


def test_genai_opens_the_folder_and_makes_the_same_ids(bundle: Path) -> None:
    og: Any = pytest.importorskip("onnxruntime_genai")
    model = og.Model(str(bundle))
    prompt = [int(i) for i in og.Tokenizer(model).encode("the picture of a red circle")]
    engine = OnnxEngine(bundle / "decoder.onnx", bundle / "vocabulary.gguf", EngineOptions(threads=1))
    assert prompt == engine.tokenizer.encode("the picture of a red circle")
    engine.close()
    wanted = greedy(bundle, prompt)
    params = og.GeneratorParams(model)
    params.set_search_options(max_length=len(prompt) + NEW, do_sample=False)
    generator, made = og.Generator(model, params), []
    generator.append_tokens(prompt)
    while not generator.is_done():
        generator.generate_next_token()
        made.append(int(generator.get_next_tokens()[0]))
    assert made == wanted[: len(made)]
    assert len(made) == NEW or wanted[len(made) - 1] in model_ends(bundle)


def model_ends(bundle: Path) -> list[int]:
    ends: list[int] = json.loads((bundle / "genai_config.json").read_text())["model"]["eos_token_id"]
    return ends


def test_the_configuration_names_what_the_graph_has(bundle: Path) -> None:
    from edge.onnx_session import OnnxSession

    decoder = json.loads((bundle / "genai_config.json").read_text())["model"]["decoder"]
    session = OnnxSession(bundle / decoder["filename"], external=True)
    layers = range(decoder["num_hidden_layers"])
    ways = ((decoder["inputs"], session.inputs), (decoder["outputs"], session.outputs))
    for names, found in ways:
        said = {n % i if "%d" in n else n for n in names.values() for i in layers}
        assert said == set(found)


def test_a_checkpoint_that_never_ends_a_turn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="names no eos_token_id"):
        genai.config(open_checkpoint(tiny.checkpoint(tmp_path / "c")), "decoder.onnx", ())
