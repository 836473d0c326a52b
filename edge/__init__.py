"""Edge: natively multimodal models on this machine, offline.

Job: the public door. Names are imported when first used, so that `import edge` costs nothing.
Ignorance: everything else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge.chat import Chat
    from edge.children import freeze_support
    from edge.errors import (
        CrashError,
        DoesNotFitError,
        EdgeError,
        EngineError,
        IncompleteError,
        IntegrityError,
        MediaError,
        ModalityError,
        NotFoundError,
        OfflineError,
        UsageError,
    )
    from edge.events import (
        AudioChunk,
        Event,
        Finished,
        ImageMade,
        MediaProgress,
        Reply,
        Score,
        TextDelta,
        Timings,
        TokenLogprob,
        ToolCall,
        TurnsDropped,
        Usage,
        VideoMade,
    )
    from edge.fitting import Fit, fit
    from edge.loading import load
    from edge.media.audio import Sound
    from edge.media.image import Picture
    from edge.media.video import Clip
    from edge.messages import Audio, Image, Message, Part, Text, Video
    from edge.model import Model
    from edge.options import EngineOptions, SamplingOptions
    from edge.tools import Toolbox

__version__ = "0.1.0"

_HOMES = {
    "edge.chat": ("Chat",),
    "edge.children": ("freeze_support",),
    "edge.errors": ("CrashError", "DoesNotFitError", "EdgeError", "EngineError", "IncompleteError",
                    "IntegrityError", "MediaError", "ModalityError", "NotFoundError", "OfflineError",
                    "UsageError"),
    "edge.events": ("AudioChunk", "Event", "Finished", "ImageMade", "MediaProgress", "Reply", "Score",
                    "TextDelta", "Timings", "TokenLogprob", "ToolCall", "TurnsDropped", "Usage",
                    "VideoMade"),
    "edge.fitting": ("Fit", "fit"),
    "edge.media.audio": ("Sound",),
    "edge.media.image": ("Picture",),
    "edge.media.video": ("Clip",),
    "edge.messages": ("Audio", "Image", "Message", "Part", "Text", "Video"),
    "edge.loading": ("load",),
    "edge.model": ("Model",),
    "edge.options": ("EngineOptions", "SamplingOptions"),
    "edge.tools": ("Toolbox",),
}  # fmt: skip
_WHERE = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Audio", "AudioChunk", "Chat", "Clip", "CrashError", "DoesNotFitError", "EdgeError", "EngineError",
    "EngineOptions",
    "Event", "Finished", "Fit", "Image", "ImageMade", "IncompleteError", "IntegrityError", "MediaError",
    "MediaProgress", "Message", "ModalityError", "Model", "NotFoundError", "OfflineError", "Part",
    "Picture", "Reply", "SamplingOptions", "Score", "Sound", "Text", "TextDelta", "Timings", "TokenLogprob",
    "ToolCall", "Toolbox", "TurnsDropped", "Usage", "UsageError", "Video", "VideoMade", "__version__", "fit",
    "freeze_support", "load",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'edge' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_WHERE[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
