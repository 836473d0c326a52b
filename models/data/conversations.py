"""A person's own conversations as training rows: JSON lines of OpenAI messages, media by path.

Job: check each line, turn media into ids by the checkpoint's own float codecs, lay turns out exactly as the runtime does, weigh what
the assistant says. A bad line is an error that names the line; nothing is skipped.
Ignorance: training, adapters. Media are read whole, one file at a time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edge.errors import EdgeError, ModalityError, NotFoundError, UsageError
from edge.frontends.codecs import open_codecs
from edge.generation.prompt import Layout, Piece, Turn
from edge.generation.template import ChatTemplate
from edge.messages import Audio, Image, Video
from edge.segments import Segment, TokenSegment
from edge.vocabulary import Vocabulary
from models.data import replay
from quantize.checkpoint import Checkpoint

SAID, SEEN = (
    1.0,
    4.0,
)  # loss weight of an assistant's text; of text about media: few ids against the many of a made picture
MADE = {"image": 0.5, "video": 0.5, "audio": 0.4}  # of the codes of a made medium
MEDIA: dict[str, Any] = {"image": Image, "audio": Audio, "video": Video}
ROLES = ("system", "user", "assistant")
FORM = '{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}'
PARTS = '"..." or a list of {"type": "text", "text": ...} and {"type": "image", "path": ...}, "audio" and "video" alike'


@dataclass(frozen=True, eq=False)
class Row:
    """One conversation to learn from."""

    ids: NDArray[np.int64]
    weights: NDArray[np.float32]  # 0 = read only
    known: bool = False  # taught before: the model as it was is the teacher, not the data
    unprompted: Row | None = None  # the same medium after the empty prompt, which guidance compares with


class Splitter:
    """The checkpoint's tokenizer as the runtime uses it: written special tokens are text, unless asked for."""

    def __init__(self, path: Path) -> None:
        self._plain, self._special = Tokenizer.from_file(str(path)), Tokenizer.from_file(str(path))
        self._plain.encode_special_tokens = True

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        splitter = self._special if special else self._plain
        return list(splitter.encode(text, add_special_tokens=False).ids)

    def piece(self, token: int) -> bytes:
        return self._plain.decode([token]).encode()


class Reader:
    """Reads files of conversations for one checkpoint."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Open its template, tokenizer and codecs.

        Raises:
            UsageError: it has no chat template.
        """
        template = checkpoint.chat_template()
        if template is None:
            raise UsageError(
                f"{checkpoint.folder} has no chat template; put a chat_template.jinja beside the weights"
            )
        self.vocabulary = _vocabulary(checkpoint)
        self.context = int(checkpoint.config["max_position_embeddings"])
        written = {name: _written(checkpoint, name) for name in ("bos", "eos")}
        splitter = Splitter(checkpoint.folder / "tokenizer.json")
        self._layout = Layout(ChatTemplate(template, **written), splitter, self.vocabulary)
        self._modalities = checkpoint.facts.get("modalities", {"in": ["text"], "out": ["text"]})
        self._codecs = {codec.kind: codec for codec in open_codecs(checkpoint.codecs(), self.vocabulary)}

    def read(self, path: Path) -> list[Row]:
        """A row for every conversation of a JSONL file, or of the rows that a model was taught (models.data.replay).

        Raises:
            NotFoundError: no such file, or no such medium.
            IntegrityError: taught rows that are damaged or another model's.
            EdgeError: a line cannot be learned from; the message has its number and the cure.
        """
        if not path.is_file():
            raise NotFoundError(f"{path} does not exist or is not a file; check the path")
        if path.suffix == ".npz":
            return [Row(ids, weights) for ids, weights in replay.read(path, self.vocabulary.size)]
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise UsageError(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from error
        rows = []
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    rows.append(self._row(line, path.parent))
                except EdgeError as error:
                    raise type(error)(f"{path.name}, line {number}: {error}") from error
        if not rows:
            raise UsageError(f"{path} holds no conversation; write one per line: {FORM}")
        return rows

    def _row(self, line: str, folder: Path) -> Row:
        turns = [self._turn(message, folder) for message in _messages(line)]
        if turns[-1].role != "assistant":
            raise UsageError(f"it ends with the {turns[-1].role}; end with the assistant, who learns")
        row = self._laid_out(turns)
        if len(row.ids) > self.context:
            raise UsageError(
                f"it has {len(row.ids)} tokens, and the model reads {self.context}; shorten or divide it"
            )
        made = any(not isinstance(piece, str) for piece in turns[-1].pieces)
        if self.vocabulary.null is None or not made:
            return row
        empty = Turn("user", (TokenSegment((self.vocabulary.null,)),))
        return Row(row.ids, row.weights, unprompted=self._laid_out([empty, turns[-1]]))

    def _laid_out(self, turns: Sequence[Turn]) -> Row:
        """The ids as the runtime has them when it answers each assistant's turn, and then the answer."""
        spans: list[tuple[int, list[int], list[float]]] = []
        ids: list[int] = []
        for i, turn in enumerate(turns):
            if turn.role == "assistant":
                ids = [t for s in self._layout.build(turns[:i]) if isinstance(s, TokenSegment) for t in s.ids]
                answer, weights = self._answer(turn, seen=_has_media(turns[:i]))
                spans.append((len(ids), answer, weights))
                ids = ids + answer
        learned = np.zeros(len(ids), np.float32)
        for start, answer, weights in spans:
            if ids[start : start + len(answer)] != answer:
                raise UsageError(
                    "the chat template writes an earlier answer anew; make one line for each answer"
                )
            learned[start : start + len(answer)] = weights
        return Row(np.array(ids, np.int64), learned)

    def _answer(self, turn: Turn, *, seen: bool) -> tuple[list[int], list[float]]:
        """Ids of a reply with its end, and their weights."""
        said = SEEN if seen else SAID
        ids: list[int] = []
        weights: list[float] = []
        for piece in turn.pieces:
            new = self._layout.text(piece) if isinstance(piece, str) else _ids(piece)
            block = next((b for b in self.vocabulary.blocks if new and new[0] == b.opener), None)
            ids += new
            weights += [
                MADE[block.kind] if block and block.holds(t) else said if not block else SAID for t in new
            ]
        return [*ids, self.vocabulary.end[0]], [*weights, said]

    def _turn(self, message: Any, folder: Path) -> Turn:
        role = message.get("role") if isinstance(message, dict) else None
        if role not in ROLES:
            raise UsageError(f"a message has the role {role!r}, expected {', '.join(ROLES)}; write {FORM}")
        content = message.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not isinstance(parts, list) or not parts:
            raise UsageError(f"the content of the {role} is {content!r}; write {PARTS}")
        return Turn(role, tuple(self._piece(part, role, folder) for part in parts))

    def _piece(self, part: Any, role: str, folder: Path) -> Piece:
        kind = part.get("type") if isinstance(part, dict) else None
        value = part.get("text" if kind == "text" else "path") if isinstance(part, dict) else None
        if kind not in ("text", *MEDIA) or not isinstance(value, str) or not value:
            raise UsageError(f"a part of the {role} is {part!r}; write {PARTS}")
        if kind == "text":
            return value
        way = "out" if role == "assistant" else "in"
        if kind not in self._modalities[way] or kind not in self._codecs:
            verb = "make" if way == "out" else "read"
            raise ModalityError(
                f"the {role} has a part {kind!r}, which this model does not {verb}; remove it"
            )
        return self._codecs[kind].encode(MEDIA[kind](folder / value))


def _messages(line: str) -> list[Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"it is not valid JSON ({error}); write {FORM}") from error
    messages = value.get("messages") if isinstance(value, dict) else None
    if not isinstance(messages, list) or not messages:
        raise UsageError(f"it has no list of messages; write {FORM}")
    return messages


def _vocabulary(checkpoint: Checkpoint) -> Vocabulary:
    if checkpoint.facts:
        return Vocabulary.from_dict(checkpoint.facts["vocabulary"])
    size, ends = int(checkpoint.config["vocab_size"]), checkpoint.config.get("eos_token_id")
    if ends is None:
        raise UsageError("config.json has no eos_token_id, so no answer can end; add it")
    return Vocabulary(size, size, tuple(ends) if isinstance(ends, list) else (ends,))


def _written(checkpoint: Checkpoint, name: str) -> str:
    """How the tokenizer's config writes a special token; empty where it does not."""
    if not (checkpoint.folder / "tokenizer_config.json").is_file():
        return ""
    token = checkpoint.json("tokenizer_config.json").get(f"{name}_token") or ""
    return str(token["content"] if isinstance(token, dict) else token)


def _has_media(turns: Sequence[Turn]) -> bool:
    return any(not isinstance(piece, str) for turn in turns for piece in turn.pieces)


def _ids(segment: Segment) -> tuple[int, ...]:
    if not isinstance(segment, TokenSegment):
        raise ModalityError("this model reads media as embeddings, which cannot be learned from")
    return segment.ids
