"""The tokenizer of a GGUF file whose weights stay on disk: for engines that have none of their own.

Job: open the vocabulary alone, and free it. Ignorance: weights; every other engine.
"""

from __future__ import annotations

import os
import weakref
from pathlib import Path

from edge.engines.llama_native import LlamaTokenizer, complaint, library
from edge.errors import EngineError
from edge.formats.gguf import read_header


class VocabularyFile:
    """One open vocabulary; freed by `close` or with the object."""

    def __init__(self, path: str | Path) -> None:
        """Read the vocabulary of a .gguf file, which may hold nothing else.

        Raises:
            NotFoundError: no such file. IntegrityError: no sound GGUF. EngineError: llama.cpp refuses it.
        """
        path = Path(path)
        header = self.header = read_header(path)
        native = library()
        params = native.llama_model_default_params()
        params.vocab_only, params.n_gpu_layers = True, 0
        complaint()
        model = native.llama_model_load_from_file(os.fsencode(path), params)
        if not model:
            why = complaint() or "no reason given"
            raise EngineError(f"llama.cpp cannot read the vocabulary of {path.name}: {why}; verify the file")
        self._finalizer = weakref.finalize(self, native.llama_model_free, model)
        finalizer = self._finalizer
        self.tokenizer = LlamaTokenizer(
            native.llama_model_get_vocab(model), lambda: finalizer.alive, header.metadata
        )

    def close(self) -> None:
        """Free native memory; the tokenizer raises EngineError from here on."""
        self._finalizer()
