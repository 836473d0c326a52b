"""From messages to segments: the chat template with placeholders, then each piece in its own way.

Job: lay a conversation out as the model was trained to read it. Template text may hold role and media tokens;
contents never do: they pass as placeholders, and plain text is split with special parsing off and checked.
Ignorance: how media become segments (frontends did that), what an engine does with them.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge.engines.base import Tokenizer
from edge.errors import IntegrityError, UsageError
from edge.generation.template import ChatTemplate
from edge.messages import Role
from edge.segments import EmbeddingSegment, Segment, TokenSegment
from edge.vocabulary import Vocabulary

Piece = str | Segment  # plain text, or media (or a recalled reply) that is tokens already


@dataclass(frozen=True)
class Turn:
    """One message, its media already turned into segments."""

    role: Role
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Layout:
    """What turns into segments: the template, the text splitter, the vocabulary."""

    template: ChatTemplate
    tokenizer: Tokenizer
    vocabulary: Vocabulary
    lead: int | None = None  # an id that must stand first where the template does not write it

    def build(self, turns: Sequence[Turn], tools: Sequence[Mapping[str, Any]] = ()) -> tuple[Segment, ...]:
        """The whole conversation, ready for the assistant's answer; runs of ids are joined.

        `tools` are for templates that list them (`template.knows_tools`).

        Raises:
            IntegrityError: the template fails or loses a content; plain text became a special token.
            UsageError: the template refuses the conversation.
        """
        mark = secrets.token_hex(8)  # unguessable: no content can pose as a placeholder
        contents: list[Piece] = []
        messages = []
        for turn in turns:
            written = "".join(f"\x02{mark}:{len(contents) + i}\x03" for i in range(len(turn.pieces)))
            contents += turn.pieces
            role = "user" if turn.role == "tool" and not self.template.knows_tools else turn.role
            messages.append({"role": role, "content": written})
        self._check_tools(tools)
        rendered = self.template.render(messages, tools=tools)
        return tuple(_joined(self._segments(rendered, mark, contents), self.lead))

    def text(self, text: str) -> tuple[int, ...]:
        """Ids of plain text; written special tokens stay plain text.

        Raises:
            IntegrityError: the model file lets plain text become a special token.
        """
        ids = tuple(self.tokenizer.encode(text))
        stray = next((i for i in ids if i >= self.vocabulary.text_size), None)
        if stray is not None:
            raise IntegrityError(
                f"plain text became the special token {stray}, but text ids are below "
                f"{self.vocabulary.text_size}; the model file is not safe to talk to: quantize it again"
            )
        return ids

    def _check_tools(self, tools: Sequence[Mapping[str, Any]]) -> None:
        """Tools stand in the template's own text, where written special tokens count: they must hold none."""
        for tool in tools:
            text = json.dumps(tool, ensure_ascii=False)
            if self.tokenizer.encode(text, special=True) != self.tokenizer.encode(text):
                raise UsageError(
                    f"the description of a tool holds a special token of this model: {text[:80]}…; reword it"
                )

    def _segments(self, rendered: str, mark: str, contents: Sequence[Piece]) -> Iterator[Segment]:
        first, *rest = rendered.split(f"\x02{mark}:")
        pieces = [piece.partition("\x03") for piece in rest]  # number, end, what follows
        used = [number[:8] for number, _, _ in pieces]
        if used != [str(i) for i in range(len(contents))]:
            raise IntegrityError(
                f"the chat template used the contents {used} of {len(contents)}, but must use each once and "
                "in order; this model's template does not fit: quantize with your own chat_template.jinja"
            )
        yield TokenSegment(self._written(first))
        for content, (_, _, written) in zip(contents, pieces, strict=True):
            yield TokenSegment(self.text(content)) if isinstance(content, str) else content
            yield TokenSegment(self._written(written))

    def _written(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer.encode(text, special=True)) if text else ()


def _joined(segments: Iterator[Segment], lead: int | None) -> list[Segment]:
    """Neighbouring id runs as one, empty ones gone, the leading id in place."""
    joined: list[Segment] = []
    run: list[int] = []
    for segment in segments:
        if isinstance(segment, EmbeddingSegment):
            joined += [TokenSegment(tuple(run)), segment] if run else [segment]
            run = []
        else:
            run += segment.ids
    if run:
        joined.append(TokenSegment(tuple(run)))
    first = joined[0] if joined else None
    if lead is not None and not (isinstance(first, TokenSegment) and first.ids[0] == lead):
        joined.insert(0, TokenSegment((lead,)))
    return joined
