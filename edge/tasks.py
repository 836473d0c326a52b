"""One-line tasks: draw, speak, animate, transcribe, describe.

Job: the wording of each task, one fresh conversation for it, the one medium or text of its answer.
Ignorance: where the model is, in this process or another (so nothing heavy is imported before it is needed);
files (a path is told apart by its name).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from edge.errors import EdgeError, UsageError
from edge.events import AudioChunk, ImageMade, TextDelta, VideoMade
from edge.formats.manifest import Manifest
from edge.messages import Audio, Image, Video
from edge.options import SamplingOptions

if TYPE_CHECKING:
    from edge.chat import Chat
    from edge.generation.constraints import Kind
    from edge.media.audio import Sound
    from edge.media.image import Picture
    from edge.media.video import Clip

Made = TypeVar("Made", ImageMade, AudioChunk, VideoMade)
PROMPTS: Mapping[str, str] = {  # where the manifest says nothing
    "draw": "Draw {text}.",
    "speak": "Say: {text}",
    "animate": "Make a video of {text}.",
    "transcribe": "What is said?",
    "describe_image": "Describe the picture.",
    "describe_audio": "What do you hear?",
    "describe_video": "What happens in the video?",
}
_NOUNS: Mapping[str, str] = {"image": "picture", "audio": "sound", "video": "video"}


class Tasks(ABC):
    """What a model does in one call; `edge.model.Model` is one."""

    manifest: Manifest

    @property
    @abstractmethod
    def exact(self) -> SamplingOptions:
        """How the likeliest answer is decoded."""

    @abstractmethod
    def chat(self, system: str | None = None, sampling: SamplingOptions | None = None) -> Chat:
        """A new conversation."""

    def draw(
        self,
        text: str,
        *,
        seed: int | None = None,
        guidance: float | None = None,
        sampling: SamplingOptions | None = None,
    ) -> Picture:
        """A picture of what the text says.

        Raises:
            ModalityError: the model makes no pictures.
        """
        from edge.media.image import Picture

        chosen = SamplingOptions(seed=seed, guidance=guidance).over(sampling or SamplingOptions())
        return Picture(self._made(ImageMade, "image", self._worded("draw", text), chosen).pixels)

    def speak(
        self,
        text: str,
        *,
        seed: int | None = None,
        guidance: float | None = None,
        sampling: SamplingOptions | None = None,
    ) -> Sound:
        """The text, spoken.

        Raises:
            ModalityError: the model makes no sound.
        """
        from edge.media.audio import Sound

        chosen = SamplingOptions(seed=seed, guidance=guidance).over(sampling or SamplingOptions())
        made = self._made(AudioChunk, "audio", self._worded("speak", text), chosen, script=text)
        return Sound(made.samples, made.sample_rate)

    def animate(
        self,
        text: str,
        *,
        seed: int | None = None,
        guidance: float | None = None,
        sampling: SamplingOptions | None = None,
    ) -> Clip:
        """A short clip of what the text says.

        Raises:
            ModalityError: the model makes no video.
        """
        from edge.media.video import Clip

        chosen = SamplingOptions(seed=seed, guidance=guidance).over(sampling or SamplingOptions())
        made = self._made(VideoMade, "video", self._worded("animate", text), chosen)
        return Clip(made.frames, made.frame_seconds)

    def transcribe(self, audio: Audio | str | Path, *, sampling: SamplingOptions | None = None) -> str:
        """The words of a recording.

        Raises:
            ModalityError: the model reads no sound.
            MediaError: the recording cannot be read.
        """
        sound = audio if isinstance(audio, Audio) else Audio(audio)
        return self._answer(sound, self._worded("transcribe"), sampling)

    def describe(
        self,
        media: Image | Audio | Video | str | Path,
        prompt: str | None = None,
        *,
        sampling: SamplingOptions | None = None,
    ) -> str:
        """What a picture shows, a sound is or happens in a clip; a bare path is told apart by its name.

        Raises:
            ModalityError: the model does not read that modality.
            MediaError: the file cannot be read.
            UsageError: the path has an ending that Edge does not read.
        """
        from edge.media import endings

        part = endings.part(Path(media)) if isinstance(media, str | Path) else media
        if not isinstance(part, Image | Audio | Video):
            raise UsageError(f"{media!r} is no picture, sound or clip: give a path, Image, Audio or Video")
        task = f"describe_{type(part).__name__.lower()}"
        return self._answer(part, prompt or self._worded(task), sampling)

    def _worded(self, task: str, text: str = "") -> str:
        return self.manifest.prompts.get(task, PROMPTS[task]).replace("{text}", text)

    def _made(
        self, wanted: type[Made], kind: Kind, prompt: str, sampling: SamplingOptions, *, script: str = ""
    ) -> Made:
        """The first medium of a kind; what the model would say after it is not waited for."""
        for event in self.chat().send(prompt, make=kind, sampling=sampling, script=script):
            if isinstance(event, wanted):
                return event
        raise EdgeError(f"{self.manifest.name} made no {_NOUNS[kind]}; try another seed")

    def _answer(self, part: Image | Audio | Video, prompt: str, sampling: SamplingOptions | None) -> str:
        """The likeliest answer, unless the caller samples."""
        exact = (sampling or SamplingOptions()).over(self.exact)
        events = self.chat().send(part, prompt, make="text", sampling=exact)
        return "".join(event.text for event in events if isinstance(event, TextDelta)).strip()
