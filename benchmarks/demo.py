"""The main job, once, on real files: `python -m benchmarks.demo`, or `make demo`.

Job: quantize the checkpoint to int8 and int4, then hold one scripted conversation on the int4 bundle with the
network shut off; show pictures, write media, print and save what each step cost.
Ignorance: how anything is done; it calls what a user would call.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmarks import demo_report
from benchmarks.demo_report import Artifact, Demo, Row
from edge import measure, offline
from edge.cli.attachments import attach
from edge.cli.screen import Screen, Shown
from edge.errors import EdgeError, ModalityError
from edge.media import libav
from edge.messages import Part, Text
from edge.options import SamplingOptions
from edge.tasks import PROMPTS

if TYPE_CHECKING:
    from edge.chat import Chat

ROOT = Path(__file__).resolve().parent.parent
CHECKPOINT = ROOT / "models" / "weights" / "pico"
MEDIA = ROOT / "benchmarks" / "media"
RECIPES = ("int8", "int4")
SEED = 7


@dataclass(frozen=True)
class Turn:
    """One message of the script."""

    step: str  # its name in the table
    text: str  # "{describe_image}" is the manifest's wording of that task, {answer} what was answered last
    files: tuple[str, ...] = ()  # of benchmarks/media
    make: Literal["text", "image", "audio", "video"] = "text"
    new_chat: bool = False

    @property
    def needs_libav(self) -> bool:
        return any(file.endswith(".mp4") for file in self.files)


SCRIPT = (
    Turn("describe a PNG", "{describe_image}", ("scene.png",), new_chat=True),
    Turn("ask about it", "What color is the circle?"),
    Turn("ask again", "What is above the blue square?"),
    Turn("a question asked aloud", "", ("scene.png", "question.wav"), new_chat=True),
    Turn("answered aloud", "Say: {answer}", make="audio", new_chat=True),
    Turn("describe a JPEG", "{describe_image}", ("scene.jpg",), new_chat=True),
    Turn("digits in a WAV", "{transcribe}", ("digits.wav",), new_chat=True),
    Turn("watch an animated WebP", "{describe_video}", ("clip.webp",), new_chat=True),
    Turn("watch an MP4", "{describe_video}", ("clip.mp4",), new_chat=True),
    Turn("draw a picture", "Draw a red circle.", make="image", new_chat=True),
    Turn("change it", "Change its color to yellow.", make="image"),
    Turn("draw two things", "Draw a red circle above a blue square.", make="image", new_chat=True),
    Turn("make a clip", "Make a video of a green square moving to the right.", make="video", new_chat=True),
    Turn("speak to a WAV", "Say: seven green birds", make="audio", new_chat=True),
    Turn("chat, turn 1", "Hello.", new_chat=True),
    Turn("chat, turn 2", "What can you do?"),
    Turn("chat, turn 3", "Are you offline?"),
    Turn("what it cannot know", "What is the weather like today?"),
)


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; 0 when every step answered with what was asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.demo", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT, help="a Hugging Face folder")
    parser.add_argument("--media", type=Path, default=MEDIA, help="what the script names")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "demo-out", help="where everything goes")
    given = parser.parse_args(arguments)
    offline.guard()
    given.output.mkdir(parents=True, exist_ok=True)
    artifacts = quantize_all(given.checkpoint, given.output)
    rows = converse(given.output / RECIPES[-1], given.media, given.output)
    demo = Demo(artifacts, rows)
    demo_report.save(demo, given.output)
    demo_report.show(demo)
    missing = [row.step for row in rows if not row.complete]
    if missing:
        print(f"demo: these steps did not answer as asked: {', '.join(missing)}", file=sys.stderr)
    return 1 if missing else 0


def quantize_all(checkpoint: Path, output: Path) -> list[Artifact]:
    """The bundles, each with its size and the time it took."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from quantize.pipeline import quantize

    artifacts = [Artifact("checkpoint", folder_bytes(checkpoint), 0.0, 0)]
    columns = (TextColumn("{task.description:<28}"), BarColumn(), TimeElapsedColumn())
    for recipe in RECIPES:
        shutil.rmtree(output / recipe, ignore_errors=True)
        measure.reset_peak_memory()
        began = time.perf_counter()
        with Progress(*columns) as progress:
            task = progress.add_task(recipe, total=None)

            def tell(stage: str, done: int, total: int, recipe: str = recipe) -> None:
                progress.update(task, description=f"{recipe}: {stage}", completed=done, total=total)  # noqa: B023

            quantize(checkpoint, output / recipe, recipe, progress=tell)
        seconds = time.perf_counter() - began
        peak = max(measure.peak_memory(), measure.peak_of_children())  # native work runs in a child
        artifacts.append(Artifact(recipe, folder_bytes(output / recipe), seconds, peak))
    return artifacts


def folder_bytes(folder: Path) -> int:
    """What a folder's files weigh together."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def converse(bundle: Path, media: Path, output: Path) -> list[Row]:
    """Load the bundle and hold the scripted conversation; one row per step."""
    import edge

    measure.reset_peak_memory()
    began = time.perf_counter()
    with edge.load(str(bundle)) as model:
        loaded = Row(
            "load the bundle", seconds=time.perf_counter() - began, peak_memory=measure.peak_memory()
        )
        rows, chat, answer = [loaded], model.chat(), ""
        for number, turn in enumerate(playable(SCRIPT), 1):
            chat = model.chat() if turn.new_chat else chat
            stem = output / f"{number:02}-{turn.step.replace(',', '').replace(' ', '-')}"
            words = turn.text.format_map(
                {**PROMPTS, **model.manifest.prompts, "answer": answer.lower().strip(".")}
            )
            rows.append(
                say(
                    chat,
                    turn,
                    [*(attach(media / f) for f in turn.files), *([Text(words)] if words else [])],
                    stem,
                )
            )
            answer = rows[-1].answered
    return rows


def has_libav() -> bool:
    """Whether the extra `video` is installed."""
    try:
        libav.module("MP4")
    except ModalityError:
        return False
    return True


def playable(script: Sequence[Turn]) -> list[Turn]:
    """All turns, without those whose file needs the extra `video` where it is not installed."""
    return [turn for turn in script if has_libav() or not turn.needs_libav]


def say(chat: Chat, turn: Turn, parts: list[Part], stem: Path) -> Row:
    """One step: say it, show the answer, keep what was made."""
    measure.reset_peak_memory()
    said = str(getattr(parts[-1], "text", ""))
    print("\n>>> " + " ".join([*(f"[{file}]" for file in turn.files), said]).rstrip())
    sampling = SamplingOptions(seed=SEED, temperature=0 if turn.make == "text" else None)
    screen = Screen(sys.stdout, folder=None, pictures=True)
    script = said.removeprefix("Say: ") if turn.make == "audio" else ""
    shown = screen.show(chat.send(*parts, make=turn.make, sampling=sampling, script=script))
    screen.new_line()
    kept = keep(shown, stem)
    usage, timings = shown.finished.usage, shown.finished.timings
    return Row(
        step=turn.step,
        said=said,
        answered=shown.text.strip(),
        files=tuple(path.name for path in kept) or turn.files,
        made=bool(kept),
        prompt_tokens=usage.prompt_tokens,
        tokens=usage.completion_tokens,
        first_token=timings.first_token,
        tokens_per_second=timings.tokens_per_second(usage),
        seconds=timings.total,
        peak_memory=measure.peak_memory(),
        complete=bool(
            {"text": shown.text.strip(), "image": shown.pictures, "audio": shown.sound, "video": shown.clips}[
                turn.make
            ]
        ),
    )


def keep(shown: Shown, stem: Path) -> list[Path]:
    """Save what a reply made."""
    kept: list[Path] = [picture.save(stem.with_suffix(".png")) for picture in shown.pictures[:1]]
    for clip in shown.clips[:1]:
        kept += [
            clip.save(stem.with_suffix(ending)) for ending in (".webp", ".gif", *([".mp4"] * has_libav()))
        ]
    if shown.sound is not None:
        kept.append(shown.sound.save(stem.with_suffix(".wav")))
    for path in kept:
        print(f"[{path}]")
    return kept


if __name__ == "__main__":
    try:
        sys.exit(main())
    except EdgeError as error:
        print(f"demo: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
