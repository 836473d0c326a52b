"""A model that lives in a process of its own: the doors of `edge.model.Model`.

Job: start its supervisor, tell what the model is, open conversations; a model that nobody holds is closed.
Ignorance: engines and codecs: this process loads none of them.
"""

from __future__ import annotations

import itertools
import os
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, cast

from edge.events import Score
from edge.isolation.chat import IsolatedChat
from edge.isolation.supervisor import Supervisor
from edge.options import Adapter, EngineOptions, SamplingOptions
from edge.store import at_home
from edge.tasks import Tasks
from edge.vocabulary import Vocabulary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge.chat import Chat


class IsolatedModel(Tasks):
    """A loaded model. A context manager; `close` ends its process."""

    def __init__(self, name: str | Path, options: EngineOptions) -> None:
        """Errors as `edge.load`, and CrashError where loading it kills its process."""
        adapters = tuple(_anchored(adapter) for adapter in options.adapters)
        mmproj = None if options.mmproj is None else _absolute(options.mmproj)
        anchored = replace(options, adapters=adapters, mmproj=mmproj)
        self._supervisor = Supervisor(_absolute(name), anchored)
        self._numbers, self._gone = itertools.count(1), list[int]()
        self._finalizer = weakref.finalize(self, self._supervisor.close)
        self._supervisor.life()
        self.manifest = self._supervisor.loaded.manifest

    @property
    def name(self) -> str:
        """What the bundle calls itself."""
        return self.manifest.name

    @property
    def vocabulary(self) -> Vocabulary:
        """Ids by purpose."""
        return self.manifest.vocabulary

    @property
    def reads(self) -> frozenset[str]:
        """Modalities of a message: some of "text", "image", "audio", "video"."""
        return self._supervisor.loaded.reads

    @property
    def makes(self) -> frozenset[str]:
        """Modalities of an answer."""
        return self._supervisor.loaded.makes

    @property
    def exact(self) -> SamplingOptions:
        """How the likeliest answer is decoded."""
        return self._supervisor.loaded.exact

    @property
    def pid(self) -> int:
        """The model's process; another one after a crash."""
        return self._supervisor.life().pid

    def chat(self, system: str | None = None, sampling: SamplingOptions | None = None) -> Chat:
        """A new conversation."""
        chat = IsolatedChat(
            self._supervisor, next(self._numbers), self._gone, system=system, sampling=sampling
        )
        return cast("Chat", chat)  # the same doors

    def embed(
        self,
        texts: str | Sequence[str],
        *,
        pooling: Literal["mean", "last"] = "mean",
        normalised: bool = True,
    ) -> NDArray[np.float32]:
        """What the decoder makes of texts, as `Model.embed` tells."""
        vectors = self._supervisor.result("embed", texts, pooling=pooling, normalised=normalised)
        return cast("NDArray[np.float32]", vectors)

    def score(self, text: str) -> Score:
        """How likely the text is to the model by itself, as `Model.score` tells."""
        return cast(Score, self._supervisor.result("score", text))

    def close(self) -> None:
        """End the model's process, and free all that it holds."""
        self._finalizer()

    def __enter__(self) -> IsolatedModel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _absolute(name: str | Path) -> str:
    """A path as it is found from anywhere, now and at the next start; a name stays a name."""
    path = at_home(name)
    return os.path.abspath(path) if str(name) and "\0" not in str(name) and path.exists() else str(name)


def _anchored(adapter: Adapter) -> Adapter:
    return (_absolute(adapter[0]), adapter[1]) if isinstance(adapter, tuple) else _absolute(adapter)
