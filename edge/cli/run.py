"""`edge run`: one prompt, one answer.

Job: gather the prompt from arguments, flags and stdin; stream the answer to stdout, or put it into one file.
Ignorance: how a reply is made. Media made unasked are saved in the current folder, named on stderr.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.cli import attachments, flags, measured, output
from edge.cli.screen import Screen, Shown, interruptible
from edge.cli.wording import Kind, worded
from edge.errors import EdgeError, IncompleteError, NotFoundError, UsageError
from edge.events import TokenLogprob
from edge.messages import Part
from edge.options import SamplingOptions

if TYPE_CHECKING:
    from edge.model import Model

BY_ENDING: dict[str, Kind] = {
    ".png": "image", ".wav": "audio", ".webp": "video", ".gif": "video", ".mp4": "video",
    ".txt": "text", ".md": "text",
}  # fmt: skip
NOUNS = {"image": "picture", "audio": "sound", "video": "video"}
INTERRUPTED = 130


@dataclass(frozen=True)
class Request:
    """What one command line asks for."""

    parts: list[Part]
    system: str | None
    make: Kind | None
    target: str | None  # a file, "-" for stdout as bytes, None for text on stdout
    sampling: SamplingOptions
    as_json: bool
    schema: Any = None
    pattern: str | None = None
    grammar: str | None = None

    @property
    def shaped(self) -> bool:
        """Whether the answer is a document, whole or in vain."""
        return any(given is not None for given in (self.schema, self.pattern, self.grammar))


def command(
    model: flags.OptionalModel = None,
    prompt: Annotated[
        str | None, typer.Argument(metavar="PROMPT", help="What to say; - or nothing: stdin.")
    ] = None,
    prompt_flag: Annotated[
        str | None, typer.Option("-p", "--prompt", metavar="TEXT", help="The prompt, as a flag.")
    ] = None,
    model_flag: flags.ModelFlag = None,
    system: flags.System = None,
    image: flags.Images = None,
    audio: flags.Audios = None,
    video: flags.Videos = None,
    make: Annotated[
        Kind | None, typer.Option("--make", help="Answer with this; default: the model chooses.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Answer into .png, .wav, .webp, .gif, .mp4, .txt, or - for bytes on stdout.",
        ),
    ] = None,
    temp: flags.Temperature = None,
    top_k: flags.TopK = None,
    top_p: flags.TopP = None,
    min_p: flags.MinP = None,
    seed: flags.Seed = None,
    repeat_penalty: flags.RepeatPenalty = None,
    max_tokens: flags.MaxTokens = None,
    stop: flags.Stops = None,
    schema: flags.Schema = None,
    pattern: flags.Pattern = None,
    grammar: flags.Grammar = None,
    logprobs: flags.Logprobs = None,
    context: flags.Context = None,
    threads: flags.Threads = None,
    lora: flags.Loras = None,
    no_cache: flags.NoCache = False,
    mmproj: flags.Mmproj = None,
    speculate: flags.Speculate = 0,
    as_json: flags.Json = False,
) -> None:
    """Answer one prompt and exit; only the answer goes to stdout."""
    name, words = (model or "pico", [prompt]) if model_flag is None else (model_flag, [model, prompt])
    request = Request(
        parts=attachments.gather(
            image or [], audio or [], typed([*words, prompt_flag]), piped(), clips=video or []
        ),
        system=system,
        make=kind_of(target, make),
        target=target,
        sampling=replace(
            flags.sampling(temp, top_k, top_p, min_p, seed, max_tokens),
            repetition_penalty=repeat_penalty,
            stop=tuple(stop) if stop else None,
            logprobs=logprobs,
        ),
        as_json=as_json,
        schema=None if schema is None else read_schema(schema),
        pattern=pattern,
        grammar=None if grammar is None else read_text("--grammar", grammar),
    )
    if not request.parts:
        taken = (
            f" ({model!r} was taken for the model: edge run -p TEXT)" if model and model_flag is None else ""
        )
        raise UsageError(f"the prompt is empty: add words, --image, --audio, --video, or pipe text in{taken}")
    if target == "-" and as_json:
        raise UsageError("-o - writes the answer's bytes and --json a document, both to stdout: choose one")
    import edge

    measured.warn(name)
    options = flags.engine(context, threads, lora, no_cache, mmproj, speculate)
    with edge.load(name, engine=options, isolated=True) as loaded:
        answer(loaded, request)


def read_schema(path: Path) -> Any:
    """The JSON Schema in a file."""
    try:
        return json.loads(read_text("--schema", path))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--schema {path} is not valid JSON: {error}") from error


def read_text(flag: str, path: Path) -> str:
    """What a file that a flag names holds."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise NotFoundError(f"{flag} {path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{flag} {path} is not text in UTF-8: {error}") from error


def typed(words: list[str | None]) -> str:
    """The prompt of the command line."""
    return " ".join(word for word in words if word and word != "-")


def piped() -> str:
    """What stdin holds; nothing where a person sits at it."""
    if sys.stdin is None or sys.stdin.isatty():
        return ""
    try:
        text = sys.stdin.read().strip()
        text.encode()  # where the locale is plain C, what is no text comes as lone surrogates
        return text
    except UnicodeError as error:
        raise UsageError(
            "what was piped in is not text in UTF-8: give a picture by --image PATH, a sound by --audio, "
            "a clip by --video"
        ) from error


def kind_of(target: str | None, make: Kind | None) -> Kind | None:
    """What the answer must be, by --make and by the ending of -o."""
    if target == "-" and sys.stdout.isatty():
        raise UsageError("-o - writes bytes, and this is a terminal: redirect it (> out.wav), or name a file")
    if target is None or target == "-":
        return make
    ending = Path(target).suffix.lower()
    if ending not in BY_ENDING:
        raise UsageError(
            f"-o {target} ends in {ending or 'nothing'}, expected {', '.join(BY_ENDING)}, or - for stdout"
        )
    if make not in (None, BY_ENDING[ending]):
        raise UsageError(f"--make {make} and -o {target} disagree: leave one of them out")
    if BY_ENDING[ending] == "video":
        from edge.media import video

        video.check_writable(target)  # what is missing for .mp4 is said before the model works
    return BY_ENDING[ending]


def answer(model: Model, request: Request) -> None:
    """Stream one reply to where it was asked for."""
    # A document is shown whole or not at all.
    quiet = request.as_json or request.target is not None or request.shaped
    folder = None if request.target is not None else Path.cwd()
    screen = Screen(None if quiet else sys.stdout, folder=folder, pictures=not quiet and sys.stdout.isatty())
    chat = model.chat(system=request.system)
    parts, script = worded(model.manifest.prompts, request.parts, request.make)
    with interruptible(chat.cancel):
        shown = screen.show(
            chat.send(
                *parts,
                make=request.make,
                sampling=request.sampling,
                script=script,
                schema=request.schema,
                pattern=request.pattern,
                grammar=request.grammar,
            )
        )
    if shown.finished.reason == "cancelled":
        raise typer.Exit(INTERRUPTED)
    if request.shaped and shown.finished.reason != "end":
        raise IncompleteError(
            f"the answer was cut off ({shown.finished.reason}) after "
            f"{shown.finished.usage.text_tokens} tokens, before it was whole: allow more with -n or -c, "
            "or bound what it may repeat"
        )
    if request.shaped and request.target is None and not request.as_json:
        print(output.harmless(shown.text, sys.stdout))
    if not (shown.text.strip() or shown.pictures or shown.clips or shown.sound):
        output.note("(the model answered with nothing)")
    if request.target is not None:
        deliver(shown, request)
    if request.as_json:
        output.as_json(described(model, shown))


def deliver(shown: Shown, request: Request) -> None:
    """Put the answer into the file, or its bytes on stdout."""
    target = str(request.target)
    data = payload(shown, request.make, ".webp" if target == "-" else Path(target).suffix)
    if target == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    from edge import atomic

    shown.files.append(atomic.write_bytes(target, data))
    output.note(f"[saved to {target}]")


def payload(shown: Shown, make: Kind | None, ending: str) -> bytes:
    """The one thing that was asked for; without a wish, the first medium, else the text.

    A clip is written in the format of `ending`.

    Raises:
        EdgeError: the model answered with something else.
    """
    if shown.pictures and make in (None, "image"):
        return bytes(shown.pictures[0].png())
    if shown.clips and make in (None, "video"):
        return bytes(shown.clips[0].encoded(ending))
    if shown.sound is not None and make in (None, "audio"):
        return bytes(shown.sound.wav())
    if make in (None, "text"):
        return (shown.text.strip() + "\n").encode()
    raise EdgeError(
        f"the model made no {NOUNS[make]}, it answered {shown.text.strip()[:60]!r}: try another --seed"
    )


def told(one: TokenLogprob) -> dict[str, Any]:
    """One token's logprob as JSON; a part of a character is shown with its replacement sign."""
    top = [{"token": i, "text": piece.decode("utf-8", "replace"), "logprob": p} for i, piece, p in one.top]
    text = one.piece.decode("utf-8", "replace")
    return {"token": one.token, "text": text, "logprob": one.logprob, **({"top": top} if top else {})}


def described(model: Model, shown: Shown) -> dict[str, Any]:
    """The reply as JSON."""
    usage, timings = shown.finished.usage, shown.finished.timings
    return {
        "model": model.name,
        "text": shown.text.strip(),
        "files": [str(path) for path in shown.files],
        **({"logprobs": [told(one) for one in shown.logprobs]} if shown.logprobs else {}),
        "finish_reason": shown.finished.reason,
        "usage": {**asdict(usage), "completion_tokens": usage.completion_tokens},
        "timings": {**asdict(timings), "tokens_per_second": round(timings.tokens_per_second(usage), 2)},
    }
