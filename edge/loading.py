"""load(): a model in this process, or in one of its own.

Job: choose between the two; import only what the choice needs. Ignorance: how either is done.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from edge.options import EngineOptions

if TYPE_CHECKING:
    from edge.model import Model


def load(name: str | Path, *, engine: EngineOptions | None = None, isolated: bool = False) -> Model:
    """Open a model by installed name, bundle folder or .gguf file.

    A .gguf file that reads pictures or sound has its encoders in the options' `mmproj`, or in the one
    mmproj*.gguf beside it whose embeddings are as wide as its own.

    Args:
        isolated: in a supervised process of its own. What kills native code there (an abort, a crash, memory
            that ran out) is a `CrashError` here, and the next call goes on in a fresh process. All public
            doors are the same; `wiring`, `engine` and `codecs` are not here.

    Raises:
        NotFoundError: nothing has that name or path, or a part of the bundle is missing.
        IntegrityError: a file is not what it claims to be.
        UsageError: several mmproj files fit; an engine that cannot run it.
        DoesNotFitError: it does not fit into memory.
        CrashError: an isolated model's process died while it loaded.
    """
    options = engine or EngineOptions()
    if isolated:
        from edge.isolation.model import IsolatedModel

        return cast("Model", IsolatedModel(name, options))
    from edge.model import open_model

    return open_model(name, engine=options)
