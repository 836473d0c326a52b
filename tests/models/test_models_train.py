"""What needs torch: our decoder is the Llama of transformers, codecs and graphs agree, rows are whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]
torch = pytest.importorskip("torch")

CHECKPOINT = Path("models/weights/pico")


def test_our_decoder_gives_the_logits_of_transformers(tmp_path: Path) -> None:
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM

    from models.decoder import Decoder
    from models.family import Member
    from models.release import config

    m = Member("tiny", 256, 2, 4, 2, 512, 16640, 256)
    torch.manual_seed(0)
    ours = Decoder(m).eval()
    (tmp_path / "config.json").write_text(json.dumps(config(m)))
    save_file(ours.merged(), tmp_path / "model.safetensors", {"format": "pt"})
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    ids = torch.randint(0, 16640, (2, 40))
    with torch.no_grad():
        assert torch.allclose(ours(ids), theirs(ids).logits, atol=2e-4)


def test_transformers_gives_the_committed_greedy_ids() -> None:
    from models.make_fixtures import PARITY, greedy, load

    model, fixtures = load(CHECKPOINT), json.loads(PARITY.read_text())
    for rows in fixtures.values():
        for row in rows[:3]:
            assert greedy(model, row["prompt"], 64)[0] == row["greedy"]


def test_transformers_renders_the_chat_template_into_role_tokens() -> None:
    from transformers import AutoTokenizer

    from edge.vocabulary import SPECIAL

    tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT)
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hello."}], tokenize=False, add_generation_prompt=True
    )
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert ids[:2] == [SPECIAL["bos"], SPECIAL["user"]]
    assert ids[-1] == SPECIAL["assistant"]


def test_quantized_latents_and_codes_are_the_same_thing() -> None:
    from models.fsq import FSQ

    fsq = FSQ()
    z = torch.randn(3, 4, 5, 6) * 3
    codes = fsq.encode(z)
    assert codes.shape == (3, 5, 6)
    assert int(codes.min()) >= 0
    assert int(codes.max()) < fsq.codes
    assert torch.allclose(fsq.decode(codes), fsq(z), atol=1e-6)
    every = torch.arange(fsq.codes)[None]
    assert torch.equal(fsq.encode(torch.atanh(fsq.decode(every) * 0.999)), every)


def test_exported_codecs_give_the_codes_of_the_trained_ones(tmp_path: Path) -> None:
    from edge.onnx_session import OnnxSession
    from models.audio_codec import AudioCodec
    from models.codec_files import export
    from models.image_codec import ImageCodec

    torch.manual_seed(0)
    image, audio = ImageCodec(32).eval(), AudioCodec(32).eval()
    export(image, audio, tmp_path)
    pixels, mel = torch.rand(3, 3, 64, 64), torch.randn(2, 80, 37)
    codes = OnnxSession(tmp_path / "image_encoder.onnx").run({"pixels": pixels.numpy()})[0]
    assert (codes == image.encode(pixels).numpy()).mean() > 0.99
    drawn = OnnxSession(tmp_path / "image_decoder.onnx").run({"codes": codes})[0]
    assert np.allclose(drawn, image.decode(torch.from_numpy(codes)).numpy(), atol=1e-4)
    heard = OnnxSession(tmp_path / "audio_encoder.onnx").run({"mel": mel.numpy()})[0]
    assert heard.shape == (2, 37)
    assert (heard == audio.encode(mel).numpy()).mean() > 0.99


def test_a_resumed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    from models.training import Run, optimizer

    def world() -> tuple[torch.nn.Module, torch.optim.Optimizer, Run]:
        torch.manual_seed(0)
        model = torch.nn.Linear(4, 4)
        return model, optimizer(model, 1e-2), Run(tmp_path, steps=10, lr=1e-2)

    def advance(model: torch.nn.Module, opt: torch.optim.Optimizer, run: Run, steps: int) -> None:
        for _ in range(steps):
            run.set_rate(opt)
            x = torch.randn(8, 4, generator=torch.Generator().manual_seed(run.step))
            model(x).square().mean().backward()
            opt.step()
            opt.zero_grad()
            run.step += 1

    whole, opt, run = world()
    advance(whole, opt, run, 6)
    part, opt, run = world()
    advance(part, opt, run, 3)
    run.save(part, opt)
    resumed, opt, run = world()
    run.resume(resumed, opt)
    assert run.step == 3
    advance(resumed, opt, run, 3)
    assert torch.equal(whole.weight, resumed.weight)


def test_muon_steps_as_torch_does_and_in_float32_nearly_so() -> None:
    from models.muon import Muon

    shapes = [(8, 16), (16, 8), (8, 16), (8, 8)]

    def stepped(make: type, **options: object) -> list[torch.Tensor]:
        torch.manual_seed(0)
        matrices = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
        optimizer = make(matrices, lr=1e-2, weight_decay=0.1, **options)
        for _ in range(3):
            for matrix in matrices:
                matrix.grad = torch.randn(matrix.shape)
            optimizer.step()
        return matrices

    theirs = stepped(torch.optim.Muon, adjust_lr_fn="match_rms_adamw")
    for mine, other in zip(stepped(Muon), theirs, strict=True):
        assert torch.allclose(mine, other, atol=1e-4)
    for mine, other in zip(stepped(Muon, dtype=torch.float32), theirs, strict=True):
        assert torch.allclose(mine, other, atol=5e-3)
        assert not torch.equal(mine, other)
