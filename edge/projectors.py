"""Which mmproj file belongs to a model, and the frontends that it gives.

Job: find the file beside a model, hold it against the model, make frontends that open it at first use.
Ignorance: conversations, manifests; what the encoders compute.
"""

from __future__ import annotations

import warnings
from pathlib import Path

from edge import hardware
from edge.engines.base import Engine
from edge.engines.libmtmd import MediaEncoder
from edge.engines.llama_cpp import LlamaCppEngine
from edge.errors import DoesNotFitError, EdgeError, IntegrityError, UsageError
from edge.formats import identity, mmproj
from edge.formats.gguf import GgufHeader
from edge.formats.mmproj import Mmproj
from edge.frontends.media_cache import MediaCache
from edge.frontends.projector import Projector, Reader, readers

MOST_OF_PICTURE = 4096  # tokens: what libmtmd itself allows a picture that may have any size (clip.cpp)


def beside(model: Path, header: GgufHeader) -> Mmproj | None:
    """The mmproj file in a model's folder, where one has embeddings as wide as the model's.

    One that cannot be read is warned of: it may belong to another model.

    Raises:
        UsageError: several fit.
    """
    width = header.metadata.get(f"{header.architecture}.embedding_length")
    fitting: list[Mmproj] = []
    for path in sorted(model.parent.glob("mmproj*.gguf")):
        try:
            known = mmproj.read(path)
        except EdgeError as error:
            warnings.warn(f"{error}; {model.name} is loaded without it", stacklevel=2)
            continue
        if known.width == width:
            fitting.append(known)
    if len(fitting) > 1:
        names = ", ".join(known.path.name for known in fitting)
        raise UsageError(
            f"several mmproj files beside {model.name} fit it: {names}; choose one with --mmproj"
        )
    return fitting[0] if fitting else None


def readers_of(encoders: Mmproj, native: Engine, cache: MediaCache) -> tuple[Reader, ...]:
    """The frontends of an mmproj file; its weights are loaded when the first medium comes."""
    if not isinstance(native, LlamaCppEngine):
        raise UsageError(f"{encoders.path.name} needs the llama.cpp engine; choose the engine auto")
    if encoders.width != native.width:
        raise IntegrityError(
            f"{encoders.path.name} makes embeddings of width {encoders.width}, but the model reads "
            f"{native.width}; take the model and its mmproj file from one place"
        )
    half = native.context_length // 2  # a picture leaves room for a question and an answer
    most = min(half, MOST_OF_PICTURE) if encoders.scales else None

    def opened() -> MediaEncoder:
        free = hardware.memory()[1]
        if free and encoders.bytes > free:
            raise DoesNotFitError(
                f"{encoders.path.name} needs {encoders.bytes / 2**30:.1f} GiB, and "
                f"{free / 2**30:.1f} GiB are free; close other programs, or take a smaller one"
            )
        return native.media_encoder(encoders.path, most_of_picture=most)

    known = f"{identity.of_files([encoders.path])} {most} {hardware.machine_key()}"
    return readers(Projector(known, opened, cache), encoders.reads)
