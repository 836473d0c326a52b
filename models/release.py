"""Stage 5: the trained parts become a standard checkpoint folder. `python -m models.release runs --corpus C --out models/weights/pico`

Job: config, bf16 safetensors, tokenizer, chat template, generation config, float ONNX codecs, native facts (edge.json), held-out
rows, rows to replay, licence. Ignorance: quantization (that is `edge quantize`).
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from edge.vocabulary import NATIVE, SPECIAL
from models.build_banks import drawn, heard
from models.codec_files import export, load_audio_codec, load_image_codec, version
from models.data import replay
from models.data.banks import Banks
from models.data.documents import TASKS, Writer
from models.data.rows import Row
from models.data.tasks.desk import Desk
from models.decoder import NORM_EPS, ROPE_THETA, Decoder
from models.family import Member, member
from models.fresh_banks import FreshBanks

REPLAYED = 2400  # rows of training that travel with the weights
HELDOUT_ROWS, HELDOUT_LENGTH, HELDOUT_MEDIA = 40, 160, 128
HELDOUT_TASKS = {
    "text": ("talk",),
    "image": ("read scenes", "draw scenes", "read emoji", "read lettering", "edit"),
    "audio": ("hear speech", "speak"),
}
PROMPTS = {
    "draw": "Draw {text}.", "speak": "Say: {text}", "transcribe": "What is said?", "animate": "Make a video of {text}.",
    "describe_image": "Describe the picture.", "describe_audio": "What do you hear?", "describe_video": "What happens in the video?",
}  # fmt: skip
SAMPLING = {
    "text": {"temperature": 0.0, "max_tokens": 160},
    "image": {"temperature": 0.2, "top_k": 128, "guidance": 2.0},
    "audio": {"temperature": 0.7, "top_k": 50, "guidance": 1.0},
    "exact": {"temperature": 0.0},
}
PROVENANCE = {
    "pictures": "our generators: shapes, lettering and charts drawn with Pillow; emoji of an open font", "clips": "our generator",
    "speech": "our generator: espeak-ng voices; spoken digits of the Free Spoken Digit Dataset", "sounds": "our generator: formulas",
    "text": "our templates; open books, stories, sentences and small talk as credited in the model card",
}  # fmt: skip


def config(m: Member) -> dict[str, Any]:
    """transformers' LlamaConfig."""
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": m.width, "num_hidden_layers": m.layers,
        "num_attention_heads": m.heads, "num_key_value_heads": m.kv_heads, "head_dim": m.head_size, "intermediate_size": m.hidden,
        "vocab_size": m.vocabulary, "max_position_embeddings": m.context, "rope_theta": ROPE_THETA, "rms_norm_eps": NORM_EPS,
        "hidden_act": "silu", "tie_word_embeddings": True, "attention_bias": False, "mlp_bias": False, "torch_dtype": "bfloat16",
        "bos_token_id": SPECIAL["bos"], "eos_token_id": SPECIAL["end"], "pad_token_id": SPECIAL["pad"],
    }  # fmt: skip


def facts(m: Member) -> dict[str, Any]:
    """edge.json: what makes a Llama checkpoint a native multimodal model."""
    modalities = ["text", "image", "audio", "video"]
    return {
        "family": "edge-native", "member": m.name, "name": "pico", "vocabulary": NATIVE.to_dict(),
        "modalities": {"in": modalities, "out": modalities}, "prompts": PROMPTS, "sampling": SAMPLING,
        "licence": "Apache-2.0", "provenance": PROVENANCE,
    }  # fmt: skip


def held_out_rows(kind: str, tokenizer: Tokenizer, desk: Desk) -> NDArray[np.uint16]:
    """(40, 160) uint16 of unseen compositions, voices and phrasings, padded with <|pad|>."""
    made = np.full((HELDOUT_ROWS, HELDOUT_LENGTH), SPECIAL["pad"], np.uint16)
    for i in range(HELDOUT_ROWS):
        row, rng = (
            Row(lambda text: tokenizer.encode(text, add_special_tokens=False).ids),
            np.random.default_rng((200, i)),
        )
        TASKS[HELDOUT_TASKS[kind][i % len(HELDOUT_TASKS[kind])]].task(desk, row, rng)
        ids = row.ids[:HELDOUT_LENGTH]
        made[i, : len(ids)] = ids
    return made


def taught_rows(tokenizer: Tokenizer, desk: Desk) -> tuple[list[list[int]], list[list[float]]]:
    """Ids and loss weights of training rows as they were late in training."""
    write = Writer(tokenizer, desk)
    rows = [write.row(np.random.default_rng((300, i)), 1.0) for i in range(REPLAYED)]
    return [row.ids for row in rows], [row.weights for row in rows]


def held_out_media(corpus: Path) -> dict[str, NDArray[Any]]:
    """Pictures (128, 3, 64, 64) uint8 and one-second log-mels (n, 80, 50) float16 that the codecs are judged on."""
    kinds = ("scenes", "scenes", "emoji", "lettering")
    pixels = [drawn(kinds[i % 4], i, corpus, "heldout")[0].transpose(2, 0, 1) for i in range(HELDOUT_MEDIA)]
    mels = [heard("speech", i, corpus, "heldout").mel for i in range(HELDOUT_MEDIA)]
    return {
        "pixels": np.stack(pixels),
        "mel": np.stack([m[:, :50] for m in mels if m.shape[1] >= 50]).astype(np.float16),
    }


def write_weights(
    runs: Path, name: str, m: Member, out: Path, blend: float, after: Path | None
) -> dict[str, Any]:
    """model.safetensors in bf16, a stock Llama; the facts of the training run.

    `blend` of the run and the rest of the release that it began from, weight by weight: half way between the two
    keeps what one forgot and the other learnt (Wortsman et al., "Model soups", 2022).
    """
    state = torch.load(runs / name / "state.pt", weights_only=True)
    model = Decoder(m)
    model.load_state_dict({k.removeprefix("0."): v for k, v in state["model"].items() if k.startswith("0.")})
    weights = model.merged()
    if after is not None:
        old = load_file(after / "model.safetensors")
        weights = {k: torch.lerp(old[k].float(), v, blend) for k, v in weights.items()}
    path = out / "model.safetensors"
    save_file({k: v.to(torch.bfloat16).contiguous() for k, v in weights.items()}, path, {"format": "pt"})
    path.chmod(0o644)
    return {"steps": state["step"], "hours": round(state["seconds"] / 3600, 2), "blend": blend}


def before(release: Path | None) -> dict[str, Any]:
    """What the run began from, as facts of its own."""
    if release is None:
        return {}
    return {"after": json.loads((release / "edge.json").read_text())["provenance"]["training"]}


def write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, indent=1) + "\n")


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("runs", type=Path)
    parse.add_argument("--corpus", type=Path, required=True)
    parse.add_argument("--out", type=Path, default=Path("models/weights/pico"))
    parse.add_argument("--member", default="pico-14m")
    parse.add_argument("--name", default="decoder", help="the run to release")
    parse.add_argument(
        "--fresh", action="store_true", help="make the rows to replay anew instead of reading banks"
    )
    parse.add_argument(
        "--after", type=Path, help="the release that the run began from (train_decoder --start)"
    )
    parse.add_argument(
        "--blend", type=float, default=1.0, help="share of the run in the weights, the rest from --after"
    )
    args = parse.parse_args()
    if args.blend < 1 and args.after is None:
        parse.error("--blend mixes with a release: name it by --after")
    m, out = member(args.member), args.out
    out.mkdir(parents=True, exist_ok=True)
    training = before(args.after) | write_weights(args.runs, args.name, m, out, args.blend, args.after)
    write_json(out / "config.json", config(m))
    ends = {
        "bos_token_id": SPECIAL["bos"],
        "eos_token_id": SPECIAL["end"],
        "pad_token_id": SPECIAL["pad"],
        "do_sample": False,
    }
    write_json(out / "generation_config.json", ends)
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copyfile(args.runs / "tokenizer" / file, out / file)
    image, audio = load_image_codec(args.runs), load_audio_codec(args.runs)
    codecs = {"image_codec": version(image), "audio_codec": version(audio)}
    desk = Desk(FreshBanks("heldout", args.corpus, image, audio), args.corpus, "heldout")
    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    rows = {kind: held_out_rows(kind, tokenizer, desk) for kind in HELDOUT_TASKS}
    np.savez_compressed(out / "heldout.npz", **rows, **held_out_media(args.corpus))
    banks = FreshBanks("train", args.corpus, image, audio) if args.fresh else Banks(args.runs / "banks")
    replay.write(out / replay.FILE, *taught_rows(tokenizer, Desk(banks, args.corpus)))
    export(image, audio, out)
    native = facts(m)
    native["provenance"] = {"data": PROVENANCE, "training": training, "codecs": codecs}
    write_json(out / "edge.json", native)
    shutil.copyfile(Path(__file__).parent.parent / "LICENSE", out / "LICENSE")
    print(f"released {args.name} at step {training['steps']} to {out}")


if __name__ == "__main__":
    main()
