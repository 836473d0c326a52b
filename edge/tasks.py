"""One-line tasks: draw, speak, animate, transcribe, describe; and what the decoder makes of bare text.

Job: the wording of each task, one fresh conversation for it, the one medium or text of its answer.
Ignorance: how a model is loaded; files (a path is told apart by its name).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge.chat import Chat
from edge.engines.base import Embeds
from edge.errors import EdgeError, UsageError
from edge.events import AudioChunk, ImageMade, Score, VideoMade
from edge.formats.manifest import Manifest
from edge.generation.constraints import Kind
from edge.generation.gather import gather
from edge.media import endings
from edge.media.audio import Sound
from edge.media.image import Picture
from edge.media.video import Clip
from edge.messages import Audio, Image, Video
from edge.options import SamplingOptions
from edge.segments import TokenSegment
from edge.wiring import Wiring, scored

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


class Tasks:
    """What a model does in one call; `edge.model.Model` is one."""

    manifest: Manifest
    wiring: Wiring

    def chat(self, system: str | None = None, sampling: SamplingOptions | None = None) -> Chat:
        """A new conversation."""
        return Chat(self.wiring, system=system, sampling=sampling)

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
        part = endings.part(Path(media)) if isinstance(media, str | Path) else media
        task = f"describe_{type(part).__name__.lower()}"
        return self._answer(part, prompt or self._worded(task), sampling)

    def embed(
        self,
        texts: str | Sequence[str],
        *,
        pooling: Literal["mean", "last"] = "mean",
        normalised: bool = True,
    ) -> NDArray[np.float32]:
        """What the decoder makes of texts: (n, width), of a single text (width,).

        Args:
            pooling: the mean over a text's tokens, or the state after its last one, which has read them all.
            normalised: to length 1, so that a dot product is the cosine.

        Raises:
            UsageError: an empty text, an unknown pooling, or an engine that gives no hidden states.
            DoesNotFitError: a text is longer than the context.
        """
        engine, layout = self.wiring.decoder.engine, self.wiring.layout
        if not isinstance(engine, Embeds):
            raise UsageError(
                f"the engine {engine.name} gives no hidden states; load a bundle with a GGUF decoder"
            )
        given = [texts] if isinstance(texts, str) else list(texts)
        if pooling not in ("mean", "last") or not given or not all(given):
            raise UsageError(f"expected texts that are not empty, and pooling mean or last, got {pooling!r}")
        start = self.wiring.start
        states = engine.hidden([(*start, *layout.text(text)) for text in given])
        pooled = [rows[len(start) :].mean(axis=0) if pooling == "mean" else rows[-1] for rows in states]
        vectors = np.array(pooled, dtype=np.float32).reshape(len(given), -1)
        if normalised:
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors[0] if isinstance(texts, str) else vectors

    def score(self, text: str) -> Score:
        """How likely the text is to the model by itself, without a conversation around it.

        Each token costs one step of the decoder. Where the model has no begin-of-text id, the first token
        stays without a score.

        Raises:
            DoesNotFitError: the text is longer than the context.
            UsageError: there is nothing to score.
        """
        ids = (*self.wiring.start, *self.wiring.layout.text(text))
        if len(ids) < 2:
            raise UsageError("the text is too short to score; give at least two tokens of text")
        return scored(self.wiring, (TokenSegment(ids[:1]),), ids[1:])

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
        exact = (sampling or SamplingOptions()).over(self.wiring.defaults("exact"))
        return gather(self.chat().send(part, prompt, make="text", sampling=exact)).text.strip()
