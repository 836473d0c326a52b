"""What a run was told and starts from; whatever can be refused is refused here, before a byte is written.

Job: the options, the checks in their order, the room on the disk. Ignorance: the steps that follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from edge.errors import NotFoundError, UsageError
from edge.vocabulary import Vocabulary
from quantize import (
    budget,
    bundle,
    calibration,
    datasets,
    genai,
    importance,
    onnx_export,
    quality,
    recipes,
    resume,
    vision_tower,
)
from quantize.budget import Goal
from quantize.checkpoint import Checkpoint, read_json
from quantize.children import Progress
from quantize.gguf_source import GgufSource, open_source
from quantize.onnx_export import OnnxRecipe
from quantize.recipes import Recipe

FORMATS, ROTATE = ("gguf", "onnx", "both"), ("off", "auto")
_MIXED = Recipe("a mixture", "mixed", 15, 8.5, needs_importance=True)  # until the mixture is chosen
_SLACK = 4 << 20  # bytes: headers, manifest, report
_LOGITS = 3 * quality.MAX_POSITIONS * 3500  # bytes: what the reference said, at most, in three modalities


@dataclass(frozen=True)
class Options:
    """What a run may be told beyond its recipe; None: the pipeline's own choice."""

    heldout: Path | None = None  # npz, see `quantize.calibration`; None: the checkpoint's heldout.npz
    calibration: Path | None = None  # JSONL as `quantize.examples` describes it; calibrates the decoder
    imatrix: Path | None = None  # a ready importance matrix, in llama.cpp's GGUF form
    strict_codecs: bool = False  # raise where no small form of a codec passes its gate
    goal: Goal | None = None  # a limit that chooses a type for every tensor; takes the recipe's place
    format: str = "gguf"  # of FORMATS: llama.cpp's decoder, onnxruntime's, or both
    rotate: str = "off"  # of ROTATE; auto: rotated weights are tried, and kept where they diverge less


@dataclass(frozen=True)
class Run:
    """What every step of one run needs."""

    checkpoint: Checkpoint | GgufSource
    recipe: Recipe
    onnx: OnnxRecipe | None  # how the ONNX decoder is stored; None: the bundle has none
    codecs: Mapping[str, Path]  # float codecs by role
    heldout: Mapping[str, calibration.Array]
    options: Options
    progress: Progress
    key: str  # names the run by all it starts from

    @property
    def gguf(self) -> bool:
        """Whether the bundle has a GGUF decoder."""
        return self.options.format != "onnx"

    @property
    def formats(self) -> tuple[str, ...]:
        """Of the decoders, the one that `Report.quality` is about first."""
        return ("gguf",) * self.gguf + ("onnx",) * (self.onnx is not None)

    def of_format(self, kind: str) -> Progress:
        """The progress of a step that every format takes: of two, each is named, as GGUF or ONNX."""
        if len(self.formats) == 1:
            return self.progress
        return lambda what, done, of: self.progress(f"{what} ({kind.upper()})", done, of)

    @property
    def float_gguf(self) -> bool:
        """Whether it is a float one, which needs no quantizer."""
        return self.gguf and self.recipe.streamed

    @property
    def projects(self) -> bool:
        """Whether the bundle has a projector: the vision tower of the checkpoint, as a GGUF."""
        return self.gguf and isinstance(self.checkpoint, Checkpoint) and vision_tower.present(self.checkpoint)

    @property
    def parameters(self) -> int:
        return sum(prod(t.shape) for t in self.checkpoint.tensors.values())

    @property
    def type(self) -> str:
        """How the weights are stored, in words; the GGUF's first."""
        kinds = [self.recipe.type] if self.gguf else []
        return " and ".join([*kinds, self.onnx.type] if self.onnx else kinds)

    @property
    def vocabulary(self) -> Vocabulary:
        """From edge.json; of a text-only model, one block of text."""
        checkpoint = self.checkpoint
        if checkpoint.facts:
            return Vocabulary.from_dict(checkpoint.facts["vocabulary"])
        size, ends = int(checkpoint.config["vocab_size"]), None
        generation = checkpoint.folder / "generation_config.json"
        if isinstance(checkpoint, Checkpoint) and generation.is_file():
            ends = read_json(generation).get("eos_token_id")
        ends = checkpoint.config.get("eos_token_id") if ends is None else ends
        listed = ends if isinstance(ends, list) else [ends]
        return Vocabulary(size, size, tuple(e for e in listed if type(e) is int and 0 <= e < size))


def prepare(
    folder: Path, output: Path, recipe: str, options: Options, progress: Progress | None
) -> tuple[Run, Path]:
    """The run and where its bundle goes, once everything that can be refused was looked at."""
    chosen = _MIXED if options.goal else recipes.find(recipe)
    _check_format(options)
    graph = None if options.format == "gguf" else onnx_export.find(recipe)
    checkpoint = open_source(folder)
    if graph is not None:
        onnx_export.require(checkpoint)
    _check_rotation(options, checkpoint, chosen)
    if options.goal:
        budget.check_possible(options.goal, [t.shape for t in checkpoint.decoder.values()])
    _check_data(options, checkpoint)
    path = options.heldout or checkpoint.folder / "heldout.npz"
    if options.heldout and not path.is_file():
        raise NotFoundError(f"the held-out file {path} does not exist; check the path")
    arrays = calibration.read_heldout(path, int(checkpoint.config["vocab_size"]))
    codecs = checkpoint.codecs()
    inputs = [
        *_files(checkpoint),
        *codecs.values(),
        *filter(None, (path, options.calibration, options.imatrix)),
    ]
    key = resume.key((recipe, options), [path for path in inputs if path.is_file()])
    run = Run(checkpoint, chosen, graph, codecs, arrays, options, progress or (lambda *_: None), key)
    if run.onnx is not None:
        genai.require_end(checkpoint.name, run.vocabulary.end)
    if run.projects:
        assert isinstance(checkpoint, Checkpoint)
        vision_tower.require(checkpoint)
    target = output.resolve()
    bundle.check_target(target)
    bundle.require_disk(target, _needed(run))
    return run, target


def _files(checkpoint: Checkpoint | GgufSource) -> list[Path]:
    """What the checkpoint consists of."""
    if checkpoint.ready is not None:
        return [checkpoint.ready]
    return [path for path in checkpoint.folder.iterdir() if path.is_file()]


def _check_format(options: Options) -> None:
    """Refuse a format that there is not."""
    if options.format not in FORMATS:
        raise UsageError(f"unknown format {options.format!r}; choose one of {', '.join(FORMATS)}")


def _check_rotation(options: Options, checkpoint: Checkpoint | GgufSource, recipe: Recipe) -> None:
    """Refuse to rotate what cannot be rotated, or what gains nothing by it."""
    if options.rotate not in ROTATE:
        raise UsageError(f"unknown rotation {options.rotate!r}; choose one of {', '.join(ROTATE)}")
    if options.rotate == "off":
        return
    if isinstance(checkpoint, GgufSource):
        raise UsageError(
            f"{checkpoint.ready.name} is a GGUF file, and rotations are folded into the weights of a "
            "checkpoint folder; name that, or leave --rotate out"
        )
    if recipe.streamed:
        raise UsageError(f"--rotate serves what is rounded, and {recipe.name} rounds nothing; leave it out")
    if options.imatrix:
        raise UsageError(
            "--imatrix weighs the columns of plain weights, and --rotate mixes them; leave one of them out"
        )


def _check_data(options: Options, checkpoint: Checkpoint | GgufSource) -> None:
    """Refuse data for the importance matrix that cannot serve."""
    if options.imatrix and options.calibration:
        raise UsageError(
            "--imatrix and --calibration exclude one another; a ready matrix needs no calibration"
        )
    if options.imatrix:
        importance.read(options.imatrix)
    if options.calibration:
        datasets.check_examples(options.calibration, checkpoint.codecs())


def _needed(run: Run) -> int:
    """Bytes the run may hold at once: the float decoder, the f16 reference, the result, the codecs twice."""
    parameters = run.parameters
    file = run.checkpoint.tokenizer()
    tokenizer = file.stat().st_size if file else 0
    result = int(parameters * run.recipe.bits / 8) if run.gguf else 0
    result += int(parameters * run.onnx.weight_bits / 8) if run.onnx else 0
    reference = 2 * parameters + _LOGITS
    source = 0 if run.float_gguf or run.checkpoint.ready else run.checkpoint.size
    codecs = sum(path.stat().st_size for path in run.codecs.values())
    reference += 2 * parameters if run.options.goal else 0  # one trial at a time
    if run.options.rotate != "off":  # the best so far of each format and the one that is tried: F32 and F16
        reference += 6 * parameters * (1 + len(run.formats)) + result
    return result + reference + source + 2 * codecs + 4 * tokenizer + _SLACK
