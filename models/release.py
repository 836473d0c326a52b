"""Stage 5: the trained parts become a standard checkpoint folder. `python -m models.release runs --out models/weights/pico`

Job: config, bf16 safetensors, tokenizer, chat template, generation config, float ONNX codecs, native facts (edge.json), held-out
rows, licence. Ignorance: quantization (that is `edge quantize`).
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
from safetensors.torch import save_file
from tokenizers import Tokenizer

from edge.media.spectrum import level, log_mel
from edge.vocabulary import NATIVE, SPECIAL
from models.codec_files import export, load_audio_codec, load_image_codec, version
from models.data import dialogue, pictures, speech
from models.data.documents import Row, Writer, audio_span, image_span, sentence
from models.decoder import NORM_EPS, ROPE_THETA, Decoder
from models.family import Member, member

HELDOUT_ROWS, HELDOUT_LENGTH, HELDOUT_MEDIA = 40, 128, 128

PROMPTS = {
    "draw": "Draw {text}.", "speak": "Say: {text}", "transcribe": "What is said?",
    "describe_image": "Describe the picture.", "describe_audio": "What do you hear?",
}  # fmt: skip
SAMPLING = {
    "text": {"temperature": 0.0, "max_tokens": 160},
    "image": {"temperature": 0.2, "top_k": 128, "guidance": 2.0},
    "audio": {"temperature": 0.7, "top_k": 50, "guidance": 1.0},
    "exact": {"temperature": 0.0},
}
PROVENANCE = {
    "pictures": "our generator: shapes drawn with Pillow", "speech": "our generator: espeak-ng voices", "sounds": "our generator: formulas",
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
    modalities = ["text", "image", "audio"]
    return {
        "family": "edge-native", "member": m.name, "name": "pico", "vocabulary": NATIVE.to_dict(),
        "modalities": {"in": modalities, "out": modalities}, "prompts": PROMPTS, "sampling": SAMPLING,
        "licence": "Apache-2.0", "provenance": PROVENANCE,
    }  # fmt: skip


class HeldOut(Writer):
    """Writes held-out rows: unseen pairs, unseen voices, unseen phrasings. Needs the codecs, not the banks."""

    def __init__(self, tokenizer: Tokenizer, runs: Path) -> None:
        super().__init__(tokenizer, None, (), ())  # type: ignore[arg-type]
        self.image, self.audio = load_image_codec(runs), load_audio_codec(runs)

    def rows(self, kind: str) -> NDArray[np.uint16]:
        """(40, 128) uint16, padded with <|pad|>."""
        made = np.full((HELDOUT_ROWS, HELDOUT_LENGTH), SPECIAL["pad"], np.uint16)
        for i in range(HELDOUT_ROWS):
            ids = getattr(self, f"_{kind}")(np.random.default_rng((200, i))).ids[:HELDOUT_LENGTH]
            made[i, : len(ids)] = ids
        return made

    def media(self) -> dict[str, NDArray[Any]]:
        """Pictures (128, 3, 64, 64) uint8 and one-second log-mels (n, 80, 50) float16 that the codecs are judged on."""
        drawn, mels = [], []
        for i in range(HELDOUT_MEDIA):
            rng = np.random.default_rng((201, i))
            drawn.append(pictures.draw(pictures.sample(rng, "heldout"), rng).transpose(2, 0, 1))
            mel = log_mel(
                level(speech.say(speech.sample_sentence(rng), speech.sample_delivery(rng, "heldout")))
            )
            mels += [mel[:, :50]] if mel.shape[1] >= 50 else []
        return {"pixels": np.stack(drawn), "mel": np.stack(mels).astype(np.float16)}

    def _text(self, rng: np.random.Generator) -> Row:
        row = Row()
        while len(row.ids) < HELDOUT_LENGTH:
            question, answer = dialogue.sample(rng, "heldout")
            self.user(row, question)
            self.assistant(row, (answer, 1.0))
        return row

    def _image(self, rng: np.random.Generator) -> Row:
        """Half read, half drawn."""
        row, scene = Row(), pictures.sample(rng, "heldout")
        pixels = torch.from_numpy(pictures.draw(scene, rng).copy()).permute(2, 0, 1)[None].float() / 255
        span = image_span(self.image.encode(pixels)[0].numpy())
        if rng.random() < 0.5:
            self.user(row, f"Draw {pictures.caption(scene)}.")
            self.assistant(row, (span, 1.0))
            return row
        self.user(row, span, "Describe the picture.")
        self.assistant(row, (sentence(pictures.caption(scene)), 1.0))
        for _, question, answer in pictures.questions(scene, rng):
            self.user(row, question)
            self.assistant(row, (answer, 1.0))
        return row

    def _audio(self, rng: np.random.Generator) -> Row:
        row, text = Row(), speech.sample_sentence(rng)
        mel = log_mel(level(speech.say(text, speech.sample_delivery(rng, "heldout"))))
        span = audio_span(self.audio.encode(torch.from_numpy(mel)[None])[0].numpy())
        if rng.random() < 0.5:
            self.user(row, f"Say: {text}")
            self.assistant(row, (text, 1.0), (span, 1.0))
        else:
            self.user(row, span, "What is said?")
            self.assistant(row, (text, 1.0))
        return row


def write_weights(runs: Path, name: str, m: Member, out: Path) -> dict[str, Any]:
    """model.safetensors in bf16, a stock Llama; the facts of the training run."""
    state = torch.load(runs / name / "state.pt", weights_only=True)
    model = Decoder(m)
    model.load_state_dict({k.removeprefix("0."): v for k, v in state["model"].items() if k.startswith("0.")})
    path = out / "model.safetensors"
    save_file(
        {k: v.to(torch.bfloat16).contiguous() for k, v in model.merged().items()}, path, {"format": "pt"}
    )
    path.chmod(0o644)
    return {"steps": state["step"], "hours": round(state["seconds"] / 3600, 2)}


def write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, indent=1) + "\n")


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("runs", type=Path)
    parse.add_argument("--out", type=Path, default=Path("models/weights/pico"))
    parse.add_argument("--member", default="pico-14m")
    parse.add_argument("--name", default="decoder", help="the run to release")
    args = parse.parse_args()
    m, out = member(args.member), args.out
    out.mkdir(parents=True, exist_ok=True)
    training = write_weights(args.runs, args.name, m, out)
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
    export(image, audio, out)
    native = facts(m)
    native["provenance"] = {"data": PROVENANCE, "training": training, "codecs": codecs}
    write_json(out / "edge.json", native)
    held = HeldOut(Tokenizer.from_file(str(out / "tokenizer.json")), args.runs)
    np.savez_compressed(
        out / "heldout.npz", **{kind: held.rows(kind) for kind in ("text", "image", "audio")}, **held.media()
    )
    shutil.copyfile(Path(__file__).parent.parent / "LICENSE", out / "LICENSE")
    print(f"released {args.name} at step {training['steps']} to {out}")


if __name__ == "__main__":
    main()
