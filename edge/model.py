"""open_model(): from a name to a model that chats. The only file that knows manifest, engine and frontends.

Job: find the bundle, check it, open the engine and the codecs, wire them.
Ignorance: how any of them works. A bare .gguf loads as a text model with its own chat template.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any

from edge import cache_store, hardware, projectors, store
from edge.bare_text import BareText
from edge.cache_store import CacheStore
from edge.chat import Chat
from edge.engines import choice, room
from edge.engines.base import Engine
from edge.engines.llama_cpp import LlamaCppEngine
from edge.engines.onnx_engine import OnnxEngine
from edge.errors import IntegrityError, UsageError
from edge.formats import gguf, identity, manifest, mmproj, onnx_file
from edge.formats.manifest import Manifest
from edge.formats.mmproj import Mmproj
from edge.frontends.codecs import Codec, open_codecs
from edge.frontends.media_cache import MediaCache
from edge.frontends.projector import Reader
from edge.generation.decode import Decoder
from edge.generation.prefix_cache import RAM_BYTES, PrefixCache
from edge.generation.prompt import Layout, Turn
from edge.generation.template import ChatTemplate
from edge.options import EngineOptions, SamplingOptions
from edge.segments import EmbeddingSegment, TokenSegment
from edge.tasks import Tasks
from edge.vocabulary import Vocabulary
from edge.wiring import Wiring

Native = LlamaCppEngine | OnnxEngine
KEPT = ("media", "sequences")  # folders of files that later processes find
_SHARE = 16  # kept sequences take at most this part of the free memory


@dataclass(frozen=True)
class Model(Tasks, BareText):
    """A loaded model. A context manager; `close` frees native memory."""

    manifest: Manifest
    wiring: Wiring
    engine: Engine
    codecs: tuple[Codec | Reader, ...] = ()
    kept: tuple[CacheStore, ...] = ()  # files that later processes find

    @property
    def name(self) -> str:
        """What the bundle calls itself."""
        return self.manifest.name

    @property
    def vocabulary(self) -> Vocabulary:
        """Ids by purpose."""
        return self.wiring.vocabulary

    @property
    def reads(self) -> frozenset[str]:
        """Modalities of a message: some of "text", "image", "audio", "video"."""
        return self.wiring.reads

    @property
    def makes(self) -> frozenset[str]:
        """Modalities of an answer."""
        return self.wiring.makes

    @property
    def exact(self) -> SamplingOptions:
        """How the likeliest answer is decoded."""
        return self.wiring.defaults("exact")

    def chat(self, system: str | None = None, sampling: SamplingOptions | None = None) -> Chat:
        """A new conversation."""
        return Chat(self.wiring, system=system, sampling=sampling)

    def close(self) -> None:
        """End all replies, and free native memory."""
        self.wiring.decoder.close()
        for codec in self.codecs:
            codec.close()
        for files in self.kept:
            files.close()
        hardware.give_memory_back()

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_model(name: str | Path, *, engine: EngineOptions | None = None) -> Model:
    """Open a model in this process; arguments and errors as `edge.load`."""
    path = store.find(name)
    options = engine or EngineOptions()
    return _load_bundle(path, options) if path.is_dir() else _load_gguf(path, options)


def _load_bundle(folder: Path, options: EngineOptions) -> Model:
    known = manifest.load(folder)
    media, sequences = _kept("media", options), _kept("sequences", options)
    cache = MediaCache(*media)
    codecs = _codecs(folder, known, cache)
    template = known.path(folder, "chat_template").read_text(encoding="utf-8")
    length = min(options.context_length or room.DEFAULT_CONTEXT, known.context_length)
    own = known.path(folder, manifest.MMPROJ) if manifest.MMPROJ in known.files else None
    encoders = _encoders(options.mmproj or own)
    native = _engine(folder, known, replace(options, context_length=length))
    try:
        llama = isinstance(native, LlamaCppEngine)
        roles = (manifest.GGUF,) if llama else (manifest.ONNX, manifest.ONNX_DATA)
        weights = [known.path(folder, role) for role in roles if role in known.files]
        prefixes = _prefixes(native, weights, options, sequences)
        wired = _wired(known, native, (*codecs, *_readers(encoders, native, cache)), template, prefixes)
        return replace(wired, kept=media + sequences)
    except BaseException:
        native.close()
        raise


def _engine(folder: Path, known: Manifest, options: EngineOptions) -> Native:
    """The engine that `choice` names, open."""
    if choice.of(known, options.engine) == "llama.cpp":
        return LlamaCppEngine(known.path(folder, manifest.GGUF), options)
    graph = known.path(folder, manifest.ONNX)
    onnx_file.look(graph).require_only(known.path(folder, manifest.ONNX_DATA).name)
    vocabulary = manifest.VOCABULARY if manifest.VOCABULARY in known.files else manifest.GGUF
    return OnnxEngine(graph, known.path(folder, vocabulary), options)


def _load_gguf(path: Path, options: EngineOptions) -> Model:
    if path.suffix.lower() != ".gguf":
        raise UsageError(f"{path} is no bundle folder and no .gguf file; make a bundle with `edge quantize`")
    header = gguf.read_header(path)
    if options.engine not in ("auto", "llama.cpp"):
        raise UsageError(f"{path.name} runs on llama.cpp, not on {options.engine!r}; choose the engine auto")
    if header.architecture == mmproj.ARCHITECTURE:
        raise UsageError(f"{path.name} holds encoders and no decoder; load the model that it belongs to")
    template = header.metadata.get("tokenizer.chat_template")
    if not isinstance(template, str):
        raise IntegrityError(
            f"{path.name} has no chat template (tokenizer.chat_template), so messages cannot be laid "
            "out for it; take a chat model, or quantize the checkpoint with a chat_template.jinja beside it"
        )
    encoders = _encoders(options.mmproj) or projectors.beside(path, header)
    native = LlamaCppEngine(path, options, header)
    try:
        media = _kept("media", options)
        read = _readers(encoders, native, MediaCache(*media))
        kinds = ("text", *(reader.kind for reader in read))
        sequences = _kept("sequences", options)
        prefixes = _prefixes(native, [path], options, sequences)
        described = _described(path, header, native, kinds)
        return replace(_wired(described, native, read, template, prefixes), kept=media + sequences)
    except BaseException:
        native.close()
        raise


def _encoders(path: str | Path | None) -> Mmproj | None:
    return None if path is None else mmproj.read(store.at_home(path))


def _readers(encoders: Mmproj | None, native: Native, cache: MediaCache) -> tuple[Reader, ...]:
    return () if encoders is None else projectors.readers_of(encoders, native, cache)


def _described(path: Path, header: gguf.GgufHeader, native: Native, kinds: tuple[str, ...]) -> Manifest:
    """What a bare .gguf says about itself, as a manifest without files: `kinds` in, text out."""
    facts = _native_facts(path, header.metadata.get("edge.native"))
    size, ends = native.tokenizer.size, native.tokenizer.ends()
    plain = {"size": size, "text_size": size, "end": ends, "null": None, "blocks": []}
    return Manifest(
        name=str(header.metadata.get("general.name", path.stem)),
        family=str(facts.get("family", header.architecture)),
        member=str(facts.get("member", path.stem)),
        architecture=header.architecture,
        modalities={"in": kinds, "out": ("text",)},
        vocabulary=Vocabulary.from_dict(facts.get("vocabulary", plain)),
        files={},
        context_length=native.context_length,
        licence=str(header.metadata.get("general.license", "not stated")),
        recipe={"name": "gguf", "type": str(header.metadata.get("general.file_type", "unknown"))},
        prompts=facts.get("prompts", {}),
        sampling=facts.get("sampling", {}),
    )


def _native_facts(path: Path, text: Any) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        facts = json.loads(text)
    except (TypeError, ValueError) as error:
        raise IntegrityError(
            f"{path.name}: edge.native is not valid JSON ({error}); quantize it again"
        ) from error
    if not isinstance(facts, dict):
        raise IntegrityError(f"{path.name}: edge.native is no JSON object; quantize it again")
    return facts


def _kept(what: str, options: EngineOptions) -> tuple[CacheStore, ...]:
    """Files that outlive this process; none where they are not wanted."""
    limit = cache_store.allowed(options.cache_bytes) // len(KEPT)
    return (CacheStore(hardware.home() / "cache" / what, limit),) if limit else ()


def _prefixes(
    native: Native, weights: Sequence[Path], options: EngineOptions, kept: tuple[CacheStore, ...]
) -> PrefixCache:
    """Sequences kept for this model: its weights, adapters and context, on this engine and processor."""
    adapters = [a if isinstance(a, tuple) else (a, 1.0) for a in options.adapters]
    files = identity.of_files([*weights, *(path for path, _ in adapters)])
    scales, runtime = [scale for _, scale in adapters], f"{version('onnxruntime')} {hardware.machine_key()}"
    name = f"{native.name} {native.context_length} {files} {scales} {runtime}"
    free = hardware.memory()[1] or RAM_BYTES * _SHARE
    return PrefixCache(name, limit=min(RAM_BYTES, free // _SHARE), store=next(iter(kept), None))


def _codecs(folder: Path, known: Manifest, cache: MediaCache) -> tuple[Codec, ...]:
    """A frontend per medium that the manifest says the model reads or makes."""
    wanted = {role for (kind, way), role in manifest.CODECS.items() if kind in known.modalities[way]}
    graphs = {role: known.path(folder, role) for role in wanted if role in known.files}
    named = {kind for kinds in known.modalities.values() for kind in kinds}
    return tuple(codec for codec in open_codecs(graphs, known.vocabulary, cache) if codec.kind in named)


def _wired(
    known: Manifest,
    native: Native,
    frontends: tuple[Codec | Reader, ...],
    template: str,
    prefixes: PrefixCache,
) -> Model:
    vocabulary, tokenizer = known.vocabulary, native.tokenizer
    if vocabulary.size > native.vocab_size:
        raise IntegrityError(
            f"the manifest speaks of {vocabulary.size} ids, but the decoder has {native.vocab_size}; "
            "take both from one bundle"
        )
    bos, eos = tokenizer.bos(), tokenizer.eos()
    compiled = ChatTemplate(template, bos=tokenizer.name(bos), eos=tokenizer.name(eos))
    layout = Layout(compiled, tokenizer, vocabulary, bos if tokenizer.adds_bos() and bos >= 0 else None)
    able = {"text", *(frontend.kind for frontend in frontends)}  # by the files, whatever the manifest says
    wiring = Wiring(
        name=known.name,
        decoder=Decoder(native, prefixes),
        layout=layout,
        vocabulary=vocabulary,
        frontends={frontend.kind: frontend for frontend in frontends},
        reads=frozenset(able & set(known.modalities["in"])),
        makes=frozenset(able & set(known.modalities["out"])),
        sampling={kind: _options(kind, values) for kind, values in known.sampling.items()},
        null_prompt=_null_prompt(layout),
        start=(bos,) if bos >= 0 and (tokenizer.adds_bos() or vocabulary.blocks) else (),
    )
    return Model(known, wiring, native, frontends)


def _options(kind: str, values: Mapping[str, Any]) -> SamplingOptions:
    names = {f.name for f in fields(SamplingOptions)} - {"stop", "logit_bias", "logprobs"}
    stray = sorted(set(values) - names)
    wrong = [name for name, v in values.items() if v is not None and type(v) not in (int, float)]
    if stray or wrong:
        raise IntegrityError(
            f"the manifest's sampling.{kind} has {', '.join(stray or wrong)}, expected numbers for "
            f"{', '.join(sorted(names))}; build the bundle again"
        )
    return SamplingOptions(**values)


def _null_prompt(layout: Layout) -> tuple[int, ...]:
    """The empty prompt of guidance: a user's turn that holds only the null id; () where there is none."""
    if layout.vocabulary.null is None:
        return ()
    segments = layout.build([Turn("user", (TokenSegment((layout.vocabulary.null,)),))])
    return tuple(i for s in segments if not isinstance(s, EmbeddingSegment) for i in s.ids)
