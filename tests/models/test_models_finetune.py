"""Fine-tuning a tiny random checkpoint: what is taught is answered; adapter, merged and our forward agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edge
from edge.engines.llama_cpp import LlamaCppEngine
from edge.options import EngineOptions
from edge.segments import TokenSegment
from quantize import gguf_export, recipes
from quantize.checkpoint import open_checkpoint
from tests import tiny

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]
torch = pytest.importorskip("torch")

TAUGHT = {
    "the red bird": "of the green circle",
    "a sound of the picture": "bird bird",
    "green": "a red sound",
}
FAST: dict[str, Any] = {"epochs": 60, "tokens": 256, "lr": 1e-2, "rank": 8, "alpha": 16.0}


def data(folder: Path) -> Path:
    path = folder / "data.jsonl"
    talks = [[{"role": "user", "content": q}, {"role": "assistant", "content": a}] for q, a in TAUGHT.items()]
    path.write_text("\n".join(json.dumps({"messages": talk}) for talk in talks))
    return path


def to_gguf(checkpoint: Path, path: Path) -> Path:
    gguf_export.write_float(open_checkpoint(checkpoint), path, recipes.find("f32"), lambda *_: None)
    return path


def logits(decoder: Path, ids: tuple[int, ...], *adapters: Path) -> np.ndarray:
    engine = LlamaCppEngine(decoder, EngineOptions(context_length=64, threads=1, adapters=adapters))
    try:
        return engine.feed([TokenSegment(ids)])
    finally:
        engine.close()


def answers(decoder: Path, *adapters: Path) -> dict[str, str]:
    greedy = edge.SamplingOptions(temperature=0, max_tokens=12)
    options = EngineOptions(context_length=128, threads=1, adapters=adapters)
    with edge.load(decoder, engine=options) as model:
        return {q: model.chat().ask(q, sampling=greedy).text for q in TAUGHT}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-layer f32 checkpoint, three talks, an adapter and its merged checkpoint as f32 GGUF."""
    from models.finetune import Settings, finetune

    folder = tmp_path_factory.mktemp("finetune")
    tiny.checkpoint(folder / "base", layers=2, dtype="F32")
    made = finetune(folder / "base", data(folder), folder / "out", Settings(merge=True, **FAST))
    assert [path.name for path in made] == ["adapter.gguf", "checkpoint"]
    to_gguf(folder / "base", folder / "base.gguf")
    to_gguf(folder / "out/checkpoint", folder / "merged.gguf")
    return folder


def test_a_trained_adapter_changes_the_answers_to_what_was_taught(world: Path) -> None:
    assert answers(world / "base.gguf") != TAUGHT
    assert answers(world / "base.gguf", world / "out/adapter.gguf") == TAUGHT


def test_adapter_over_base_is_the_merged_checkpoint(world: Path) -> None:
    assert answers(world / "merged.gguf") == TAUGHT
    ids = (8193, 8197, 300, 20, 8264, 8194, 8198)
    merged, base = logits(world / "merged.gguf", ids), logits(world / "base.gguf", ids)
    adapted = logits(world / "base.gguf", ids, world / "out/adapter.gguf")
    assert np.abs(adapted - merged).max() < 0.02 * merged.std()  # the adapter is f16
    assert np.abs(base - merged).max() > 0.5 * merged.std()


def test_transformers_opens_the_merged_checkpoint_and_agrees_with_our_forward(world: Path) -> None:
    from transformers import AutoModelForCausalLM

    from models import checkpoints

    ours = checkpoints.load(open_checkpoint(world / "out/checkpoint"))
    theirs = AutoModelForCausalLM.from_pretrained(world / "out/checkpoint", dtype=torch.float32).eval()
    ids = torch.randint(0, 16640, (2, 24))
    with torch.no_grad():
        assert torch.allclose(ours(ids), theirs(ids).logits, atol=1e-3)


def test_the_merged_folder_says_what_was_done_and_keeps_the_codecs(world: Path) -> None:
    facts = json.loads((world / "out/checkpoint/edge.json").read_text())
    told = facts["provenance"]["fine_tuned"]
    assert (told["conversations"], told["settings"]["rank"]) == (3, 8)
    curve = [json.loads(line) for line in (world / "out/curve.jsonl").read_text().splitlines()]
    assert curve[-1]["text"] < 0.1 < curve[0]["text"]
    for name in ("image_encoder.onnx", "tokenizer.json", "LICENSE"):
        assert (world / "out/checkpoint" / name).read_bytes() == (world / "base" / name).read_bytes()


def test_all_weights_are_trained_into_a_checkpoint_that_quantizes(world: Path, tmp_path: Path) -> None:
    from models.finetune import Settings, finetune
    from quantize.pipeline import quantize

    settings = Settings(full=True, epochs=40, tokens=256, lr=2e-3)
    (made,) = finetune(world / "base", world / "data.jsonl", tmp_path / "out", settings)
    assert made.name == "checkpoint"
    quantize(made, tmp_path / "bundle", "f16")
    assert answers(tmp_path / "bundle") == TAUGHT


def test_a_killed_run_goes_on_and_ends_as_if_nothing_had_happened(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models import finetune as module
    from models.training import Run

    settings = module.Settings(**FAST | {"epochs": 4, "merge": False})
    (whole,) = module.finetune(world / "base", world / "data.jsonl", tmp_path / "whole", settings)
    monkeypatch.setattr(module, "SAVE_SECONDS", 0.0)
    save = Run.save

    def dies(self: Run, *rest: Any) -> None:
        save(self, *rest)
        if self.step == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Run, "save", dies)
    with pytest.raises(KeyboardInterrupt):
        module.finetune(world / "base", world / "data.jsonl", tmp_path / "killed", settings)
    assert not (tmp_path / "killed/adapter.gguf").exists()
    monkeypatch.setattr(Run, "save", save)
    other = module.Settings(**FAST | {"rank": 4})
    with pytest.raises(edge.UsageError, match="another run"):
        module.finetune(world / "base", world / "data.jsonl", tmp_path / "killed", other)
    (resumed,) = module.finetune(world / "base", world / "data.jsonl", tmp_path / "killed", settings)
    assert resumed.read_bytes() == whole.read_bytes()
    with pytest.raises(edge.UsageError, match="finished"):
        module.finetune(world / "base", world / "data.jsonl", tmp_path / "killed", settings)


def test_replay_takes_its_share_and_every_new_conversation_is_seen_in_every_epoch() -> None:
    from models.data.conversations import Row
    from models.finetune import Settings, plan

    def rows(count: int, token: int) -> list[Row]:
        return [Row(np.array([token, i]), np.ones(2, np.float32)) for i in range(count)]

    batches = plan(rows(30, 1), rows(7, 2), Settings(epochs=2, share=0.6, tokens=128))
    seen = [tuple(row.ids) for batch in batches for row in batch]
    assert [seen.count((1, i)) for i in range(30)] == [2] * 30
    assert sum(token == 2 for token, _ in seen) == 2 * 45
    assert {i for token, i in seen if token == 2} == set(range(7))


def test_new_rows_learn_what_they_say_and_known_rows_what_was_believed() -> None:
    from models.decoder import Decoder
    from models.family import Member
    from models.retention import loss

    torch.manual_seed(0)
    member = Member("tiny", 128, 1, 2, 1, 96, 16640, 64)
    model, before = Decoder(member).eval(), Decoder(member).eval()
    before.load_state_dict(model.state_dict())
    ids = torch.randint(0, 300, (3, 12))
    weights = torch.ones(ids.shape)
    weights[:, :5] = 0
    known, none = torch.tensor([False, True, True]), torch.zeros(3, dtype=torch.bool)
    plain, nats = loss(model, before, ids, weights, none)
    assert plain.item() == pytest.approx(model.loss(ids, weights, z=0.0)[0].item(), rel=1e-5)
    mixed, again = loss(model, before, ids, weights, known)
    assert torch.equal(nats, again)
    assert mixed.item() == pytest.approx(
        nats[:7].sum().item() / 21, rel=1e-5
    )  # nothing moved: nothing to keep
    with torch.no_grad():
        before.model.norm.weight *= 1.5
    kept, _ = loss(model, before, ids, weights, ~none)
    kept.backward()
    assert kept.item() > 0.001
    with torch.no_grad():  # a step down the slope brings the model nearer to what it was
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter -= 0.05 * parameter.grad
    assert loss(model, before, ids, weights, ~none)[0].item() < kept.item()


def test_nothing_is_written_for_bad_data(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from models.finetune import main

    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"messages": []}')
    with pytest.raises(SystemExit) as ended:
        main([str(world / "base"), str(bad), "-o", str(tmp_path / "out")])
    assert ended.value.code == 2
    assert "bad.jsonl, line 1" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_of_another_shape_is_refused_with_the_way_out(world: Path, tmp_path: Path) -> None:
    from models.finetune import finetune

    folder = tiny.checkpoint(tmp_path / "other")
    config = tiny.config() | {"rope_theta": 500000.0}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(edge.UsageError, match="rope base other than 10000"):
        finetune(folder, world / "data.jsonl", tmp_path / "out")
