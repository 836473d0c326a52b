"""One reply as it is made: text to a stream, pictures to the terminal, media to files.

Job: turn events into what a person sees and keeps. Ignorance: models, prompts, verbs.
"""

from __future__ import annotations

import itertools
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO

from edge.cli import output
from edge.cli.live_markdown import LiveMarkdown
from edge.events import (
    AudioChunk,
    Event,
    Finished,
    ImageMade,
    MediaProgress,
    TextDelta,
    TokenLogprob,
    TurnsDropped,
    VideoMade,
)

if TYPE_CHECKING:
    from edge.cli.live_picture import LivePicture


@dataclass
class Shown:
    """What one reply was."""

    text: str = ""
    pictures: list[Any] = field(default_factory=list)  # of edge.media.image.Picture
    clips: list[Any] = field(default_factory=list)  # of edge.media.video.Clip
    sound: Any | None = None  # edge.media.audio.Sound, all spans joined
    files: list[Path] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    finished: Finished = field(default_factory=lambda: Finished("end"))


class Screen:
    """Shows replies. No `out`: text is only gathered. No `folder`: media stay in memory.

    With `markdown`, text is set as it arrives; `out` must be a terminal then.
    """

    def __init__(
        self,
        out: TextIO | None,
        *,
        folder: Path | None,
        pictures: bool,
        progress: bool | None = None,
        markdown: bool = False,
    ) -> None:
        self.out = out
        self.folder = folder
        self.pictures = pictures
        self.progress = sys.stderr.isatty() if progress is None else progress
        self._bar_width = 0
        self._line_begun = False  # text stands on the current line
        self._markdown = LiveMarkdown(out) if markdown and out is not None else None
        self._picture: LivePicture | None = None  # while one grows

    def show(self, events: Iterable[Event]) -> Shown:
        """Follow one reply to its end."""
        shown, chunks = Shown(), list[AudioChunk]()
        try:
            for event in events:
                self._take(event, shown, chunks)
        finally:
            self._clear_progress()
            self._wipe_picture()
            self.new_line()
        if chunks:
            self._take_sound(chunks, shown)
        return shown

    def _take(self, event: Event, shown: Shown, chunks: list[AudioChunk]) -> None:
        if not isinstance(event, MediaProgress):
            self._clear_progress()
            self._wipe_picture()
        match event:
            case TextDelta():
                shown.text += event.text
                shown.logprobs += event.logprobs
                self._say(event.text)
            case MediaProgress():
                self._grow(event)
                self._draw_progress(event)
            case ImageMade():
                self._take_picture(event, shown)
            case VideoMade():
                self._take_clip(event, shown)
            case AudioChunk():
                chunks.append(event)
            case TurnsDropped():
                output.aside(left_out(event))
            case Finished():
                shown.finished = event

    def _say(self, text: str) -> None:
        if self.out is not None:
            text = output.harmless(text, self.out)
        if self._markdown is None:
            self.write(text)
        else:
            self._markdown.add(text)

    def write(self, text: str) -> None:
        """Text of the answer, at once."""
        if self.out is not None:
            self.out.write(text)
            self.out.flush()
            self._line_begun = not text.endswith("\n") if text else self._line_begun

    def new_line(self) -> None:
        """End the line where text stands on it."""
        if self._markdown is not None:
            self._markdown.close()
        if self._line_begun:
            self.write("\n")

    def _take_picture(self, event: ImageMade, shown: Shown) -> None:
        from edge.media.image import Picture

        picture = Picture(event.pixels)
        shown.pictures.append(picture)
        if self.pictures and self.out is not None:
            from edge.cli import terminal_image

            self.new_line()
            terminal_image.show(picture.pixels, self.out)
        if self.folder is not None:
            self._keep(picture, "picture", ".png", shown)

    def _take_clip(self, event: VideoMade, shown: Shown) -> None:
        from edge.media.video import Clip

        clip = Clip(event.frames, event.frame_seconds)
        shown.clips.append(clip)
        if self.pictures and self.out is not None:
            from edge.cli import live_picture

            self.new_line()
            live_picture.play(clip.frames, clip.frame_seconds, self.out)
        if self.folder is not None:
            self._keep(clip, "video", ".webp", shown)

    def _take_sound(self, chunks: list[AudioChunk], shown: Shown) -> None:
        import numpy as np

        from edge.media.audio import Sound

        shown.sound = Sound(np.concatenate([c.samples for c in chunks]), chunks[0].sample_rate)
        if self.folder is not None:
            self._keep(shown.sound, "sound", ".wav", shown)

    def _keep(self, media: Any, stem: str, ending: str, shown: Shown) -> None:
        assert self.folder is not None
        path = free_name(self.folder, stem, ending)
        media.save(path)
        shown.files.append(path)
        output.note(f"[{stem} saved to {path}]")

    def _grow(self, event: MediaProgress) -> None:
        """Show what there is of a picture, over what there was."""
        if event.preview is None or not self.pictures or self.out is None:
            return
        from edge.cli.live_picture import LivePicture

        self.new_line()
        self._clear_progress()
        self._picture = self._picture or LivePicture(self.out)
        self._picture.draw(event.preview, event.preview.shape[1])  # native pictures are square

    def _wipe_picture(self) -> None:
        if self._picture is not None:
            self._picture.wipe()
            self._picture = None

    def _draw_progress(self, event: MediaProgress) -> None:
        if self.progress:
            self.new_line()  # the bar wipes its line
            of = "" if event.total is None else f" of {event.total}"
            line = f"[{event.kind}: {event.done}{of} tokens]"
            sys.stderr.write("\r" + line)
            sys.stderr.flush()
            self._bar_width = max(self._bar_width, len(line))

    def _clear_progress(self) -> None:
        if self._bar_width:
            sys.stderr.write("\r" + " " * self._bar_width + "\r")
            sys.stderr.flush()
            self._bar_width = 0


def left_out(dropped: TurnsDropped) -> str:
    """What is no longer read, and the cure, in one line."""
    turns = "turn" if dropped.turns == 1 else f"{dropped.turns} turns"
    media = f" with {dropped.media} pictures, sounds or clips" if dropped.media else ""
    return (
        f"(the context is full: the oldest {turns}{media}, {dropped.tokens} tokens, are no longer read; "
        "-c makes the context longer)"
    )


def free_name(folder: Path, stem: str, ending: str) -> Path:
    """The first of edge-picture-1.png, edge-picture-2.png … that no file has yet."""
    names = (folder / f"edge-{stem}-{number}{ending}" for number in itertools.count(1))
    return next(path for path in names if not path.exists())


@contextmanager
def interruptible(cancel: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C stops the reply through `cancel`; a second one is a KeyboardInterrupt."""
    pressed = False

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True
        cancel()

    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
