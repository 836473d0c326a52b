"""load(): from a name to a model that chats. The only file that knows manifest, engine and frontends.

Job: find the bundle, check it, open the engine and the codecs, wire them; one-line tasks on top of a chat.
Ignorance: how any of them works. A bare .gguf loads as a text model with its own chat template.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from edge import store
from edge.chat import Chat, Wiring, gather
from edge.engines.base import Engine
from edge.engines.llama_cpp import LlamaCppEngine
from edge.errors import EdgeError, IntegrityError, UsageError
from edge.events import AudioChunk, ImageMade, Reply
from edge.formats import gguf, manifest
from edge.formats.manifest import Manifest
from edge.frontends.audio_codec import AudioCodec
from edge.frontends.image_codec import ImageCodec
from edge.generation.constraints import Kind
from edge.generation.decode import Decoder
from edge.generation.prompt import Layout, Turn
from edge.generation.template import ChatTemplate
from edge.media.audio import Sound
from edge.media.image import Picture
from edge.messages import Audio, Image
from edge.options import EngineOptions, SamplingOptions
from edge.segments import EmbeddingSegment, TokenSegment
from edge.vocabulary import Vocabulary

Codec = ImageCodec | AudioCodec
_CODECS: Mapping[str, type[ImageCodec] | type[AudioCodec]] = {"image": ImageCodec, "audio": AudioCodec}
_PROMPTS = {  # where the manifest says nothing
    "draw": "Draw {text}.",
    "speak": "Say: {text}",
    "transcribe": "What is said?",
    "describe_image": "Describe the picture.",
    "describe_audio": "What do you hear?",
}


@dataclass(frozen=True)
class Model:
    """A loaded model. A context manager; `close` frees native memory."""

    manifest: Manifest
    wiring: Wiring
    engine: Engine
    codecs: tuple[Codec, ...] = ()

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
        """Modalities of a message: some of "text", "image", "audio"."""
        return self.wiring.reads

    @property
    def makes(self) -> frozenset[str]:
        """Modalities of an answer."""
        return self.wiring.makes

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
        events = self.chat().send(self._task("draw", text), make="image", sampling=chosen)
        for event in events:
            if isinstance(event, ImageMade):
                return Picture(event.pixels)
        raise EdgeError(f"{self.name} made no picture; try another seed")

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
        events = self.chat().send(self._task("speak", text), make="audio", sampling=chosen, script=text)
        for event in events:
            if isinstance(event, AudioChunk):
                return Sound(event.samples, event.sample_rate)
        raise EdgeError(f"{self.name} made no sound; try another seed")

    def transcribe(self, audio: Audio | str | Path, *, sampling: SamplingOptions | None = None) -> str:
        """The words of a recording.

        Raises:
            ModalityError: the model reads no sound.
            MediaError: the recording cannot be read.
        """
        sound = audio if isinstance(audio, Audio) else Audio(audio)
        return self._answer(sound, self._task("transcribe"), sampling).text.strip()

    def describe(
        self,
        media: Image | Audio | str | Path,
        prompt: str | None = None,
        *,
        sampling: SamplingOptions | None = None,
    ) -> str:
        """What a picture shows or a sound is; a bare path is told apart by its ending.

        Raises:
            ModalityError: the model does not read that modality.
            MediaError: the file cannot be read.
        """
        part = media if isinstance(media, Image | Audio) else _media_part(Path(media))
        task = "describe_image" if isinstance(part, Image) else "describe_audio"
        return self._answer(part, prompt or self._task(task), sampling).text.strip()

    def close(self) -> None:
        """Free native memory."""
        for codec in self.codecs:
            codec.close()
        self.engine.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _task(self, task: str, text: str = "") -> str:
        return self.manifest.prompts.get(task, _PROMPTS[task]).replace("{text}", text)

    def _answer(self, part: Image | Audio, prompt: str, sampling: SamplingOptions | None) -> Reply:
        """The likeliest answer, unless the caller samples."""
        exact = (sampling or SamplingOptions()).over(self.wiring.defaults("exact"))
        return gather(self.chat().send(part, prompt, make="text", sampling=exact))


def load(name: str | Path, *, engine: EngineOptions | None = None) -> Model:
    """Open a model by installed name, bundle folder or .gguf file.

    Raises:
        NotFoundError: nothing has that name or path, or a part of the bundle is missing.
        IntegrityError: a file is not what it claims to be.
        DoesNotFitError: it does not fit into memory.
    """
    path = store.find(name)
    options = engine or EngineOptions()
    return _load_bundle(path, options) if path.is_dir() else _load_gguf(path, options)


def _load_bundle(folder: Path, options: EngineOptions) -> Model:
    known = manifest.load(folder)
    codecs = _codecs(folder, known)
    template = known.path(folder, "chat_template").read_text(encoding="utf-8")
    length = min(options.context_length or known.context_length, known.context_length)
    native = LlamaCppEngine(known.path(folder, "decoder"), replace(options, context_length=length))
    try:
        return _wired(known, native, codecs, template)
    except BaseException:
        native.close()
        raise


def _load_gguf(path: Path, options: EngineOptions) -> Model:
    if path.suffix.lower() != ".gguf":
        raise UsageError(f"{path} is no bundle folder and no .gguf file; make a bundle with `edge quantize`")
    header = gguf.read_header(path)
    template = header.metadata.get("tokenizer.chat_template")
    if not isinstance(template, str):
        raise IntegrityError(
            f"{path.name} has no chat template (tokenizer.chat_template), so messages cannot be laid "
            "out for it; take a chat model, or quantize the checkpoint with a chat_template.jinja beside it"
        )
    native = LlamaCppEngine(path, options)
    try:
        return _wired(_described(path, header, native), native, (), template)
    except BaseException:
        native.close()
        raise


def _described(path: Path, header: gguf.GgufHeader, native: LlamaCppEngine) -> Manifest:
    """What a bare .gguf says about itself, as a manifest without files: text in, text out."""
    facts = _native_facts(path, header.metadata.get("edge.native"))
    size, ends = native.tokenizer.size, native.tokenizer.ends()
    plain = {"size": size, "text_size": size, "end": ends, "null": None, "blocks": []}
    return Manifest(
        name=str(header.metadata.get("general.name", path.stem)),
        family=str(facts.get("family", header.architecture)),
        member=str(facts.get("member", path.stem)),
        architecture=header.architecture,
        modalities={"in": ("text",), "out": ("text",)},
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


def _codecs(folder: Path, known: Manifest) -> tuple[Codec, ...]:
    """One frontend per media block that the model reads or makes."""
    made: list[Codec] = []
    for block in known.vocabulary.blocks:
        roles = {way: manifest.CODECS[block.kind, way] for way in ("in", "out")}
        paths = {
            way: known.path(folder, role) if block.kind in known.modalities[way] else None
            for way, role in roles.items()
        }
        if any(paths.values()):
            made.append(_CODECS[block.kind](paths["in"], paths["out"], block))
    return tuple(made)


def _wired(known: Manifest, native: LlamaCppEngine, codecs: tuple[Codec, ...], template: str) -> Model:
    vocabulary, tokenizer = known.vocabulary, native.tokenizer
    if vocabulary.size > native.vocab_size:
        raise IntegrityError(
            f"the manifest speaks of {vocabulary.size} ids, but the decoder has {native.vocab_size}; "
            "take both from one bundle"
        )
    bos, eos = tokenizer.bos(), tokenizer.eos()
    compiled = ChatTemplate(template, bos=tokenizer.name(bos), eos=tokenizer.name(eos))
    layout = Layout(compiled, tokenizer, vocabulary, bos if tokenizer.adds_bos() and bos >= 0 else None)
    able = {"text", *(codec.kind for codec in codecs)}  # what the files can do, whatever the manifest says
    wiring = Wiring(
        name=known.name,
        decoder=Decoder(native),
        layout=layout,
        vocabulary=vocabulary,
        frontends={codec.kind: codec for codec in codecs},
        reads=frozenset(able & set(known.modalities["in"])),
        makes=frozenset(able & set(known.modalities["out"])),
        sampling={kind: _options(kind, values) for kind, values in known.sampling.items()},
        null_prompt=_null_prompt(layout),
    )
    return Model(known, wiring, native, codecs)


def _options(kind: str, values: Mapping[str, Any]) -> SamplingOptions:
    names = {f.name for f in fields(SamplingOptions)}
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


def _media_part(path: Path) -> Image | Audio:
    kinds: dict[str, Kind] = {".wav": "audio", ".flac": "audio", ".ogg": "audio", ".mp3": "audio"}
    return Audio(path) if kinds.get(path.suffix.lower()) == "audio" else Image(path)
