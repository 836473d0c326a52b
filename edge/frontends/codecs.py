"""The frontends of a native model, from its files.

Job: one frontend per media block whose graphs are there. Ignorance: where the files come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge.frontends.audio_codec import AudioCodec
from edge.frontends.image_codec import ImageCodec
from edge.frontends.media_cache import MediaCache
from edge.frontends.video_codec import VideoCodec
from edge.frontends.woven_codec import WovenCodec
from edge.vocabulary import Vocabulary

Codec = ImageCodec | AudioCodec | VideoCodec | WovenCodec


def open_codecs(
    graphs: Mapping[str, Path], vocabulary: Vocabulary, cache: MediaCache | None = None
) -> tuple[Codec, ...]:
    """One frontend per media block of the vocabulary; clips go through the codec of pictures.

    Args:
        graphs: ONNX files by role, "image_encoder" and so on; a missing one takes a direction away.
        cache: what media became earlier; None = only in memory, each codec its own.

    Raises:
        NotFoundError: a file is missing. IntegrityError: a graph is made for another block.
    """
    made: list[Codec] = []
    picture, sound, clip = (vocabulary.block(kind) for kind in ("image", "audio", "video"))
    eye, brush = graphs.get("image_encoder"), graphs.get("image_decoder")
    if picture is not None and (eye or brush):
        made.append(images := ImageCodec(eye, brush, picture, cache=cache))
        if clip is not None:
            made.append(VideoCodec(images, clip))
    ear, voice = graphs.get("audio_encoder"), graphs.get("audio_decoder")
    if sound is not None and sound.weave is not None:
        made += [WovenCodec(voice, sound, sound.weave)] if voice else []
    elif sound is not None and (ear or voice):
        made.append(AudioCodec(ear, voice, sound, cache=cache))
    return tuple(made)
