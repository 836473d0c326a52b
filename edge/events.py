"""What a reply yields while it is being made.

Job: the values that `Chat.send` streams. Ignorance: how they are made or shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FinishReason = Literal["end", "stop", "length", "cancelled"]  # "stop": a stop string was met


@dataclass(frozen=True)
class TokenLogprob:
    """How likely one text token was to the model itself, before temperature, bias and constraints."""

    token: int
    piece: bytes  # may be a part of a character
    logprob: float  # natural log
    top: tuple[tuple[int, bytes, float], ...] = ()  # the likeliest tokens there, best first


@dataclass(frozen=True)
class TextDelta:
    """New text; never half a character, never a part of a stop string."""

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()  # where they were asked for


@dataclass(frozen=True, eq=False)
class ImageMade:
    """A finished picture: (height, width, 3) uint8, and the ids it was decoded from."""

    pixels: NDArray[np.uint8]
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class AudioChunk:
    """A finished span of sound: (n,) float32 in [-1, 1], its rate in Hz, and the ids it was decoded from."""

    samples: NDArray[np.float32]
    sample_rate: int
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class VideoMade:
    """A finished clip: (n, height, width, 3) uint8, how long a frame stays in seconds, and its ids."""

    frames: NDArray[np.uint8]
    frame_seconds: float
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class MediaProgress:
    """A medium is being made: `done` of `total` tokens (total is None where the model decides)."""

    kind: Literal["image", "audio", "video"]
    done: int
    total: int | None
    preview: NDArray[np.uint8] | None = None  # (rows, width, 3): a picture's upper part, where asked for


@dataclass(frozen=True)
class TurnsDropped:
    """The conversation outgrew the context: its oldest turns are no longer read. Comes before the answer."""

    turns: int  # questions, each with all that followed it
    media: int  # pictures, sounds and clips among them
    tokens: int


@dataclass(frozen=True)
class Usage:
    """Token counts of one reply."""

    prompt_tokens: int = 0
    cached_tokens: int = 0  # prompt tokens already in the engine
    text_tokens: int = 0
    image_tokens: int = 0
    audio_tokens: int = 0
    video_tokens: int = 0

    @property
    def completion_tokens(self) -> int:
        return self.text_tokens + self.image_tokens + self.audio_tokens + self.video_tokens


@dataclass(frozen=True)
class Timings:
    """Seconds of one reply."""

    first_token: float = 0.0  # from the call to the first generated id
    total: float = 0.0
    encode: float = 0.0  # media -> tokens
    decode: float = 0.0  # tokens -> media

    def tokens_per_second(self, usage: Usage) -> float:
        """Generated tokens over the time after the prompt was read."""
        spent = self.total - self.first_token - self.decode
        return usage.completion_tokens / spent if spent > 0 else 0.0


@dataclass(frozen=True)
class Finished:
    """The reply is over."""

    reason: FinishReason
    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)


Event = TextDelta | ImageMade | AudioChunk | VideoMade | MediaProgress | TurnsDropped | Finished


@dataclass(frozen=True)
class ToolCall:
    """One call of a tool: what the model asked for and what came of it."""

    name: str
    arguments: dict[str, Any]
    result: Any = None
    error: str | None = None  # what went wrong, as the model was told


@dataclass(frozen=True)
class Score:
    """How likely a text is to a model."""

    tokens: tuple[TokenLogprob, ...]

    @property
    def logprob(self) -> float:
        """The natural log of the whole text's probability."""
        return sum(token.logprob for token in self.tokens)

    @property
    def mean(self) -> float:
        """Per token; 0 for no token."""
        return self.logprob / len(self.tokens) if self.tokens else 0.0


@dataclass(frozen=True, eq=False)
class Reply:
    """A whole reply, gathered from its events."""

    text: str
    images: tuple[Any, ...]  # of edge.media.image.Picture
    videos: tuple[Any, ...]  # of edge.media.video.Clip
    audio: Any | None  # edge.media.audio.Sound, all spans joined; None where none was made
    usage: Usage
    timings: Timings
    finish_reason: FinishReason
    value: Any = None  # what the text says, where a schema was asked for
    logprobs: tuple[TokenLogprob, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    others: tuple[Reply, ...] = ()  # the other candidates of best_of, best first
    dropped: TurnsDropped | None = None  # the oldest turns, where they no longer fitted

    @property
    def score(self) -> Score:
        """The log probability of its text, where logprobs were asked for."""
        return Score(self.logprobs)
