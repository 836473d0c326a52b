"""The flags that more than one verb has, spelled as the ecosystem spells them.

Job: one typed alias per flag, and the options that they mean together.
Ignorance: models, replies, terminals.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.options import EngineOptions, SamplingOptions

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A name, a bundle folder or a .gguf file.")]
OptionalModel = Annotated[
    str | None, typer.Argument(metavar="MODEL", help="A name, a bundle folder or a .gguf file.")
]
ModelFlag = Annotated[
    str | None,
    typer.Option("-m", "--model", metavar="MODEL", help="The model, where no positional one is given."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
System = Annotated[str | None, typer.Option("-s", "--system", metavar="TEXT", help="The system message.")]
Images = Annotated[
    list[Path] | None, typer.Option("--image", metavar="FILE", help="Attach a picture; may be repeated.")
]
Audios = Annotated[
    list[Path] | None, typer.Option("--audio", metavar="FILE", help="Attach a sound; may be repeated.")
]
Videos = Annotated[
    list[Path] | None, typer.Option("--video", metavar="FILE", help="Attach a clip; may be repeated.")
]
Temperature = Annotated[
    float | None, typer.Option("--temp", metavar="N", min=0.0, help="0 = always the likeliest token.")
]
TopK = Annotated[int | None, typer.Option("--top-k", metavar="N", min=0, help="Tokens kept; 0 = all.")]
TopP = Annotated[
    float | None,
    typer.Option("--top-p", metavar="N", min=0.0, max=1.0, help="Probability mass kept; 1 = all."),
]
MinP = Annotated[
    float | None,
    typer.Option("--min-p", metavar="N", min=0.0, max=1.0, help="Floor relative to the likeliest."),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed", metavar="N", min=-1, help="The same seed gives the same answer; -1 = a fresh one."
    ),
]
RepeatPenalty = Annotated[
    float | None,
    typer.Option("--repeat-penalty", metavar="N", min=0.01, help="Divides logits of seen tokens; 1 = off."),
]
Stops = Annotated[
    list[str] | None,
    typer.Option("--stop", metavar="TEXT", help="End the answer before this text; may be repeated."),
]
Logprobs = Annotated[
    int | None,
    typer.Option("--logprobs", metavar="N", min=0, max=20, help="With --json: N likeliest per text token."),
]
Schema = Annotated[
    Path | None, typer.Option("--schema", metavar="FILE", help="Answer with JSON by this JSON Schema.")
]
Pattern = Annotated[
    str | None,
    typer.Option("--pattern", metavar="REGEX", help="Answer with text that matches this as a whole."),
]
Grammar = Annotated[
    Path | None, typer.Option("--grammar", metavar="FILE", help="Answer with text by this GBNF grammar.")
]
MaxTokens = Annotated[
    int | None, typer.Option("-n", "--max-tokens", metavar="N", min=1, help="New text tokens at most.")
]
Context = Annotated[
    int | None,
    typer.Option(
        "-c", "--context", metavar="N", min=16, help="Context length in tokens, at most the bundle's own."
    ),
]
Threads = Annotated[
    int | None, typer.Option("-t", "--threads", metavar="N", min=1, help="Compute threads; default: chosen.")
]
Loras = Annotated[
    list[Path] | None,
    typer.Option("--lora", metavar="FILE", help="A LoRA adapter (GGUF) over the model; may be repeated."),
]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Keep no files for later: neither media nor what was read.")
]

Mmproj = Annotated[
    Path | None,
    typer.Option(
        "--mmproj", metavar="FILE", help="Encoders of a public model; default: the mmproj*.gguf beside it."
    ),
]
Speculate = Annotated[
    int,
    typer.Option(
        "--speculate", metavar="N", min=0, max=15,
        help="Guess up to N tokens from the text so far, and check them at once, while that is faster.",
    ),
]  # fmt: skip


def sampling(
    temperature: float | None,
    top_k: int | None,
    top_p: float | None,
    min_p: float | None,
    seed: int | None,
    max_tokens: int | None,
) -> SamplingOptions:
    """What the sampling flags mean; a flag that was not given leaves the bundle's own value."""
    return SamplingOptions(
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        seed=None if seed == -1 else seed,
        max_tokens=max_tokens,
    )


def engine(
    context: int | None,
    threads: int | None,
    lora: list[Path] | None,
    no_cache: bool = False,
    mmproj: Path | None = None,
    speculate: int = 0,
) -> EngineOptions:
    """What -c, -t, --lora, --no-cache, --mmproj and --speculate mean."""
    return EngineOptions(
        context_length=context,
        threads=threads,
        adapters=tuple(lora or ()),
        cache_bytes=0 if no_cache else None,
        mmproj=mmproj,
        speculate=speculate,
    )
