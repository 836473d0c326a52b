"""The one vocabulary: text, specials and media codes in a single row of ids.

Job: say which ids are text, which are media codes, which open and close a span; the native family's layout.
A clip is made of the codes of pictures: opener, then `frame` and one picture's codes, 4 to 8 times, closer.
Its sound track, where it has one, is an ordinary span of sound right after the closer.
Ignorance: how text is split into ids (the tokenizer), what a code looks or sounds like (the codecs).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from edge.errors import IntegrityError

MediaKind = Literal["image", "audio", "video"]

TEXT_SIZE = 8192  # byte-level BPE, ids 0..8191
SPECIAL_BASE, SPECIAL_SIZE = 8192, 64
IMAGE_BASE, AUDIO_BASE, CODEBOOK_SIZE = 8256, 12352, 4096
VOCABULARY_SIZE = 16640  # padded to a multiple of 256, so that every k-quant applies

_NAMED = ("pad", "bos", "end", "system", "user", "assistant", "null",
          "img", "/img", "aud", "/aud", "vid", "frame", "/vid")  # fmt: skip
SPECIAL_NAMES = tuple(
    f"<|{_NAMED[i]}|>" if i < len(_NAMED) else f"<|reserved_{i}|>" for i in range(SPECIAL_SIZE)
)
SPECIAL = {name[2:-2]: SPECIAL_BASE + i for i, name in enumerate(SPECIAL_NAMES)}

_OF_OTHERS = {"longest", "lead", "scripted", "weave"}  # fields that the native family leaves as they are


@dataclass(frozen=True)
class Weave:
    """How the ids of a sound are woven from the codes of several streams: frame by frame, each place of a
    frame with ids of its own. Public models speak so; what they need to know stands here as numbers."""

    codebook: int  # codes of one place: id = base + codebook * place + code
    streams: tuple[tuple[int, ...], ...]  # places of a frame, by input of the codec
    samples: int  # of one frame
    rate: int  # Hz
    window: int = 0  # frames that the codec decodes at once; 0 = all
    keep: int = 0  # the frame of a window that is kept, as its neighbours are there

    @property
    def places(self) -> int:
        """Ids of one frame."""
        return sum(map(len, self.streams))

    def sound(self, size: int) -> bool:
        """Whether the numbers fit each other and a block of `size` codes."""
        once = sorted(place for stream in self.streams for place in stream) == list(range(self.places))
        positive = min(self.codebook, self.samples, self.rate, self.places) > 0
        kept = self.window == 0 or 0 <= self.keep < self.window
        return once and positive and kept and self.codebook * self.places == size

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Weave:
        """From JSON, where tuples are lists."""
        numbers = {name: int(value) for name, value in data.items() if name != "streams"}
        return Weave(streams=tuple(tuple(int(i) for i in s) for s in data["streams"]), **numbers)


@dataclass(frozen=True)
class MediaBlock:
    """Where one modality's codes live, and how a span of them looks."""

    kind: MediaKind
    base: int  # id of code 0
    size: int  # number of codes
    opener: int  # id that starts a span
    closer: int  # id that ends it
    span: int | None = None  # codes in every span (or frame); None = until the closer
    frame: int | None = None  # id before each frame of a clip; None = the span has no frames
    fewest: int = 1  # frames of a clip
    most: int = 1
    longest: int = 1000  # codes of a span that has no fixed length
    lead: tuple[int, ...] = ()  # ids that stand before the opener of a span that must come
    scripted: bool = True  # the words of a sound come before it, as text; False: it comes at once
    weave: Weave | None = None  # of a sound that has several streams, or a rate of its own

    @property
    def shortest(self) -> int:
        """Ids of the shortest span, opener and closer included."""
        piece = self.span or self.places
        return len(self.lead) + 2 + (piece if self.frame is None else self.fewest * (piece + 1))

    @property
    def places(self) -> int:
        """Ids of the smallest piece that a span is made of."""
        return 1 if self.weave is None else self.weave.places

    def ids(self, index: int) -> range:
        """The ids that code number `index` of a span may have."""
        if self.weave is None:
            return range(self.base, self.base + self.size)
        start = self.base + self.weave.codebook * (index % self.weave.places)
        return range(start, start + self.weave.codebook)

    def holds(self, token: int) -> bool:
        return self.base <= token < self.base + self.size

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form; what only clips or only public models have is written for them alone."""
        clip = () if self.frame is not None else ("frame", "fewest", "most")
        plain = {f.name for f in fields(self) if getattr(self, f.name) == f.default} & _OF_OTHERS
        data = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in (*clip, *plain)}
        return data if self.weave is None else data | {"weave": asdict(self.weave)}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> MediaBlock:
        """The inverse of `to_dict`, from JSON too."""
        weave = data.get("weave")
        own = {"lead": tuple(int(i) for i in data.get("lead", ())),
               "weave": None if weave is None else Weave.from_dict(weave)}  # fmt: skip
        return MediaBlock(**{**data, **own})

    def inside(self, size: int) -> bool:
        """Whether all of its ids lie in a vocabulary of `size`, and its frames can be counted."""
        ids = (self.base, self.base + self.size - 1, self.opener, self.closer, self.frame or 0, *self.lead)
        framed = self.frame is None or bool(self.span)
        woven = self.weave is None or (
            self.kind == "audio" and self.span is None and self.weave.sound(self.size)
        )
        counted = self.size > 0 and 1 <= self.fewest <= self.most and self.longest > 0
        return counted and framed and woven and all(0 <= i < size for i in ids)


@dataclass(frozen=True)
class Vocabulary:
    """Ids by purpose. Text-only models have no blocks and no `null`."""

    size: int
    text_size: int  # text ids are 0..text_size-1
    end: tuple[int, ...]  # any of these ends a turn
    null: int | None = None  # the empty prompt of guidance
    blocks: tuple[MediaBlock, ...] = ()

    def block(self, kind: MediaKind) -> MediaBlock | None:
        return next((b for b in self.blocks if b.kind == kind), None)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form, as it stands in the manifest and in the GGUF."""
        return {
            "size": self.size,
            "text_size": self.text_size,
            "end": list(self.end),
            "null": self.null,
            "blocks": [block.to_dict() for block in self.blocks],
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Vocabulary:
        """The inverse of `to_dict`.

        Raises:
            IntegrityError: a field is missing, of the wrong type, or a block leaves the vocabulary.
        """
        try:
            blocks = tuple(MediaBlock.from_dict(b) for b in data["blocks"])
            vocabulary = Vocabulary(
                size=int(data["size"]),
                text_size=int(data["text_size"]),
                end=tuple(int(i) for i in data["end"]),
                null=None if data["null"] is None else int(data["null"]),
                blocks=blocks,
            )
            inside = all(block.inside(vocabulary.size) for block in blocks)
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError(f"the vocabulary description is malformed: {error!r}") from error
        if not inside or not 0 < vocabulary.text_size <= vocabulary.size:
            raise IntegrityError("the vocabulary description names ids outside of the vocabulary")
        vocabulary._check_clips()
        return vocabulary

    def _check_clips(self) -> None:
        clip, picture = self.block("video"), self.block("image")
        if clip is None:
            return
        codes = (clip.base, clip.size, clip.span)
        if clip.frame is None or picture is None or codes != (picture.base, picture.size, picture.span):
            raise IntegrityError("the vocabulary description has a video block that is not made of pictures")


IMAGE_SPAN = 64  # 8 x 8 codes for 64 x 64 pixels
FRAMES = (4, 8)  # of a clip, fewest and most
CODES = 3969  # 9 * 7 * 7 * 9 of finite scalar quantization, in blocks laid out 4,096 wide

NATIVE = Vocabulary(
    size=VOCABULARY_SIZE,
    text_size=TEXT_SIZE,
    end=(SPECIAL["end"],),
    null=SPECIAL["null"],
    blocks=(
        MediaBlock("image", IMAGE_BASE, CODES, SPECIAL["img"], SPECIAL["/img"], IMAGE_SPAN),
        MediaBlock("audio", AUDIO_BASE, CODES, SPECIAL["aud"], SPECIAL["/aud"]),
        MediaBlock(
            "video", IMAGE_BASE, CODES, SPECIAL["vid"], SPECIAL["/vid"], IMAGE_SPAN, SPECIAL["frame"], *FRAMES
        ),
    ),
)


def token_names() -> list[str]:
    """How ids past the text block are written, in order: specials, image and audio codes, padding."""
    names = list(SPECIAL_NAMES)
    names += [f"<|i{i}|>" for i in range(CODEBOOK_SIZE)]
    names += [f"<|a{i}|>" for i in range(CODEBOOK_SIZE)]
    names += [f"<|unused_{i}|>" for i in range(VOCABULARY_SIZE - TEXT_SIZE - len(names))]
    return names
