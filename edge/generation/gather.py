"""A whole reply out of its events.

Job: one value from a stream; and the error where a document was asked for and only a part of it came.
Ignorance: how the events were made, the history.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edge.errors import EdgeError, IncompleteError
from edge.events import (
    AudioChunk,
    Event,
    Finished,
    ImageMade,
    Reply,
    TextDelta,
    TokenLogprob,
    TurnsDropped,
    VideoMade,
)
from edge.media.audio import Sound
from edge.media.image import Picture
from edge.media.video import Clip


def gather(events: Iterator[Event]) -> Reply:
    """One value from a whole stream of events."""
    text, images, videos, chunks = "", [], [], []
    logprobs: list[TokenLogprob] = []
    dropped: TurnsDropped | None = None
    finished: Finished | None = None
    for event in events:
        if isinstance(event, TextDelta):
            text += event.text
            logprobs += event.logprobs
        elif isinstance(event, ImageMade):
            images.append(Picture(event.pixels))
        elif isinstance(event, VideoMade):
            videos.append(Clip(event.frames, event.frame_seconds))
        elif isinstance(event, AudioChunk):
            chunks.append(event)
        elif isinstance(event, TurnsDropped):
            dropped = event
        elif isinstance(event, Finished):
            finished = event
    if finished is None:
        raise EdgeError("the reply ended without its last event; this is a defect of Edge, please report it")
    audio = Sound(np.concatenate([c.samples for c in chunks]), chunks[0].sample_rate) if chunks else None
    return Reply(
        text, tuple(images), tuple(videos), audio, finished.usage, finished.timings, finished.reason,
        logprobs=tuple(logprobs), dropped=dropped,
    )  # fmt: skip


def incomplete(reply: Reply) -> IncompleteError:
    """The error of a reply that had to be a whole document and is none."""
    cures = {
        "length": "allow more max_tokens, load a longer context, or bound what the answer may repeat",
        "stop": "choose stop strings that the answer cannot hold",
        "cancelled": "it was cancelled",
    }
    return IncompleteError(
        f"the answer was cut off ({reply.finish_reason}) after {reply.usage.text_tokens} tokens, inside of "
        f"{reply.text[-40:]!r}: {cures.get(reply.finish_reason, 'ask again')}"
    )
